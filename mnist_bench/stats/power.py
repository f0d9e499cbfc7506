"""What a comparison could have seen: the power of the verdict REGRESSED, and the smallest shift it finds.

A verdict without its power is half a verdict: five seeds that saw nothing may have been unable to.
"""

from __future__ import annotations

from math import comb, inf
from typing import TYPE_CHECKING

import numpy as np
import scipy  # which loads its stats, most of a second, when they are asked for

from mnist_bench.stats.permutation import check_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["power_to_regress", "smallest_shift"]

_FEWEST_WITH_SPREAD = 2
_STRATA = 400  # equally likely values of the sample's spread; ten times as many move a result by less than 1%


def power_to_regress(
    shift: float, sd: float, n: int, k: int, *, alpha: float, beta: float = 0.5, margin: float = 0.0
) -> float:
    """Return the chance that a true shift for the worse is found: significant, and not within the margin.

    The defaults of beta and margin leave the permutation test alone.

    Args:
        shift: True shift of the mean for the worse, in the unit of the values.
        sd: Standard deviation over seeds, on both sides; above 0.
        n: Number of reference seeds.
        k: Number of new seeds.
        alpha: One-sided level of the permutation test.
        beta: One-sided level of each end of the interval of the change.
        margin: Non-inferiority margin, in the unit of the values.
    """
    if min(n, k) < _FEWEST_WITH_SPREAD or 1 / comb(n + k, k) > alpha:
        return 0.0
    return _chance(shift / sd, n, k, _needed(n, k, alpha, beta, margin / sd))


def smallest_shift(
    reference: ArrayLike, k: int, *, alpha: float, beta: float = 0.5, margin: float = 0.0, power: float = 0.9
) -> float:
    """Return the smallest true shift for the worse that k new seeds find with the given power.

    Args:
        reference: Values of the reference seeds, shape (n,); the new ones are taken to spread like them.
        k: Number of new seeds.
        alpha: One-sided level of the permutation test.
        beta: One-sided level of each end of the interval of the change.
        margin: Non-inferiority margin, in the unit of the values.
        power: Chance to find it, above one half and below 1.

    Returns:
        The shift in the unit of the values; infinity where no shift would be found, or the spread is unknown.

    Raises:
        ValueError: The reference is not a finite, non-empty vector, or the power is out of range.
    """
    values = check_values(reference, "reference")
    if not 0.5 < power < 1:  # noqa: PLR2004 - below it even no shift might do
        raise ValueError(f"power must be above 0.5 and below 1, not {power!r}")
    n = values.size
    if min(n, k) < _FEWEST_WITH_SPREAD or np.ptp(values) == 0 or 1 / comb(n + k, k) > alpha:
        return inf
    sd = float(np.std(values, ddof=1))
    needed = _needed(n, k, alpha, beta, margin / sd)
    # A shift of 9 standard errors more than the most that is ever needed is found almost surely.
    most = float(needed.max()) + 9
    return sd * float(scipy.optimize.brentq(lambda shift: _chance(shift, n, k, needed) - power, 0.0, most))


def _needed(n: int, k: int, alpha: float, beta: float, margin: float) -> NDArray[np.float64]:
    """Return the observed loss at which the verdict turns REGRESSED, for each stratum of the sample's spread.

    All in units of the standard deviation over seeds. The permutation test is taken as the pooled t test it
    tends to, corrected for the skewness that a small worse group gives the pool (Cornish and Fisher, 1938).
    """
    variance = scipy.stats.chi2.ppf((np.arange(_STRATA) + 0.5) / _STRATA, k - 1) / (k - 1)
    pooled = ((n - 1) + (k - 1) * variance) / (n + k - 2)
    t = float(scipy.stats.t.isf(alpha, n + k - 2))
    skewness = ((n - k) / (n + k)) ** 2 * t**3 / (n * k) / (1 + t**2 / (n + k)) ** 1.5
    significant = (t + skewness * (t**2 - 1) / 6) * np.sqrt(pooled * (1 / n + 1 / k))
    half = scipy.stats.t.isf(beta, min(n, k) - 1) * np.sqrt(1 / n + variance / k)
    return np.asarray(np.maximum(significant, np.maximum(half, margin - half)))


def _chance(shift: float, n: int, k: int, needed: NDArray[np.float64]) -> float:
    """Return the chance that the observed loss reaches what is needed."""
    return float(scipy.special.ndtr((shift - needed) / np.sqrt(1 / n + 1 / k)).mean())
