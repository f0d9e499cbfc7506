"""The script that measures how often the gate of times is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.serial import save
from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.records import convert_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CALM = (1.0, 1.01, 1.02, 0.99, 0.98, 1.0, 1.01, 0.99)


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Any:
    """The script, imported from where it lies."""
    return load_script("calibrate_gate")


@pytest.fixture(scope="module")
def runs(make_timing_run: Any) -> list[Any]:
    """Five similar runs, one of them disturbed and slow."""
    factors = (1.0, 1.01, 1.02, 1.03, 1.5)
    return [convert_run(make_timing_run(*(factor * seconds for seconds in CALM)), "a run") for factor in factors]


def test_a_slow_spell_alarms_no_check_of_two_runs(script: Any, runs: list[Any]) -> None:
    """Each choice is judged once: the slow run alone is INCONCLUSIVE, and with another run it does not count."""
    alone, both = script.judge_all(runs, 1, 2, factor=1.0), script.judge_all(runs, 2, 2, factor=1.0)
    assert (len(alone), len(both)) == (30, 30)
    assert (script.count_alarmed(alone), script.count_alarmed(both)) == (0, 0)
    # The slow run is judged in 6 of the 30 checks; in 12 it is one of the baseline's two runs, and widens the interval.
    assert script.share(alone, Verdict.PASS) == pytest.approx(24 / 30)
    assert script.share(both, Verdict.PASS) == 1
    ratios = [float(result.figure.partition(" ")[0]) for results in alone for result in results]
    assert max(ratios) == pytest.approx(1.5 / 1.005, abs=0.01)


def test_what_is_slower_in_every_run_is_found(script: Any, runs: list[Any]) -> None:
    """A slow-down in every run is REGRESSED; a part of the benchmarks can be counted alone."""
    slower = script.judge_all(runs[:4], 2, 2, factor=script.SLOWER)
    assert (len(slower), script.count_alarmed(slower)) == (6, 6)
    assert script.share(slower, Verdict.REGRESSED, part="steady-epoch") == 1


def test_the_table(
    script: Any,
    make_timing_run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A row for each choice that the runs allow."""
    paths = [tmp_path / f"{number}.json" for number in range(4)]
    for number, path in enumerate(paths):
        save(make_timing_run(*(seconds + number / 100 for seconds in CALM)), path)
    monkeypatch.setattr("sys.argv", ["calibrate_gate.py", *map(str, paths)])
    script.main()
    rows = capsys.readouterr().out.splitlines()
    assert rows[2:] == [
        "| 1 | 2 | 12 | 1.02, 1.02 | 0 | 100% | 0% | 0% |",
        "| 2 | 2 | 6 | 1.01, 1.01 | 0 | 100% | 100% | 100% |",
    ]
