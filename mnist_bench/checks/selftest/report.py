"""The record of a self-test as a page in Markdown: what the checks see, what they do not, and why."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING

from scipy import stats

from mnist_bench.checks.faults.registry import CLOCKED, FAULTS, PLACES
from mnist_bench.stats.sequential import LOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.checks.selftest.effects import FaultEffects
    from mnist_bench.checks.selftest.records import Outcome, SelftestRecord

__all__ = ["MARK", "find_missed", "format_report", "is_right"]

MARK = "# What the checks see: planted faults"
"""The first line, by which the page is known, which may be replaced."""

_FAMILIES = {
    "data": "Training data",
    "model": "The model",
    "update": "Update and loss",
    "random": "Random numbers",
    "figures": "Reported figures",
    "chance": "Nondeterminism",
    CLOCKED: "Time and memory",
}


def find_missed(record: SelftestRecord) -> list[Outcome]:
    """Return the outcomes of faults that no check saw, and that no reason explains."""
    # A fault of an earlier version of this package is planted no more.
    return [it for it in record.outcomes if it.first is None and it.key in PLACES and not _explain_unseen(it)]


def _explain_unseen(outcome: Outcome) -> str:
    return FAULTS[outcome.fault].explain_unseen(outcome.strength)


def is_right(outcome: Outcome) -> bool:
    """Return whether the cause that was named is the fault."""
    return outcome.cause in FAULTS[outcome.fault].causes


def format_report(record: SelftestRecord, effects: Sequence[FaultEffects] = ()) -> str:
    """Return the page.

    Args:
        record: The self-test.
        effects: What full trainings with the faults end in, if they were trained.
    """
    # In the order of the registry, whichever was planted first; a fault that is no longer there is left out.
    ordered = sorted((it for it in record.outcomes if it.key in PLACES), key=lambda it: PLACES[it.key])
    first = _summarise(record, ordered) + _add_effects(ordered, effects) + _add_costs(ordered) + _add_clean(record)
    lines = [MARK, "", first, "", *_explain_columns(record), *_list_alarms(record)]
    for family, title in _FAMILIES.items():
        rows = [it for it in ordered if FAULTS[it.fault].family == family]
        if rows:
            lines += ["", f"## {title}", "", *_tabulate(rows)]
    lines += ["", "## What stays unseen", "", *_list_unseen(ordered)]
    lines += ["", "## Another cause named", "", *_list_wrong(ordered)]
    return "\n".join(lines) + "\n"


def _summarise(record: SelftestRecord, outcomes: Sequence[Outcome]) -> str:
    judged = [it for it in outcomes if FAULTS[it.fault].family != CLOCKED]
    found = [it for it in judged if it.first is not None]
    right = [it for it in found if is_right(it)]
    times = [it.first_seconds for it in found if it.first_seconds is not None]
    environment = record.environment
    median = f", after {statistics.median(times):.1f} seconds in the median," if times else ""
    return (
        f"{len({it.fault for it in judged})} faults were planted in TensorFlow {environment.tensorflow} with Keras "
        f"{environment.keras} (engine {record.engine}), at one to four strengths each, {len(judged)} in all. The fast "
        f"checks saw {len(found)} of them ({_share(found, judged)}){median} and named the right cause of {len(right)} "
        f"({_share(right, found)} of those seen). "
        f"{len(judged) - len(found)} stay unseen by these checks, each listed below with the reason."
    )


def _add_costs(outcomes: Sequence[Outcome]) -> str:
    """Return what clocks, and the size of the process, see of the faults that change no figure, after a blank."""
    costs = [it for it in outcomes if FAULTS[it.fault].family == CLOCKED]
    if not costs:
        return ""
    found = [it for it in costs if it.first is not None]
    right = [it for it in found if is_right(it)]
    return (
        f" {len({it.fault for it in costs})} more faults take time or memory and change no figure: at {len(costs)} "
        f"strengths in all, of which `compare --only time` and `timings memory` saw {len(found)} and named the right "
        f"cause of {len(right)}."
    )


def _add_effects(outcomes: Sequence[Outcome], effects: Sequence[FaultEffects]) -> str:
    """Return what a threshold, and accuracy and loss, see of the same faults, after a blank; "" without trainings."""
    seen = {it.key: it.first is not None for it in outcomes}
    known = [it for it in effects if it.fault in seen and it.is_weakest]
    if not known:
        return ""
    below = [it for it in known if it.below]
    groups = [it for it in known if it.find_fewest(paired=False)]
    checked = [it for it in known if seen[it.fault]]
    only = [it.fault.replace(":", " ") for it in known if it.find_fewest(paired=it.paired) and not seen[it.fault]]
    most = LOOKS[-1]
    told = (
        f" Accuracy and loss alone see {', '.join(only)}."
        if only
        else " Accuracy and loss see nothing that the checks do not."
    )
    return (
        f" {len(known)} of the faults were trained in full, too, each at its weakest strength alone: of these the "
        f"lab's accuracy threshold sees {_share(below, known)}, accuracy and loss of {most} seeds see "
        f"{_share(groups, known)}, and the fast checks {_share(checked, known)}.{told}"
    )


def _add_clean(record: SelftestRecord) -> str:
    """Return what the checks say without any fault, after a blank; "" where that was not asked."""
    runs = record.clean
    if not runs:
        return ""
    # A run of which a check has no answer says nothing about how often the checks are right.
    whole = [run for run in runs if run.alarms or not run.problems]
    lost = len(runs) - len(whole)
    if not whole:
        return f" Without any fault, the same checks ran {lost} times, and no run had an answer of every check."
    alarms = sum(bool(run.alarms) for run in whole)
    most = stats.binomtest(alarms, len(whole), alternative="less").proportion_ci(0.95).high
    unanswered = f"; {lost} more runs had a check without an answer" if lost else ""
    held = max(run.held for run in whole)
    return (
        f" Without any fault, the same checks ({held} of them) ran {len(whole)} times, each time in a fresh process: "
        f"{alarms} runs had a false alarm (at most {most:.1%}, with 95% confidence){unanswered}."
    )


def _list_alarms(record: SelftestRecord) -> Iterator[str]:
    """Yield a line for each check that regressed, or had no answer, without any fault."""
    alarms = Counter(f"`{name}`, a false alarm" for run in record.clean for name in run.alarms)
    alarms += Counter(f"no answer: {problem}" for run in record.clean for problem in run.problems)
    if alarms:
        yield from ("", "In the runs without any fault:", "")
    for told, count in alarms.most_common():
        yield f"- {told}, in {count} of {len(record.clean)}."


def _share(some: Sequence[object], every: Sequence[object]) -> str:
    return f"{len(some) / len(every):.0%}" if every else "none"


def _explain_columns(record: SelftestRecord) -> Iterator[str]:
    yield (
        "Each fault is planted in a fork of a process that has imported TensorFlow and trained nothing, through public "
        "functions and classes of Keras and TensorFlow. Then checks of `mnist-bench check --fast` run on the mlp and "
        "the dropout lab: structure, arithmetic, order of samples, dropout, bits. Once one sees the fault, only those "
        "follow that tell the cause. The strengths go down to the weakest that could matter; a fault that is on or off "
        "has one. The seconds are those until the first check that saw the fault, tracing and compilation included, "
        "the import left out; other work on the machine lengthens them. A fault counts as seen where a "
        "check that holds without it does not hold with it, and the cause as right where it is one that the fault's "
        "entry in `checks/faults` names. A fault of time is planted in one of two environments that `compare --only "
        "time` compares (more time in an epoch by the engine epoch, whose epochs vary least), a fault of memory in a "
        "process whose size is compared with that of a sound one; the seconds are those of the whole measurement. "
        "Made by `mnist-bench selftest`, which continues where it was interrupted."
    )
    if record.failing:
        names = ", ".join(f"`{name}`" for name in record.failing)
        yield ""
        yield f"Without any fault, these do not hold in this environment, and were left out: {names}."


def _tabulate(rows: Sequence[Outcome]) -> Iterator[str]:
    yield "| fault | it imitates | strength | seen first by | s | cause named |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for it in rows:
        fault = FAULTS[it.fault]
        source = f" ({_format_source(fault.source)})" if fault.source else ""
        seen = f"`{it.first.partition('[')[0]}`" if it.first else "unseen"
        seconds = "" if it.first_seconds is None else f"{it.first_seconds:.1f}"
        cause = "" if it.first is None else f"{it.cause}" if is_right(it) else f"{it.cause} (another)"
        yield f"| {it.fault} | {fault.imitates}{source} | {it.strength:g} | {seen} | {seconds} | {cause} |"


def _format_source(source: str) -> str:
    """Return a source, of an address the repository and the thread's number with a link."""
    if not source.startswith("https://"):
        return source
    *_, repository, _, number = source.split("/")
    return f"[{repository} {number}]({source})"


def _list_unseen(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for it in outcomes:
        if it.first is None:
            yield f"- {it.fault} {it.strength:g}: {_explain_unseen(it) or 'not explained'}."


def _list_wrong(outcomes: Sequence[Outcome]) -> Iterator[str]:
    wrong = [it for it in outcomes if it.first is not None and not is_right(it)]
    for it in wrong:
        yield f"- {it.fault} {it.strength:g}: {it.sentence}."
    if not wrong:
        yield "None."
