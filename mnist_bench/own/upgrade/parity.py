"""Whether two environments build and train the same model: its data, its layers, the bits of each stage."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from mnist_bench.checks.records import ROUNDING, compare_stages, describe_stages, format_difference
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
    "find_first_stages",
    "pair_trainings",
    "share_own_streams",
]

_LISTED = 3  # layers in a figure
# Kinds of stages that start from given weights and samples, as `own.stages` names them, and the check that compares
# each with its double in float64.
_DOUBLES = {
    "forward": "arithmetic/forward",
    "loss": "arithmetic/forward",
    "gradient": "arithmetic/gradient",
    "update": "arithmetic/update",
    "evaluation": "arithmetic/evaluation",
}
_STREAMS = ("initial weights", "data order", "masks")
# Two sides that follow their doubles may still compute two functions, such as of another default of a layer: rounding
# would have to grow ten thousand times to move a tensor by a thousandth. An update may grow so: the first step of Adam
# divides a gradient by its own size, however small.
_OTHER_FUNCTION = 1e-3
_SENSITIVE = ("update",)


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
    """Return whether both sides draw the same random numbers from a seed: initial weights, order of samples, masks.

    This is known before any training, so that no result decides how it is judged.
    """
    if base.probe is None or new.probe is None:
        return False
    old, now = (
        {stage.name: stage.digest for stage in probe.stages if _name_kind(stage.name) in _STREAMS}
        for probe in (base.probe, new.probe)
    )
    return bool(old) and old == now


def pair_trainings(base: OwnSide, new: OwnSide) -> Ends:
    """Return the trainings of each seed that both sides have."""
    by_seed = {training.config.seed: training for training in new.trainings}
    return [(each, by_seed[each.config.seed]) for each in base.trainings if each.config.seed in by_seed]


def find_first_stages(base: OwnSide, new: OwnSide) -> tuple[str, str]:
    """Return the name of the first stage that differs, and of the first that moved far from given weights; "" if none.

    The first stages are those of random numbers, after which every other would differ if it were not given its weights.
    """
    differences = _compare(base, new)
    return (differences[0].stage if differences else ""), next((each.stage for each in _list_far(differences)), "")


def compare_own_bits(base: OwnSide, new: OwnSide, case: Case) -> Bits:
    """Compare the bits of each stage, and of the ends of trainings.

    A stage that starts from given weights and samples, and moved by more than rounding moves it, is another
    computation: that is REGRESSED by itself, before any training. Where both sides follow the same stage re-computed in
    float64, each is right for what it computes: then a stage that moved a little is one that rounding moves far, such
    as a difference of two large numbers, and one that moved by a thousandth of its size or more is another function.
    Only trainings can say whether other bits of any other kind are worse.
    """
    differences, ends = _compare(base, new), pair_trainings(base, new)
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


def _compare(base: OwnSide, new: OwnSide) -> list[Difference]:
    return compare_stages(base.probe.stages, new.probe.stages) if base.probe and new.probe else []


def _judge(
    differences: list[Difference], base: OwnSide, new: OwnSide, name: str, reason: str
) -> tuple[CheckResult | None, list[str]]:
    """Return the verdict of the stages by themselves, if they give one, and what is said otherwise."""
    far = _list_far(differences)
    accused = next((each for each in far if _is_another(each, base, new)), None)
    bound = f"from given weights, the same to {ROUNDING:g}; or both follow float64, the same to {_OTHER_FUNCTION:g}"
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
    followed = all(_follows(side, check) for side in (base, new) for check in _DOUBLES.values())
    if not far and followed and share_own_streams(base, new):
        return CheckResult(name=name, verdict=Verdict.PASS, figure=f"rounding alone: {reason}", bound=bound), []
    return make_inconclusive(name, reason, bound="the same bits, or trained in full"), []


def _name_kind(stage: str) -> str:
    return stage.partition(":")[0]


def _list_far(differences: list[Difference]) -> list[Difference]:
    """Return the stages from given weights that moved by more than rounding moves them."""
    given = [each for each in differences if _name_kind(each.stage) in _DOUBLES and not each.only]
    return [each for each in given if each.size is None or each.size > ROUNDING]


def _is_another(difference: Difference, base: OwnSide, new: OwnSide) -> bool:
    """Return whether a stage from given weights that moved far is another computation."""
    kind = _name_kind(difference.stage)
    if not all(_follows(side, _DOUBLES[kind]) for side in (base, new)):
        return True
    return difference.size is None or (difference.size > _OTHER_FUNCTION and kind not in _SENSITIVE)


def _follows(side: OwnSide, check: str) -> bool:
    """Return whether a stage of a side is that of the same model in float64."""
    found = [result.holds for result in side.checks if result.check == check]
    return bool(found) and all(found)


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
