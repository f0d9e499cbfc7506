"""Ratios of times: the ratio of a round, the coverage of the intervals, and the error rates of the judgements."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mnist_bench.stats.ratios import (
    ALPHA,
    ALPHA_END,
    ALPHA_HALF,
    Judgement,
    judge_looks,
    judge_ratios,
    ratio_interval,
    round_log_ratio,
    smallest_slowdown,
    tail_level,
)

RUNS = 500
SHAPES = ["normal", "long tails"]


def draw_runs(shape: str, rounds: int, sd: float, *, shift: float = 0.0) -> np.ndarray:
    """Return the log ratios of many runs, (runs, clock, round); wall time is processor time with more noise."""
    rng = np.random.default_rng(rounds)
    size = (2, RUNS, rounds)
    noise = rng.normal(size=size) if shape == "normal" else rng.standard_t(3, size=size) / np.sqrt(3)
    cpu = sd * noise[0] + shift
    return np.stack([cpu + sd * noise[1], cpu], axis=1)


def plan(*looks: int) -> list[tuple[int, float]]:
    """Return looks after these numbers of rounds; the last look is at the end of the run."""
    return list(zip(looks, (ALPHA_HALF, ALPHA_END)[-len(looks) :], strict=True))


def find_speeds(runs: np.ndarray, looks: list[int], bound: float) -> list[str]:
    """Return faster, same, slower or inconclusive for each run."""
    return [judge_looks((wall, cpu), plan(*looks), bound=bound).speed for wall, cpu in runs]


def test_a_round_is_independent_of_the_cores() -> None:
    """If one core is twice as fast as the other and the cores are exchanged every epoch, the ratio is unchanged."""
    core = np.array([1.0, 2.0] * 4)
    assert np.exp(round_log_ratio(core, 1.1 * core[::-1])) == pytest.approx(1.1)


def test_a_round_is_independent_of_a_burst() -> None:
    """A disturbance of one side in a few epochs does not change the ratio."""
    slow = np.ones(12)
    slow[3:5] = 9.0
    assert round_log_ratio(np.ones(12), slow) == 0


@pytest.mark.parametrize(
    ("a", "b"), [([1.0, 1.0], [1.0]), ([1.0], [1.0]), ([1.0, 0.0], [1.0, 1.0]), ([1.0, 1.0], [-1.0, 1.0])]
)
def test_a_round_refuses_bad_times(a: list[float], b: list[float]) -> None:
    """Both sides need the same number of epochs, two or more, and all seconds must be positive."""
    with pytest.raises(ValueError, match="a and b must be equally many positive seconds"):
        round_log_ratio(a, b)


def test_the_interval_is_students() -> None:
    """Calculated by hand: mean 0.1 and sd 0.1 of three rounds, t with 2 degrees of freedom."""
    interval = ratio_interval([0.0, 0.1, 0.2], tail=0.025)
    half = 4.302653 * 0.1 / np.sqrt(3)
    assert np.log([interval.low, interval.estimate, interval.high]) == pytest.approx([0.1 - half, 0.1, 0.1 + half])
    assert interval.level == 0.95


def test_outlying_rounds_are_left_out() -> None:
    """With one of six or two of eight at each end, the interval is about as narrow as without the outliers."""
    sound = [0.09, 0.10, 0.10, 0.11]
    half = np.log(ratio_interval(sound, tail=0.01).high) - 0.1
    for wild in ([-0.2, 0.4], [-0.2, -0.3, 0.4, 0.5]):
        interval = ratio_interval([*sound, *wild], tail=0.01)
        assert np.log(interval.estimate) == pytest.approx(0.1)
        assert half / 3 < np.log(interval.high) - 0.1 < 3 * half


def test_an_outlier_among_five_rounds_counts() -> None:
    """Five rounds are too few to leave one out; the interval is so wide that the run is inconclusive."""
    assert judge_ratios(([0.1, 0.1, 0.11, 0.09, -0.2],) * 2).speed == "inconclusive"


@pytest.mark.parametrize(
    "log_ratios", [[0.1], [0.1, 0.1, 0.1], [-1.0, 0.1, 0.1, 0.1, 0.1, 1.0]], ids=["one", "alike", "alike but two"]
)
def test_without_spread_the_interval_is_open(log_ratios: list[float]) -> None:
    """One round, or several equal ones, do not prove precision, so nothing is decided."""
    interval = ratio_interval(log_ratios, tail=0.01)
    assert (interval.low, interval.high) == (0.0, np.inf)
    assert judge_ratios((log_ratios, log_ratios)).speed == "inconclusive"


def test_an_interval_does_not_overflow() -> None:
    """An end that is too large for a float is infinite."""
    assert ratio_interval([0.0, 50.0], tail=0.001).high == np.inf


@pytest.mark.parametrize("tail", [0, 0.5, float("nan")])
def test_the_interval_refuses_a_bad_level(tail: float) -> None:
    """A tail must be above 0 and below 0.5."""
    with pytest.raises(ValueError, match=r"tail must be above 0 and below 0\.5"):
        ratio_interval([0.0, 1.0], tail=tail)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rounds", [3, 5, 6, 8, 12])
def test_the_interval_covers(rounds: int, shape: str) -> None:
    """The interval misses the true ratio in at most 5% of runs; the bound allows 1 in 1,000 for the simulation."""
    missed = sum(
        not interval.low <= 1.1 <= interval.high
        for wall, _ in draw_runs(shape, rounds, 0.02, shift=np.log(1.1))
        for interval in [ratio_interval(wall, tail=0.025)]
    )
    assert missed <= stats.binom.isf(0.001, RUNS, 0.05)
    if shape == "normal":
        assert missed >= stats.binom.ppf(0.001, RUNS, 0.05)


def test_a_plain_bootstrap_of_five_rounds_would_be_too_narrow() -> None:
    """A bootstrap over the rounds misses more than twice as often as stated, so the interval is Student's."""
    rng = np.random.default_rng(0)
    rounds = rng.normal(size=(RUNS, 5))
    means = rounds[:, rng.integers(5, size=(500, 5))].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert np.mean((low > 0) | (high < 0)) > 0.10


