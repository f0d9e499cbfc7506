"""Verdicts on the values of several metrics, a few seeds at a time, with a stated chance of error.

`docs/statistics.md` has the decision table, the reasons for the rules and the measured rates of error.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from mnist_bench.stats.intervals import Interval, change_interval, format_signed
from mnist_bench.stats.paired import paired_interval, paired_shift, paired_spread_test, paired_test
from mnist_bench.stats.permutation import (
    RESAMPLES,
    OneSidedTest,
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
    "GROUP_LOOKS",
    "LOOKS",
    "PAIR_LOOKS",
    "POWER",
    "Comparison",
    "Decision",
    "Outcome",
    "format_decision",
    "judge",
    "loss_margin",
]

Outcome = Literal["PASS", "BETTER", "REGRESSED", "INCONCLUSIVE"]

LOOKS = (5, 10, 20)  # new seeds at each look, in total; a look at less than twice as many seeds adds little
GROUP_LOOKS = (*LOOKS, 40)  # seeds a side, where two environments draw other random numbers: as many looks as of pairs
PAIR_LOOKS = (3, 5, 10, 20)  # pairs at each look; the last look may be earlier, when the time is over
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
        paired: Whether value k of both sides is of one seed and of the same random numbers; then k = n.
        resolution: The step of the values' grid; 0 if there is none.
        spread: Whether a wider spread is a regression, too.
        suspicious: Whether a gain of more than the margin is BETTER instead of PASS.
    """

    reference: ArrayLike
    sample: ArrayLike
    worse: Worse
    margin: float
    paired: bool = False
    resolution: float = 0.0
    spread: bool = True
    suspicious: bool = True


@dataclass(frozen=True)
class Decision:
    """A verdict with the evidence and the power; numbers are in the unit of the values.

    Attributes:
        verdict: PASS, BETTER, REGRESSED or INCONCLUSIVE.
        finding: The reason in a few words.
        reference_size: Number of reference seeds.
        sample_size: Number of new seeds.
        paired: Whether the seeds were judged as pairs.
        margin: The largest loss that does not matter.
        change: Interval of the change in the mean, sample minus reference.
        mean: Test of the mean: Student's of pairs, else a permutation test.
        mean_p: P-value of the mean, adjusted by Holm's method.
        spread: Test of the spread: Pitman's of pairs, else a permutation test; None if the spread is not judged.
        spread_p: P-value of the spread, adjusted likewise; 1 if the spread is not judged.
        threshold: The largest significant adjusted p-value: alpha over the number of looks.
        family: The number of tests among which the p-values are adjusted.
        worse: The direction that is worse.
        smallest_shift: The smallest true change, signed, that is REGRESSED at this look with 90% power.
    """

    verdict: Outcome
    finding: str
    reference_size: int
    sample_size: int
    paired: bool
    margin: float
    change: Interval
    mean: OneSidedTest
    mean_p: float
    spread: OneSidedTest | None
    spread_p: float
    threshold: float
    family: int
    worse: Worse
    smallest_shift: float

    @property
    def loss(self) -> Interval:
        """The change in the worse direction: above 0 is worse, whichever way the metric points."""
        sign = worse_sign(self.worse)
        low, high = sorted((sign * self.change.low, sign * self.change.high))
        return Interval(sign * self.change.estimate, low, high, self.change.level)

    @property
    def worsened(self) -> bool:
        """Whether the change is in the worse direction."""
        return self.loss.estimate > 0


def loss_margin(reference: ArrayLike) -> float:
    """Return the margin of a loss: 1.5 standard deviations of the reference, or 0 for a single value."""
    values = check_values(reference, "reference")
    return LOSS_MARGIN_SDS * float(np.std(values, ddof=1)) if values.size > 1 else 0.0


