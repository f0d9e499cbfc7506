"""Where a series of values changed its level: proposed by ruptures, and kept if a test finds each change certain."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # loads scipy.stats, which takes most of a second, on first use

from mnist_bench.stats.permutation import check_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LEAST_SEGMENT", "find_changes", "load_ruptures"]

LEAST_SEGMENT = 3
"""The values of a segment: of two, one disturbed value is half. Twice as many are the shortest series."""

_ALPHA = 0.05

# PELT's price of a change, in units of the variance and of the logarithm of the number of values, as in the Bayesian
# information criterion for a change of a mean. Alone, this price finds about one change in each unchanged series of 20
# (docs/benchmarks.md): so the test below decides.
_PRICE = 2.0
_LEAST_SPREAD = 1e-3  # of logarithms of times: no benchmark repeats itself better


def load_ruptures() -> Any:
    """Import ruptures.

    Raises:
        ModuleNotFoundError: ruptures is not installed; the message says how to install it.
    """
    try:
        import ruptures
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}: a history needs ruptures: pip install 'mnist-bench[history]'") from error
    return ruptures


def find_changes(values: ArrayLike) -> list[int]:
    """Return the places at which a new level begins, in ascending order.

    PELT (Killick, Fearnhead and Eckley, 2012) proposes places with segments of `LEAST_SEGMENT` values or more, by the
    squared distances from the segments' means. Then the least certain place is removed as long as Student's test
    of its two segments has a p-value above 5%, divided by the number of values: a change may be at any of them.

    Args:
        values: Shape (n,), in the order of time, such as logarithms of seconds; fewer than two segments have no change.

    Raises:
        ModuleNotFoundError: ruptures is not installed.
        ValueError: The values are not a finite, non-empty vector.
    """
    series = check_values(values, "values")
    if series.size < 2 * LEAST_SEGMENT:
        return []
    search = load_ruptures().Pelt(model="l2", min_size=LEAST_SEGMENT, jump=1)
    price = _PRICE * _estimate_spread(series) ** 2 * np.log(series.size)
    places = [int(place) for place in search.fit(series.reshape(-1, 1)).predict(pen=price)[:-1]]
    while places:
        edges = [0, *places, series.size]
        chances = [
            _test_change(series[first:place], series[place:last])
            for first, place, last in zip(edges, places, edges[2:], strict=False)
        ]
        weakest = int(np.argmax(chances))
        if chances[weakest] <= _ALPHA / series.size:
            break
        del places[weakest]
    return places


def _estimate_spread(series: NDArray[np.float64]) -> float:
    """Return the standard deviation without what changes of the level add, by the median of the differences."""
    steps = np.diff(series)
    spread = 1.4826 * np.median(np.abs(steps - np.median(steps))) / sqrt(2)  # 1.4826: of a normal distribution
    return max(float(spread), _LEAST_SPREAD)


def _test_change(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of Student's test; 0 if neither side varies and their means differ."""
    degrees = before.size + after.size - 2
    variance = (before.size * np.var(before) + after.size * np.var(after)) / degrees
    change = abs(float(after.mean() - before.mean()))
    if variance == 0:
        return float(change == 0)
    statistic = change / sqrt(variance * (1 / before.size + 1 / after.size))
    return float(2 * scipy.stats.t.sf(statistic, degrees))
