"""The intervals: known cases to the digit, the stated coverage, and infinite ends without a spread."""

from __future__ import annotations

from math import inf, sqrt
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mnist_bench.stats.intervals import (
    Interval,
    bootstrap_rounds_interval,
    change_interval,
    format_signed,
    mean_interval,
)

few = settings(max_examples=60, deadline=None, database=None)  # a shared machine may exceed any deadline

TIMES = st.lists(st.lists(st.floats(0.1, 10), min_size=1, max_size=4), min_size=1, max_size=4)


def generator(seed: int = 0) -> np.random.Generator:
    """Return a generator of a fixed seed."""
    return np.random.default_rng(seed)


@pytest.mark.parametrize("k", [2, 5, 30])
def test_change_interval_is_students_for_a_known_reference(k: int) -> None:
    """For a reference that does not vary, the interval is SciPy's one-sample t interval."""
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
    """If the values have no spread to judge by, the interval excludes nothing."""
    interval = change_interval(reference, sample, alpha=0.05)
    assert (interval.low, interval.high) == (-inf, inf)
    assert interval.estimate == pytest.approx(np.mean(sample) - np.mean(reference))


def test_groups_without_a_spread_are_as_sharp_as_their_grid() -> None:
    """A class that no seed of either side gets wrong: the step of its grid says how much that proves."""
    interval = change_interval([0.0] * 10, [0.0] * 10, alpha=0.01, resolution=0.01)
    half = stats.t.isf(0.01, 9) * sqrt(2 * 0.01**2 / 12 / 10)
    assert (interval.low, interval.high) == pytest.approx((-half, half))
    # Where a side varies, its spread counts, and nothing is added.
    varied = change_interval([0.0, 0.01, 0.02], [0.0] * 3, alpha=0.01, resolution=0.01)
    assert varied == change_interval([0.0, 0.01, 0.02], [0.0] * 3, alpha=0.01)


def test_change_interval_of_a_constant_sample_borrows_the_references_spread() -> None:
    """Five equal results are not certain, but as uncertain as five with the reference's spread."""
    reference = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert change_interval(reference, [7.0] * 5, alpha=0.05) == change_interval(reference, reference + 7, alpha=0.05)


@pytest.mark.parametrize("alpha", [0, 0.5, float("nan")])
def test_change_interval_refuses_a_bad_level(alpha: float) -> None:
    """Alpha must be above 0 and below 0.5."""
    with pytest.raises(ValueError, match=r"alpha must be above 0 and below 0\.5"):
        change_interval([1.0, 2.0], [1.0, 2.0], alpha=alpha)


def test_change_interval_refuses_bad_values() -> None:
    """NaN and an empty side raise, and the message names the side."""
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
        assert misses >= stats.binom.ppf(0.001, 1_000, 0.04)  # and hardly less often if the sample decides


def test_rounds_interval_contains_the_differences_between_processes() -> None:
    """If each process has its own speed, the interval is wider than the rounds alone would give."""
    rng = generator()
    a, b = ([np.exp(0.1 * speed + 0.05 * rng.normal(size=9)) for speed in rng.normal(size=5)] for _ in range(2))
    interval = bootstrap_rounds_interval(a, b, rng=rng)
    assert np.log(interval.high / interval.low) > 0.1  # the rounds alone would give 0.04


@few
@given(a=TIMES, b=TIMES)
def test_rounds_interval_brackets_its_estimate(a: list[list[float]], b: list[list[float]]) -> None:
    """The estimate lies between the ends; exchanged sides give the inverse ratio; units cancel."""
    interval = bootstrap_rounds_interval(a, b, rng=generator(), resamples=50)
    assert 0 < interval.low <= interval.estimate <= interval.high
    turned = bootstrap_rounds_interval(b, a, rng=generator(), resamples=50)
    assert turned.estimate == pytest.approx(1 / interval.estimate)
    milliseconds = [[1000 * second for second in seconds] for seconds in a]
    rescaled = bootstrap_rounds_interval(milliseconds, b, rng=generator(), resamples=50)
    assert rescaled.high == pytest.approx(interval.high / 1000)


