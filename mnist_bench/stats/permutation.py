"""The statistical tests behind every verdict; they take arrays and return numbers.

No model, metric name or record is known here. `docs/statistics.md` derives each formula and names the source;
`mnist_bench.stats.sequential` combines the tests into verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations
from math import comb
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "RESAMPLES",
    "OneSidedTest",
    "Worse",
    "check_values",
    "holm",
    "permutation_test",
    "spread_test",
    "worse_sign",
]

Worse = Literal["lower", "higher"]

# With 12 tests and 3 looks a p-value counts below 0.01 / 36 = 0.00028. That is about 28 of these resamples, so
# another stream of random numbers changes such a p-value by about a fifth only.
RESAMPLES = 99_999
_CHUNK = 10_000  # resamples at a time: this many fit into the processor's cache, all of them do not
_TIE = 1e-12  # relative: far above the rounding of a sum, far below the effect of one more correct answer


@dataclass(frozen=True)
class OneSidedTest:
    """A one-sided test.

    Attributes:
        difference: Statistic of the sample minus that of the reference, in the unit of the values.
        p_value: Chance of a difference at least this bad if nothing changed.
        smallest_p: The smallest p-value that these sizes, ties and resamples could have given; 0 without such a bound.
        resamples: Number of random splits of a permutation test, or 0 if all splits were enumerated or none is made.
    """

    difference: float
    p_value: float
    smallest_p: float
    resamples: int


def check_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return the values as a float64 vector.

    Args:
        values: One number for each seed, shape (n,).
        name: The name of the values in the message.

    Raises:
        ValueError: The values are not a vector, are empty, or contain NaN or infinity.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a vector of at least one value, not of shape {array.shape!r}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, not {float(array[~np.isfinite(array)][0])!r}")
    return array


def worse_sign(worse: Worse) -> float:
    """Return the factor that turns the values so that higher is worse: -1 for "lower", 1 for "higher"."""
    if worse not in {"lower", "higher"}:
        raise ValueError(f"worse must be 'lower' or 'higher', not {worse!r}")
    return -1.0 if worse == "lower" else 1.0


def permutation_test(
    reference: ArrayLike,
    sample: ArrayLike,
    *,
    worse: Worse,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> OneSidedTest:
    """Test whether the sample's mean is worse than the reference's.

    If there are at most `resamples` splits, all are enumerated. Otherwise random splits are drawn, and the observed
    split is counted with the drawn ones (Phipson and Smyth, 2010), so that the test is valid for any `resamples`.

    Args:
        reference: Values of the reference seeds, shape (n,).
        sample: Values of the new seeds, shape (k,).
        worse: The direction that is worse.
        rng: Source of the random splits.
        resamples: Number of random splits, at least 1.

    Raises:
        ValueError: An input is not a finite, non-empty vector, or an option is unknown or out of range.
    """
    old, new = check_values(reference, "reference"), check_values(sample, "sample")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples!r}")
    pool = worse_sign(worse) * np.concatenate([old, new])
    # The total is fixed, so the sum of the smaller group orders the splits as the difference of the means does.
    group, pool = (pool[old.size :], pool) if new.size <= old.size else (-pool[: old.size], -pool)
    reached = group.sum() - _TIE * group.size * np.abs(pool).max()
    splits = comb(pool.size, group.size)
    smallest_p = _count_worst_splits(pool, group.size) / splits
    if splits <= resamples:
        indices = np.fromiter(chain.from_iterable(combinations(range(pool.size), group.size)), dtype=np.intp)
        p_value = np.mean(pool[indices.reshape(splits, -1)].sum(axis=1) >= reached)
        drawn = 0
    else:
        sums = _random_sums(pool, group.size, resamples, rng)
        p_value = (1 + sum(np.count_nonzero(chunk >= reached) for chunk in sums)) / (1 + resamples)
        smallest_p = max(smallest_p, 1 / (1 + resamples))
        drawn = resamples
    return OneSidedTest(float(new.mean() - old.mean()), float(p_value), smallest_p, drawn)


def _count_worst_splits(pool: NDArray[np.float64], size: int) -> int:
    """Return how many groups of this size have the worst sum: several if the last member has ties."""
    worst = np.sort(pool)[-size:]
    return comb(int(np.count_nonzero(pool == worst[0])), int(np.count_nonzero(worst == worst[0])))


def _random_sums(
    pool: NDArray[np.float64], size: int, resamples: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Yield chunks of sums over random groups without repetition, by Floyd's algorithm (Bentley and Floyd, 1987).

    It draws `size` numbers for each group. To shuffle the whole pool, as scipy.stats.permutation_test does, takes 100
    times as long for 20 of 1,020 values; from groups of a hundred on, shuffling would be faster.
    """
    for start in range(0, resamples, _CHUNK):
        groups = np.empty((size, min(_CHUNK, resamples - start)), dtype=np.intp)
        for row, last in enumerate(range(pool.size - size, pool.size)):
            drawn = rng.integers(last + 1, size=groups.shape[1])
            groups[row] = np.where((groups[:row] == drawn).any(axis=0), last, drawn)
        yield pool[groups].sum(axis=0)


def spread_test(
    reference: ArrayLike, sample: ArrayLike, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> OneSidedTest:
    """Test whether the sample has a wider spread than the reference.

    This is the permutation test of the absolute deviations from each group's own median (Brown and Forsythe, 1974).
    A short sample lies closer to its own median than to the true one, so the test is conservative.

    Args:
        reference: Values of the reference seeds, shape (n,).
        sample: Values of the new seeds, shape (k,).
        rng: Source of the random splits.
        resamples: Number of random splits, at least 1.

    Returns:
        The difference of the mean absolute deviations, with the p-value.

    Raises:
        ValueError: An input is not a finite, non-empty vector, or `resamples` is out of range.
    """
    old, new = check_values(reference, "reference"), check_values(sample, "sample")
    return permutation_test(
        np.abs(old - np.median(old)),
        np.abs(new - np.median(new)),
        worse="higher",
        rng=rng,
        resamples=resamples,
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return the p-values adjusted for the number of tests, in the given order (Holm, 1979).

    If every test whose adjusted p-value is at most alpha is rejected, the chance of one or more false rejections is
    at most alpha, however the tests depend on each other.

    Args:
        p_values: Shape (m,), each from 0 to 1.

    Raises:
        ValueError: The p-values are not a finite, non-empty vector, or one of the p-values is out of range.
    """
    p = check_values(p_values, "p_values")
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"p_values must lie from 0 to 1, not {p.tolist()!r}")
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return adjusted
