"""What accuracy and loss alone see of planted faults, as a part of the page in Markdown."""

from __future__ import annotations

from collections import Counter
from math import isinf
from typing import TYPE_CHECKING

from mnist_bench.checks.faults.registry import PLACES, parse_fault
from mnist_bench.checks.selftest.effects import GATED
from mnist_bench.stats.intervals import format_signed
from mnist_bench.stats.sequential import LOOKS, PAIR_LOOKS, POWER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.checks.selftest.effects import Effect, FaultEffects
    from mnist_bench.checks.selftest.records import SelftestTrainings

__all__ = ["format_effects"]

_FEW_PAIRS = 5
_CELL = 80  # characters of a reason


def format_effects(record: SelftestTrainings, effects: Sequence[FaultEffects]) -> str:
    """Return the part of the page.

    Args:
        record: The trainings.
        effects: As `find_effects` returns them of the record.
    """
    ordered = sorted(effects, key=lambda it: PLACES[it.fault])
    lines = ["## What accuracy and loss alone see", "", *_summarise(record, ordered)]
    lines += ["", *_tabulate_figures([it for it in ordered if it.is_weakest]), "", *_tabulate(ordered)]
    return "\n".join(lines) + "\n"


def _summarise(record: SelftestTrainings, effects: Sequence[FaultEffects]) -> Iterator[str]:
    stronger = [it for it in effects if not it.is_weakest]
    effects = [it for it in effects if it.is_weakest]
    seeds = sorted({it.seeds for it in effects})
    told = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}" if seeds else "no"
    died = [it for it in effects if it.problem]
    below = [it for it in effects if it.below]
    pairs = [it for it in effects if it.paired and it.effects]
    few = [it for it in pairs if (it.find_fewest(paired=True) or PAIR_LOOKS[-1]) <= _FEW_PAIRS]
    some = [it for it in pairs if it.find_fewest(paired=True)]
    groups = [it for it in effects if it.find_fewest(paired=False)]
    yield (
        f"{len(effects)} of the faults were planted in full trainings, each at its weakest, by the engine "
        f"{record.engine} on {record.dataset.source}: {told} seeds each, and the same seeds without any fault. "
        f"**The lab's accuracy threshold sees {_share(below, effects)} of them. Accuracy and loss of {LOOKS[-1]} new "
        f"seeds, compared with a stored reference, see {_share(groups, effects)}.** Where the fault leaves the random "
        f"numbers as they are, seeds are pairs ({len(pairs)} strengths): {_FEW_PAIRS} pairs see "
        f"{_share(few, pairs)}, {PAIR_LOOKS[-1]} pairs {_share(some, pairs)}. "
        + (f"{len(died)} did not train at all." if died else "All trained to the end.")
        + _add_stronger(stronger)
    )
    yield ""
    yield (
        "A change is the mean over the seeds, in percentage points of accuracy or in cross-entropy, and in standard "
        "deviations over seeds of the stored reference (sd). *Pairs* and *seeds* are the smallest of "
        f"{', '.join(map(str, PAIR_LOOKS))} pairs, and of {', '.join(map(str, LOOKS))} seeds, that see such a change "
        f"with {POWER:.0%} power: that call it REGRESSED, or BETTER, by the margins and levels of the gate of `check`; "
        "they are computed for normal seeds, and real ones need somewhat more (docs/statistics.md). A dash: not even "
        "the most do; *none*: the seeds are no pairs, and their mean change has a standard error of half a sd or more, "
        "so that the seeds needed are rough, as is the spread within few pairs. *Sharpest* is the figure that sees the "
        "change with the fewest pairs, or seeds if these are no pairs; one without a margin counts where its change is "
        "beyond chance (p < 0.01). "
        "Made by `mnist-bench selftest --seeds N`, which continues where it was interrupted."
    )


def _add_stronger(effects: Sequence[FaultEffects]) -> str:
    """Return what the threshold and new seeds see of stronger faults, after a blank; "" where none was trained."""
    if not effects:
        return ""
    below = [it for it in effects if it.below]
    groups = [it for it in effects if it.find_fewest(paired=False)]
    return (
        f" Stronger strengths of these faults that were trained, too: {len(effects)}. The threshold sees "
        f"{_share(below, effects)} of them, and {LOOKS[-1]} new seeds see {_share(groups, effects)}."
    )


def _share(some: Sequence[object], every: Sequence[object]) -> str:
    return f"{len(some)} ({len(some) / len(every):.0%})" if every else "none"


def _tabulate_figures(effects: Sequence[FaultEffects]) -> Iterator[str]:
    """Yield which figure would see how many faults, by itself."""
    known = [it for it in effects if it.paired and it.effects]
    names = list(dict.fromkeys(name for it in known for name in it.effects))
    sharpest = Counter(max(it.effects, key=lambda name: abs(it.effects[name].sds)) for it in known if _moves(it))
    yield f"Which figure sees most? Each by itself, of the {len(known)} strengths whose seeds are pairs:"
    yield ""
    heads = f"{LOOKS[0]} seeds | {LOOKS[-1]} seeds | {_FEW_PAIRS} pairs | {PAIR_LOOKS[-1]} pairs"
    yield f"| figure | {heads} | moves most |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in names:
        found = [it.effects[name] for it in known if name in it.effects]
        seeds = [sum(1 for it in found if it.seeds and it.seeds <= most) for most in (LOOKS[0], LOOKS[-1])]
        pairs = [sum(1 for it in found if it.pairs and it.pairs <= most) for most in (_FEW_PAIRS, PAIR_LOOKS[-1])]
        margin = "" if name in GATED else ", no margin"
        yield f"| {name}{margin} | {seeds[0]} | {seeds[1]} | {pairs[0]} | {pairs[1]} | {sharpest[name]} |"


def _moves(it: FaultEffects) -> bool:
    """Return whether any figure moves by a standard deviation: below that, the largest is a matter of chance."""
    return any(abs(effect.sds) >= 1 for effect in it.effects.values())


def _tabulate(effects: Sequence[FaultEffects]) -> Iterator[str]:
    yield "| fault | strength | accuracy, points | sd | loss | sd | below threshold | pairs | seeds | sharpest |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for it in effects:
        fault, strength = parse_fault(it.fault)
        head = f"| {fault.name} | {strength:g} |"
        if not it.effects:
            yield f"{head} did not end: {_shorten(it.problem)} | | | | | | | |"
            continue
        accuracy, loss = (it.effects[name] for name in GATED)
        pairs = _format_count(it.find_fewest(paired=True)) if it.paired else "none"
        seeds = _format_count(it.find_fewest(paired=False))
        yield (
            f"{head} {format_signed(100 * accuracy.change, 2)} | {format_signed(accuracy.sds, 1)} | "
            f"{_format_loss(loss)} | {'yes' if it.below else ''} | {pairs} | {seeds} | {_format_sharpest(it)} |"
        )


def _format_sharpest(it: FaultEffects) -> str:
    sharpest = it.find_sharpest()
    return f"{sharpest[0]} ({sharpest[1]})" if sharpest else "-"


def _format_loss(effect: Effect) -> str:
    if isinf(effect.change):
        return "not finite | "
    return f"{format_signed(effect.change, 4)} | {format_signed(effect.sds, 1)}"


def _format_count(count: int | None) -> str:
    return "-" if count is None else str(count)


def _shorten(text: str) -> str:
    """Return the beginning of a reason, for a cell of a table."""
    cell = " ".join(text.split()).replace("|", "\\|")
    return cell if len(cell) <= _CELL else f"{cell[: _CELL - 1]}…"
