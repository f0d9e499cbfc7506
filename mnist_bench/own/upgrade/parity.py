"""Whether two environments build and train the same model: its data, its layers, the bits of each stage."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from mnist_bench.checks.records import ROUNDING, describe_stages, format_difference
from mnist_bench.own.upgrade.movements import (
    OTHER_FUNCTION,
    compare_own_stages,
    find_accused,
    follows,
    list_far,
)
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.comparison import make_inconclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.checks.records import Difference
    from mnist_bench.own.records import LayerRow, OwnProbe, OwnSide, OwnTraining
    from mnist_bench.records.config import Case

    Ends: TypeAlias = list[tuple[OwnTraining, OwnTraining]]

__all__ = [
    "Bits",
    "compare_data",
    "compare_layers",
    "compare_own_bits",
    "pair_trainings",
    "share_own_streams",
]

_LISTED = 3  # layers in a figure
_BEGINNING = "initial weights"  # the kind of stages that a seed begins at


@dataclass(frozen=True)
class Bits:
    """What the bits of a model say of two environments.

    Attributes:
        reason: Where the bits part first, or why they cannot be compared; "" if they are the same.
        moved: Whether the bits were compared and are not the same.
        result: The verdict that the bits give by themselves; None where only trainings can say whether they are worse.
        same_ends: The seeds of which all trainings end in the same weights and figures; 0 if one does not.
        notes: What gives no verdict.
    """

    reason: str
    moved: bool
    result: CheckResult | None
    same_ends: int
    notes: list[str]


def compare_data(base: OwnSide, new: OwnSide, case: Case) -> CheckResult | None:
    """Return why nothing can be compared, where `data()` returns other arrays in each environment; else None."""
    old, now = (
        next((each.data_digest for each in (side.probe, *side.trainings) if each), None) for side in (base, new)
    )
    if old is None or now is None or old == now:
        return None
    return make_inconclusive(
        f"structure/same-data[{case}]",
        "data() returns other arrays in each environment: nothing else can be compared",
        bound="the same arrays",
        evidence="load the arrays from a file, or draw them with numpy.random.RandomState(0), whose numbers are fixed",
    )


def compare_layers(base: OwnProbe, new: OwnProbe, case: Case) -> tuple[CheckResult, list[str]]:
    """Return whether the layers with weights are the same, and what differs without being another model.

    Keras 2 counts operations such as an addition among the layers, and Keras 3 keeps other numbers of state, so that
    only layers with trained weights are judged.
    """
    old, now = ([row for row in probe.layers if row.trainable] for probe in (base, new))
    differ = list(_find_gaps(old, now))
    more = f" and {len(differ) - _LISTED} more" if len(differ) > _LISTED else ""
    trained = sum(row.trainable for row in now)
    result = CheckResult(
        name=f"structure/layers[{case}]",
        verdict=Verdict.REGRESSED if differ else Verdict.PASS,
        figure="; ".join(differ[:_LISTED]) + more if differ else f"{len(now)} layers of {trained:,} trained weights",
        bound="the same layers in both",
    )
    counts = [sum(row.parameters - row.trainable for row in probe.layers) for probe in (base, new)]
    notes = [] if counts[0] == counts[1] else [f"weights that are not trained: {counts[0]:,} and {counts[1]:,}"]
    return result, notes


def _find_gaps(old: list[LayerRow], now: list[LayerRow]) -> Iterator[str]:
    for a, b in zip_longest(old, now):
        if a is None or b is None:
            yield f"{(a or b).name} in {'base' if a else 'new'} only"
        elif a.trainable != b.trainable:
            yield f"{b.name}: {a.trainable:,} and {b.trainable:,} trained weights"
        elif a.shape and b.shape and a.shape != b.shape:
            yield f"{b.name}: output {a.shape} and {b.shape}"


def share_own_streams(base: OwnSide, new: OwnSide) -> bool:
    """Return whether a seed begins at the same weights on both sides, so that the trainings of a seed are a pair.

    The order of the samples and the masks may be other ones: if nothing changed, the two sides of a pair are
    exchangeable all the same, and what they share by their first weights is much of what seeds differ in. This is known
    before any training, so that no result decides how it is judged.
    """
    if base.probe is None or new.probe is None:
        return False
    old, now = map(_list_beginnings, (base.probe, new.probe))
    return bool(old) and old == now


def _list_beginnings(probe: OwnProbe) -> dict[str, str]:
    """Return the digests of the initial weights; what is not trained, such as a mean of the data, is not drawn."""
    fixed = {row.name for row in probe.layers if not row.trainable}
    names = {stage.name: stage.name.partition(": ") for stage in probe.stages}
    return {
        stage.name: stage.digest
        for stage in probe.stages
        if names[stage.name][0] == _BEGINNING and names[stage.name][2] not in fixed
    }


def pair_trainings(base: OwnSide, new: OwnSide) -> Ends:
    """Return the trainings of each seed that both sides have."""
    by_seed = {training.config.seed: training for training in new.trainings}
    return [(each, by_seed[each.config.seed]) for each in base.trainings if each.config.seed in by_seed]


def compare_own_bits(base: OwnSide, new: OwnSide, case: Case) -> Bits:
    """Compare the bits of each stage, and of the ends of trainings.

    A stage that starts from given weights and samples, and moved by more than rounding moves it, is another
    computation: that is REGRESSED by itself, before any training. Where both sides follow the same stage re-computed in
    float64, each is right for what it computes: then a stage that moved a little is one that rounding moves far, such
    as a difference of two large numbers, and one that moved by a thousandth of its size or more is another function.
    Only trainings can say whether other bits of any other kind are worse.
    """
    differences, ends = compare_own_stages(base, new), pair_trainings(base, new)
    same, name = _count_same_ends(ends), f"bits/{case}"
    moved_ends = _explain_ends(ends)
    if differences:
        assert base.probe is not None  # noqa: S101 - there are differences
        assert new.probe is not None  # noqa: S101 - likewise
        reason = describe_stages(base.probe.stages, new.probe.stages, base.probe.environment, new.probe.environment)
        result, notes = _judge(differences, base, new, name, reason)
        return Bits(reason, moved=True, result=result, same_ends=same, notes=notes)
    if moved_ends:
        result = None if ends else make_inconclusive(name, moved_ends)
        return Bits(moved_ends, moved=True, result=result, same_ends=0, notes=[])
    parts = [f"all {len(new.probe.stages)} stages"] if base.probe and new.probe else []
    parts += [f"the final weights of {same} {'seed' if same == 1 else 'seeds'}"] if same else []
    if not parts:
        why = "not measured in both environments"
        return Bits(why, moved=False, result=make_inconclusive(name, why), same_ends=0, notes=[])
    figure = " and ".join(parts)
    identical = CheckResult(name=name, verdict=Verdict.IDENTICAL, figure=figure, bound="the same bits")
    return Bits("", moved=False, result=identical, same_ends=same, notes=[])


def _judge(
    differences: list[Difference], base: OwnSide, new: OwnSide, name: str, reason: str
) -> tuple[CheckResult | None, list[str]]:
    """Return the verdict of the stages by themselves, if they give one, and what is said otherwise."""
    far, accused = list_far(differences, base, new), find_accused(differences, base, new)
    bound = f"from given weights, the same to {ROUNDING:g}; or both follow float64, the same to {OTHER_FUNCTION:g}"
    if accused:
        told = f"{accused.stage} {format_difference(accused)}, from given weights"
        figure = told if accused is differences[0] else f"{told}; {reason}"
        return CheckResult(name=name, verdict=Verdict.REGRESSED, figure=figure, bound=bound), []
    notes = [reason]
    if far:
        notes.append(
            f"{far[0].stage} {format_difference(far[0])}: more than rounding moves most stages, but both sides follow "
            f"the same stage in float64"
        )
    if pair_trainings(base, new):
        return None, notes
    if not far and follows(base) and follows(new) and share_own_streams(base, new):
        return CheckResult(name=name, verdict=Verdict.PASS, figure=f"rounding alone: {reason}", bound=bound), []
    return make_inconclusive(name, reason, bound="the same bits, or trained in full"), []


def _count_same_ends(ends: Ends) -> int:
    return 0 if _explain_ends(ends) else len(ends)


def _explain_ends(ends: Ends) -> str:
    """Return how the ends of trainings differ; "" if weights, predictions and figures are the same."""
    moved = {
        "the final weights differ": [a.config.seed for a, b in ends if a.final_digest != b.final_digest],
        # What is not finite is never the same: nothing says that it is as good.
        "a metric is not finite": [a.config.seed for a, b in ends if a.diverged or b.diverged],
        "the final weights are the same, and the predictions or the figures are not": [
            a.config.seed
            for a, b in ends
            if (a.predictions_digest, a.figures, a.epochs) != (b.predictions_digest, b.figures, b.epochs)
        ],
    }
    found = next(((what, seeds) for what, seeds in moved.items() if seeds), None)
    return f"{found[0]} in {len(found[1])} of {len(ends)} seeds, such as {found[1][0]}" if found else ""
