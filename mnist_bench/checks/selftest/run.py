"""Faults planted one after another, in several processes at once: the parent's side of the self-test."""

from __future__ import annotations

import dataclasses
import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.diagnosis import diagnose
from mnist_bench.checks.faults.registry import FAULTS, parse_fault
from mnist_bench.checks.selftest.records import CleanRun, Outcome
from mnist_bench.checks.selftest.server import Server, spread
from mnist_bench.records.serial import convert
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.training.workers.cluster import Cluster

__all__ = ["find_failing", "list_faults", "run_clean", "run_faults", "run_faults_there"]


_UNANSWERED = (Verdict.INCONCLUSIVE, Verdict.UNREADABLE)


@dataclass(frozen=True)
class _Timed:
    """A result, and the seconds from the planting until it was there."""

    result: CheckResult
    seconds: float


def list_faults(engine: str, names: Sequence[str] = ()) -> list[str]:
    """Return the faults that show in an engine, each with its strengths, as they are planted.

    Args:
        engine: A key of `ENGINES`.
        names: The faults; all of them if empty.

    Raises:
        ValueError: A fault is unknown, or does not show in this engine.
    """
    for name in names:
        if name not in FAULTS:
            raise ValueError(_explain_name(name))
        if engine not in FAULTS[name].engines:
            raise ValueError(f"fault {name!r} shows in the engines {', '.join(FAULTS[name].engines)}, not in {engine}")
    chosen = [fault for fault in FAULTS.values() if engine in fault.engines and (not names or fault.name in names)]
    return [key for fault in chosen for key in fault.keys]


def _explain_name(text: str) -> str:
    """Return why a text names no fault: it has a strength, or it is unknown; with the names that look similar."""
    name = re.split("[:=]", text)[0]
    if name in FAULTS:
        strengths = ", ".join(f"{strength:g}" for strength in FAULTS[name].strengths)
        return f"fault {text!r} has a strength: give {name!r} alone, which is planted in each of its own ({strengths})"
    near = difflib.get_close_matches(name, FAULTS, n=3)
    similar = f"similar names: {', '.join(near)}; " if near else ""
    return f"unknown fault {text!r}: {similar}the table in docs/selftest.md has the names"


def find_failing(engine: str, source: str, cluster: Cluster | None = None) -> list[str]:
    """Return the checks that do not hold here, or on a worker of the cluster, without any fault.

    Raises:
        CommandError: The process gives no answer.
    """
    if cluster is not None:
        *_, (_, found) = cluster.run(_find_there, [(engine, source)])  # the last: before it, a cluster may be silent
        if isinstance(found, BaseException):
            raise CommandError(f"the checks without a fault: {' '.join(str(found).split())}", [])
        return list(found)
    with Server(source) as server:
        timed = _check(server, "", engine, [])
    return [it.result.name for it in timed if not it.result.holds]


def run_faults_there(
    faults: Sequence[str], cluster: Cluster, *, engine: str, source: str, failing: Sequence[str]
) -> Iterator[Outcome]:
    """Plant each fault on some worker of a cluster; as `run_faults`, whose arguments these are.

    Raises:
        CommandError: A worker gives no answer, or the cluster has no worker.
    """
    for task, found in cluster.run(_judge_there, [(fault, engine, source, list(failing)) for fault in faults]):
        if isinstance(found, BaseException):
            raise CommandError(f"{faults[task]}: {' '.join(str(found).split())}", [])
        if found is not None:
            outcome: Outcome = convert(found, Outcome, origin=faults[task])
            yield outcome


def _find_there(_threads: int, engine: str, source: str) -> list[str]:
    return find_failing(engine, source)


def _judge_there(_threads: int, fault: str, engine: str, source: str, failing: Sequence[str]) -> dict[str, Any]:
    """Return what the checks say of a fault, as JSON has it: a cluster's result must need no class of ours."""
    with Server(source) as server:
        return dataclasses.asdict(_judge(fault, _check(server, fault, engine, failing)))


def run_faults(
    faults: Sequence[str], *, engine: str, source: str, failing: Sequence[str], jobs: int
) -> Iterator[Outcome]:
    """Plant each fault in a fresh process and yield what the checks say, in the order in which the processes end.

    Args:
        faults: As `list_faults` returns them.
        engine: A key of `ENGINES`.
        source: The data.
        failing: Checks that do not hold without any fault.
        jobs: Processes at once.

    Raises:
        CommandError: A process gives no answer.
    """

    def judge(server: Server, fault: str) -> Outcome:
        return _judge(fault, _check(server, fault, engine, failing))

    yield from spread(faults, judge, source=source, jobs=jobs)


def run_clean(count: int, *, engine: str, source: str, failing: Sequence[str], jobs: int) -> Iterator[CleanRun]:
    """Run the checks without any fault, so many times, and yield what they say.

    Each run has a process of its own, which imports TensorFlow itself: a fork would have the memory, the seed of
    Python's hashes and the threads of the others.

    Args:
        count: Runs.
        engine: A key of `ENGINES`.
        source: The data.
        failing: Checks that do not hold without any fault.
        jobs: Processes at once.

    Raises:
        CommandError: A process gives no answer.
    """

    def judge(server: Server, _number: int) -> CleanRun:
        timed = _check(server, "", engine, failing)
        results = [it.result for it in timed]
        return CleanRun(
            seconds=round(timed[-1].seconds, 2),
            held=sum(result.holds for result in results),
            alarms=_name(results, Verdict.REGRESSED),
            problems=[f"{it.name}: {it.evidence or it.figure}" for it in results if it.verdict in _UNANSWERED],
        )

    yield from spread(range(count), judge, source=source, jobs=jobs, fresh=True)


def _check(server: Server, fault: str, engine: str, failing: Sequence[str]) -> list[_Timed]:
    """Return the results of the checks with a fault planted; "" plants none."""
    timed: list[_Timed] = []
    for event in server.ask(answer="checks", fault=fault, engine=engine, ignored=list(failing)):
        if event["event"] == "checked":
            result: CheckResult = convert(event["result"], CheckResult, origin=fault)
            timed.append(_Timed(result, event["seconds"]))
        else:
            lost = CheckResult(
                name="selftest/process",
                verdict=Verdict.INCONCLUSIVE,
                figure="did not end",
                bound="ends",
                evidence=event["reason"],
            )
            timed.append(_Timed(lost, timed[-1].seconds if timed else 0.0))
    return timed


def _judge(text: str, timed: Sequence[_Timed]) -> Outcome:
    """Return what the results say of a fault."""
    fault, strength = parse_fault(text)
    results = [it.result for it in timed]
    cause = diagnose(results)
    first = next((it for it in timed if it.result.verdict is Verdict.REGRESSED), None)
    return Outcome(
        fault=fault.name,
        strength=strength,
        first=first.result.name if first else None,
        first_seconds=round(first.seconds, 2) if first else None,
        seconds=round(timed[-1].seconds, 2) if timed else 0.0,
        seen_by=_name(results, Verdict.REGRESSED),
        unreadable=_name(results, Verdict.UNREADABLE),
        cause=cause.key if cause else "",
        sentence=cause.sentence if cause else "",
        problems=[f"{it.name}: {it.evidence}" for it in results if it.verdict is Verdict.INCONCLUSIVE],
    )


def _name(results: Sequence[CheckResult], verdict: Verdict) -> list[str]:
    return [result.name for result in results if result.verdict is verdict]
