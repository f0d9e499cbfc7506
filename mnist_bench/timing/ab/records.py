"""The record of a comparison of two interpreters: all measured seconds, and what they were found to say."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mnist_bench.checks.names import ENGINE_NAMES
from mnist_bench.records.config import MOST
from mnist_bench.records.environment import DatasetRecord, EnvironmentRecord
from mnist_bench.records.fields import check_names, check_range, check_seconds, check_time
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.ratios import ALPHA, ALPHA_END, ALPHA_HALF, FEWEST_EPOCHS, Speed
from mnist_bench.timing.ab.ratio import ROUNDING, RatioRecord
from mnist_bench.timing.ab.start import STARTS, StartRecord
from mnist_bench.training.labs import check_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SAMPLES", "AbRecord", "Layout", "Look", "ProcessTimes", "Sharpness", "Workload"]

Layout = Literal["together", "in turn"]

SAMPLES = 48_000
"""The lab's: in shorter epochs, Keras's work once an epoch has too much weight."""

_ROUNDING = 1e-9
_MOST_LOAD = 1e6  # processes that wait
_LEAST = 1e-18  # the smallest time, far below what a clock can tell


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What was timed: steady epochs of one lab, the training part only.

    Attributes:
        lab: A key of `mnist_bench.LABS`.
        engine: A key of `mnist_bench.training.engines.ENGINES`.
        dataset: The data set, of which the first images were used.
        samples: Images trained in an epoch, at most those of the lab.
        batch_size: Samples in a step, at most those of the epoch.
        warm_ups: Epochs of each process that were not timed.
        epochs: Epochs of each process that were timed, at least two: a couple is the least that gives a ratio.
        device: The requested device: `auto`, `cpu` or `gpu`.
        layout: `together`, A and B at the same time, each on one core, exchanged after every epoch; or `in turn`, one
            process at a time with all cores.
        as_shipped: Whether tf.data's autotuner was on, as in Keras; wall time is more precise without the autotuner.
    """

    lab: str
    engine: str
    dataset: DatasetRecord
    samples: int
    batch_size: int
    warm_ups: int
    epochs: int
    device: str
    layout: Layout
    as_shipped: bool

    def __post_init__(self) -> None:
        """Refuse an unknown lab or engine, and counts that cannot be."""
        check_names(lab=self.lab, engine=self.engine, device=self.device)
        check_lab(self.lab)
        if self.engine not in ENGINE_NAMES:
            raise ValueError(f"unknown engine {self.engine!r}: choose from {', '.join(ENGINE_NAMES)}")
        check_range("samples", self.samples, low=1, high=SAMPLES)
        check_range("batch_size", self.batch_size, low=1, high=self.samples)
        check_range("epochs", self.epochs, low=FEWEST_EPOCHS, high=MOST)
        if not 0 <= self.warm_ups < self.epochs:
            raise ValueError(f"{self.warm_ups} warm_ups and {self.epochs} timed epochs: more must be timed than not")


@dataclass(frozen=True, kw_only=True)
class Look:
    """A moment at which the verdict could be reached: after how many rounds, and with which share of alpha."""

    rounds: int
    alpha: float


