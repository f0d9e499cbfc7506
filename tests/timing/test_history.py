"""The history of a machine: its runs in order, the changes with what changed, and the verdict on the newest level."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.history import collect_history, judge_history, pick_machine, pick_version
from mnist_bench.timing.history_page import HISTORY_MARK, plot_history, write_history_page
from mnist_bench.timing.machine import make_machine
from mnist_bench.timing.records import TimingRun, convert_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pytest.importorskip("ruptures")


@pytest.fixture
def make_runs(make_timing_run: Callable[..., dict[str, Any]]) -> Callable[..., list[TimingRun]]:
    """A function of factors that makes a run for each, a day apart; `slow` is the machine's part of each factor."""

    def make(factors: Sequence[float], slow: Sequence[float] = (), **options: Any) -> list[TimingRun]:
        rng, runs = np.random.default_rng(0), []
        for day, factor in enumerate(factors, start=1):
            part = slow[day - 1] if slow else 1.0
            data = factor * part * (1 + 0.01 * rng.random(4))
            content = make_timing_run(*map(float, data), controls=0.5 * part, **options)
            content["datetime"] = f"2026-01-{day:02}T00:00:00+00:00"
            runs.append(convert_run(content, "memory"))
        return runs

    return make


def judge(runs: Sequence[TimingRun]) -> list[tuple[Verdict, str, str]]:
    """Return the verdicts on a history, with figures and evidence."""
    results = [judge_history(history) for history in collect_history(runs)]
    return [(result.verdict, result.figure, result.evidence) for result in results]


def test_a_slower_level_has_regressed_and_says_since_when(make_runs: Callable[..., list[TimingRun]]) -> None:
    """The date, the ratio with its interval, and what changed with it."""
    runs = [*make_runs([1.0] * 5), *make_runs([9, 9, 9, 9, 9, 1.3, 1.3, 1.3], tensorflow="2.22.0")[5:]]
    verdict, figure, evidence = judge(runs)[1]
    assert verdict is Verdict.REGRESSED
    assert figure.startswith("1.30 (1.2")
    assert figure.endswith(") of the time before, since 2026-01-06 00:00, in 3 of 8 runs")
    assert evidence.startswith("TensorFlow 2.21.0 to 2.22.0; in units of sgemm 1.30 (")


@pytest.mark.parametrize(
    ("factors", "verdict", "words"),
    [
        pytest.param([1.0] * 8, Verdict.PASS, "no change in 8 runs", id="no change"),
        pytest.param([1.0] * 4 + [1.1] * 4, Verdict.PASS, "1.10 (", id="within the bound"),
        pytest.param([1.3] * 4 + [1.0] * 4, Verdict.PASS, "0.77 (", id="faster"),
        pytest.param([1.0] * 4 + [1.5] * 4 + [1.2] * 4, Verdict.PASS, "0.80 (", id="mended"),
        pytest.param([1.0] * 5, Verdict.INCONCLUSIVE, "5 runs are too few: a history needs 6", id="too few"),
    ],
)
def test_what_is_no_regression(
    factors: list[float], verdict: Verdict, words: str, make_runs: Callable[..., list[TimingRun]]
) -> None:
    """The newest level counts, compared with the one before."""
    answer = judge(make_runs(factors))[1]
    assert answer[0] is verdict
    assert answer[1].startswith(words)


def test_a_slower_machine_accuses_nothing(make_runs: Callable[..., list[TimingRun]]) -> None:
    """Where the control became slower by as much, there is no answer; where it is not measured, the time decides."""
    runs = make_runs([1.0] * 8, slow=[1.0] * 4 + [1.6] * 4)
    verdict, figure, evidence = judge(runs)[1]
    assert (verdict, figure[:4]) == (Verdict.INCONCLUSIVE, "1.60")
    assert "the machine itself became slower" in evidence
    blind = [dataclasses.replace(run, benchmarks=[drop_controls(timing) for timing in run.benchmarks]) for run in runs]
    assert judge(blind)[1][0] is Verdict.REGRESSED


