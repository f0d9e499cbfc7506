"""The record of a comparison of two interpreters: every second that was measured, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mnist_bench.records.environment import DatasetRecord, EnvironmentRecord
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.ratios import Speed, judge_looks, round_log_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.stats.intervals import Interval
    from mnist_bench.stats.ratios import Judgement, LogRatios, Looks

__all__ = [
    "VERDICTS",
    "AbRecord",
    "Layout",
    "Look",
    "ProcessTimes",
    "RatioRecord",
    "Sharpness",
    "Workload",
    "collect_looks",
    "collect_rounds",
    "format_ratio",
    "judge_record",
    "make_ratio",
]

Layout = Literal["together", "in turn"]

_ROUNDING = 1e-9

# How a comparison ends for those who only read exit statuses.
VERDICTS: dict[Speed, Verdict] = {
    "faster": Verdict.PASS,
    "same": Verdict.PASS,
    "slower": Verdict.REGRESSED,
    "inconclusive": Verdict.INCONCLUSIVE,
}


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What was timed: steady epochs of one lab, the training part only.

    Attributes:
        lab: A key of `mnist_bench.LABS`.
        engine: A key of `mnist_bench.training.engines.ENGINES`.
        dataset: Where the images came from; the first of them were used.
        samples: Images trained on in an epoch.
        batch_size: Samples a step.
        warm_ups: Epochs of each process that were not timed.
        epochs: Epochs of each process that were.
        device: What was asked for: `auto`, `cpu` or `gpu`.
        layout: `together`, A and B at the same time on a core each, exchanged after every epoch; or `in turn`,
            one process at a time with all the cores.
        as_shipped: Whether tf.data's autotuner was on, as Keras has it; without it the wall is the sharper clock.
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


@dataclass(frozen=True, kw_only=True)
class Look:
    """A moment at which the verdict could fall: after how many rounds, and the alpha that it spent."""

    rounds: int
    alpha: float


@dataclass(frozen=True, kw_only=True)
class ProcessTimes:
    """The seconds of one process's epochs.

    Attributes:
        side: `a` or `b`.
        order: Its place in the order in which the processes were started, from 0.
        wall: Seconds of each epoch by the clock on the wall.
        cpu: Seconds of processor time of each epoch, all threads together.
    """

    side: Literal["a", "b"]
    order: int
    wall: list[float]
    cpu: list[float]

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and seconds that are none."""
        if len(self.wall) != len(self.cpu):
            raise ValueError(f"{len(self.wall)} epochs on the wall, {len(self.cpu)} in processor time")
        for seconds in (*self.wall, *self.cpu):
            if not 0 < seconds < math.inf:
                raise ValueError(f"an epoch of {seconds!r} seconds")


@dataclass(frozen=True, kw_only=True)
class RatioRecord:
    """B's time over A's with its interval; an end that the rounds leave open is None."""

    estimate: float
    low: float | None
    high: float | None
    level: float


@dataclass(frozen=True, kw_only=True)
class Sharpness:
    """What comparisons on this hardware are worth, as `mnist-bench calibrate` found it.

    Attributes:
        runs: Comparisons of an environment with itself.
        alarms: How many of them said faster or slower.
        alarms_low: Lower end of the 95% interval of the rate of alarms (Clopper and Pearson, 1934).
        alarms_high: Its upper end.
        finds: The smallest slow-down that 90% of the runs find, as a share of the time; None if none.
        finds_waiting: The same for one that shows on the wall only, such as a sleep.
        budget_seconds: Of each run.
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


@dataclass(frozen=True, kw_only=True)
class AbRecord:
    """One comparison of two interpreters.

    Attributes:
        workload: What was timed.
        python_a: The interpreter of side A, as a path.
        python_b: That of side B.
        a: Where A's first process ran.
        b: Where B's did.
        fault_b: A slow-down that was planted in B on purpose.
        budget_seconds: What the run was allowed.
        seconds: What it took.
        load: How many processes wanted to run in the minute before it, where the system tells.
        bound: The change that does not matter, as a share of the time.
        alpha: The chance of a false alarm that was allowed, over the whole run.
        looks: When it was looked.
        processes: The finished rounds' processes, two a round, in the order of their start.
        wall: B's time over A's by the clock on the wall.
        cpu: The same in processor time.
        verdict: What it came to.
        finding: Why, in a few words.
        failure: Why it ended early, where a process was lost.
        calibration: What such a verdict is worth on this hardware, where that was measured.
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
    kind: str = "ab"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse rounds that lack a side or an epoch, and looks and levels that cannot be."""
        for first, second in zip(self.processes[::2], self.processes[1::2], strict=False):
            if {first.side, second.side} != {"a", "b"}:
                raise ValueError(f"processes {first.order} and {second.order} are both of side {first.side!r}")
        if len(self.processes) % 2 or not self.processes:
            raise ValueError(f"{len(self.processes)} processes make no whole rounds")
        if {len(it.wall) for it in self.processes} != {self.workload.epochs}:
            raise ValueError(f"a process without {self.workload.epochs} epochs")
        counts = [look.rounds for look in self.looks]
        if sorted(set(counts)) != counts or not all(0 < it <= len(self.processes) // 2 for it in counts):
            raise ValueError(f"looks after {counts!r} rounds of {len(self.processes) // 2}")
        spent = [look.alpha for look in self.looks]
        if not all(it > 0 for it in spent) or sum(spent) > self.alpha * (1 + _ROUNDING):
            raise ValueError(f"looks that spend {spent!r} of alpha {self.alpha!r}")
        if not (0 < self.bound < 1 and 0 < self.alpha < 1):
            raise ValueError(f"bound {self.bound!r} and alpha {self.alpha!r} must be above 0 and below 1")


def collect_rounds(processes: Sequence[ProcessTimes]) -> LogRatios:
    """Return the log ratios of each round, by the clock on the wall and in processor time.

    Args:
        processes: Two a round, in the order of their start.
    """
    pairs = [
        (first, second) if first.side == "a" else (second, first)
        for first, second in zip(processes[::2], processes[1::2], strict=True)
    ]
    wall = [round_log_ratio(a.wall, b.wall) for a, b in pairs]
    return wall, [round_log_ratio(a.cpu, b.cpu) for a, b in pairs]


def collect_looks(looks: Sequence[Look]) -> Looks:
    """Return looks as `mnist_bench.stats.ratios` takes them."""
    return [(look.rounds, look.alpha) for look in looks]


def judge_record(record: AbRecord) -> Judgement:
    """Return the judgement that a record's own seconds give."""
    return judge_looks(collect_rounds(record.processes), collect_looks(record.looks), bound=record.bound)


def make_ratio(interval: Interval) -> RatioRecord:
    """Return an interval as it is stored: JSON has no infinity."""
    return RatioRecord(
        estimate=interval.estimate,
        low=interval.low or None,
        high=interval.high if math.isfinite(interval.high) else None,
        level=interval.level,
    )


def format_ratio(ratio: RatioRecord) -> str:
    """Return a ratio with its interval as changes in percent."""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.estimate - 1:+.1%}"
    return f"{ratio.estimate - 1:+.1%} ({ratio.low - 1:+.1%} to {ratio.high - 1:+.1%})"
