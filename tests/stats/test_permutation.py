"""The permutation tests and Holm's method: exact for small samples, right on average for large ones."""

from __future__ import annotations

from itertools import combinations
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mnist_bench.stats.permutation import (
    OneSidedTest,
    _random_sums,
    check_values,
    holm,
    permutation_test,
    spread_test,
    worse_sign,
)

few = settings(max_examples=60, deadline=None, database=None)  # a shared machine may exceed any deadline

ACCURACIES = st.integers(9_600, 9_800).map(lambda correct: correct / 10_000)  # with ties, as accuracies have
REFERENCES = st.lists(ACCURACIES, min_size=2, max_size=30)
SAMPLES = st.lists(ACCURACIES, min_size=1, max_size=8)


def generator(seed: int = 0) -> np.random.Generator:
    """Return a generator of a fixed seed."""
    return np.random.default_rng(seed)


def brute_force(reference: list[float], sample: list[float], sign: float) -> float:
    """Return the exact p-value, calculated in whole correct answers, so that rounding cannot break a tie."""
    pool = [round(sign * value * 10_000) for value in reference + sample]
    observed = sum(pool[len(reference) :])
    splits = list(combinations(pool, len(sample)))
    return sum(sum(split) >= observed for split in splits) / len(splits)


@pytest.mark.parametrize("worse", ["lower", "higher"])
@few
@given(
    reference=st.lists(ACCURACIES, min_size=1, max_size=7),
    sample=st.lists(ACCURACIES, min_size=1, max_size=7),
)
def test_permutation_test_enumerates_small_cases(worse: str, reference: list[float], sample: list[float]) -> None:
    """Every split of a small pool is counted, ties included, whichever side is smaller."""
    test = permutation_test(reference, sample, worse=worse, rng=generator())
    assert test.resamples == 0
    assert test.p_value == pytest.approx(brute_force(reference, sample, worse_sign(worse)), rel=1e-12)
    assert test.p_value >= test.smallest_p * (1 - 1e-12)


@pytest.mark.parametrize("worse", ["lower", "higher"])
@pytest.mark.parametrize(("n", "k"), [(12, 4), (4, 12), (9, 9)])
def test_random_splits_approach_the_exact_p_value(worse: str, n: int, k: int) -> None:
    """Random splits give the p-value of the enumeration within 4 standard errors."""
    rng = generator(n)
    reference, sample = rng.normal(size=n), rng.normal(size=k) + 0.3
    exact = permutation_test(reference, sample, worse=worse, rng=rng)
    drawn = permutation_test(reference, sample, worse=worse, rng=rng, resamples=400)
    assert (exact.resamples, drawn.resamples) == (0, 400)
    error = 4 * np.sqrt(exact.p_value * (1 - exact.p_value) / 400) + 1 / 401
    assert drawn.p_value == pytest.approx(exact.p_value, abs=error)


def test_random_splits_agree_with_scipy() -> None:
    """SciPy's slower test gives the same p-value within the two simulation errors."""
    rng = generator(3)
    reference, sample = rng.normal(size=60), rng.normal(size=6) - 0.5
    ours = permutation_test(reference, sample, worse="lower", rng=rng)
    theirs = stats.permutation_test(
        (sample, reference),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        vectorized=True,
        n_resamples=9_999,
        alternative="less",
        random_state=rng,
    )
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=4 * np.sqrt(ours.p_value / 9_999))


def test_random_groups_are_uniform() -> None:
    """Each of the 20 groups of 3 out of 6 is drawn equally often: chi-square at 0.1%."""
    powers = 2.0 ** np.arange(6)  # so that each sum belongs to one group
    sums = np.concatenate(list(_random_sums(powers, 3, 20_000, generator(1))))
    groups, counts = np.unique(sums, return_counts=True)
    assert groups.size == 20
    assert counts.sum() == 20_000
    assert stats.chisquare(counts).pvalue > 0.001


