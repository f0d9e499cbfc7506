"""How far the stages of a user's own model moved between two environments, and which rounding cannot explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.records import ROUNDING, compare_stages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.checks.records import Difference
    from mnist_bench.own.records import OwnProbe, OwnSide

__all__ = ["OTHER_FUNCTION", "compare_own_stages", "find_accused", "find_first_stages", "follows", "list_far"]

# Kinds of stages that start from given weights and samples, as `own.stages` names them, and the check that compares
# each with its double in float64.
_DOUBLES = {
    "forward": "arithmetic/forward",
    "loss": "arithmetic/forward",
    "gradient": "arithmetic/gradient",
    "update": "arithmetic/update",
    "evaluation": "arithmetic/evaluation",
}
OTHER_FUNCTION = 1e-3
"""Two sides that follow their doubles may still compute two functions, such as of another default of a layer: rounding
would have to grow ten thousand times to move a tensor by a thousandth."""

# The first step of Adam divides a gradient by its own size: one that is nothing but rounding, such as of a bias before
# a batch normalisation, moves a weight as far as any other. Of an update only those entries are judged whose gradient
# is above a thousandth of the largest: rounding moves these by a thousandth of themselves at most.
_LEAST_GRADIENT = 1e-3


def compare_own_stages(base: OwnSide, new: OwnSide) -> list[Difference]:
    """Return the stages that differ, in the order of training.

    Raises:
        ValueError: As `compare_stages`.
    """
    return compare_stages(base.probe.stages, new.probe.stages) if base.probe and new.probe else []


def list_far(differences: Sequence[Difference], base: OwnSide, new: OwnSide) -> list[Difference]:
    """Return the stages from given weights that moved by more than rounding moves them."""
    return [each for each in differences if _is_given(each) and _is_beyond(each, base, new, ROUNDING)]


def find_accused(differences: Sequence[Difference], base: OwnSide, new: OwnSide) -> Difference | None:
    """Return the first stage from given weights that is another computation; None if there is none."""
    for each in list_far(differences, base, new):
        followed = all(follows(side, _DOUBLES[_name_kind(each.stage)]) for side in (base, new))
        if _is_beyond(each, base, new, OTHER_FUNCTION if followed else ROUNDING):
            return each
    return None


def find_first_stages(base: OwnSide, new: OwnSide) -> tuple[str, str]:
    """Return the name of the first stage that differs, and of the first that moved far from given weights; "" if none.

    The first stages are those of random numbers, after which every other would differ if it were not given its weights.
    """
    differences = compare_own_stages(base, new)
    far = list_far(differences, base, new)
    return (differences[0].stage if differences else ""), (far[0].stage if far else "")


def follows(side: OwnSide, check: str = "") -> bool:
    """Return whether a stage of a side, or each of them, is that of the same model in float64."""
    wanted = [check] if check else list(_DOUBLES.values())
    found = {result.check: result.holds for result in side.checks}
    return all(found.get(name, False) for name in wanted)


def _name_kind(stage: str) -> str:
    return stage.partition(":")[0]


def _is_given(difference: Difference) -> bool:
    return _name_kind(difference.stage) in _DOUBLES and not difference.only


def _is_beyond(difference: Difference, base: OwnSide, new: OwnSide, bound: float) -> bool:
    """Return whether a stage moved by more than a share of what rounding is a share of; another size always has."""
    if difference.size is None or base.probe is None or new.probe is None:
        return difference.size is None
    kind = _name_kind(difference.stage)
    if kind == "gradient":
        return _measure_gradient(difference.stage, base.probe, new.probe) > bound
    if kind == "update":
        return _measure_update(difference, base.probe, new.probe) > max(bound, OTHER_FUNCTION)
    return difference.size > bound


def _measure_gradient(stage: str, base: OwnProbe, new: OwnProbe) -> float:
    """Return how far a gradient moved, relative to the largest of all: a gradient of 0 is rounding and nothing else."""
    pairs = list(_pair_values(stage, base, new))
    scale = max(_find_largest(base, "gradient"), _find_largest(new, "gradient"))
    return max(abs(x - y) for x, y in pairs) / scale if pairs and scale else 0.0


def _measure_update(difference: Difference, base: OwnProbe, new: OwnProbe) -> float:
    """Return how far an update moved where its gradient is large enough, relative to the largest of such updates."""
    gradients = list(_pair_values(difference.stage.replace("update", "gradient", 1), base, new))
    updates = list(_pair_values(difference.stage, base, new))
    if len(gradients) != len(updates):
        return difference.size or 0.0  # of a weight without a gradient, such as a moving mean
    least = _LEAST_GRADIENT * max(_find_largest(base, "gradient"), _find_largest(new, "gradient"))
    kept = [pair for pair, own in zip(updates, gradients, strict=True) if min(map(abs, own)) > least]
    scale = max((abs(value) for pair in kept for value in pair), default=0.0)
    return max(abs(x - y) for x, y in kept) / scale if scale else 0.0


def _pair_values(stage: str, base: OwnProbe, new: OwnProbe) -> Iterator[tuple[float, float]]:
    """Yield the kept values of a stage, of the same places on both sides; nothing of a stage that one side lacks."""
    old, now = (next((it.values for it in probe.stages if it.name == stage), []) for probe in (base, new))
    if len(old) == len(now):
        yield from zip(old, now, strict=True)


def _find_largest(probe: OwnProbe, kind: str) -> float:
    own = [abs(value) for stage in probe.stages if _name_kind(stage.name) == kind for value in stage.values]
    return max(own, default=0.0)
