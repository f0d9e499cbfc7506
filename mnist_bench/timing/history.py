"""The runs of one machine over time: for each benchmark the changes, and whether the newest level is slower."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.stats.changes import LEAST_SEGMENT, find_changes
from mnist_bench.stats.intervals import Interval, change_interval
from mnist_bench.timing.gate import BOUNDS, CONTROL, name_check
from mnist_bench.timing.records import read_time
from mnist_bench.timing.runs import find_copies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.timing.records import Timing, TimingRun

__all__ = [
    "LEAST_RUNS",
    "Change",
    "History",
    "Point",
    "collect_history",
    "judge_history",
    "pick_machine",
    "pick_version",
]

LEAST_RUNS = 2 * LEAST_SEGMENT
"""A history of fewer runs has no answer: no change can be found in it."""

_ALPHA = 0.025  # at each end of an interval


@dataclass(frozen=True, kw_only=True)
class Point:
    """A benchmark in one run.

    Attributes:
        when: The time of the run.
        seconds: The fastest round: what disturbs a round only adds time.
        control: The fastest round of the control; None if that was not measured.
        versions: What the run was of, by names for a reader.
    """

    when: dt.datetime
    seconds: float
    control: float | None
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A place at which a benchmark became slower or faster.

    Attributes:
        place: The number of the first run of the new level, from 0.
        ratio: How many times as long the benchmark takes since then, with the 95% interval.
        units: The same in units of the control; None if that was not measured.
        versions: What differs between the last run before and the first run after, as in `TensorFlow 2.15.1 to 2.21.0`.
    """

    place: int
    ratio: Interval
    units: Interval | None
    versions: list[str]


@dataclass(frozen=True, kw_only=True)
class History:
    """A benchmark over time.

    Attributes:
        fullname: The benchmark.
        group: Its kind, such as `steady epoch`.
        points: One for each run, in the order of time.
        changes: In the order of time; empty if there are too few runs.
    """

    fullname: str
    group: str
    points: list[Point]
    changes: list[Change]


def pick_machine(runs: Sequence[TimingRun], key: str) -> list[TimingRun]:
    """Return the runs of one machine in the order of time, each once: those on the data and hardware of the newest.

    Raises:
        ValueError: No run is of this machine, or the date of a run is none.
    """
    mine = sorted((run for run in runs if run.machine.hardware_key == key), key=lambda run: read_time(run.datetime))
    if not mine:
        keys = sorted({run.machine.hardware_key for run in runs})
        there = f"the runs are of {', '.join(keys)}: choose one by --machine" if keys else "there are no runs"
        raise ValueError(f"no run is of the machine {key}: {there}")
    newest = mine[-1]
    kept: list[TimingRun] = []
    for run in mine:
        alike = run.dataset == newest.dataset and run.machine.is_like(newest.machine)
        # A run that was accepted is often given once more as the file that was saved.
        if alike and not any(find_copies(run, other) for other in kept):
            kept.append(run)
    return kept


def pick_version(runs: Sequence[TimingRun], version: str) -> list[TimingRun]:
    """Return the runs of one version of TensorFlow.

    Raises:
        ValueError: There is none.
    """
    kept = [run for run in runs if run.tensorflow == version]
    if runs and not kept:
        known = sorted({run.tensorflow for run in runs})
        raise ValueError(f"--tensorflow {version}: no run is of this version: the runs are of {', '.join(known)}")
    return kept


def collect_history(runs: Sequence[TimingRun]) -> list[History]:
    """Return each benchmark over time, with the changes; where the benchmark failed there is no point.

    Args:
        runs: Of one machine, in the order of time, as `pick_machine` returns them.

    Raises:
        ModuleNotFoundError: ruptures is not installed.
    """
    series: dict[str, list[Point]] = {}
    groups = {timing.fullname: timing.group or "" for run in runs for timing in run.benchmarks}
    for run in runs:
        for timing in run.benchmarks:
            if timing.fullname not in run.mnist_bench.failed:
                series.setdefault(timing.fullname, []).append(_make_point(timing, run))
    return [
        History(fullname=name, group=groups[name], points=points, changes=_find_changes(points))
        for name, points in sorted(series.items())
    ]