def judge(
    comparisons: Mapping[_K, Comparison],
    *,
    rng: np.random.Generator,
    looks: int = len(LOOKS),
    last: bool = True,
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
        last: Whether no look follows. Before the last one, a loss that is beyond chance and less than the margin, and
            may still be more, is INCONCLUSIVE: more seeds say which it is.
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
    tests = [_test(comparison, rng, resamples) for comparison in comparisons.values()]
    # A spread of too few seeds is a test that cannot reject; one that nobody asks for is none.
    asked = [1 + comparison.spread for comparison in comparisons.values()]
    pairs = zip(asked, tests, strict=True)
    p_values = [[mean.p_value, spread.p_value if spread else 1.0][:tried] for tried, (mean, spread) in pairs]
    adjusted = iter(holm([value for pair in p_values for value in pair]).tolist())
    return {
        name: _decide(
            comparison,
            *pair,
            (next(adjusted), next(adjusted) if comparison.spread else 1.0),
            family=sum(asked),
            last=last,
            alpha=alpha / looks,
            beta=beta / looks,
        )
        for (name, comparison), pair in zip(comparisons.items(), tests, strict=True)
    }


def _test(comparison: Comparison, rng: np.random.Generator, resamples: int) -> tuple[OneSidedTest, OneSidedTest | None]:
    """Return the tests of the mean and of the spread; below five new seeds the spread is not judged."""
    old, new, worse = comparison.reference, comparison.sample, comparison.worse
    # Three deviations from their own median contain two numbers: too few for a test of the spread.
    wide = comparison.spread and np.size(new) >= LOOKS[0]
    if comparison.paired:
        mean = paired_test(old, new, worse=worse, resolution=comparison.resolution)
        return mean, paired_spread_test(old, new) if wide else None
    mean = permutation_test(old, new, worse=worse, rng=rng, resamples=resamples)
    return mean, spread_test(old, new, rng=rng, resamples=resamples) if wide else None


def _interval(comparison: Comparison, alpha: float) -> Interval:
    old, new = comparison.reference, comparison.sample
    if comparison.paired:
        return paired_interval(old, new, alpha=alpha, resolution=comparison.resolution)
    return change_interval(old, new, alpha=alpha, resolution=comparison.resolution)


def _decide(
    comparison: Comparison,
    mean: OneSidedTest,
    spread: OneSidedTest | None,
    adjusted: tuple[float, float],
    *,
    family: int,
    last: bool,
    alpha: float,
    beta: float,
) -> Decision:
    """Return the decision on one comparison at one look, which may spend alpha and beta."""
    mean_p, spread_p = adjusted
    margin, sign = comparison.margin, worse_sign(comparison.worse)
    if not 0 <= margin < inf:
        raise ValueError(f"margin must be finite and not negative, not {margin!r}")
    change = _interval(comparison, beta)
    least, most = sorted((sign * change.low, sign * change.high))  # of the loss
    strict = _interval(comparison, alpha / family)
    gain = -max(sign * strict.low, sign * strict.high)  # at least so much, beyond chance
    verdict, finding = _conclude(
        worse=mean_p <= alpha and least > 0,
        wider=spread_p <= alpha,
        within=most <= margin,
        wait=not last and sign * change.estimate < margin,
        better=comparison.suspicious and gain > margin,
        able=mean.smallest_p <= alpha / family,
    )
    return Decision(
        verdict=verdict,
        finding=finding,
        reference_size=np.size(comparison.reference),
        sample_size=np.size(comparison.sample),
        paired=comparison.paired,
        margin=margin,
        change=change,
        mean=mean,
        mean_p=mean_p,
        spread=spread,
        spread_p=spread_p,
        threshold=alpha,
        family=family,
        worse=comparison.worse,
        smallest_shift=sign * _find_shift(comparison, alpha=alpha / family, beta=beta),
    )


def _find_shift(comparison: Comparison, *, alpha: float, beta: float) -> float:
    old, new, margin = comparison.reference, comparison.sample, comparison.margin
    if comparison.paired:
        step = comparison.resolution
        return paired_shift(old, new, alpha=alpha, beta=beta, margin=margin, power=POWER, resolution=step)
    return smallest_shift(old, np.size(new), alpha=alpha, beta=beta, margin=margin, power=POWER)


def _conclude(*, worse: bool, wider: bool, within: bool, wait: bool, better: bool, able: bool) -> tuple[Outcome, str]:
    """Return the verdict and the finding by the decision table of docs/statistics.md."""
    if wider:
        return "REGRESSED", "worse mean and wider spread" if worse else "wider spread"
    if worse and not within:
        open_margin: tuple[Outcome, str] = "INCONCLUSIVE", "worse mean, and more seeds say whether beyond the margin"
        return open_margin if wait else ("REGRESSED", "worse mean")
    if better:
        return "BETTER", "better by more than the margin: suspicious, unless it is explained"
    if within:
        return "PASS", "worse mean, but within the margin" if worse else "within the margin"
    if not able:
        return "INCONCLUSIVE", "too few seeds for any loss to be significant"
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
        return format_signed(scale * value, digits)

    change, seeds = decision.change, "seed" if decision.sample_size == 1 else "seeds"
    sizes = f"{decision.sample_size} {seeds} against {decision.reference_size}"
    if decision.paired:
        sizes = f"{decision.sample_size} pairs of seeds"
    spread = f"{decision.spread_p:.2g}" if decision.spread else "not judged"
    power = f"would detect {text(decision.smallest_shift)}{unit} with {POWER:.0%} power"
    return (
        f"{decision.verdict}: {decision.finding}; change {text(change.estimate)}{unit} "
        f"({change.level:.1%} interval {text(change.low)} to {text(change.high)}), "
        f"margin {scale * decision.margin:.{digits}f}; p of the mean {decision.mean_p:.2g}, "
        f"of the spread {spread} (significant up to {decision.threshold:.2g}); "
        f"{sizes}; "
        f"{power if isfinite(decision.smallest_shift) else 'could not detect any loss'}"
    )
