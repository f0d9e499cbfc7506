"""Tests and intervals for pairs: the same seeds on both sides, so that a difference is within a seed.

Two trainings with the same random numbers differ by rounding alone, which varies much less than a seed does.
`docs/statistics.md` derives each formula and names the source.
"""

from __future__ import annotations

import functools
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import scipy  # loads its parts, of which scipy.stats takes most of a second, on first use

from mnist_bench.stats.intervals import Interval
from mnist_bench.stats.permutation import OneSidedTest, Worse, check_values, worse_sign
from mnist_bench.stats.power import FAR_MARGIN

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FEWEST_PAIRS",
    "WIDER",
    "paired_interval",
    "paired_shift",
    "paired_spread_test",
    "paired_test",
    "shift_of_pairs",
]

FEWEST_PAIRS = 3  # two differences say too little about their own spread
WIDER = 1.5  # times as wide: a smaller difference between spreads is below what groups of 20 seeds could ever show
_SMALL = 1e-300
_STRATA = 400  # equally likely values of the spread, as in `power`


def paired_test(reference: ArrayLike, sample: ArrayLike, *, worse: Worse, resolution: float = 0.0) -> OneSidedTest:
    """Test whether the mean of the differences, sample minus reference, is worse than 0: Student's test (1908).

    If nothing changed, the sides of a pair are exchangeable, so the differences are symmetric about 0.

    Args:
        reference: Values of the reference, shape (n,), at least `FEWEST_PAIRS`.
        sample: Values of the same seeds on the other side, shape (n,).
        worse: The direction that is worse.
        resolution: The step of the values' grid, such as one image of 10,000.

    Raises:
        ValueError: The inputs are not equally long finite vectors, or too short.
    """
    differences = _subtract(reference, sample)
    mean, error = float(differences.mean()), _standard_error(differences, resolution)
    excess = worse_sign(worse) * mean
    p_value = _find_tail(excess / error, differences.size - 1) if error else float(excess <= 0)
    return OneSidedTest(mean, p_value, smallest_p=0.0, resamples=0)


def paired_interval(reference: ArrayLike, sample: ArrayLike, *, alpha: float, resolution: float = 0.0) -> Interval:
    """Return Student's interval of the mean difference, each end at the one-sided level alpha.

    Args:
        reference: As for `paired_test`.
        sample: As for `paired_test`.
        alpha: Chance that the true change lies beyond one given end, above 0 and below 0.5.
        resolution: As for `paired_test`.

    Raises:
        ValueError: As for `paired_test`; or alpha is out of range.
    """
    if not 0 < alpha < 0.5:  # noqa: PLR2004 - from 0.5 on the ends would cross
        raise ValueError(f"alpha must be above 0 and below 0.5, not {alpha!r}")
    differences = _subtract(reference, sample)
    estimate = float(differences.mean())
    half = _find_quantile(alpha, differences.size - 1) * _standard_error(differences, resolution)
    return Interval(estimate, estimate - half, estimate + half, 1 - 2 * alpha)


def paired_spread_test(reference: ArrayLike, sample: ArrayLike, *, ratio: float = WIDER) -> OneSidedTest:
    """Test whether the sample's spread is more than `ratio` times the reference's (Pitman, 1939; Morgan, 1939).

    With x the reference times the ratio and y the sample, y varies more than x if x + y and y - x correlate. Pairs
    that are nearly alike show the smallest difference between two spreads, so the ratio says which one matters.

    Args:
        reference: As for `paired_test`.
        sample: As for `paired_test`.
        ratio: The largest ratio of two standard deviations that does not matter.

    Raises:
        ValueError: As for `paired_test`.
    """
    _subtract(reference, sample)
    old, new = check_values(reference, "reference"), check_values(sample, "sample")
    spread = float(np.std(new, ddof=1) - np.std(old, ddof=1))
    sums, differences = new + ratio * old, new - ratio * old
    if np.ptp(sums) == 0 or np.ptp(differences) == 0:
        return OneSidedTest(spread, 1.0, smallest_p=0.0, resamples=0)
    r, freedom = float(np.corrcoef(sums, differences)[0, 1]), old.size - 2
    t = r * sqrt(freedom / max(1 - r * r, _SMALL))
    return OneSidedTest(spread, _find_tail(t, freedom), smallest_p=0.0, resamples=0)


