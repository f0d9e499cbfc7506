"""Verdicts on the values of several metrics, a few seeds at a time, with a stated chance of error.

`docs/statistics.md` has the decision table, the reasons for the rules and the measured rates of error.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from mnist_bench.stats.intervals import Interval, change_interval
from mnist_bench.stats.permutation import (
    RESAMPLES,
    PermutationTest,
    Worse,
    check_values,
    holm,
    permutation_test,
    spread_test,
    worse_sign,
)
from mnist_bench.stats.power import smallest_shift

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping


__all__ = [
    "ACCURACY_MARGIN",
    "ALPHA",
    "BETA",
    "LOOKS",
    "POWER",
    "Comparison",
    "Decision",
    "Outcome",
    "format_decision",
    "judge",
    "loss_margin",
]

Outcome = Literal["PASS", "REGRESSED", "INCONCLUSIVE"]

LOOKS = (5, 10, 20)  # new seeds at each look, in total; a look at less than twice as many seeds adds little
ALPHA = 0.01  # chance that a comparison of all metrics says REGRESSED at any look although nothing changed
BETA = 0.05  # chance that a metric says PASS at any look although it is worse by the whole margin
POWER = 0.9  # of the smallest shift that a decision states
ACCURACY_MARGIN = 0.0015  # 0.15 percentage points: the smallest loss of accuracy that matters in this project
LOSS_MARGIN_SDS = 1.5  # a loss has no natural margin; 0.15 points are 1.4 to 2.2 standard deviations over seeds


_K = TypeVar("_K", bound="Hashable")


@dataclass(frozen=True)
class Comparison:
    """One metric of one model, on both sides.

    Attributes:
        reference: Values of the reference seeds, shape (n,).
        sample: Values of the new seeds, shape (k,).
        worse: The direction that is worse.
        margin: The largest loss that does not matter, in the unit of the values, fixed before the sample.
    """

    reference: ArrayLike
    sample: ArrayLike
    worse: Worse
    margin: float


@dataclass(frozen=True)
class Decision:
    """A verdict with the evidence and the power; numbers are in the unit of the values.

    Attributes:
        verdict: PASS, REGRESSED or INCONCLUSIVE.
        finding: The reason in a few words.
        reference_size: Number of reference seeds.
        sample_size: Number of new seeds.
        margin: The largest loss that does not matter.
        change: Interval of the change in the mean, sample minus reference.
        mean: Permutation test of the mean.
        mean_p: P-value of the mean, adjusted by Holm's method.
        spread: Permutation test of the spread.
        spread_p: P-value of the spread, adjusted likewise; 1 below five new seeds, when the spread is not judged.
        threshold: The largest significant adjusted p-value: alpha over the number of looks.
        smallest_shift: The smallest true change, signed, that is REGRESSED at this look with 90% power.
    """

    verdict: Outcome
    finding: str
    reference_size: int
    sample_size: int
    margin: float
    change: Interval
    mean: PermutationTest
    mean_p: float
    spread: PermutationTest
    spread_p: float
    threshold: float
    smallest_shift: float


def loss_margin(reference: ArrayLike) -> float:
    """Return the margin of a loss: 1.5 standard deviations of the reference, or 0 for a single value."""
    values = check_values(reference, "reference")
    return LOSS_MARGIN_SDS * float(np.std(values, ddof=1)) if values.size > 1 else 0.0


def judge(
    comparisons: Mapping[_K, Comparison],
    *,
    rng: np.random.Generator,
    looks: int = len(LOOKS),
    alpha: float = ALPHA,
    beta: float = BETA,
    resamples: int = RESAMPLES,
) -> dict[_K, Decision]:
    """Judge all comparisons at one look.

    Call this again with more new seeds in the same comparisons while something is INCONCLUSIVE and nothing REGRESSED,
    at most `looks` times. Each look spends an equal part of alpha and of beta, whatever earlier looks said.

    Args:
        comparisons: Every metric of every model, by any key: the family of tests that Holm's method corrects for.
        rng: Source of the random splits; the same seed gives the same verdicts.
        looks: How many looks are planned in total; 1 if the number of seeds is fixed in advance.
        alpha: Chance that any comparison says REGRESSED although nothing changed.
        beta: Chance that a given comparison says PASS although its mean is worse by the margin.
        resamples: Number of random splits of each permutation test.

    Returns:
        The decisions by key, in the given order.

    Raises:
        ValueError: There is nothing to compare, a value is not finite, or an option is out of range.
    """
    if not comparisons or looks < 1 or not 0 < alpha < 1:
        raise ValueError(f"cannot judge {len(comparisons)} comparisons in {looks!r} looks at alpha {alpha!r}")
    tests, p_values = [], []
    for comparison in comparisons.values():
        old, new = comparison.reference, comparison.sample
        mean = permutation_test(old, new, worse=comparison.worse, rng=rng, resamples=resamples)
        spread = spread_test(old, new, rng=rng, resamples=resamples)
        tests.append((mean, spread))
        # Three deviations from their own median contain two numbers: too few for a test of the spread.
        p_values.append((mean.p_value, spread.p_value if np.size(new) >= LOOKS[0] else 1.0))
    adjusted = holm(np.ravel(p_values)).reshape(-1, 2)
    shares = {"alpha": alpha / looks, "beta": beta / looks}
    return {
        name: _decide(comparison, pair, (float(row[0]), float(row[1])), family=adjusted.size, **shares)
        for (name, comparison), pair, row in zip(comparisons.items(), tests, adjusted, strict=True)
    }


def _decide(
    comparison: Comparison,
    tests: tuple[PermutationTest, PermutationTest],
    adjusted: tuple[float, float],
    *,
    family: int,
    alpha: float,
    beta: float,
) -> Decision:
    """Return the decision on one comparison at one look, which may spend alpha and beta."""
    (mean, spread), (mean_p, spread_p) = tests, adjusted
    margin, sign = comparison.margin, worse_sign(comparison.worse)
    if not 0 <= margin < inf:
        raise ValueError(f"margin must be finite and not negative, not {margin!r}")
    old, new = comparison.reference, comparison.sample
    change = change_interval(old, new, alpha=beta)
    least, most = sorted((sign * change.low, sign * change.high))  # of the loss
    verdict, finding = _conclude(
        worse=mean_p <= alpha and least > 0,
        wider=spread_p <= alpha,
        within=most <= margin,
        able=mean.smallest_p <= alpha / family,
    )
    found = smallest_shift(old, np.size(new), alpha=alpha / family, beta=beta, margin=margin, power=POWER)
    return Decision(
        verdict=verdict,
        finding=finding,
        reference_size=np.size(old),
        sample_size=np.size(new),
        margin=margin,
        change=change,
        mean=mean,
        mean_p=mean_p,
        spread=spread,
        spread_p=spread_p,
        threshold=alpha,
        smallest_shift=sign * found,
    )


def _conclude(*, worse: bool, wider: bool, within: bool, able: bool) -> tuple[Outcome, str]:
    """Return the verdict and the finding by the decision table of docs/statistics.md."""
    if wider:
        return "REGRESSED", "worse mean and wider spread" if worse else "wider spread"
    if worse and not within:
        return "REGRESSED", "worse mean"
    if not able:
        return "INCONCLUSIVE", "too few seeds for any loss to be significant"
    if within:
        return "PASS", "worse mean, but within the margin" if worse else "within the margin"
    return "INCONCLUSIVE", "neither worse nor within the margin"


def format_decision(decision: Decision, *, scale: float = 1.0, unit: str = "", digits: int = 4) -> str:
    """Return the verdict, the evidence and the power on one line.

    Args:
        decision: The decision to describe.
        scale: Factor from the unit of the values to the unit of the text, such as 100 for percentage points.
        unit: Text after a number, such as " points".
        digits: Decimal places of the changes.
    """

    def text(value: float) -> str:
        return f"{scale * value:+.{digits}f}"

    change, seeds = decision.change, "seed" if decision.sample_size == 1 else "seeds"
    spread = f"{decision.spread_p:.2g}" if decision.sample_size >= LOOKS[0] else "not judged"
    power = f"would detect {text(decision.smallest_shift)}{unit} with {POWER:.0%} power"
    return (
        f"{decision.verdict}: {decision.finding}; change {text(change.estimate)}{unit} "
        f"({change.level:.1%} interval {text(change.low)} to {text(change.high)}), "
        f"margin {scale * decision.margin:.{digits}f}; p of the mean {decision.mean_p:.2g}, "
        f"of the spread {spread} (significant up to {decision.threshold:.2g}); "
        f"{decision.sample_size} {seeds} against {decision.reference_size}; "
        f"{power if isfinite(decision.smallest_shift) else 'could not detect any loss'}"
    )
