"""The first version of the matrix at which a verdict turns, found with few measurements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnist_bench.checks.records import compare_probes
from mnist_bench.records.verdicts import Verdict, conclude
from mnist_bench.versions.comparison import compare_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mnist_bench.versions.records import VersionRecord

__all__ = ["Question", "Turn", "ask", "bisect", "list_open"]

_GOOD = {Verdict.PASS: True, Verdict.IDENTICAL: True, Verdict.KNOWN: False, Verdict.REGRESSED: False}


@dataclass(frozen=True)
class Question:
    """What is asked of each version.

    Attributes:
        check: A check without its case, such as `contract/new-order`; `bits`; or `accuracy`.
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
    """

    check: str
    lab: str
    engine: str


@dataclass
class Turn:
    """Where a verdict turns.

    Attributes:
        good: The last version that holds.
        bad: The first that does not.
        skipped: Versions between the two that gave no answer.
        answers: Every version that was asked: True holds, False does not, None gave no answer.
        measured: Those that had to be measured.
        odd: Versions whose answer does not fit one turn, such as one that holds after `bad`.
    """

    good: str
    bad: str
    skipped: list[str] = field(default_factory=list)
    answers: dict[str, bool | None] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)


def ask(question: Question, record: VersionRecord, good: VersionRecord) -> bool | None:
    """Return whether a version holds: True, False, or None where its record does not say.

    Bits and accuracy are held against the good version's; a known regression does not hold.

    Raises:
        ValueError: The records are of different data or trainings.
    """
    case = f"{question.lab}-{question.engine}"
    if question.check == "bits":
        probes = [
            next((it for it in side.probes if f"{it.config.lab}-{it.config.engine}" == case), None)
            for side in (good, record)
        ]
        return None if probes[0] is None or probes[1] is None else not compare_probes(probes[0], probes[1])
    if question.check == "accuracy":
        results = [it for it in compare_versions(good, record).results if case in it.name]
        judged = [it.verdict for it in results if it.name.startswith(("bits/", "accuracy/"))]
        return _GOOD.get(conclude(judged)) if judged else None
    names = {f"{question.check}[{it}]" for it in (question.engine, question.lab, case)} | {question.check}
    verdicts = [it.verdict for its in record.checks.values() for it in its if it.name in names]
    return _GOOD.get(conclude(verdicts)) if verdicts else None


def list_open(question: Question, path: Sequence[str], records: Mapping[str, VersionRecord]) -> list[str]:
    """Return the versions of the path that a search may have to measure, with what the records say already."""
    answers = _known_answers(question, path, records)
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
    """Find the first version of the path that does not hold, where the one before it does.

    Args:
        question: What is asked of each.
        path: The versions' names, from the good one to the bad one.
        records: The records that are there.
        fetch: Measures a version, and returns its record.

    Raises:
        ValueError: The good one does not hold, or the bad one does: there is no turn between them.
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

    for name, wanted in ((path[0], True), (path[-1], False)):
        if answer(name) is not wanted:
            said = {True: "holds", False: "does not hold", None: "gives no answer"}[turn.answers[name]]
            raise ValueError(f"{name}: {question.check} {said} there: there is no turn to find")
    low, high = 0, len(path) - 1
    while between := [place for place in range(low + 1, high) if turn.answers.get(path[place], True) is not None]:
        middle = min(between, key=lambda place: abs(2 * place - low - high))
        said_so = answer(path[middle])
        if said_so is not None:
            low, high = (middle, high) if said_so else (low, middle)
    turn.good, turn.bad, turn.skipped = path[low], path[high], list(path[low + 1 : high])
    everything = {**_known_answers(question, path, known), **turn.answers}
    turn.odd = [
        name
        for place, name in enumerate(path)
        if everything.get(name) not in (None, place <= low) and name not in turn.skipped
    ]
    return turn


def _known_answers(question: Question, path: Sequence[str], records: Mapping[str, VersionRecord]) -> dict[str, bool]:
    """Return what the records that are there say, for those that say something."""
    if path[0] not in records:
        return {}
    answers = {name: ask(question, records[name], records[path[0]]) for name in path if name in records}
    return {name: it for name, it in answers.items() if it is not None}
