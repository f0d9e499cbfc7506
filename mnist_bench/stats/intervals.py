"""Estimates with their uncertainty: a change in the mean, a mean, and a ratio of times."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf
from typing import TYPE_CHECKING

import numpy as np
import scipy  # loads scipy.stats, which takes most of a second, on first use

from mnist_bench.stats.permutation import check_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Interval",
    "bootstrap_rounds_interval",
    "change_interval",
    "format_signed",
    "mean_interval",
]

_FEWEST_WITH_SPREAD = 2


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval with equal tails.

    Attributes:
        estimate: The estimate itself.
        low: Lower end; minus infinity if the values have no spread to judge by.
        high: Upper end; infinity if the values have no spread to judge by.
        level: Confidence level of the two ends together.
    """

    estimate: float
    low: float
    high: float
    level: float


def change_interval(reference: ArrayLike, sample: ArrayLike, *, alpha: float, resolution: float = 0.0) -> Interval:
    """Return the interval of the change in the mean, each end at the one-sided level alpha.

    The spreads may differ, so the standard error is Welch's. The degrees of freedom are those of the smaller side,
    which makes alpha an upper bound (Mickey and Brown, 1966); with Welch's own approximation the error rate for five
    seeds is a fifth higher than alpha.

    A sample without any variation is given the reference's spread, because equal results do not prove precision. If
    neither side varies, both are given the spread of a rounding to the grid, whose variance is a twelfth of the squared
    step (Sheppard, 1898); without a grid, or with fewer than two values on a side, the ends are infinite.

    Args:
        reference: Values of the reference seeds, shape (n,).
        sample: Values of the new seeds, shape (k,).
        alpha: Chance that the true change lies beyond one given end, above 0 and below 0.5.
        resolution: The step of the values' grid, such as one image of 10,000; 0 if there is none.

    Raises:
        ValueError: An input is not a finite, non-empty vector, or alpha is out of range.
    """
    old, new = check_values(reference, "reference"), check_values(sample, "sample")
    if not 0 < alpha < 0.5:  # noqa: PLR2004 - from 0.5 on the ends would cross
        raise ValueError(f"alpha must be above 0 and below 0.5, not {alpha!r}")
    estimate, half = float(new.mean() - old.mean()), inf
    varied = new if np.ptp(new) > 0 else old
    floor = 0.0 if np.ptp(varied) > 0 else resolution**2 / 12
    if min(old.size, new.size) >= _FEWEST_WITH_SPREAD and (floor or np.ptp(varied) > 0):
        variance = (np.var(old, ddof=1) + floor) / old.size + (np.var(varied, ddof=1) + floor) / new.size
        half = float(scipy.stats.t.isf(alpha, min(old.size, new.size) - 1) * np.sqrt(variance))
    return Interval(estimate, estimate - half, estimate + half, 1 - 2 * alpha)


def mean_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the mean with Student's interval; the ends are infinite if the values do not vary.

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


def bootstrap_rounds_interval(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return b's time over a's: the ratio of the geometric means of the processes' median rounds.

    Each process has its own speed, so processes are resampled, then the rounds within each (Kalibera and Jones,
    2012). The ends are percentiles (Efron and Tibshirani, 1993, chapter 13). With few processes the interval is too
    narrow, and with one process a side it does not contain the differences between processes at all: a bound on the
    ratio must leave room for them.

    Args:
        a: Seconds of each round, one vector for each process, at least one process; lengths may differ.
        b: The same for the other side.
        rng: Source of the resamples.
        level: Confidence level, above 0 and below 1.
        resamples: Number of bootstrap resamples, at least 1.

    Raises:
        ValueError: A side has no process, a time is not positive, or an option is out of range.
    """
    _check_level(level)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples!r}")
    old, new = _check_times(a, "a"), _check_times(b, "b")
    estimate = _log_level(new) - _log_level(old)
    drawn = _resample_log_level(new, resamples, rng) - _resample_log_level(old, resamples, rng)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(exp(estimate), exp(min(low, estimate)), exp(max(high, estimate)), level)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, not {level!r}")


def _check_times(processes: Sequence[ArrayLike], name: str) -> list[NDArray[np.float64]]:
    """Return each process's seconds as a vector."""
    if not processes:
        raise ValueError(f"{name} must hold at least one process")
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
    """Return the log level of each resample, shape (resamples,): processes are drawn, then rounds of each."""
    chosen = rng.integers(len(processes), size=(resamples, len(processes)))
    medians = np.empty(chosen.shape)
    for index, seconds in enumerate(processes):
        places = chosen == index
        rounds = rng.integers(seconds.size, size=(np.count_nonzero(places), seconds.size))
        medians[places] = np.median(seconds[rounds], axis=1)
    return np.asarray(np.log(medians).mean(axis=1))


def format_signed(value: float, digits: int) -> str:
    """Return a number with its sign and so many decimals; what rounds to zero has a plus, from whichever side."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"  # adding 0 takes the minus from a zero