@dataclass(frozen=True, kw_only=True)
class ProcessTimes:
    """The seconds of one process's epochs.

    Attributes:
        side: `a` or `b`.
        order: The position in the order of the starts, from 0.
        wall: Wall time of each epoch, in seconds.
        cpu: Processor time of each epoch, in seconds, of all threads together.
        start: Wall time of each part of the start, in seconds, by the names of `STARTS`; None in records that were made
            before this field.
    """

    side: Literal["a", "b"]
    order: int
    wall: list[float]
    cpu: list[float]
    start: dict[str, float] | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and seconds that are not positive and finite."""
        if len(self.wall) != len(self.cpu):
            raise ValueError(f"{len(self.wall)} epochs in wall time, {len(self.cpu)} in processor time")
        check_seconds("seconds of an epoch:", *self.wall, *self.cpu, low=_LEAST)
        if self.start is not None:
            if set(self.start) != set(STARTS):
                raise ValueError(f"start has {', '.join(self.start) or 'nothing'}, not {' and '.join(STARTS)}")
            check_seconds("start:", *self.start.values(), low=_LEAST)


@dataclass(frozen=True, kw_only=True)
class Sharpness:
    """How far comparisons on this hardware can be trusted, as `mnist-bench compare --calibrate` found.

    Attributes:
        runs: Comparisons of an environment with itself.
        alarms: How many of the runs said faster or slower.
        alarms_low: Lower end of the 95% interval of the rate of alarms (Clopper and Pearson, 1934).
        alarms_high: Upper end of that interval.
        finds: The smallest slow-down that 90% of the runs find, as a share of the time; None if none.
        finds_waiting: The same for a slow-down that shows in wall time only, such as a sleep.
        budget_seconds: The budget of each run.
    """

    runs: int
    alarms: int
    alarms_low: float
    alarms_high: float
    finds: float | None
    finds_waiting: float | None
    budget_seconds: float

    def __post_init__(self) -> None:
        """Refuse more alarms than runs, and rates outside 0 to 1."""
        if not 0 <= self.alarms <= self.runs or self.runs < 1:
            raise ValueError(f"{self.alarms} alarms in {self.runs} runs")
        if not 0 <= self.alarms_low <= self.alarms_high <= 1:
            raise ValueError(f"alarms between {self.alarms_low!r} and {self.alarms_high!r} of the runs")
        rate = self.alarms / self.runs
        if not self.alarms_low - ROUNDING <= rate <= self.alarms_high + ROUNDING:
            interval = f"{self.alarms_low!r} to {self.alarms_high!r}"
            raise ValueError(f"{self.alarms} alarms in {self.runs} runs are outside their interval, {interval}")
        check_seconds("budget_seconds", self.budget_seconds)


@dataclass(frozen=True, kw_only=True)
class AbRecord:
    """One comparison of two interpreters.

    Attributes:
        workload: What was timed.
        python_a: The path of side A's interpreter.
        python_b: The path of side B's interpreter.
        a: The environment of A's first process.
        b: The environment of B's first process.
        fault_b: A slow-down that was planted in B on purpose.
        budget_seconds: The allowed seconds.
        seconds: The seconds that the run took.
        load: The load average of the last minute before the start, if the system has one.
        bound: The change that does not matter, as a share of the time.
        alpha: The allowed probability of a false alarm, over the whole run.
        looks: When the result was judged.
        processes: The processes of the finished rounds, two in each round, in the order of the starts.
        wall: B's wall time over A's.
        cpu: B's processor time over A's.
        start: The parts of the start, by the names of `STARTS`; empty in records that were made before this field.
        verdict: The result, of the epochs alone.
        conclusion: The verdict of epochs and start together, and so the exit status; None in records that were made
            before this field.
        finding: The reason, in a few words.
        failure: Why the run ended early, if a process was lost.
        calibration: How far such a verdict can be trusted on this hardware, if that was measured.
    """

    workload: Workload
    python_a: str
    python_b: str
    a: EnvironmentRecord
    b: EnvironmentRecord
    fault_b: str | None
    budget_seconds: float
    seconds: float
    load: float | None
    bound: float
    alpha: float
    looks: list[Look]
    processes: list[ProcessTimes]
    wall: RatioRecord
    cpu: RatioRecord
    verdict: Speed
    finding: str
    failure: str | None
    calibration: Sharpness | None
    created: str
    start: dict[str, StartRecord] = field(default_factory=dict)
    conclusion: Verdict | None = None
    kind: str = "ab"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse rounds that lack a side or an epoch, and impossible looks and levels."""
        for first, second in zip(self.processes[::2], self.processes[1::2], strict=False):
            if {first.side, second.side} != {"a", "b"}:
                raise ValueError(f"processes {first.order} and {second.order} are both of side {first.side!r}")
        orders = [times.order for times in self.processes]
        if orders != list(range(len(orders))):
            raise ValueError(f"processes: their order is {orders!r}, not 0, 1, 2, ...")
        if len(self.processes) % 2 or not self.processes:
            raise ValueError(f"{len(self.processes)} processes make no whole rounds")
        if {len(times.wall) for times in self.processes} != {self.workload.epochs}:
            raise ValueError(f"a process without {self.workload.epochs} epochs")
        counts = [look.rounds for look in self.looks]
        if sorted(set(counts)) != counts or not all(0 < count <= len(self.processes) // 2 for count in counts):
            raise ValueError(f"looks after {counts!r} rounds of {len(self.processes) // 2}")
        _check_spent([look.alpha for look in self.looks], self.alpha)
        check_time("created", self.created)
        check_seconds("seconds", self.seconds, self.budget_seconds)
        check_range("load", self.load, high=_MOST_LOAD)
        if self.looks and self.seconds < self.budget_seconds / 2:
            raise ValueError(f"a look after {self.seconds!r} s, before half of the {self.budget_seconds!r} s were over")
        if not (0 < self.bound < 1 and 0 < self.alpha < 1):
            raise ValueError(f"bound {self.bound!r} and alpha {self.alpha!r} must be above 0 and below 1")


def _check_spent(spent: Sequence[float], alpha: float) -> None:
    """Refuse looks other than one at half the budget, one at the end, or both, each with its share of alpha."""
    half, end = (share / ALPHA * alpha for share in (ALPHA_HALF, ALPHA_END))
    for allowed in ((), (half,), (end,), (half, end)):
        if len(spent) == len(allowed) and all(map(_is_close, spent, allowed)):
            return
    raise ValueError(f"looks that spend {spent!r} of alpha {alpha!r}: half the budget has {half:g}, its end {end:g}")


def _is_close(value: float, expected: float) -> bool:
    return math.isclose(value, expected, rel_tol=_ROUNDING)
