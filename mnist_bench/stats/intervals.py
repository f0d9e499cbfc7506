"""Estimates with their uncertainty: the change in a mean, and how many times as long one side takes."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf
from typing import TYPE_CHECKING

import numpy as np
import scipy  # which loads its stats, most of a second, when they are asked for

from mnist_bench.stats.permutation import check_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Interval",
    "bootstrap_ratio_interval",
    "bootstrap_rounds_interval",
    "change_interval",
    "mean_interval",
    "median_interval",
]

_FEWEST_WITH_SPREAD = 2


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval with equal tails.

    Attributes:
        estimate: The estimate itself.
        low: Lower end; minus infinity where the values give no spread to judge by.
        high: Upper end; infinity where the values give no spread to judge by.
        level: Confidence level of the two ends together.
    """

    estimate: float
    low: float
    high: float
    level: float


def change_interval(reference: ArrayLike, sample: ArrayLike, *, alpha: float) -> Interval:
    """Return the interval of the change in the mean, each end at the one-sided level alpha.

    Welch's statistic, as the spreads may differ, with the degrees of freedom of the smaller side: so alpha is
    a bound (Mickey and Brown, 1966), which five seeds exceed by a fifth with Welch's own approximation.

    A sample that does not vary at all borrows the reference's spread, for equal results are no proof of
    precision. Where neither varies, or either has fewer than two values, the ends are infinite.

    Args:
        reference: Values of the reference seeds, shape (n,).
        sample: Values of the new seeds, shape (k,).
        alpha: Chance that the truth lies beyond one given end, above 0 and below 0.5.

    Raises:
        ValueError: An input is not a finite, non-empty vector, or alpha is out of range.
    """
    old, new = check_values(reference, "reference"), check_values(sample, "sample")
    if not 0 < alpha < 0.5:  # noqa: PLR2004 - from one half on the ends would cross
        raise ValueError(f"alpha must be above 0 and below 0.5, not {alpha!r}")
    estimate, half = float(new.mean() - old.mean()), inf
    varied = new if np.ptp(new) > 0 else old
    if min(old.size, new.size) >= _FEWEST_WITH_SPREAD and np.ptp(varied) > 0:
        variance = np.var(old, ddof=1) / old.size + np.var(varied, ddof=1) / new.size
        half = float(scipy.stats.t.isf(alpha, min(old.size, new.size) - 1) * np.sqrt(variance))
    return Interval(estimate, estimate - half, estimate + half, 1 - 2 * alpha)


def mean_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the mean with Student's interval; its ends are infinite where the values give no spread.

    Args:
        values: Shape (n,).
        level: Confidence level, above 0 and below 1.

    Raises:
        ValueError: The values are not a finite, non-empty vector, or level is out of range.
    """
    _check_level(level)
    vector = check_values(values, "values")
    estimate, half = float(vector.mean()), inf
    if np.ptp(vector) > 0:
        half = float(
            scipy.stats.t.isf((1 - level) / 2, vector.size - 1) * np.std(vector, ddof=1) / np.sqrt(vector.size)
        )
    return Interval(estimate, estimate - half, estimate + half, level)


def median_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the median with the interval that two of the values span: no distribution is assumed.

    The k-th smallest and the k-th largest hold the median unless fewer than k values fall to one side of it, which
    has the binomial chance (David and Nagaraja, 2003, section 7.1). Its level is the stated one or a little more;
    below six values it has no ends at 95%, and they are infinite.

    Args:
        values: Shape (n,).
        level: Confidence level, above 0 and below 1.

    Raises:
        ValueError: The values are not a finite, non-empty vector, or level is out of range.
    """
    _check_level(level)
    ordered = np.sort(check_values(values, "values"))
    middle = float(np.median(ordered))
    # The most values that may be cut off at an end: the chance that so few lie there is at most the tail's.
    cut = int(scipy.stats.binom.ppf((1 - level) / 2, ordered.size, 0.5))
    if scipy.stats.binom.cdf(cut, ordered.size, 0.5) > (1 - level) / 2:
        cut -= 1
    if cut < 0:
        return Interval(middle, -inf, inf, level)
    return Interval(middle, float(ordered[cut]), float(ordered[-1 - cut]), level)


