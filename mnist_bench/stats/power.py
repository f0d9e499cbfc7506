"""The power of the verdict REGRESSED: the smallest shift that a comparison of this size detects.

A verdict needs its power: five seeds that show no change may have been too few to show one.
"""

from __future__ import annotations

from math import comb, inf
from typing import TYPE_CHECKING

import numpy as np
import scipy  # loads scipy.stats, which takes most of a second, on first use

from mnist_bench.stats.permutation import check_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["FAR_MARGIN", "smallest_shift"]

FAR_MARGIN = 1e9
"""Standard deviations from which on a margin is the smallest shift itself: the spread is too small to add to it."""

_FEWEST_WITH_SPREAD = 2
_STRATA = 400  # equally likely values of the sample's spread; ten times as many change a result by less than 1%


def smallest_shift(
    reference: ArrayLike, k: int, *, alpha: float, beta: float = 0.5, margin: float = 0.0, power: float = 0.9
) -> float:
    """Return the smallest true shift for the worse that k new seeds detect with the given power.

    The defaults of beta and margin give the power of the permutation test alone.

    Args:
        reference: Values of the reference seeds, shape (n,); the new seeds are assumed to have the same spread.
        k: Number of new seeds.
        alpha: One-sided level of the permutation test.
        beta: One-sided level of each end of the interval of the change.
        margin: Non-inferiority margin, in the unit of the values.
        power: Chance to detect the shift, above 0.5 and below 1.

    Returns:
        The shift in the unit of the values; infinity if no shift would be detected, or the spread is unknown.

    Raises:
        ValueError: The reference is not a finite, non-empty vector, or the power is out of range.
    """
    values = check_values(reference, "reference")
    if not 0.5 < power < 1:  # noqa: PLR2004 - a lower power might need no shift at all
        raise ValueError(f"power must be above 0.5 and below 1, not {power!r}")
    n = values.size
    if min(n, k) < _FEWEST_WITH_SPREAD or np.ptp(values) == 0 or 1 / comb(n + k, k) > alpha:
        return inf
    sd = float(np.std(values, ddof=1))
    if margin >= FAR_MARGIN * sd:
        return margin
    needed = _needed(n, k, alpha, beta, margin / sd)
    # A shift of 9 standard errors above the largest loss that is ever needed is detected almost surely.
    most = float(needed.max()) + 9
    return sd * float(scipy.optimize.brentq(lambda shift: _chance(shift, n, k, needed) - power, 0.0, most))


def _needed(n: int, k: int, alpha: float, beta: float, margin: float) -> NDArray[np.float64]:
    """Return the observed loss from which on the verdict is REGRESSED, for each stratum of the sample's spread.

    The unit is the standard deviation over seeds. The permutation test is approximated by the pooled t test,
    corrected for the skewness that a small worse group gives the pool (Cornish and Fisher, 1938).
    """
    variance = scipy.stats.chi2.ppf((np.arange(_STRATA) + 0.5) / _STRATA, k - 1) / (k - 1)
    pooled = ((n - 1) + (k - 1) * variance) / (n + k - 2)
    t = float(scipy.stats.t.isf(alpha, n + k - 2))
    skewness = ((n - k) / (n + k)) ** 2 * t**3 / (n * k) / (1 + t**2 / (n + k)) ** 1.5
    significant = (t + skewness * (t**2 - 1) / 6) * np.sqrt(pooled * (1 / n + 1 / k))
    half = scipy.stats.t.isf(beta, min(n, k) - 1) * np.sqrt(1 / n + variance / k)
    return np.asarray(np.maximum(significant, np.maximum(half, margin - half)))


def _chance(shift: float, n: int, k: int, needed: NDArray[np.float64]) -> float:
    """Return the chance that the observed loss reaches the needed one."""
    return float(scipy.special.ndtr((shift - needed) / np.sqrt(1 / n + 1 / k)).mean())