@pytest.mark.parametrize("shape", SHAPES)
def test_false_alarms_over_a_whole_run(shape: str) -> None:
    """With a bound near 0, two clocks and two looks, at most 5% of runs without a change say faster or slower."""
    alarms = sum(speed in ("faster", "slower") for speed in find_speeds(draw_runs(shape, 6, 0.03), [3, 6], 1e-9))
    assert alarms <= stats.binom.isf(0.001, RUNS, ALPHA)
    assert alarms > 0


def test_the_bound_makes_false_alarms_rare() -> None:
    """At a bound of 5% and 2% between rounds, about 1% of runs are false alarms, and most are the same."""
    found = find_speeds(draw_runs("normal", 9, 0.014), [5, 9], 0.05)
    assert sum(speed in ("faster", "slower") for speed in found) <= 8
    assert found.count("same") > 0.7 * RUNS


def test_a_change_of_a_tenth_is_found() -> None:
    """With 2% between rounds, a slow-down of 10% is slower in at least 99% of runs, and never the same."""
    found = find_speeds(draw_runs("normal", 6, 0.014, shift=np.log(1.1)), [3, 6], 0.05)
    assert found.count("slower") >= 0.99 * RUNS
    assert "same" not in found
    turned = find_speeds(draw_runs("normal", 6, 0.014, shift=-np.log(1.1)), [3, 6], 0.05)
    assert turned.count("faster") >= 0.99 * RUNS


def test_a_change_at_the_bound_seldom_passes() -> None:
    """At a true ratio of 1.05 the result is `same` no oftener than one end's level at each look."""
    found = find_speeds(draw_runs("normal", 6, 0.014, shift=np.log(1.05)), [3, 6], 0.05)
    assert found.count("same") <= stats.binom.isf(0.001, RUNS, tail_level(ALPHA))


NEAR, UP, DOWN = [-0.001, 0.0, 0.001], [0.099, 0.1, 0.101], [-0.101, -0.1, -0.099]


