"""Replayed regressions as a part of the page in Markdown: what saw each first, and alarms on good sides."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mnist_bench.versions.replay.judge import find_outcome
from mnist_bench.versions.replay.regressions import ABSENT, REGRESSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mnist_bench.versions.replay.judge import Outcome
    from mnist_bench.versions.replay.records import ReplayRecord
    from mnist_bench.versions.replay.regression import Kind, Measure, Told

__all__ = ["find_outcomes", "find_unexplained", "format_outcome", "format_replays"]

_KINDS: Mapping[Kind, str] = {
    "defect": "defects",
    "import": "installations that cannot be imported",
    "difference": "differences between versions or environments, of whose results neither are wrong",
}
_OTHERS_TOLD: Mapping[Told, str] = {
    "change": "the change that brought or mended it",
    "related": "something related",
}
_BAD_UNANSWERED = "the other checks alone tell of this side"
_GOOD_UNANSWERED: Mapping[Measure, str] = {
    "time": "the machine could not say that one environment is as fast as itself; the verdict on the bad side is by "
    "the interval of its own ratio",
    "model": "two runs of one environment do not end in the same bits, so other bits alone would not tell of the bad "
    "side; what tells is a stage from given weights that moved by more than rounding moves it",
}
"""What it means for a reader that a good side, which is compared with itself, gives no answer."""


def find_outcomes(record: ReplayRecord) -> list[Outcome]:
    """Return the outcomes of all regressions whose sides were both asked, in the order of the registry."""
    found = (find_outcome(regression, record) for regression in REGRESSIONS.values())
    return [outcome for outcome in found if outcome]


def find_unexplained(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes that nothing explains: not seen, seen by another check alone, or an alarm on a good side."""
    return [it for it in outcomes if it.alarms or (not it.expected and not it.regression.unseen)]


def format_outcome(outcome: Outcome) -> str:
    """Return whether a regression was seen, by what, and the alarms on its good side."""
    first = outcome.first
    if first is None:
        word, told = "UNSEEN", outcome.regression.unseen or "not explained"
    else:
        word, told = "SEEN" if outcome.expected else "OTHER CHECK", f"by {first.name}: {first.figure}"
    alarms = "".join(f"; alarm on the good side: {it.name}: {it.figure}" for it in outcome.alarms)
    return f"{word:<12} {outcome.regression.name:<24} {told}{alarms}"


def format_replays(record: ReplayRecord) -> str:
    """Return the part of the page."""
    outcomes = find_outcomes(record)
    lines = ["## Real regressions, replayed", "", *_summarise(record, outcomes), "", *_tabulate(outcomes)]
    lines += ["", "### Notes: not seen, seen by another check, without an answer, alarms", "", *_list_others(outcomes)]
    lines += ["", "### Not replayed", "", *(f"- <{link}>: {why}." for link, why in ABSENT.items())]
    return "\n".join(lines) + "\n"


def _summarise(record: ReplayRecord, outcomes: Sequence[Outcome]) -> Iterator[str]:
    seen = [it for it in outcomes if it.first]
    expected = [it for it in seen if it.expected]
    share = f"{len(seen) / len(outcomes):.0%}" if outcomes else "none"
    plural = "" if len(outcomes) == 1 else "s"
    yield (
        f"{len(outcomes)} real regression{plural} replayed on {record.machine.cpu}, each with a bad and a good side "
        f"among the packages that can be installed today. By kind: {_count_kinds(outcomes)}. {_count_told(outcomes)} "
        f"{len(seen)} ({share}) are seen, {len(expected)} of them by the check that should see it. "
        f"{_count_good_sides(outcomes)} {len(ABSENT)} more were looked at and are not "
        "replayed, most because they could not be brought about here: they are listed at the end, and are in no share."
    )
    yield ""
    yield (
        "A regression is seen where a check says so of the bad side and not of the good one. Sides that are judged by "
        "`bits` or `time` are compared with the good side, and the good side with itself; "
        "other bits say that the results are others, not that they are worse. A check of the "
        "reviewed list of known regressions counts as one that says so. Where TensorFlow cannot be imported, "
        "`structure/environment` does not run, and the command ends with status 3. The engine `epoch` refuses Keras "
        "3.0 to 3.6, whose losses are known to be wrong; with `MNIST_BENCH_FAULT=nothing-refused` it trains with "
        "them here. "
        "Made by `mnist-bench selftest --real all`, which continues where it was interrupted."
    )


def _count_kinds(outcomes: Sequence[Outcome]) -> str:
    """Return how many are of each kind, and how many of these are seen."""
    told = []
    for kind, words in _KINDS.items():
        own = [it for it in outcomes if it.regression.kind == kind]
        told += [f"{words}: {sum(it.first is not None for it in own)} of {len(own)} seen"] if own else []
    return "; ".join(told)


def _count_told(outcomes: Sequence[Outcome]) -> str:
    """Return of how many the public address tells, and what else the others tell of."""
    counts = Counter(it.regression.told for it in outcomes)
    others = [f"in {counts[told]} it tells of {words}" for told, words in _OTHERS_TOLD.items() if counts[told]]
    unreported = sum(counts[told] for told in _OTHERS_TOLD)
    end = f"; {'; '.join(others)}: no public report of these {unreported} was found" if others else ""
    return f"The public address tells of the regression itself in {counts['itself']} of {len(outcomes)}{end}."


def _count_good_sides(outcomes: Sequence[Outcome]) -> str:
    alarms, silent = (
        sum(map(bool, lists)) for lists in ([it.alarms for it in outcomes], [it.good_unanswered for it in outcomes])
    )
    return f"Good sides with an alarm: {alarms}; good sides without an answer to a check: {silent} (see the notes)."


def _tabulate(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "| regression | what happened | bad side | good side | seen first by | alarm on good side | began | mended |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for it in outcomes:
        told = it.regression
        first = f"`{it.first.check}`" if it.first else "not seen"
        alarm = ", ".join(f"`{result.check}`" for result in it.alarms) or "none"
        yield (
            f"| [{told.name}]({told.source}) | {told.what} | {told.bad.describe()} | {told.good.describe()} | "
            f"{first} | {alarm} | {told.began} | {told.mended or 'not yet'} |"
        )


def _list_others(outcomes: Sequence[Outcome]) -> Iterator[str]:
    lines = [line for it in outcomes for line in _explain(it)]
    yield from lines or ["None."]


def _explain(outcome: Outcome) -> Iterator[str]:
    told = outcome.regression
    if outcome.first is None:
        yield f"- {told.name}, not seen: {told.unseen or 'not explained'}."
    elif not outcome.expected:
        yield f"- {told.name}, seen by `{outcome.first.check}` and not by `{told.check}`: {outcome.first.figure}."
    if told.note:
        yield f"- {told.name}: {told.note}."
    yield from _explain_unanswered(outcome)
    for result in outcome.alarms:
        yield f"- {told.name}, alarm on the good side: `{result.name}` is {result.verdict.value}: {result.figure}."


def _explain_unanswered(outcome: Outcome) -> Iterator[str]:
    """Yield what gave no answer, on which side, and what that means for a reader."""
    told = outcome.regression
    for result in outcome.bad_unanswered:
        yield f"- {told.name}, bad side without an answer: `{result.name}`: {result.figure}; {_BAD_UNANSWERED}."
    compared = " compared with itself," if told.questions[1].base else ""
    meaning = _GOOD_UNANSWERED.get(told.by, "what is wrong there would go unseen")
    for result in outcome.good_unanswered:
        yield f"- {told.name}, good side{compared} without an answer: `{result.name}`: {result.figure}; {meaning}."
