"""The answer to "may we upgrade?" for a user's own model: one sentence on verdict, bits, metrics and time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mnist_bench.own.elsewhere import name_case
from mnist_bench.own.upgrade.comparison import name_trainings
from mnist_bench.own.upgrade.metrics import name_metric
from mnist_bench.own.upgrade.movements import find_first_stages
from mnist_bench.own.upgrade.parity import pair_trainings
from mnist_bench.records.verdicts import Verdict, conclude, worst_by_name
from mnist_bench.versions.report.names import name_pair
from mnist_bench.versions.upgrade.answer import (
    begin_answer,
    describe_change,
    excludes_zero,
    tell_clocks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mnist_bench.own.records import OwnSide
    from mnist_bench.own.upgrade.comparison import OwnCompared

__all__ = ["name_sides", "write_own_answer"]

_CLOCKS = ("work", "time")
_KINDS = {"forward": "forward pass", "masks": "random masks"}


def write_own_answer(
    compared: OwnCompared, base: OwnSide, new: OwnSide, round_seconds: Mapping[str, float] | None = None
) -> str:
    """Return the answer in one to five short sentences.

    Args:
        compared: The verdicts.
        base: The side to compare with.
        new: The side that may be worse.
        round_seconds: How long one more seed takes, to say how long a decision would take.
    """
    verdict = conclude(result.verdict for result in compared.results)
    # What no further training decides has no part in how long a decision would take.
    decisions = {key: it for key, it in compared.decisions.items() if name_metric(*key) not in compared.settled}
    decidable = dataclasses.replace(compared, decisions=decisions)
    parts = [begin_answer(verdict, decidable, name_sides(base, new)[1], round_seconds or {})]
    if any(result.name == name_trainings(name_case(new.model)) for result in compared.results):
        parts.append("The time was over before a seed was trained: give more (--budget).")
    parts += [*_tell_bits(compared, base, new), *_tell_figures(compared), *_tell_old_defects(base, new)]
    return " ".join(parts)


def name_sides(base: OwnSide, new: OwnSide) -> tuple[str, str]:
    """Return the products of both sides in the reader's words, such as `TensorFlow 2.19 with Keras 3.9`."""
    old, now = ((side.environment.tensorflow, side.environment.keras) for side in (base, new))
    return name_pair(old, now)


def _tell_bits(compared: OwnCompared, base: OwnSide, new: OwnSide) -> Iterator[str]:
    """Yield what moved first."""
    if compared.moved:
        first, far = find_first_stages(base, new)
        yield f"The first stage that moved is {_name_stage(first)}." if first else "Trainings end in other bits."
        if far and far != first:
            yield f"From the same weights, {_name_stage(far)} is the first that moved by more than rounding."
    elif pair_trainings(base, new):
        first, second = name_sides(base, new)
        yield f"{second} ends every training in the same bits{f' as {first}' if first != second else ''}."


def _name_stage(stage: str) -> str:
    """Return a stage in the reader's words, such as `the gradient of layer 2 Conv2D kernel`."""
    kind, _, where = stage.partition(": ")
    if kind == "evaluation":
        return f"the {where} of the evaluation"
    told = _KINDS.get(kind, kind)
    return f"the {told} of layer {where}" if where else f"the {told}"


def _tell_figures(compared: OwnCompared) -> Iterator[str]:
    """Yield how much metrics and seconds have changed at most, or by how much where that is beyond chance."""
    told = {key: decision for key, decision in compared.decisions.items() if decision.verdict != "REGRESSED"}
    within = []
    for (name, case), decision in told.items():
        if name in _CLOCKS:
            continue
        what = describe_change(name, decision, share=name in compared.shares)
        if decision.verdict == "BETTER":
            yield f"Look why {case} {what}: that is better than chance allows."
        elif decision.verdict == "PASS" and decision.worsened and excludes_zero(decision):
            yield f"Within the margin, {case} {what}."
        elif decision.verdict == "PASS":
            within.append((name, decision))
    if within:
        most = [_describe_reach(name, max(-each.change.low, each.change.high), compared) for name, each in within]
        sizes = {(each.sample_size, each.paired) for _, each in within}
        counts = " or ".join(f"{size} {'pairs' if paired else 'seeds'}" for size, paired in sorted(sizes))
        yield f"The same within chance: {', '.join(most)} ({counts})."
    yield from tell_clocks(compared.decisions)


def _describe_reach(name: str, most: float, compared: OwnCompared) -> str:
    return f"{name} to {100 * most:.2f} points" if name in compared.shares else f"{name} to {most:.2g}"


def _tell_old_defects(base: OwnSide, new: OwnSide) -> Iterator[str]:
    """Yield the checks that fail in both."""
    old, now = (
        {name for name, result in worst_by_name(side.checks).items() if result.verdict is Verdict.REGRESSED}
        for side in (base, new)
    )
    names = sorted(old & now)
    if names:
        yield f"{'One check fails' if len(names) == 1 else f'{len(names)} checks fail'} in both: {', '.join(names)}."