def _make_point(timing: Timing, run: TimingRun) -> Point:
    # The controls run on the CPU: they are no unit for a GPU.
    control = timing.extra_info.controls.get(CONTROL) if timing.extra_info.device == "cpu" else None
    return Point(
        when=read_time(run.datetime),
        seconds=timing.stats.min,
        control=min(control) if control else None,
        versions={
            "TensorFlow": timing.extra_info.tensorflow,
            "Keras": timing.extra_info.keras,
            "Python": run.machine_info.python_version,
            "settings": timing.extra_info.numerics_key,
            "commit": run.commit_info.id[:10] + (" with changes" if run.commit_info.dirty else ""),
        },
    )


def _find_changes(points: Sequence[Point]) -> list[Change]:
    times = [math.log(point.seconds) for point in points]
    units = [math.log(point.seconds / point.control) for point in points if point.control]
    places = find_changes(times)
    edges = [0, *places, len(points)]
    changes = []
    for first, place, last in zip(edges, places, edges[2:], strict=False):
        before, after = points[place - 1].versions, points[place].versions
        changes.append(
            Change(
                place=place,
                ratio=_compare(times, first, place, last),
                units=_compare(units, first, place, last) if len(units) == len(times) else None,
                versions=[f"{name} {before[name]} to {after[name]}" for name in after if before[name] != after[name]],
            )
        )
    return changes


def _compare(logarithms: Sequence[float], first: int, place: int, last: int) -> Interval:
    """Return the ratio of two neighbouring segments' geometric means, with its interval."""
    change = change_interval(logarithms[first:place], logarithms[place:last], alpha=_ALPHA)
    low, estimate, high = (float(np.exp(value)) for value in (change.low, change.estimate, change.high))
    return Interval(estimate, low, high, change.level)


def judge_history(history: History) -> CheckResult:
    """Judge whether the newest level of a benchmark is slower than the one before.

    Returns:
        REGRESSED if the newest level is above the gate's bound, and its interval above 1, in time and in units of the
        control; INCONCLUSIVE if it is so in time only, since the machine itself became slower, and if there are
        fewer than `LEAST_RUNS` runs; otherwise PASS.
    """
    bound = BOUNDS.get(history.group, BOUNDS["time"])
    runs = len(history.points)
    change = history.changes[-1] if history.changes else None
    if runs < LEAST_RUNS:
        verdict, figure = Verdict.INCONCLUSIVE, f"{runs} runs are too few: a history needs {LEAST_RUNS}"
    elif change is None:
        spread = statistics.stdev(math.log(point.seconds) for point in history.points)
        verdict, figure = Verdict.PASS, f"no change in {runs} runs, which differ by {spread:.1%}"
    else:
        since = f"{history.points[change.place].when:%Y-%m-%d %H:%M}"
        verdict = _decide(change, bound)
        figure = f"{_format(change.ratio)} of the time before, since {since}, in {runs - change.place} of {runs} runs"
    return CheckResult(
        name=name_check(history.fullname),
        verdict=verdict,
        figure=figure,
        bound=f"≤ {bound:.2f}",
        evidence=_explain(change, verdict) if change else "",
    )


def _decide(change: Change, bound: float) -> Verdict:
    slower, even_in_units = (
        ratio is None or (ratio.estimate > bound and ratio.low > 1) for ratio in (change.ratio, change.units)
    )
    if not slower:
        return Verdict.PASS
    return Verdict.REGRESSED if even_in_units else Verdict.INCONCLUSIVE


def _explain(change: Change, verdict: Verdict) -> str:
    """Return what changed with the time: the versions, and the machine."""
    words = [", ".join(change.versions) or "no version changed"]
    if change.units:
        words.append(f"in units of {CONTROL} {_format(change.units)}")
    if verdict is Verdict.INCONCLUSIVE:
        words.append("the machine itself became slower; compare on one machine with `mnist-bench compare`")
    return "; ".join(words)


def _format(ratio: Interval) -> str:
    return f"{ratio.estimate:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
