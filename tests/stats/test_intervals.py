"""The intervals: known cases to the digit, the stated coverage, infinite ends where nothing is known."""

from __future__ import annotations

from math import inf
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mnist_bench.stats.intervals import (
    Interval,
    bootstrap_ratio_interval,
    bootstrap_rounds_interval,
    change_interval,
    mean_interval,
    median_interval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

few = settings(max_examples=60, deadline=None, database=None)  # a shared machine keeps no deadline

TIMES = st.lists(st.lists(st.floats(0.1, 10), min_size=1, max_size=4), min_size=2, max_size=4)


def generator(seed: int = 0) -> np.random.Generator:
    """Return a generator of a fixed seed."""
    return np.random.default_rng(seed)


@pytest.mark.parametrize("k", [2, 5, 30])
def test_change_interval_is_students_for_a_known_reference(k: int) -> None:
    """Against a reference that does not vary it is the one-sample t interval of SciPy."""
    sample = 3 * generator(k).normal(size=k)
    interval = change_interval([1.0] * 30, sample, alpha=0.02)
    low, high = stats.t.interval(0.96, k - 1, sample.mean() - 1, stats.sem(sample))
    assert interval == Interval(*map(pytest.approx, (sample.mean() - 1, low, high, 0.96)))


def test_change_interval_adds_the_variances_and_takes_the_fewer_degrees_of_freedom() -> None:
    """Variances 2.5 / 5 and 1 / 3 give a standard error of the root of 5 / 6, with 2 degrees of freedom."""
    interval = change_interval([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0], alpha=0.05)
    assert (interval.estimate, interval.level) == (4, 0.9)
    assert interval.high - 4 == pytest.approx(4 - interval.low)
    assert interval.high - 4 == pytest.approx(2.919986 * np.sqrt(5 / 6))


@pytest.mark.parametrize(
    ("reference", "sample"),
    [
        pytest.param([0.9, 0.8, 0.7], [0.8], id="one new seed"),
        pytest.param([0.9], [0.8, 0.7], id="one reference seed"),
        pytest.param([0.9] * 30, [0.9] * 5, id="no variation"),
    ],
)
def test_change_interval_without_a_spread_is_infinite(reference: list[float], sample: list[float]) -> None:
    """Where the values say nothing of their spread the interval excludes nothing."""
    interval = change_interval(reference, sample, alpha=0.05)
    assert (interval.low, interval.high) == (-inf, inf)
    assert interval.estimate == pytest.approx(np.mean(sample) - np.mean(reference))


def test_change_interval_of_a_constant_sample_borrows_the_references_spread() -> None:
    """Five equal results are as uncertain as five with the reference's own spread, not certain."""
    reference = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert change_interval(reference, [7.0] * 5, alpha=0.05) == change_interval(reference, reference + 7, alpha=0.05)


@pytest.mark.parametrize("alpha", [0, 0.5, float("nan")])
def test_change_interval_refuses_a_bad_level(alpha: float) -> None:
    """Alpha lies above 0 and below one half."""
    with pytest.raises(ValueError, match=r"alpha must be above 0 and below 0\.5"):
        change_interval([1.0, 2.0], [1.0, 2.0], alpha=alpha)


def test_change_interval_refuses_bad_values() -> None:
    """NaN and nothing raise, and the message names the side."""
    with pytest.raises(ValueError, match="sample must be finite, not nan"):
        change_interval([1.0, 2.0], [float("nan")], alpha=0.05)
    with pytest.raises(ValueError, match="reference must be a vector"):
        change_interval([], [1.0], alpha=0.05)


@pytest.mark.parametrize("ratio", [0.5, 1, 3], ids="spread x{}".format)
@pytest.mark.parametrize("k", [2, 5, 20])
def test_error_rates_of_the_change_interval(k: int, ratio: float) -> None:
    """An end misses no oftener than alpha, whatever the spread: 1,000 intervals, bound 1 in 1,000."""
    rng = generator(k)
    misses = sum(
        change_interval(rng.normal(size=100), ratio * rng.normal(size=k), alpha=0.05).high < 0 for _ in range(1_000)
    )
    assert misses <= stats.binom.isf(0.001, 1_000, 0.05)
    if ratio * k >= 15:
        assert misses >= stats.binom.ppf(0.001, 1_000, 0.04)  # and hardly rarer where the sample decides


def processes(rng: np.random.Generator, count: int, seconds: float) -> list[np.ndarray]:
    """Return epochs of processes that differ by 10%, each epoch by 5%, ragged by one epoch."""
    speeds = seconds * np.exp(0.10 * rng.normal(size=count))
    return [speed * np.exp(0.05 * rng.normal(size=9 + index % 2)) for index, speed in enumerate(speeds)]


@pytest.mark.parametrize("count", [3, 5, 12])
def test_error_rates_of_the_ratio_interval(count: int) -> None:
    """A 95% interval covers a true ratio of 1.1 in 95% of 300 comparisons or more, less 3 for simulation."""
    rng = generator(count)
    intervals = [
        bootstrap_ratio_interval(
            processes(rng, count, 1.0), processes(rng, count, 1.1), rng=rng, level=0.95, resamples=200
        )
        for _ in range(300)
    ]
    covered = np.mean([interval.low <= 1.1 <= interval.high for interval in intervals])
    assert covered >= 0.92
    assert np.exp(np.mean([np.log(interval.estimate) for interval in intervals])) == pytest.approx(1.1, rel=0.02)


def test_resampling_epochs_alone_would_be_far_too_sure() -> None:
    """With one speed a process the interval spans the processes, not only their epochs."""
    rng = generator()
    interval = bootstrap_ratio_interval(processes(rng, 5, 1.0), processes(rng, 5, 1.0), rng=rng)
    assert np.log(interval.high / interval.low) > 0.1  # the epochs alone would give 0.04


@few
@given(a=TIMES, b=TIMES)
def test_ratio_interval_brackets_its_estimate(a: list[list[float]], b: list[list[float]]) -> None:
    """The estimate lies within; turning the sides turns it over; units cancel."""
    interval = bootstrap_ratio_interval(a, b, rng=generator(), resamples=50)
    assert 0 < interval.low <= interval.estimate <= interval.high
    turned = bootstrap_ratio_interval(b, a, rng=generator(), resamples=50)
    assert turned.estimate == pytest.approx(1 / interval.estimate)
    milliseconds = [[1000 * second for second in seconds] for seconds in a]
    rescaled = bootstrap_ratio_interval(milliseconds, b, rng=generator(), resamples=50)
    assert rescaled.high == pytest.approx(interval.high / 1000)


def test_ratio_interval_of_exact_times_is_a_point() -> None:
    """Without any variation the interval is the ratio."""
    interval = bootstrap_ratio_interval([[2.0, 2.0]] * 3, [[3.0]] * 4, rng=generator(), level=0.9)
    assert interval == Interval(*[pytest.approx(1.5)] * 3, 0.9)


def test_ratio_interval_widens_for_few_processes() -> None:
    """The lowest of the 27 resamples of three is the lower end, moved out by t / z and the root of 3 / 2."""
    interval = bootstrap_ratio_interval([[1.0]] * 3, [[1.0], [np.e], [np.e**2]], rng=generator())
    assert np.log(interval.estimate) == pytest.approx(1)
    assert 1 - np.log(interval.low) == pytest.approx(4.302653 / 1.959964 * np.sqrt(3 / 2))


def test_ratio_interval_takes_each_process_once() -> None:
    """The estimate is the geometric mean of the medians: long processes and odd epochs weigh no more."""
    a = [[1.0, 1.0, 50.0], [4.0] * 9]
    assert bootstrap_ratio_interval(a, [[1.0], [1.0]], rng=generator()).estimate == pytest.approx(0.5)


def test_ratio_interval_is_fast_enough_for_a_gate() -> None:
    """2 x 20 processes of 10 epochs take about 40 ms; five times as much is allowed on a busy machine."""
    rng = generator()
    a, b = processes(rng, 20, 1.0), processes(rng, 20, 1.0)
    times = []
    for _ in range(3):
        start = perf_counter()
        bootstrap_ratio_interval(a, b, rng=rng)
        times.append(perf_counter() - start)
    assert min(times) < 0.2


@pytest.mark.parametrize(
    ("a", "options", "message"),
    [
        pytest.param([[1.0]], {}, "a must hold at least 2 processes, not 1", id="one process"),
        pytest.param([[1.0], []], {}, r"a\[1\] must be a vector", id="no epoch"),
        pytest.param([[1.0], [0.0]], {}, r"a\[1\] must be positive seconds, not 0.0", id="no time"),
        pytest.param([[float("nan")], [1.0]], {}, r"a\[0\] must be finite, not nan", id="nan"),
        pytest.param([[1.0], [1.0]], {"level": 1}, "level must be above 0 and below 1, not 1", id="level"),
        pytest.param([[1.0], [1.0]], {"resamples": 0}, "resamples must be at least 1, not 0", id="resamples"),
    ],
)
def test_ratio_interval_refuses_bad_input(a: list[list[float]], options: dict[str, float], message: str) -> None:
    """Too few processes, impossible times and bad options raise, and the message names the place."""
    with pytest.raises(ValueError, match=message):
        bootstrap_ratio_interval(a, [[1.0], [1.0]], rng=generator(), **options)


@pytest.mark.parametrize("count", [5, 10])
def test_error_rates_of_the_rounds_interval(count: int) -> None:
    """Between two processes without a speed of their own a 95% interval covers in 90% of 300 comparisons or more."""
    rng, covered = generator(count), 0
    for _ in range(300):
        a, b = np.exp(0.1 * rng.normal(size=(2, count)))
        interval = bootstrap_rounds_interval([a], [1.1 * b], rng=rng, resamples=200)
        covered += interval.low <= 1.1 <= interval.high
    assert covered >= 270


def test_rounds_interval_takes_one_process_or_more() -> None:
    """Its estimate is that of the other interval, and it refuses a side without a process."""
    a, b = [[1.0, 1.2, 1.1], [1.3, 1.0]], [[2.0, 2.2, 2.1], [2.4]]
    both = [form(a, b, rng=generator()).estimate for form in (bootstrap_rounds_interval, bootstrap_ratio_interval)]
    assert both[0] == both[1]
    assert bootstrap_rounds_interval([[2.0]], [[3.0]], rng=generator()) == Interval(*[pytest.approx(1.5)] * 3, 0.95)
    with pytest.raises(ValueError, match="b must hold at least 1 processes, not 0"):
        bootstrap_rounds_interval(a, [], rng=generator())


def test_mean_interval_is_students() -> None:
    """That of SciPy; without a spread its ends are infinite."""
    values = generator().normal(size=7)
    low, high = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    assert mean_interval(values, level=0.9) == Interval(*map(pytest.approx, (values.mean(), low, high, 0.9)))
    assert mean_interval([1.0, 1.0]) == mean_interval([1.0]) == Interval(1, -inf, inf, 0.95)


@pytest.mark.parametrize(("n", "cut"), [(5, None), (6, 0), (8, 0), (9, 1), (10, 1), (20, 5)])
def test_median_interval_leaves_out_as_many_as_the_binomial_allows(n: int, cut: int | None) -> None:
    """The ranks of the tables: all of six, the second to the ninth of ten, the sixth to the fifteenth of twenty."""
    interval = median_interval(range(n, 0, -1))
    ends = (-inf, inf) if cut is None else (1 + cut, n - cut)
    assert interval == Interval((n + 1) / 2, *ends, 0.95)


def test_median_interval_covers_as_stated() -> None:
    """Of skewed values, too: at least 95%, and what the ranks give."""
    covered = [it.low <= np.log(2) <= it.high for it in map(median_interval, generator(1).exponential(size=(2000, 10)))]
    assert np.mean(covered) == pytest.approx(1 - 2 * stats.binom.cdf(1, 10, 0.5), abs=0.012)


@pytest.mark.parametrize("interval", [mean_interval, median_interval])
def test_one_sample_intervals_refuse_what_is_none(interval: Callable[..., Interval]) -> None:
    """A level that is no share, and values that are none."""
    with pytest.raises(ValueError, match=r"level must be above 0 and below 1, not 1\.0"):
        interval([1.0, 2.0], level=1.0)
    with pytest.raises(ValueError, match="values must be finite"):
        interval([1.0, float("nan")])
