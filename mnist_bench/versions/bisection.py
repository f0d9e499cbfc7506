"""The first version of the matrix at which a verdict changes, found with few measurements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnist_bench.checks.names import FAST_CHECKS
from mnist_bench.checks.records import compare_probes, find_oddities
from mnist_bench.records.config import Case
from mnist_bench.records.verdicts import Verdict, conclude
from mnist_bench.versions.comparison import compare_versions
from mnist_bench.versions.records import probes_by_case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.records import VersionRecord

__all__ = ["Question", "Turn", "ask", "bisect", "list_open"]

_HOLDS = {
    **dict.fromkeys((Verdict.PASS, Verdict.BETTER, Verdict.IDENTICAL), True),
    **dict.fromkeys((Verdict.KNOWN, Verdict.REGRESSED), False),
}
_ANSWERS = {True: "holds", False: "does not hold", None: "gives no answer"}


@dataclass(frozen=True)
class Question:
    """What each version is asked.

    Attributes:
        check: A check without its case, such as `contract/new-order`; `bits`; or `accuracy`.
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
    """

    check: str
    lab: str
    engine: str

    def __post_init__(self) -> None:
        """Refuse a check that no version can answer for."""
        known = ("bits", "accuracy", *FAST_CHECKS)
        if self.check not in known:
            raise ValueError(f"unknown check {self.check!r}: choose from {', '.join(known)}")


@dataclass
class Turn:
    """Where a verdict changes.

    Attributes:
        good: The last version that holds.
        bad: The first version that does not hold.
        skipped: Versions between the two that gave no answer.
        answers: The answer of every version that was asked: True if it holds, False if not, None if it does not say.
        measured: The versions that had to be measured.
        odd: Versions whose answer does not fit a single change, such as a version after `bad` that holds.
    """

    good: str
    bad: str
    skipped: list[str] = field(default_factory=list)
    answers: dict[str, bool | None] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)


def ask(question: Question, record: VersionRecord, good: VersionRecord) -> bool | None:
    """Return whether a version holds: True, False, or None if its record does not say.

    Bits and accuracy are compared with the good version's. A known regression does not hold.

    Raises:
        ValueError: The records are of different data or trainings.
    """
    case = Case(question.lab, question.engine)
    if question.check == "bits":
        before, now = probes_by_case(good).get(case), probes_by_case(record).get(case)
        if before is None or now is None or find_oddities(before) or find_oddities(now):
            return None
        return not compare_probes(before, now)
    if question.check == "accuracy":
        results = [result for result in compare_versions(good, record).results if _judges(result, case)]
    else:
        cases = ("", question.engine, question.lab, str(case))
        checks = [result for results in record.checks.values() for result in results]
        results = [result for result in checks if result.check == question.check and result.case in cases]
    return _HOLDS.get(conclude(result.verdict for result in results)) if results else None


def list_open(question: Question, path: Sequence[str], records: Mapping[str, VersionRecord]) -> list[str]:
    """Return the versions of the path that a search with these records may have to measure."""
    answers = _collect_answers(question, path, records)
    ends = [name for name in (path[0], path[-1]) if name not in answers]
    if ends:
        return [*ends, *(name for name in path[1:-1] if name not in answers)]
    low = max((place for place, name in enumerate(path) if answers.get(name) is True), default=0)
    high = min((place for place, name in enumerate(path) if answers.get(name) is False), default=len(path) - 1)
    return [name for name in path[low + 1 : high] if name not in answers]


def bisect(
    question: Question,
    path: Sequence[str],
    records: Mapping[str, VersionRecord],
    fetch: Callable[[str], VersionRecord],
) -> Turn:
    """Find the first version of the path that does not hold after one that does.

    Args:
        question: What each version is asked.
        path: The versions' names, from the good one to the bad one.
        records: The records that exist.
        fetch: Measures a version and returns its record.

    Raises:
        ValueError: The good version does not hold, or the bad one does: the verdict does not change between them.
    """
    turn = Turn(good=path[0], bad=path[-1])
    known = dict(records)

    def answer(name: str) -> bool | None:
        if name not in turn.answers:
            turn.answers[name] = ask(question, known[name], known[path[0]]) if name in known else None
            if turn.answers[name] is None:
                known[name] = fetch(name)
                turn.measured.append(name)
                turn.answers[name] = ask(question, known[name], known[path[0]])
        return turn.answers[name]

    for name, expected in ((path[0], True), (path[-1], False)):
        if answer(name) is not expected:
            said = _ANSWERS[turn.answers[name]]
            raise ValueError(f"{name}: {question.check} {said}: there is no change of the verdict to find")
    low, high = 0, len(path) - 1
    recorded = _collect_answers(question, path, known)
    while between := [place for place in range(low + 1, high) if turn.answers.get(path[place], True) is not None]:
        # What is on record costs nothing, and may answer for what would have to be measured.
        middle = min(between, key=lambda place: (path[place] not in recorded, abs(2 * place - low - high)))
        holds = answer(path[middle])
        if holds is not None:
            low, high = (middle, high) if holds else (low, middle)
    turn.good, turn.bad, turn.skipped = path[low], path[high], list(path[low + 1 : high])
    everything = {**_collect_answers(question, path, known), **turn.answers}
    turn.odd = [
        name
        for place, name in enumerate(path)
        if everything.get(name) not in (None, place <= low) and name not in turn.skipped
    ]
    return turn


def _judges(result: CheckResult, case: Case) -> bool:
    """Return whether a result judges the bits or the accuracy of a case: `bits/CASE` or `accuracy/loss[CASE]`."""
    named = (result.case, result.check.removeprefix(f"{result.layer}/"))
    return result.layer in ("bits", "accuracy") and str(case) in named


def _collect_answers(question: Question, path: Sequence[str], records: Mapping[str, VersionRecord]) -> dict[str, bool]:
    """Return the answers of the records that exist and say something."""
    if path[0] not in records:
        return {}
    answers = {name: ask(question, records[name], records[path[0]]) for name in path if name in records}
    return {name: holds for name, holds in answers.items() if holds is not None}
