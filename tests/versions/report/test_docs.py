"""docs/results.md and its picture: what is committed is what the committed records give."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.report.collection import load_collection, make_collection
from mnist_bench.versions.report.docs import draw_picture, format_results, make_stamp, write_docs
from mnist_bench.versions.report.findings import collect_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.report.findings import Facts

ROOT = Path(__file__).parents[3]
OLD, NEW = "py311-tf215", "py312-tf216"
AGAIN = "mnist-bench report --docs docs"


@pytest.fixture
def facts(make_versions: Callable[..., dict[str, VersionRecord]], make_ab: Callable[..., AbRecord]) -> Facts:
    """What two versions and a pair come to."""
    pairs = {NEW: make_ab(python_a=OLD, python_b=NEW)}
    return collect_facts(make_collection(make_versions([OLD, NEW]).values(), pairs))


def test_the_committed_results_are_those_of_the_records() -> None:
    """Records that came, a changed word or a changed drawing: one command writes both anew."""
    if not (ROOT / "docs" / "design.md").is_file():
        pytest.skip("the docs are in a checkout only")
    folder = ROOT / "baselines" / "versions"
    paths = list(folder.glob("*.json"))
    facts = collect_facts(load_collection([folder]) if paths else make_collection([]))
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == format_results(facts), AGAIN
    picture = ROOT / "docs" / "images" / "versions.svg"
    assert picture.exists() == any(sample.lab == "mlp" for sample in facts.trained), AGAIN
    if picture.exists():  # its bytes depend on matplotlib's version, its stamp does not
        assert make_stamp(facts) in picture.read_text(encoding="utf-8"), AGAIN


def test_the_results_have_every_table(facts: Facts) -> None:
    """The verdicts, the bits, accuracy and loss, the cost, the times."""
    text = format_results(facts)
    for line in (
        "| `py312-tf216` | 2.16.2 | 3.0.5 | PASS | KNOWN | PASS | PASS | MOVED |",
        "| mlp by fit | B | py312-tf216 |",
        "| mlp by fused | A | py311-tf215, py312-tf216 |",
        "| mlp | Keras 2.15, TF 2.15 | 7 | 0.97",
        "## Frozen shuffle",
        "| mlp | accuracy | 0.97",
        "| `py312-tf216` | `py311-tf215` | same |",
        AGAIN,
    ):
        assert line in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


def test_nothing_measured_is_said() -> None:
    """Before there are records the page says so, and there is no picture."""
    facts = collect_facts(make_collection([]))
    assert "There are no records in `baselines/versions` yet" in format_results(facts)
    assert draw_picture(facts) is None
    planned = collect_facts(make_collection([VersionRecord(version=find_version(OLD))]))
    assert format_results(planned).count("Not measured.") == 3
    assert "| `py311-tf215` | 2.15.1 | 2.15.0 | NOT MEASURED |" in format_results(planned)


def test_the_picture_stands_alone(facts: Facts) -> None:
    """It is valid XML on a ground of its own, and says what it is of."""
    picture = draw_picture(facts)
    assert picture is not None
    ET.fromstring(picture)  # noqa: S314 - our own drawing
    assert 'style="background:#fff"' in picture
    assert "without the frozen shuffle" in picture
    assert re.search(r"<desc>[^<]*records [0-9a-f]{16}, drawing [0-9a-f]{16}</desc>", picture)


def test_a_stamp_changes_with_the_records(facts: Facts, make_versions: Callable[..., dict[str, VersionRecord]]) -> None:
    """So a picture of other records is found out."""
    changed = collect_facts(make_collection(make_versions([OLD, NEW], seeds=6).values()))
    assert make_stamp(changed) != make_stamp(facts) == make_stamp(facts)


def test_only_its_own_files_are_replaced(facts: Facts, tmp_path: Path) -> None:
    """Written twice is fine; a results.md that somebody wrote is left alone."""
    names = [tmp_path / "results.md", tmp_path / "images" / "versions.svg"]
    assert write_docs(facts, tmp_path) == write_docs(facts, tmp_path) == names
    names[0].write_text("mine")
    with pytest.raises(FileExistsError, match=r"results\.md exists already"):
        write_docs(facts, tmp_path)
    assert names[0].read_text() == "mine"