def drop_controls(timing: Any) -> Any:
    """Return a benchmark without controls."""
    return dataclasses.replace(timing, extra_info=dataclasses.replace(timing.extra_info, controls={}))


def test_runs_of_one_machine_once_and_in_order(make_runs: Callable[..., list[TimingRun]]) -> None:
    """Runs of other machines or data, and a run given twice, are left out; the order is that of the dates."""
    runs, other = make_runs([1.0, 1.1, 1.2]), make_runs([1.0], cpu="CPU f")
    assert pick_machine([runs[2], *other, runs[0], runs[1], runs[0]], "8fa4633540bce915") == runs
    newest = runs[2].benchmarks
    data = [dataclasses.replace(it, extra_info=dataclasses.replace(it.extra_info, dataset="mnist")) for it in newest]
    alone = dataclasses.replace(runs[2], benchmarks=data)
    assert pick_machine([*runs[:2], alone], "8fa4633540bce915") == [alone]
    with pytest.raises(
        ValueError, match=r"no run is of the machine here: the runs are of [0-9a-f]+: choose one by --machine"
    ):
        pick_machine(other, "here")
    with pytest.raises(ValueError, match="no run is of the machine here: there are no runs"):
        pick_machine([], "here")
    with pytest.raises(ValueError, match="datetime: 'soon' is no time"):
        pick_machine([dataclasses.replace(runs[0], datetime="soon")], "8fa4633540bce915")


def test_runs_of_one_version(make_runs: Callable[..., list[TimingRun]]) -> None:
    """Where there are none, it is said which versions there are."""
    runs = [*make_runs([1.0]), *make_runs([1.0], tensorflow="2.22.0")]
    assert pick_version(runs, "2.22.0") == runs[1:]
    assert pick_version([], "9.9") == []
    with pytest.raises(ValueError, match=r"--tensorflow 9\.9: no run .*: the runs are of 2\.21\.0, 2\.22\.0$"):
        pick_version(runs, "9.9")


def test_a_failed_benchmark_has_no_point(make_runs: Callable[..., list[TimingRun]]) -> None:
    """What failed was not timed; a benchmark that the newest run lacks is still shown."""
    runs = make_runs([1.0] * 4)
    name = runs[0].benchmarks[0].fullname
    runs[1] = dataclasses.replace(runs[1], mnist_bench=dataclasses.replace(runs[1].mnist_bench, failed=[name]))
    runs[3] = dataclasses.replace(runs[3], benchmarks=runs[3].benchmarks[1:])
    points = {history.fullname: len(history.points) for history in collect_history(runs)}
    assert points == {name: 2, runs[0].benchmarks[1].fullname: 4}


def test_the_page_has_a_picture_of_each_benchmark(make_runs: Callable[..., list[TimingRun]], tmp_path: Path) -> None:
    """One file without anything from elsewhere; names from a record are text; the page replaces its like alone."""
    runs = make_runs([1.0] * 4 + [1.5] * 4)
    histories = collect_history(runs)
    results = [judge_history(history) for history in histories]
    machine = make_machine({**vars(runs[0].machine), "cpu": "<script>alert(1)</script>"})
    page = tmp_path / "history.html"
    for _ in range(2):
        write_history_page(histories, results, machine, page)
    text = page.read_text(encoding="utf-8")
    assert HISTORY_MARK in text
    assert "<script" not in text
    assert text.count("<svg") == len(histories) == 2
    assert "REGRESSED: 2 REGRESSED" in text
    page.write_text("mine")
    with pytest.raises(FileExistsError):
        write_history_page(histories, results, machine, page)


def test_the_picture_shows_points_levels_and_changes(make_runs: Callable[..., list[TimingRun]]) -> None:
    """The control, eight points, two levels, and a line between them."""
    history = collect_history(make_runs([1.0] * 4 + [1.5] * 4))[1]
    ax = plot_history(history, Figure().add_subplot())
    assert [len(np.asarray(line.get_xdata())) for line in ax.lines] == [8, 8, 2, 2, 2]
    assert list(np.asarray(ax.lines[-1].get_xdata())) == [4.5, 4.5]
    assert ax.get_ylim()[1] > max(point.seconds for point in history.points)