def paired_shift(
    reference: ArrayLike,
    sample: ArrayLike,
    *,
    alpha: float,
    beta: float,
    margin: float,
    power: float,
    resolution: float = 0.0,
) -> float:
    """Return the smallest true shift for the worse that so many pairs detect with the given power.

    The true spread of the differences is taken to be that of the pairs at hand.

    Args:
        reference: As for `paired_test`.
        sample: As for `paired_test`.
        alpha: One-sided level of the test.
        beta: One-sided level of the interval that has to exceed the margin.
        margin: The largest loss that does not matter.
        power: Chance to detect the shift.
        resolution: As for `paired_test`.

    Raises:
        ValueError: As for `paired_test`.
    """
    differences = _subtract(reference, sample)
    spread = _standard_error(differences, resolution) * sqrt(differences.size)
    return shift_of_pairs(spread, differences.size, alpha=alpha, beta=beta, margin=margin, power=power)


def shift_of_pairs(spread: float, pairs: int, *, alpha: float, beta: float, margin: float, power: float) -> float:
    """Return the smallest true shift for the worse that so many pairs detect with the given power.

    Args:
        spread: The true standard deviation of the differences.
        pairs: How many pairs, at least two.
        alpha: As for `paired_shift`.
        beta: As for `paired_shift`.
        margin: As for `paired_shift`.
        power: As for `paired_shift`.
    """
    error, freedom = spread / sqrt(pairs), pairs - 1
    if margin >= FAR_MARGIN * error:
        return margin
    # REGRESSED needs a mean above the quantile of alpha, and an interval that reaches beyond the margin.
    typical = _list_spreads(freedom)
    needed = np.maximum(
        _find_quantile(alpha, freedom) * typical, margin / error - _find_quantile(beta, freedom) * typical
    )

    def lack(shift: float) -> float:
        return float(scipy.special.ndtr(shift - needed).mean()) - power

    # A shift of 9 standard errors above the largest mean that is ever needed is found almost surely.
    return float(scipy.optimize.brentq(lack, 0.0, float(needed.max()) + 9)) * error


# The functions that `scipy.stats.t` calls, too, after checks that take ten times as long: the numbers are the same.


def _find_tail(t: float, freedom: int) -> float:
    """Return the chance of a Student's t above this one."""
    return float(scipy.special.stdtr(freedom, -t))


def _find_quantile(level: float, freedom: int) -> float:
    """Return the Student's t above which the chance is the level."""
    return -float(scipy.special.stdtrit(freedom, level))


@functools.lru_cache(maxsize=64)
def _list_spreads(freedom: int) -> NDArray[np.float64]:
    """Return equally likely standard deviations of a sample, as shares of the true one; not to be written to."""
    spreads: NDArray[np.float64] = np.sqrt(
        scipy.stats.chi2.ppf((np.arange(_STRATA) + 0.5) / _STRATA, freedom) / freedom
    )
    return spreads


def _subtract(reference: ArrayLike, sample: ArrayLike) -> NDArray[np.float64]:
    old, new = check_values(reference, "reference"), check_values(sample, "sample")
    if old.size != new.size or old.size < FEWEST_PAIRS:
        raise ValueError(f"pairs need as many values on both sides, {FEWEST_PAIRS} or more: {old.size} and {new.size}")
    return new - old


def _standard_error(differences: NDArray[np.float64], resolution: float) -> float:
    """Return the standard error of the mean; the spread is at least that of two roundings to the grid.

    A rounding to a grid of step q has the variance q²/12 (Sheppard, 1898), so that equal differences prove no
    more than the grid can show.
    """
    variance = max(float(np.var(differences, ddof=1)), resolution**2 / 6)
    return sqrt(variance / differences.size)