@pytest.mark.parametrize(
    ("wall", "cpu", "speed", "finding"),
    [
        (NEAR, NEAR, "same", "within 5% in both clocks"),
        (UP, NEAR, "slower", "slower in wall time"),
        (NEAR, UP, "slower", "slower in processor time"),
        (UP, UP, "slower", "slower in wall time and processor time"),
        (DOWN, UP, "slower", "slower in processor time, though faster in wall time"),
        (DOWN, NEAR, "faster", "faster in wall time"),
        ([0.019, 0.02, 0.021], NEAR, "same", "within 5% in both clocks"),
        ([-0.2, 0.0, 0.2], NEAR, "inconclusive", "neither changed nor within 5% in wall time"),
        ([-0.2, 0.0, 0.2], UP, "slower", "slower in processor time"),
    ],
)
def test_the_judgements(wall: list[float], cpu: list[float], speed: str, finding: str) -> None:
    """One clock is enough for slower; same needs both; a change within the bound is the same."""
    judgement = judge_ratios((wall, cpu))
    assert (judgement.speed, judgement.finding) == (speed, finding)


def test_the_first_look_that_decides_counts() -> None:
    """Later rounds do not matter; if no look decides, the last look counts."""
    later = [-0.5, 0.5, 0.9]
    assert judge_looks((UP + later, UP + later), plan(3, 6)).speed == "slower"
    assert judge_looks((later + UP, later + UP), plan(3, 6)).speed == "inconclusive"


def test_without_a_look_nothing_is_decided() -> None:
    """Two rounds are too few, whatever the ratios."""
    judgement = judge_looks((UP[:2], UP[:2]), [])
    assert isinstance(judgement, Judgement)
    assert (judgement.speed, judgement.finding) == ("inconclusive", "2 rounds are too few: at least 3 are needed")


def test_the_smallest_slowdown() -> None:
    """It is the smallest whole percent that 90% of runs find; waiting shows only in wall time, which is noisier."""
    runs = [((wall.tolist(), cpu.tolist()), plan(3, 6)) for wall, cpu in draw_runs("normal", 6, 0.01)[:40]]
    found = smallest_slowdown(runs)
    waiting = smallest_slowdown(runs, clocks=(True, False))
    assert found is not None
    assert waiting is not None
    assert 0.03 <= found <= waiting <= 0.08
    for slowdown, enough in ((found, True), (found - 0.01, False)):
        shift = np.log1p(slowdown)
        slower = [judge_looks((np.add(w, shift), np.add(c, shift)), looks).speed for (w, c), looks in runs].count(
            "slower"
        )
        assert (slower >= 36) is enough


def test_very_noisy_runs_find_no_slowdown() -> None:
    """Very noisy runs do not even find twice the time; without runs the search is an error."""
    assert smallest_slowdown([(([-3.0, 0.0, 3.0], [-3.0, 0.0, 3.0]), plan(3))]) is None
    with pytest.raises(ValueError, match="no runs"):
        smallest_slowdown([])


def test_a_sleep_is_found_although_some_processes_are_slow() -> None:
    """Slow processes make both clocks inconclusive; the ratio of wall time to processor time is still clear."""
    cpu = np.array([0.0, -0.33, 0.23, -0.25, -0.12, 0.01])
    wall = cpu + np.array([0.091, 0.090, 0.085, 0.093, 0.089, 0.12])
    judgement = judge_ratios((wall.tolist(), cpu.tolist()))
    assert judgement.speed == "slower"
    assert judgement.finding.startswith("slower in waiting time (+")
    faster = judge_ratios(((wall - 0.1).tolist(), (cpu - 0.1).tolist()))
    assert faster.speed == "inconclusive"  # B seems faster in wall time


def test_less_processor_time_in_the_same_wall_time_is_not_slower() -> None:
    """B waits longer in proportion to its processor time, but nothing got worse."""
    rng = np.random.default_rng(0)
    wall = rng.normal(0.005, 0.002, 9)
    cpu = rng.normal(-0.2, 0.002, 9)
    assert judge_ratios((wall.tolist(), cpu.tolist())).speed == "faster"
