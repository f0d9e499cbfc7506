"""Faults of time and memory, each planted and measured: the part of the self-test that figures cannot show."""

from __future__ import annotations

import operator
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.checks.faults.registry import parse_fault
from mnist_bench.checks.selftest.records import Outcome
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.timing.ab.process import find_cores
from mnist_bench.timing.ab.ratio import format_ratio
from mnist_bench.timing.ab.rounds import BUDGET_SECONDS, AbPlan, compare
from mnist_bench.timing.ab.start import START_BOUND
from mnist_bench.timing.ab.verdict import VERDICTS, collect_rounds
from mnist_bench.timing.memory import judge_memory, measure_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.checks.faults.fault import Fault
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.timing.memory import MemoryRecord
    from mnist_bench.training.data.dataset import Dataset

__all__ = ["find_unmeasurable", "run_cost_faults"]

# The mlp, as everywhere in the self-test.
_LAB = "mlp"
_OF_MEMORY = {"memory", "memory growth"}  # causes that the size of a process shows
# A process has one start, and six epochs that are timed: more rounds are needed. What is compiled are steps.
_OF_START = {"import", "first epoch"}
_EPOCHS_ENGINE = "epoch"  # its epochs vary least: one call each
_OF_CORES = {"core-lost"}  # where both sides train together, each has one core anyway


@dataclass(frozen=True)
class _Found:
    """A result, the key of the cause that it speaks for, and the cause in words."""

    result: CheckResult
    cause: str
    sentence: str


def find_unmeasurable(faults: Sequence[str]) -> list[str]:
    """Return the faults of time, where no two processes can be timed against each other; memory is always measured."""
    return [] if find_cores() else [text for text in faults if not _OF_MEMORY & set(parse_fault(text)[0].causes)]


def run_cost_faults(faults: Sequence[str], *, engine: str, source: str, dataset: Dataset) -> Iterator[Outcome]:
    """Plant each fault in a process, compare that process with one without a fault, and yield what is seen.

    Time is judged as by `mnist-bench compare --only time`, memory as by `mnist-bench timings memory`.

    Args:
        faults: Faults of the family `cost`, each with its strength, as they are planted.
        engine: A key of `ENGINES`.
        source: The data.
        dataset: The same data, loaded.

    Raises:
        CommandError: The process whose memory is measured gives no answer.
    """
    sound: MemoryRecord | None = None
    for text in faults:
        fault, strength = parse_fault(text)
        begin = time.monotonic()
        if _OF_MEMORY & set(fault.causes):
            sound = sound or measure_memory(_LAB, engine, data=source)
            found = _judge_memory(measure_memory(_LAB, engine, data=source, fault=text), sound)
        else:
            found = _compare_times(_plan(engine, dataset, fault, text))
        seconds = round(time.monotonic() - begin, 2)
        bad = [it for it in found if it.result.verdict is Verdict.REGRESSED]
        yield Outcome(
            fault=fault.name,
            strength=strength,
            first=bad[0].result.name if bad else None,
            first_seconds=seconds if bad else None,
            seconds=seconds,
            seen_by=[it.result.name for it in bad],
            unreadable=[],
            cause=bad[0].cause if bad else "",
            sentence=bad[0].sentence if bad else "",
            problems=[
                f"{it.result.name}: {it.result.figure}" for it in found if it.result.verdict is Verdict.INCONCLUSIVE
            ],
        )


def _plan(engine: str, dataset: Dataset, fault: Fault, text: str) -> AbPlan:
    of_start = bool(_OF_START & set(fault.causes))
    python = Path(sys.executable)
    return AbPlan(
        python_a=python,
        python_b=python,
        lab=_LAB,
        engine=engine if of_start else _EPOCHS_ENGINE,
        dataset=dataset,
        budget_seconds=BUDGET_SECONDS * (2 if of_start else 1),
        layout="in turn" if fault.name in _OF_CORES else "together",
        early=not of_start,  # the looks are those at the epochs
        fault_b=text,
    )


def _compare_times(plan: AbPlan) -> list[_Found]:
    """Return what a comparison says; where no round is complete, why."""
    try:
        return _judge_times(compare(plan))
    except ValueError as error:
        lost = CheckResult(
            name=f"time/epoch[{plan.lab}-{plan.engine}]",
            verdict=Verdict.INCONCLUSIVE,
            figure=str(error),
            bound=f"≤ {plan.bound:.0%} more",
        )
        return [_Found(lost, "", "")]


def _judge_times(record: AbRecord) -> list[_Found]:
    """Return what a comparison says of epochs and start: an epoch that is slower lengthens the first one, too."""
    case = f"[{record.workload.lab}-{record.workload.engine}]"
    walls, cpus = collect_rounds(record.processes)
    # What makes up more of the wall time's change.
    works = statistics.median(cpus) > statistics.median(map(operator.sub, walls, cpus))
    wall, cpu = format_ratio(record.wall), format_ratio(record.cpu)
    epoch = CheckResult(
        name=f"time/epoch{case}",
        verdict=VERDICTS[record.verdict],
        figure=f"wall {wall}, processor {cpu}: {record.finding}",
        bound=f"≤ {record.bound:.0%} more",
    )
    told = f"an epoch needs {cpu} processor time" if works else f"training waits: an epoch is {record.finding}"
    found = [_Found(epoch, "work" if works else "waiting", told)]
    if record.failure:  # a lost process leaves no verdict
        return found
    for name, part in reversed(record.start.items()):
        ratio = format_ratio(part.ratio)
        result = CheckResult(
            name="time/import" if name == "import" else f"time/first-epoch{case}",
            verdict=VERDICTS[part.verdict],
            figure=f"{ratio}: {part.verdict}",
            bound=f"≤ {START_BOUND:.0%} more",
        )
        found.append(_Found(result, name, f"the {name} is slower: {ratio}"))
    return found


def _judge_memory(now: MemoryRecord, before: MemoryRecord) -> list[_Found]:
    """Return what two sizes say: what each epoch keeps makes the process larger, too."""
    causes = {"memory/growth": "memory growth"}
    order = ("memory/growth", "memory/training", "memory/import")
    results = sorted(judge_memory(now, before), key=lambda result: order.index(result.check))
    return [_Found(it, causes.get(it.check, "memory"), f"{it.check.split('/')[1]}: {it.figure}") for it in results]
