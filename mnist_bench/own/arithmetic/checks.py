"""The checks of the arithmetic of a user's own model: compared with its double, and with differences of the loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mnist_bench.own.arithmetic.differences import compare_slopes
from mnist_bench.own.arithmetic.double import UnreadableError, compare_double
from mnist_bench.records.verdicts import CheckResult, Verdict

if TYPE_CHECKING:
    from mnist_bench.own.arithmetic.differences import Slope
    from mnist_bench.own.arithmetic.double import Comparison, Departure
    from mnist_bench.own.records import ModelFile

__all__ = ["check_differences", "check_double"]

_LISTED = 5  # names in a message

# A gradient is computed from the output back to the input: the last weight that departs is the first that was wrong.
_BACKWARDS = "gradient"


def check_double(model: ModelFile, group: str, name: str) -> CheckResult:
    """Compare one group of the model's tensors with those of its double in float64.

    Args:
        model: The file.
        group: One of `steps.GROUPS`.
        name: The name of the check.
    """
    bound = "≤ 1, what moving weights and inputs by 16 roundoffs does"
    try:
        comparisons = compare_double(model)
    except UnreadableError as error:
        return CheckResult(name=name, verdict=Verdict.UNREADABLE, figure=str(error), bound=bound)
    # A fault is there for all weights and samples; where rounding switches a relu, other ones are compared.
    best = min(comparisons, key=lambda it: it.worst(group))
    ordered = best.departures[group][:: -1 if group == _BACKWARDS else 1]
    parted = [departure for departure in ordered if departure.ratio > 1]
    worst = max(ordered, key=lambda it: it.ratio, default=None)
    return CheckResult(
        name=name,
        verdict=_judge(best, group, parted),
        figure=_describe(parted[0] if parted else worst),
        bound=bound,
        evidence=_explain(best, group, parted),
    )


def _judge(comparison: Comparison, group: str, parted: list[Departure]) -> Verdict:
    if group in comparison.random:
        return Verdict.INCONCLUSIVE
    if parted:
        return Verdict.REGRESSED
    empty = not comparison.departures[group]
    return Verdict.INCONCLUSIVE if comparison.held or empty else Verdict.PASS


def _describe(departure: Departure | None) -> str:
    if departure is None:
        return "nothing to compare"
    if math.isinf(departure.ratio):
        return f"{departure.name}: not finite, or of another shape"
    return f"{departure.name}: {departure.ratio:.2g} of the bound, {departure.relative:.1e} of its size"


def _explain(comparison: Comparison, group: str, parted: list[Departure]) -> str:
    """Return what was compared, what parts after the first, and what was not seen."""
    told = [f"{len(comparison.departures[group])} tensors compared with the same model in float64"]
    if parted[1:]:
        told.append(f"then {', '.join(it.name for it in parted[1 : 1 + _LISTED])}" + (", ..." if parted[6:] else ""))
    if comparison.unseen:
        told.append(f"not seen, as they keep float32 in the double: {', '.join(comparison.unseen[:_LISTED])}")
    if group in comparison.random:
        told.append("the model draws random numbers that cannot be switched off")
    return "; ".join(told)


def check_differences(model: ModelFile, name: str) -> CheckResult:
    """Compare each weight's gradient with differences of the loss, in float64."""
    bound = "≤ 1, a thousandth of the slope"
    try:
        slopes = compare_slopes(model)
    except UnreadableError as error:
        return CheckResult(name=name, verdict=Verdict.UNREADABLE, figure=str(error), bound=bound)
    unread = [slope.name for slope in slopes if slope.measured is None]
    wrong = [slope for slope in reversed(slopes) if slope.ratio > 1]
    told = [f"{len(slopes) - len(unread)} weights, up to 64 entries of each"]
    if wrong[1:]:
        told.append(f"then {', '.join(it.name for it in wrong[1 : 1 + _LISTED])}")
    if unread:
        told.append(f"kinks near {', '.join(unread[:_LISTED])}")
    return CheckResult(
        name=name,
        verdict=Verdict.REGRESSED if wrong else Verdict.INCONCLUSIVE if unread or not slopes else Verdict.PASS,
        figure=_describe_slope(wrong, slopes),
        bound=bound,
        evidence="; ".join(told),
    )


def _describe_slope(wrong: list[Slope], slopes: list[Slope]) -> str:
    if wrong:
        share = wrong[0].gradient / wrong[0].measured if wrong[0].measured else math.inf
        return f"{wrong[0].name}: the gradient is {share:.6g} of the slope"
    worst = max(slopes, key=lambda it: it.ratio, default=None)
    return f"{worst.name}: {worst.ratio:.1g} of the bound" if worst else "no weight is trained"