@few
@given(reference=REFERENCES, sample=SAMPLES, shift=st.sampled_from([-0.5, -0.1, 0.003, 0.02]))
def test_p_value_is_a_probability_and_ignores_a_common_shift(
    reference: list[float], sample: list[float], shift: float
) -> None:
    """0 < p <= 1; the same shift on both sides changes only the rounding, which must not break ties."""
    moved = [value + shift for value in reference], [value + shift for value in sample]
    before = permutation_test(reference, sample, worse="lower", rng=generator(), resamples=99)
    after = permutation_test(*moved, worse="lower", rng=generator(), resamples=99)
    assert 0 < before.smallest_p <= before.p_value * (1 + 1e-12) <= 1 + 1e-12
    assert after.p_value == before.p_value


@few
@given(reference=REFERENCES, sample=SAMPLES)
def test_worse_directions_mirror_each_other(reference: list[float], sample: list[float]) -> None:
    """With all signs and the direction inverted, the p-value is the same and the difference is the opposite."""
    lower = permutation_test(reference, sample, worse="lower", rng=generator(), resamples=99)
    turned = [-value for value in reference], [-value for value in sample]
    higher = permutation_test(*turned, worse="higher", rng=generator(), resamples=99)
    assert (lower.p_value, lower.difference) == (higher.p_value, -higher.difference)


@pytest.mark.parametrize(
    ("n", "k", "resamples", "smallest"),
    [
        pytest.param(30, 1, 99_999, 1 / 31, id="one seed"),
        pytest.param(30, 2, 99_999, 1 / 496, id="two seeds"),
        pytest.param(100, 5, 999, 1 / 1_000, id="limited by the resamples"),
    ],
)
def test_smallest_p_is_what_the_sizes_can_reach(n: int, k: int, resamples: int, smallest: float) -> None:
    """The worst possible sample gets the smallest p-value, which the test states."""
    reference, disaster = np.arange(n) + 100.0, np.arange(k) / 10
    test = permutation_test(reference, disaster, worse="lower", rng=generator(), resamples=resamples)
    assert test.p_value == test.smallest_p == pytest.approx(smallest)


def test_smallest_p_knows_ties() -> None:
    """Without variation the only p-value is 1; ties at the edge make the smallest p-value larger."""
    same = permutation_test([0.9] * 10, [0.9] * 5, worse="lower", rng=generator())
    assert (same.p_value, same.smallest_p, same.difference) == (1, 1, 0)
    tied = permutation_test([3.0, 2.0, 1.0, 1.0], [1.0, 0.0], worse="lower", rng=generator())
    assert tied.smallest_p == 3 / 15  # 0 together with any of the three ones


def test_permutation_test_reports_the_difference_in_the_unit_of_the_values() -> None:
    """The difference is sample minus reference, whichever direction is worse."""
    for worse in ("lower", "higher"):
        test = permutation_test([1.0, 3.0], [5.0, 6.0], worse=worse, rng=generator())
        assert isinstance(test, OneSidedTest)
        assert test.difference == 3.5


def test_permutation_test_is_fast_enough_for_a_gate() -> None:
    """1,000 against 20 values take about 20 ms; ten times as much is allowed on a busy machine."""
    rng = generator()
    reference, sample = rng.normal(size=1_000), rng.normal(size=20)
    times = []
    for _ in range(3):
        start = perf_counter()
        permutation_test(reference, sample, worse="lower", rng=rng)
        times.append(perf_counter() - start)
    assert min(times) < 0.2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([], "at least one value", id="empty"),
        pytest.param([[1.0, 2.0]], r"shape \(1, 2\)", id="matrix"),
        pytest.param(1.0, r"shape \(\)", id="scalar"),
        pytest.param([1.0, float("nan")], "finite, not nan", id="nan"),
        pytest.param([1.0, float("-inf")], "finite, not -inf", id="infinity"),
    ],
)
def test_bad_values_are_refused_by_name(values: object, message: str) -> None:
    """Each test names the side that is not a finite, non-empty vector."""
    with pytest.raises(ValueError, match=message):
        check_values(values, "values")
    for test in (lambda *sides: permutation_test(*sides, worse="lower", rng=generator()), spread_by_default):
        with pytest.raises(ValueError, match=f"reference must.*{message}"):
            test(values, [1.0, 2.0])
        with pytest.raises(ValueError, match=f"sample must.*{message}"):
            test([1.0, 2.0], values)


def spread_by_default(reference: object, sample: object) -> OneSidedTest:
    """Run the spread test with a fixed generator."""
    return spread_test(reference, sample, rng=generator(), resamples=1_999)


