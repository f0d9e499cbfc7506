"""The verdict of a comparison of two interpreters, as it follows from the record's seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.names import ENGINES_WITH_XLA
from mnist_bench.records.serial import load
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.ratios import ALPHA, Speed, judge_looks, round_log_ratio
from mnist_bench.timing.ab.ratio import check_ratio, make_ratio
from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.timing.ab.start import StartRecord, check_starts, judge_starts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mnist_bench.stats.ratios import Judgement, LogRatios, Looks
    from mnist_bench.timing.ab.records import Look, ProcessTimes

__all__ = [
    "VERDICTS",
    "collect_looks",
    "collect_rounds",
    "conclude_ab",
    "judge_record",
    "judge_start",
    "load_ab",
]

_SLACK = 1.1  # two clocks of one machine do not agree exactly
_TICK_SECONDS = 0.05  # processor time goes on in steps: of 16 ms on Windows

# The verdict, and so the exit status, of each result of a comparison.
VERDICTS: dict[Speed, Verdict] = {
    "faster": Verdict.PASS,
    "same": Verdict.PASS,
    "slower": Verdict.REGRESSED,
    "inconclusive": Verdict.INCONCLUSIVE,
}


def load_ab(path: Path) -> AbRecord:
    """Read the record of a comparison, and derive ratios and verdict again.

    Raises:
        RecordError: The file is no valid record, or its verdict does not follow from its seconds.
    """
    record = load(path, AbRecord)
    try:
        _check_derived(record)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error
    return record


def _check_derived(record: AbRecord) -> None:
    """Refuse seconds that do not fit the run, and a verdict and ratios that do not follow from them."""
    for side, environment in (("a", record.a), ("b", record.b)):
        if record.workload.device not in ("auto", environment.device):
            told = f"{side}.device is {environment.device!r}"
            raise ValueError(f"workload.device is {record.workload.device!r}, and {told}")
        if environment.xla != (record.workload.engine in ENGINES_WITH_XLA):
            told = f"{side}.xla is {str(environment.xla).lower()}"
            raise ValueError(f"workload.engine is {record.workload.engine!r}, and {told}")
    _check_clocks(record)
    judgement = judge_record(record)
    if record.failure:  # a lost process leaves no verdict
        if record.verdict != "inconclusive":
            raise ValueError(f"verdict is {record.verdict}, although a process was lost: {record.failure}")
    elif (record.verdict, record.finding) != (judgement.speed, judgement.finding):
        said = f"{record.verdict} ({record.finding})"
        raise ValueError(f"verdict is {said}, but the seconds say {judgement.speed} ({judgement.finding})")
    for clock in ("wall", "cpu"):
        check_ratio(clock, getattr(record, clock), make_ratio(getattr(judgement, clock)))
    check_starts(record.start, judge_start(record.processes, record.looks))
    concluded = conclude_ab(record)
    if record.conclusion not in (None, concluded):
        raise ValueError(f"conclusion is {record.conclusion.value}, but all seconds together say {concluded.value}")


def _check_clocks(record: AbRecord) -> None:
    """Refuse a run that is shorter than its epochs, and an epoch with more processor time than its machine has."""
    if record.budget_seconds <= 0:
        raise ValueError(f"budget_seconds is {record.budget_seconds!r}: a run without a budget has no rounds")
    count = max if record.workload.layout == "together" else sum
    totals = [sum(times.wall) + sum((times.start or {}).values()) for times in record.processes]
    least = sum(count(pair) for pair in zip(totals[::2], totals[1::2], strict=True))
    if record.seconds * _SLACK < least:
        raise ValueError(f"seconds is {record.seconds!r}, but what was timed took {least:.1f} s")
    cores = {"a": record.a.cores, "b": record.b.cores}
    for times in record.processes:
        for place, (wall, cpu) in enumerate(zip(times.wall, times.cpu, strict=True)):
            if cpu > _SLACK * cores[times.side] * wall + _TICK_SECONDS:
                took = f"{cpu!r} s of processor time in {wall!r} s on {cores[times.side]} cores"
                raise ValueError(f"processes[{times.order}].cpu[{place}]: {took}")


def collect_rounds(processes: Sequence[ProcessTimes]) -> LogRatios:
    """Return the log ratio of each round, in wall time and in processor time.

    Args:
        processes: Two in each round, in the order of the starts.
    """
    pairs = _pair(processes)
    wall = [round_log_ratio(a.wall, b.wall) for a, b in pairs]
    return wall, [round_log_ratio(a.cpu, b.cpu) for a, b in pairs]


def judge_start(processes: Sequence[ProcessTimes], looks: Sequence[Look]) -> dict[str, StartRecord]:
    """Return how B's start compares with A's: judged once, at the look at which the run ended."""
    spent = looks[-1].alpha / ALPHA if looks else 1.0
    return judge_starts([(a.start, b.start) for a, b in _pair(processes)], spent)


def conclude_ab(record: AbRecord) -> Verdict:
    """Return the verdict of epochs and start together: a start that is not decided leaves the epochs' as it is."""
    slower = any(part.verdict == "slower" for part in record.start.values()) and not record.failure
    return Verdict.REGRESSED if slower else VERDICTS[record.verdict]


def _pair(processes: Sequence[ProcessTimes]) -> list[tuple[ProcessTimes, ProcessTimes]]:
    """Return A's and B's process of each round."""
    return [
        (first, second) if first.side == "a" else (second, first)
        for first, second in zip(processes[::2], processes[1::2], strict=True)
    ]


def collect_looks(looks: Sequence[Look]) -> Looks:
    """Return looks as `mnist_bench.stats.ratios` takes them."""
    return [(look.rounds, look.alpha) for look in looks]


def judge_record(record: AbRecord) -> Judgement:
    """Return the judgement that follows from a record's own seconds."""
    return judge_looks(collect_rounds(record.processes), collect_looks(record.looks), bound=record.bound)