def test_rounds_interval_of_exact_times_is_a_point() -> None:
    """Without any variation the interval is the ratio."""
    for a, b in (([[2.0, 2.0]] * 3, [[3.0]] * 4), ([[2.0]], [[3.0]])):
        interval = bootstrap_rounds_interval(a, b, rng=generator(), level=0.9)
        assert interval == Interval(*[pytest.approx(1.5)] * 3, 0.9)


def test_rounds_interval_takes_each_process_once() -> None:
    """The estimate is the geometric mean of the medians: long processes and outlying rounds have no extra weight."""
    a = [[1.0, 1.0, 50.0], [4.0] * 9]
    assert bootstrap_rounds_interval(a, [[1.0], [1.0]], rng=generator()).estimate == pytest.approx(0.5)


def test_rounds_interval_is_fast_enough_for_a_gate() -> None:
    """2 x 20 processes of 10 rounds take about 40 ms; five times as much is allowed on a busy machine."""
    rng = generator()
    a, b = (list(seconds) for seconds in np.exp(0.1 * rng.normal(size=(2, 20, 10))))
    times = []
    for _ in range(3):
        start = perf_counter()
        bootstrap_rounds_interval(a, b, rng=rng)
        times.append(perf_counter() - start)
    assert min(times) < 0.2


@pytest.mark.parametrize(
    ("a", "options", "message"),
    [
        pytest.param([], {}, "a must hold at least one process", id="no process"),
        pytest.param([[1.0], []], {}, r"a\[1\] must be a vector", id="no round"),
        pytest.param([[1.0], [0.0]], {}, r"a\[1\] must be positive seconds, not 0.0", id="zero"),
        pytest.param([[float("nan")], [1.0]], {}, r"a\[0\] must be finite, not nan", id="nan"),
        pytest.param([[1.0], [1.0]], {"level": 1}, "level must be above 0 and below 1, not 1", id="level"),
        pytest.param([[1.0], [1.0]], {"resamples": 0}, "resamples must be at least 1, not 0", id="resamples"),
    ],
)
def test_rounds_interval_refuses_bad_input(a: list[list[float]], options: dict[str, float], message: str) -> None:
    """A side without a process, impossible times and bad options raise, and the message names the place."""
    with pytest.raises(ValueError, match=message):
        bootstrap_rounds_interval(a, [[1.0], [1.0]], rng=generator(), **options)


@pytest.mark.parametrize("count", [5, 10])
def test_error_rates_of_the_rounds_interval(count: int) -> None:
    """For two processes of the same speed a 95% interval covers the true ratio in at least 90% of 300 comparisons."""
    rng, covered = generator(count), 0
    for _ in range(300):
        a, b = np.exp(0.1 * rng.normal(size=(2, count)))
        interval = bootstrap_rounds_interval([a], [1.1 * b], rng=rng, resamples=200)
        covered += interval.low <= 1.1 <= interval.high
    assert covered >= 270


def test_mean_interval_is_students() -> None:
    """The interval is SciPy's; without a spread the ends are infinite."""
    values = generator().normal(size=7)
    low, high = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    assert mean_interval(values, level=0.9) == Interval(*map(pytest.approx, (values.mean(), low, high, 0.9)))
    assert mean_interval([1.0, 1.0]) == mean_interval([1.0]) == Interval(1, -inf, inf, 0.95)


def test_mean_interval_refuses_bad_input() -> None:
    """A level outside 0 to 1 and values that are not finite raise."""
    with pytest.raises(ValueError, match=r"level must be above 0 and below 1, not 1\.0"):
        mean_interval([1.0, 2.0], level=1.0)
    with pytest.raises(ValueError, match="values must be finite"):
        mean_interval([1.0, float("nan")])


@pytest.mark.parametrize(
    ("value", "text"), [(0.126, "+0.13"), (-0.126, "-0.13"), (0.001, "+0.00"), (-0.001, "+0.00"), (-inf, "-inf")]
)
def test_a_change_has_its_sign(value: float, text: str) -> None:
    """What rounds to zero is no loss, from whichever side."""
    assert format_signed(value, 2) == text
