"""The power that every verdict states: known cases, bounds, and a simulation of the stated chance."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from scipy import stats

from mnist_bench.stats.intervals import change_interval
from mnist_bench.stats.paired import paired_shift
from mnist_bench.stats.permutation import permutation_test
from mnist_bench.stats.power import smallest_shift


def unit_reference(n: int) -> np.ndarray:
    """Return n values of standard deviation 1."""
    values = np.linspace(-1, 1, n)
    return values / values.std(ddof=1)


@pytest.mark.parametrize(
    ("n", "k", "shift"),
    [
        (100, 3, 2.1),
        (100, 5, 1.7),
        (100, 10, 1.2),
        (100, 20, 0.9),
        (1000, 3, 2.1),
        (1000, 5, 1.6),
        (1000, 10, 1.15),
        (1000, 20, 0.8),
    ],
)
def test_smallest_shift_of_one_test_alone(n: int, k: int, shift: float) -> None:
    """At alpha 0.01, without margin and interval, the shifts have the known values, in standard deviations."""
    assert smallest_shift(unit_reference(n), k, alpha=0.01) == pytest.approx(shift, abs=0.06)


@pytest.mark.parametrize("power", [0.6, 0.8, 0.95])
def test_power_for_equal_sizes_is_that_of_students_test(power: float) -> None:
    """Two groups of 40 without margin and interval: the noncentral t distribution gives the power."""
    shift = smallest_shift(unit_reference(40), 40, alpha=0.01, power=power)
    assert stats.nct.sf(stats.t.isf(0.01, 78), 78, shift / np.sqrt(2 / 40)) == pytest.approx(power, abs=0.01)


def test_every_demand_needs_a_larger_shift() -> None:
    """More power, a stricter level, a wider interval and a wider margin all need a larger shift."""
    limits = {"alpha": 0.01, "beta": 0.1, "margin": 1.0, "power": 0.8}
    base = smallest_shift(unit_reference(100), 5, **limits)
    for demand in ({"power": 0.9}, {"alpha": 0.001}, {"beta": 0.01}, {"margin": 3.0}):
        assert smallest_shift(unit_reference(100), 5, **{**limits, **demand}) > base
    thousandths = {**limits, "margin": 0.001}
    assert smallest_shift(0.001 * unit_reference(100), 5, **thousandths) == pytest.approx(0.001 * base)


@pytest.mark.parametrize(
    ("n", "k", "alpha"),
    [pytest.param(30, 1, 0.1, id="one seed"), pytest.param(30, 2, 0.001, id="out of reach")],
)
def test_too_few_seeds_detect_no_shift(n: int, k: int, alpha: float) -> None:
    """If no p-value can be significant, no shift is large enough."""
    assert smallest_shift(unit_reference(n), k, alpha=alpha) == inf


@pytest.mark.parametrize("margin", [1e12, 1e300])
def test_of_a_margin_beyond_any_spread_the_spread_does_not_matter(margin: float) -> None:
    """The sum with some standard deviations is the margin itself, in float64."""
    old, new = np.arange(10.0), np.arange(10.0) + np.arange(10.0) % 3
    assert smallest_shift(old, 10, alpha=0.01, beta=0.05, margin=margin) == margin
    assert paired_shift(old, new, alpha=0.01, beta=0.05, margin=margin, power=0.9) == margin


def test_an_unknown_spread_leaves_the_power_unknown() -> None:
    """With one reference value, or equal ones, no shift is large enough."""
    assert smallest_shift([0.9], 5, alpha=0.01) == inf
    assert smallest_shift([0.9] * 30, 5, alpha=0.01) == inf


def test_bad_input_is_refused() -> None:
    """NaN and a power outside 0.5 to 1 raise."""
    with pytest.raises(ValueError, match="reference must be finite"):
        smallest_shift([float("nan")], 5, alpha=0.01)
    for power in (0.5, 1.0):
        with pytest.raises(ValueError, match=f"power must be above 0.5 and below 1, not {power}"):
            smallest_shift([0.1, 0.2], 5, alpha=0.01, power=power)


@pytest.mark.parametrize(
    ("n", "k", "alpha", "margin"),
    [
        pytest.param(100, 5, 0.01 / 6, 1.5, id="the interval decides"),
        pytest.param(100, 20, 0.01 / 6, 1.5, id="the margin decides"),
        pytest.param(1000, 5, 0.01 / 6, 0.0, id="a long reference"),
        pytest.param(20, 4, 0.001, None, id="the test alone, skewed"),
    ],
)
def test_error_rates_stated_power(n: int, k: int, alpha: float, margin: float | None) -> None:
    """The smallest shift is detected in 90% of 500 comparisons.

    The approximation may be wrong by 2 points, and the simulation by the binomial bounds at 1 in 1,000.
    """
    rng = np.random.default_rng(n + k)
    limits = {} if margin is None else {"beta": 0.05 / 3, "margin": margin}
    shift = smallest_shift(unit_reference(n), k, alpha=alpha, **limits)
    found = 0
    for _ in range(500):
        reference, sample = rng.normal(size=n), rng.normal(size=k) - shift
        test = permutation_test(reference, sample, worse="lower", rng=rng, resamples=10_999)
        change = change_interval(reference, sample, alpha=0.05 / 3)
        found += test.p_value <= alpha and (margin is None or (change.high < 0 and change.low < -margin))
    assert stats.binom.ppf(0.001, 500, 0.88) <= found <= stats.binom.isf(0.001, 500, 0.92)
