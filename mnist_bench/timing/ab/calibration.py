"""How far a comparison of two interpreters can be trusted on one machine: false alarms, and what is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.acceptance import now
from mnist_bench.records.config import Case
from mnist_bench.records.environment import EnvironmentRecord
from mnist_bench.records.fields import check_range, check_time
from mnist_bench.records.files import SCHEMA_VERSION, is_taken, place_in
from mnist_bench.records.serial import load
from mnist_bench.records.strict import RecordError
from mnist_bench.stats.ratios import ALPHA_END, judge_looks, smallest_slowdown
from mnist_bench.timing.ab.records import Look, Sharpness, Workload
from mnist_bench.timing.ab.verdict import collect_looks, collect_rounds, judge_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mnist_bench.timing.ab.records import AbRecord

__all__ = [
    "CalibrationRecord",
    "calibrate",
    "calibration_path",
    "find_sharpness",
    "format_sharpness",
]


# A calibration holds for comparisons that are equal in these fields of the workload.
_CONDITIONS = ("samples", "epochs", "layout", "as_shipped")
_MOST = 20.0  # the logarithm of a ratio of half a milliard


@dataclass(frozen=True, kw_only=True)
class CalibrationRun:
    """One comparison of an environment with itself: the log ratio of each round, the looks, and the verdict."""

    wall: list[float]
    cpu: list[float]
    looks: list[Look]
    verdict: str
    created: str

    def __post_init__(self) -> None:
        """Refuse rounds that lack a clock, and ratios that cannot be."""
        if not self.wall or len(self.wall) != len(self.cpu):
            raise ValueError(f"{len(self.wall)} rounds in wall time, {len(self.cpu)} in processor time")
        check_time("created", self.created)
        check_range("log ratios:", *self.wall, *self.cpu, low=-_MOST, high=_MOST)


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """Comparisons of one environment with itself on one machine, and what they say about comparisons of two.

    Attributes:
        workload: What was timed.
        environment: The environment.
        bound: The change that does not matter, as a share of the time.
        alpha: The allowed probability of a false alarm.
        runs: The comparisons.
        sharpness: The result.
    """

    workload: Workload
    environment: EnvironmentRecord
    bound: float
    alpha: float
    runs: list[CalibrationRun]
    sharpness: Sharpness
    created: str
    kind: str = "calibration"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse figures that do not agree with the runs."""
        check_time("created", self.created)
        alarms = sum(run.verdict in ("faster", "slower") for run in self.runs)
        if (self.sharpness.runs, self.sharpness.alarms) != (len(self.runs), alarms):
            stated = f"{self.sharpness.alarms} alarms in {self.sharpness.runs} runs"
            raise ValueError(f"sharpness: {stated}, but the runs have {alarms} in {len(self.runs)}")


def calibrate(records: Sequence[AbRecord]) -> CalibrationRecord:
    """Return the calibration that comparisons of an environment with itself give.

    The power is computed afterwards: B's times are multiplied and the runs judged again, so that no other runs are
    needed. Therefore each run must have continued to the end of its budget.

    Args:
        records: At least one; with the same workload and hardware, without a fault, of one environment on both sides.

    Raises:
        ValueError: The records do not meet these conditions.
    """
    from scipy import stats

    _check_alike(records)
    first, speeds = records[0], [judge_record(record).speed for record in records]
    runs = [(collect_rounds(record.processes), collect_looks(record.looks)) for record in records]
    alarms = sum(speed in ("faster", "slower") for speed in speeds)
    rate = stats.binomtest(alarms, len(records)).proportion_ci(0.95)
    return CalibrationRecord(
        workload=first.workload,
        environment=first.a,
        bound=first.bound,
        alpha=first.alpha,
        runs=[
            CalibrationRun(wall=list(wall), cpu=list(cpu), looks=record.looks, verdict=speed, created=record.created)
            for record, ((wall, cpu), _), speed in zip(records, runs, speeds, strict=True)
        ],
        sharpness=Sharpness(
            runs=len(records),
            alarms=alarms,
            alarms_low=float(rate.low),
            alarms_high=float(rate.high),
            finds=smallest_slowdown(runs, bound=first.bound),
            finds_waiting=smallest_slowdown(runs, clocks=(True, False), bound=first.bound),
            budget_seconds=first.budget_seconds,
        ),
        created=now(),
    )


def calibration_path(folder: Path, environment: EnvironmentRecord, workload: Workload) -> Path:
    """Return the path of the calibration of a lab and an engine for one machine, below the baselines' folder."""
    key = environment.hardware_key
    return place_in(folder, "timings", "calibration", key, f"{Case(workload.lab, workload.engine)}.json")


def find_sharpness(folder: Path, record: AbRecord) -> Sharpness | None:
    """Return how far a comparison can be trusted on its hardware, or None if that was not measured in the same way.

    Args:
        folder: The baselines' folder.
        record: The comparison.

    Raises:
        RecordError: The calibration is damaged.
    """
    path = calibration_path(folder, record.a, record.workload)
    if not is_taken(path):
        return None
    calibration = load(path, CalibrationRecord)
    _check_derived(calibration, path)
    if calibration_path(folder, calibration.environment, calibration.workload) != path:
        raise RecordError(f"{path}: the calibration of another machine, lab or engine")
    conditions = [
        (timed.bound, timed.alpha, *(getattr(timed.workload, name) for name in _CONDITIONS))
        for timed in (calibration, record)
    ]
    return calibration.sharpness if conditions[0] == conditions[1] else None


def _check_derived(calibration: CalibrationRecord, path: Path) -> None:
    """Refuse verdicts that do not follow from the rounds of their runs."""
    for place, run in enumerate(calibration.runs):
        try:
            speed = judge_looks((run.wall, run.cpu), collect_looks(run.looks), bound=calibration.bound).speed
        except (ValueError, ArithmeticError, IndexError) as error:
            raise RecordError(f"{path}: runs[{place}]: {error}") from error
        if speed != run.verdict:
            raise RecordError(f"{path}: runs[{place}] says {run.verdict!r}, but its rounds say {speed!r}")


def format_sharpness(sharpness: Sharpness | None) -> str:
    """Return in one line how far a verdict can be trusted on this machine."""
    if sharpness is None:
        return "not calibrated on this machine: run mnist-bench compare current current --only time --calibrate 20"
    found = [
        f"{'not even +100%' if share is None else f'+{share:.0%}'} of {what}"
        for share, what in ((sharpness.finds, "work"), (sharpness.finds_waiting, "waiting"))
    ]
    return (
        f"calibrated here: {sharpness.alarms} of {sharpness.runs} A/A runs of {sharpness.budget_seconds:g} s alarmed; "
        f"90% of the runs find {', '.join(found)}"
    )


def _check_alike(records: Sequence[AbRecord]) -> None:
    if not records:
        raise ValueError("no comparisons to calibrate with")
    for record in records:
        if record.fault_b or record.python_a != record.python_b:
            raise ValueError("a calibration needs comparisons of one environment with itself, without a fault")
        if record.looks and record.looks[-1].alpha < ALPHA_END:
            raise ValueError("a comparison that ended at its first look cannot calibrate: the later rounds are missing")
        for name in ("workload", "bound", "alpha", "budget_seconds"):
            if getattr(record, name) != getattr(records[0], name):
                raise ValueError(f"these comparisons differ in their {name}")
        if record.a.hardware_key != records[0].a.hardware_key:
            raise ValueError("these comparisons were made on different hardware")