def bootstrap_ratio_interval(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return b's time over a's: the ratio of the geometric means of the processes' median epochs.

    A process keeps its own speed, so processes are resampled, then the epochs within each (Kalibera and
    Jones, 2012). The ends are then moved out as a t interval's are from a normal one's: without that few
    processes give too narrow an interval (Hesterberg, 2015).

    Args:
        a: Seconds of the epochs of each process, one vector a process, at least two; lengths may differ.
        b: The same for the other side.
        rng: Source of the resamples.
        level: Confidence level, above 0 and below 1.
        resamples: Number of bootstrap resamples, at least 1.

    Raises:
        ValueError: A side has fewer than two processes, a time is not positive, or an option is out of range.
    """
    estimate, drawn = _resample_ratio(a, b, _FEWEST_WITH_SPREAD, rng, level, resamples)
    tail, fewest = (1 - level) / 2, min(len(a), len(b))
    # A resampled variance is short by (n - 1) / n, and a normal quantile takes it for known.
    stretch = scipy.stats.t.isf(tail, fewest - 1) / scipy.stats.norm.isf(tail) * np.sqrt(fewest / (fewest - 1))
    low, high = estimate + stretch * (np.quantile(drawn, [tail, 1 - tail]) - estimate)
    return Interval(exp(estimate), exp(min(low, estimate)), exp(max(high, estimate)), level)


def bootstrap_rounds_interval(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return b's time over a's as `bootstrap_ratio_interval` does, where a side may be one process alone.

    A percentile interval (Efron and Tibshirani, 1993, chapter 13). It knows nothing of how the speed of one
    process differs from that of the next: whoever judges by it must leave room for that.

    Args:
        a: Seconds of the rounds of each process, one vector a process, at least one; lengths may differ.
        b: The same for the other side.
        rng: Source of the resamples.
        level: Confidence level, above 0 and below 1.
        resamples: Number of bootstrap resamples, at least 1.

    Raises:
        ValueError: A side has no process, a time is not positive, or an option is out of range.
    """
    estimate, drawn = _resample_ratio(a, b, 1, rng, level, resamples)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(exp(estimate), exp(min(low, estimate)), exp(max(high, estimate)), level)


def _resample_ratio(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    fewest: int,
    rng: np.random.Generator,
    level: float,
    resamples: int,
) -> tuple[float, NDArray[np.float64]]:
    """Return the logarithm of b's time over a's, and that of each resample, shape (resamples,)."""
    _check_level(level)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples!r}")
    old, new = _check_times(a, "a", fewest), _check_times(b, "b", fewest)
    drawn = _resample_log_level(new, resamples, rng) - _resample_log_level(old, resamples, rng)
    return _log_level(new) - _log_level(old), drawn


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, not {level!r}")


def _check_times(processes: Sequence[ArrayLike], name: str, fewest: int) -> list[NDArray[np.float64]]:
    """Return each process's seconds as a vector."""
    if len(processes) < fewest:
        raise ValueError(f"{name} must hold at least {fewest} processes, not {len(processes)!r}")
    times = [check_values(seconds, f"{name}[{index}]") for index, seconds in enumerate(processes)]
    for index, seconds in enumerate(times):
        if seconds.min() <= 0:
            raise ValueError(f"{name}[{index}] must be positive seconds, not {float(seconds.min())!r}")
    return times


def _log_level(processes: list[NDArray[np.float64]]) -> float:
    """Return the mean of the logarithms of the processes' medians."""
    return float(np.mean([np.log(np.median(seconds)) for seconds in processes]))


def _resample_log_level(
    processes: list[NDArray[np.float64]], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the log level of each resample, shape (resamples,): processes are drawn, then epochs."""
    chosen = rng.integers(len(processes), size=(resamples, len(processes)))
    medians = np.empty(chosen.shape)
    for index, seconds in enumerate(processes):
        places = chosen == index
        epochs = rng.integers(seconds.size, size=(np.count_nonzero(places), seconds.size))
        medians[places] = np.median(seconds[epochs], axis=1)
    return np.asarray(np.log(medians).mean(axis=1))
