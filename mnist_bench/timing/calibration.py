"""How far the gate of times can be trusted on one machine: unchanged and slowed runs, judged by each other."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.records.acceptance import now
from mnist_bench.records.fields import check_names, check_range, check_time
from mnist_bench.records.files import SCHEMA_VERSION, is_taken, place_in
from mnist_bench.records.serial import load
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.gate import judge_runs
from mnist_bench.timing.runs import refuse_strangers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.timing.records import TimingRun

__all__ = [
    "GateCalibration",
    "calibrate",
    "choose",
    "find_calibration",
    "format_calibration",
    "gate_path",
    "judge_all",
    "share",
    "slow_down",
]

JUDGED, BASELINE = 2, 2
"""Runs that are judged together, and runs of their baseline: half of the least number of runs each."""

# The slow-downs that are tried, the smallest first.
_SLOWDOWNS = (1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.75, 2.0, 3.0)
_FOUND = 0.9
# More choices of the same few runs say hardly more, and each takes seconds.
_MOST_CHOICES = 20


@dataclass(frozen=True, kw_only=True)
class GateCalibration:
    """What unchanged runs of one machine say about the gate.

    Attributes:
        hardware_key: The machine.
        tensorflow: The version of TensorFlow in the runs.
        runs: Number of runs.
        checks: Number of checks: a choice of two runs against two others.
        alarms: The checks of unchanged runs in which a benchmark was REGRESSED.
        benchmarks: Number of benchmarks in a check.
        finds: The smallest slow-down of which 90% of the benchmarks are REGRESSED, as a ratio; None if none that was
            tried.
        finds_steady: The same of the steady epochs.
    """

    hardware_key: str
    tensorflow: str
    runs: int
    checks: int
    alarms: int
    benchmarks: int
    finds: float | None
    finds_steady: float | None
    created: str
    kind: str = "gate-calibration"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse figures that cannot be."""
        check_names(hardware_key=self.hardware_key, tensorflow=self.tensorflow)
        check_time("created", self.created)
        check_range("runs", self.runs, low=JUDGED + BASELINE)
        check_range("checks", self.checks, self.benchmarks, low=1)
        check_range("alarms", self.alarms, high=self.checks)
        check_range("finds", self.finds, self.finds_steady, low=1)


def calibrate(runs: Sequence[TimingRun]) -> GateCalibration:
    """Judge runs of one environment by each other, unchanged and with all times multiplied.

    The choices share runs, so they give less information than the same number of independent checks.

    Raises:
        ValueError: The runs do not belong together, or are fewer than four.
    """
    refuse_strangers(runs)
    if len(runs) < JUDGED + BASELINE:
        raise ValueError(f"{len(runs)} runs are too few to calibrate the gate: at least {JUDGED + BASELINE} are needed")
    same = judge_all(runs, JUDGED, BASELINE, factor=1.0, most=_MOST_CHOICES)
    found: dict[str, float] = {}
    for factor in _SLOWDOWNS:
        slower = judge_all(runs, JUDGED, BASELINE, factor=factor, most=_MOST_CHOICES)
        for part in ("", "steady-epoch"):
            if share(slower, Verdict.REGRESSED, part=part) >= _FOUND:
                found.setdefault(part, factor)
        if "" in found:
            break  # what finds a slow-down of all benchmarks has found one of the steady epochs, or never will
    return GateCalibration(
        hardware_key=runs[0].machine.hardware_key,
        tensorflow=runs[0].tensorflow,
        runs=len(runs),
        checks=len(same),
        alarms=sum(any(result.verdict is Verdict.REGRESSED for result in results) for results in same),
        benchmarks=len(same[0]),
        finds=found.get(""),
        finds_steady=found.get("steady-epoch"),
        created=now(),
    )


def gate_path(folder: Path, hardware_key: str) -> Path:
    """Return the path of a machine's calibration, below the folder of the stored runs."""
    return place_in(folder, "calibration", hardware_key, "gate.json")


def find_calibration(folder: Path, hardware_key: str) -> GateCalibration | None:
    """Return the stored calibration of a machine, or None.

    Raises:
        RecordError: The calibration is damaged.
    """
    path = gate_path(folder, hardware_key)
    if not is_taken(path):
        return None
    calibration = load(path, GateCalibration)
    if calibration.hardware_key != hardware_key:
        raise RecordError(f"{path}: of the hardware key {calibration.hardware_key!r}, not of {hardware_key!r}")
    return calibration


def format_calibration(calibration: GateCalibration | None) -> str:
    """Return in one line how far the verdicts can be trusted on this machine."""
    if calibration is None:
        return "the gate was not calibrated on this machine: mnist-bench timings calibrate RUN.json..."
    steps = (("of all benchmarks", calibration.finds), ("of steady epochs", calibration.finds_steady))
    found = [f"+{ratio - 1:.0%} {what}" if ratio else f"not even +200% {what}" for what, ratio in steps]
    return (
        f"calibrated here: {calibration.alarms} of {calibration.checks} checks of unchanged runs had a false alarm "
        f"({calibration.benchmarks} benchmarks each); 90% are found of {', '.join(found)}"
    )


def judge_all(
    runs: Sequence[TimingRun], judged: int, baseline: int, *, factor: float, most: int | None = None
) -> list[list[CheckResult]]:
    """Compare choices of runs, with the times multiplied, with choices of other runs; return all results.

    Args:
        runs: The runs of one environment.
        judged: Number of runs that are judged together.
        baseline: Number of runs in the baseline.
        factor: Factor by which the times of the judged runs are multiplied.
        most: The number of choices, drawn from all; all if not given.
    """
    names = [timing.fullname for timing in runs[0].benchmarks]
    choices = list(choose(runs, judged, baseline))
    if most is not None and len(choices) > most:
        places = np.random.default_rng(0).choice(len(choices), most, replace=False)
        choices = [choices[place] for place in sorted(places)]
    return [
        judge_runs([slow_down(run, factor) for run in chosen], others, names, rng=np.random.default_rng(0))
        for chosen, others in choices
    ]


def share(checks: Sequence[Sequence[CheckResult]], verdict: Verdict, *, part: str = "") -> float:
    """Return the share of a verdict among the benchmarks of all checks that have `part` in the name; 0 of none."""
    counted = [result.verdict for results in checks for result in results if part in result.name]
    return counted.count(verdict) / len(counted) if counted else 0.0


def choose(
    runs: Sequence[TimingRun], judged: int, baseline: int
) -> Iterator[tuple[tuple[TimingRun, ...], tuple[TimingRun, ...]]]:
    """Yield every choice of runs together with every choice of the baseline from the other runs."""
    for chosen in itertools.combinations(runs, judged):
        left = [run for run in runs if run not in chosen]
        for others in itertools.combinations(left, baseline):
            yield chosen, others


def slow_down(run: TimingRun, factor: float) -> TimingRun:
    """Return the run with all times multiplied."""
    benchmarks = []
    for timing in run.benchmarks:
        stats = timing.stats
        shortest, longest, middle = (factor * seconds for seconds in (stats.min, stats.max, stats.median))
        data = [factor * seconds for seconds in stats.data]
        slower = dataclasses.replace(stats, min=shortest, max=longest, median=middle, data=data)
        # The rates are those of the times as they were.
        info = dataclasses.replace(timing.extra_info, samples_per_second=None)
        benchmarks.append(dataclasses.replace(timing, stats=slower, extra_info=info))
    return dataclasses.replace(run, benchmarks=benchmarks)