def test_bad_options_are_refused() -> None:
    """An unknown direction and a number of resamples below 1 raise."""
    with pytest.raises(ValueError, match="worse must be 'lower' or 'higher', not 'less'"):
        permutation_test([1.0], [1.0], worse="less", rng=generator())
    with pytest.raises(ValueError, match="resamples must be at least 1, not 0"):
        permutation_test([1.0], [1.0], worse="lower", rng=generator(), resamples=0)


def test_spread_test_sees_spread_and_not_shift() -> None:
    """Four times the spread is significant; a shift of ten standard deviations has no effect."""
    rng = generator(5)
    reference, sample = rng.normal(size=100), rng.normal(size=20)
    assert spread_by_default(reference, 4 * sample).p_value < 0.001
    assert spread_by_default(reference, sample + 10).p_value == spread_by_default(reference, sample).p_value > 0.05
    assert spread_by_default(reference, sample / 4).p_value > 0.9


def test_spread_test_without_variation() -> None:
    """Equal values on both sides are no evidence; a varied sample and a constant reference are."""
    assert spread_by_default([0.9] * 20, [0.8] * 5).p_value == 1
    assert spread_by_default([0.9] * 20, [0.7, 0.8, 0.9, 1.0, 1.1]).p_value < 0.01


def test_holm_gives_the_textbook_steps() -> None:
    """The smallest p-value times m, the next times m - 1, and so on, never decreasing and never above 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2]).tolist() == [0.2]
    assert holm([0.6, 0.7]).tolist() == [1, 1]


@few
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_bounds(p: list[float]) -> None:
    """Adjusted values keep the order and lie between p and m p; a permuted input gives a permuted result."""
    adjusted = holm(p)
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(np.array(p) * len(p), 1)).all()
    assert holm(p[::-1]).tolist() == adjusted[::-1].tolist()


@pytest.mark.parametrize("p", [[], [0.1, 1.1], [-0.1], [float("nan")]])
def test_holm_refuses_values_that_are_no_probabilities(p: list[float]) -> None:
    """An empty list, NaN and numbers outside 0 to 1 raise."""
    with pytest.raises(ValueError, match="p_values must"):
        holm(p)


@pytest.mark.parametrize("rounded", [False, True], ids=["continuous", "tied"])
@pytest.mark.parametrize(("n", "k"), [(30, 5), (100, 20), (3, 20)])
def test_error_rates_of_the_permutation_test(n: int, k: int, *, rounded: bool) -> None:
    """Without a change p <= alpha has the chance alpha: exactly without ties, at most alpha with ties.

    1,200 simulated tests: the binomial bounds at 1 in 1,000 are 3.2% to 7.1% for a true 5%, and 2.1% for 1%.
    """
    rng = generator(n + k)
    values = rng.normal(0.977, 0.001, size=(1_200, n + k))
    values = values.round(3) if rounded else values  # about three tied values on each side
    p = np.array([permutation_test(row[:n], row[n:], worse="lower", rng=rng, resamples=199).p_value for row in values])
    assert np.mean(p <= 0.05) <= stats.binom.isf(0.001, 1_200, 0.05) / 1_200
    assert np.mean(p <= 0.01) <= stats.binom.isf(0.001, 1_200, 0.01) / 1_200
    if not rounded:
        assert np.mean(p <= 0.05) >= stats.binom.ppf(0.001, 1_200, 0.05) / 1_200


@pytest.mark.parametrize("skewed", [False, True], ids=["normal", "skewed"])
@pytest.mark.parametrize("k", [5, 20])
def test_error_rates_of_the_spread_test(k: int, *, skewed: bool) -> None:
    """An equal spread is called wider no oftener than alpha; a shift between the groups does not matter."""
    rng = generator(k)
    values = rng.gamma(2, size=(1_000, 100 + k)) if skewed else rng.normal(size=(1_000, 100 + k))
    p = np.array([spread_test(row[:100], row[100:] + 3, rng=rng, resamples=199).p_value for row in values])
    assert np.mean(p <= 0.05) <= stats.binom.isf(0.001, 1_000, 0.05) / 1_000
    assert np.mean(p <= 0.01) <= stats.binom.isf(0.001, 1_000, 0.01) / 1_000
