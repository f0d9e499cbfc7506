"""What a comparison of two interpreters is worth on one machine: how often it errs, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.acceptance import now
from mnist_bench.records.config import Case
from mnist_bench.records.environment import EnvironmentRecord
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.serial import load
from mnist_bench.stats.ratios import ALPHA_END, smallest_slowdown
from mnist_bench.timing.ab.records import Look, Sharpness, Workload, collect_looks, collect_rounds, judge_record

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


@dataclass(frozen=True, kw_only=True)
class CalibrationRun:
    """One comparison of an environment with itself: its log ratios, a round each, its looks, and what it said."""

    wall: list[float]
    cpu: list[float]
    looks: list[Look]
    verdict: str
    created: str


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """Comparisons of one environment with itself on one machine, and what they say of those of two.

    Attributes:
        workload: What was timed.
        environment: Where.
        bound: The change that does not matter, as a share of the time.
        alpha: The chance of a false alarm that was allowed.
        runs: The comparisons.
        sharpness: What they come to.
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
        """Refuse figures that the runs do not bear out."""
        alarms = sum(run.verdict in ("faster", "slower") for run in self.runs)
        if (self.sharpness.runs, self.sharpness.alarms) != (len(self.runs), alarms):
            raise ValueError(f"{self.sharpness.alarms} alarms in {self.sharpness.runs} runs, where it lists other ones")


def calibrate(records: Sequence[AbRecord]) -> CalibrationRecord:
    """Return what comparisons of an environment with itself come to.

    The power is found after the fact: B's times are multiplied and the runs judged again, so that the machine
    is needed for these runs only. For that they must have gone on to the end of their budget.

    Args:
        records: At least one; of one workload, one hardware, no fault and one environment on both sides.

    Raises:
        ValueError: They are not.
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
    """Return where the calibration of a lab and an engine lies for one machine, below the baselines' folder."""
    key = environment.hardware_key
    return folder / "timings" / "calibration" / key / f"{Case(workload.lab, workload.engine)}.json"


def find_sharpness(folder: Path, record: AbRecord) -> Sharpness | None:
    """Return what a comparison is worth on its hardware, or None where that was not measured in its way.

    Args:
        folder: The baselines' folder.
        record: The comparison.

    Raises:
        RecordError: There is a calibration, but a damaged one.
    """
    path = calibration_path(folder, record.a, record.workload)
    if not path.exists():
        return None
    it = load(path, CalibrationRecord)
    ways = [
        (x.bound, x.alpha, *(getattr(x.workload, name) for name in ("samples", "epochs", "layout", "as_shipped")))
        for x in (it, record)
    ]
    return it.sharpness if ways[0] == ways[1] else None


def format_sharpness(sharpness: Sharpness | None) -> str:
    """Return in one line how far a verdict can be trusted on this machine."""
    if sharpness is None:
        return "not calibrated on this machine: mnist-bench calibrate"
    found = [
        f"{'not even +100%' if it is None else f'+{it:.0%}'} of {what}"
        for it, what in ((sharpness.finds, "work"), (sharpness.finds_waiting, "waiting"))
    ]
    return (
        f"calibrated here: {sharpness.alarms} of {sharpness.runs} A/A runs of {sharpness.budget_seconds:g} s alarmed; "
        f"90% find {', '.join(found)}"
    )


def _check_alike(records: Sequence[AbRecord]) -> None:
    if not records:
        raise ValueError("no comparisons to calibrate by")
    for record in records:
        if record.fault_b or record.python_a != record.python_b:
            raise ValueError("only an environment beside itself, without a fault, can calibrate")
        if record.looks and record.looks[-1].alpha < ALPHA_END:
            raise ValueError("a comparison that ended at its first look cannot calibrate: its later rounds are missing")
        for name in ("workload", "bound", "alpha", "budget_seconds"):
            if getattr(record, name) != getattr(records[0], name):
                raise ValueError(f"these comparisons differ in their {name}")
        if record.a.hardware_key != records[0].a.hardware_key:
            raise ValueError("these comparisons were made on different hardware")
