"""The README and the pages: their examples give what stands there, and what they install can be installed."""

from __future__ import annotations

import re
import shlex
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.checks.baselines import find_folder, find_reference
from mnist_bench.training.data.mnist import DIGEST
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs" / "ci").iterdir()]


def list_examples() -> list[tuple[str, list[str]]]:
    """Return each command of the README that is shown with its output, and the lines of the output."""
    blocks = re.findall(r"^    \$ mnist-bench (.*)\n((?:    .*\n)+)", README.read_text(encoding="utf-8"), re.MULTILINE)
    return [(command, [line[4:] for line in output.splitlines()]) for command, output in blocks]


@pytest.mark.parametrize(("line", "shown"), list_examples(), ids=[line for line, _ in list_examples()])
def test_an_example_gives_what_stands_there(
    line: str, shown: list[str], command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the records of the checkout, without measuring anything; `...` stands for further lines."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("mnist_bench.cli.matrix.bisect._make_fetch", lambda *_, **__: pytest.fail)
    answer = command(*shlex.split(line))
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert [text for text in shown if text != "..." and text not in lines] == []
    assert (lines[0], lines[-1]) == (shown[0], shown[-1])


def test_the_examples_are_there() -> None:
    """One compares, one searches."""
    assert [line.split("2.")[0].strip() for line, _ in list_examples()] == ["compare", "matrix bisect"]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_nothing_is_installed_from_where_it_is_not(page: Path) -> None:
    """No package index has a release yet: pages install the checkout, or the requirement that the user sets."""
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"pip install [^\n]*?['\" ]mnist-bench\b(?! @)", text) == []
    assert re.findall(r"MNIST_BENCH: +mnist-bench *$", text, re.MULTILINE) == []


@pytest.mark.parametrize("page", [README, ROOT / "mnist_bench" / "templates" / "run.html"], ids=["README", "run.html"])
def test_how_far_the_thresholds_lie_below_sound_trainings(page: Path) -> None:
    """The least and the most of the three labs, by the stored references."""
    distances = []
    for name, lab in LABS.items():
        reference = find_reference(find_folder(), "mnist", name, "fused", digest=DIGEST)
        assert reference
        accuracies = reference.test_accuracy
        distances.append((statistics.fmean(accuracies) - lab.threshold) / statistics.stdev(accuracies))
    told = f"lie {min(distances):.0f} to {max(distances):.0f} standard deviations below the mean accuracy"
    assert told in " ".join(page.read_text(encoding="utf-8").split())
