"""The script that shows how the gate decides on a busy machine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Iterator[Any]:
    """The script, imported from where it lies; it imports its neighbour `drift` as a script can."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        yield load_script("conditions")


def make_row(number: int, condition: str = "none", *, slow: float = 1.0, others: float = 0.01) -> dict[str, Any]:
    """Return a run of one benchmark; `slow` is what the machine did to it and to the controls."""
    wall = [slow * (1 + (number + place) / 1000) for place in range(6)]
    timed = {"wall": wall, "cpu": [1.0] * 6, "others": [others] * 6}
    timed["controls"] = {"sgemm": [0.1 * slow] * 6, "cores": [0.1 * slow] * 6}
    return {"condition": condition, "load": 0.5, "benchmarks": {"test_steady_epoch[mlp-fused-cpu]": timed}}


def test_the_table_counts_the_verdicts(script: Any) -> None:
    """On a quiet machine 25% more work is found; next to neighbours nothing is."""
    quiet, busy = (
        [make_row(number) for number in range(7)],
        [make_row(number, "two neighbours", slow=2.0, others=0.5) for number in (10, 20)],
    )
    lines = script.format_table(quiet + busy)
    assert "| none | 2 | 0.5 | all | 0 | 100% | 100% | 0% |" in lines
    assert "| two neighbours | 1 | 0.5 | all | 0 | 0% | 0% | 0% |" in lines


def test_without_a_baseline_there_is_no_table(script: Any) -> None:
    """Three runs without neighbours are needed."""
    assert script.format_table([make_row(1)]) == ["too few runs: 3 without neighbours are needed as the baseline"]


def test_the_others_share_is_an_excuse_of_its_own(script: Any) -> None:
    """A neighbour that no control notices is seen by its share of the cores; by the controls alone it alarms."""
    baseline, pair = [make_row(number) for number in range(3)], [make_row(number, others=0.5) for number in (10, 20)]
    asked = {others: script.judge_pair(pair, baseline, 1.5, others=others) for others in (True, False)}
    assert asked == {True: [Verdict.INCONCLUSIVE], False: [Verdict.REGRESSED]}


def test_neighbours_end_with_the_run(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The neighbours are alive inside the context only."""
    begun: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen
    monkeypatch.setattr(script.subprocess, "Popen", lambda command: begun.append(begin(command)) or begun[-1])
    with script.keep_busy(script.CONDITIONS["two neighbours"]):
        assert [process.poll() for process in begun] == [None, None]
    assert all(process.poll() is not None for process in begun)
