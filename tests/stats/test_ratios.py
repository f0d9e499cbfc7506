"""Ratios of times: what a round says, intervals that cover, and words that seldom err."""

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
    """Return the log ratios of many runs, (runs, clock, round): processor time, and on the wall some more noise."""
    rng = np.random.default_rng(rounds)
    size = (2, RUNS, rounds)
    noise = rng.normal(size=size) if shape == "normal" else rng.standard_t(3, size=size) / np.sqrt(3)
    cpu = sd * noise[0] + shift
    return np.stack([cpu + sd * noise[1], cpu], axis=1)


def plan(*looks: int) -> list[tuple[int, float]]:
    """Return the looks of a run that went on to its end, after these rounds."""
    return list(zip(looks, (ALPHA_HALF, ALPHA_END)[-len(looks) :], strict=True))


def words(runs: np.ndarray, looks: list[int], bound: float) -> list[str]:
    """Return the word of each run."""
    return [judge_looks((wall, cpu), plan(*looks), bound=bound).word for wall, cpu in runs]


def test_a_round_takes_the_cores_out() -> None:
    """One core twice as fast as the other, exchanged every epoch, leaves the ratio as it is."""
    core = np.array([1.0, 2.0] * 4)
    assert np.exp(round_log_ratio(core, 1.1 * core[::-1])) == pytest.approx(1.1)


def test_a_round_takes_a_burst_out() -> None:
    """What hits one side in a few epochs is not B's."""
    slow = np.ones(12)
    slow[3:5] = 9.0
    assert round_log_ratio(np.ones(12), slow) == 0


@pytest.mark.parametrize(
    ("a", "b"), [([1.0, 1.0], [1.0]), ([1.0], [1.0]), ([1.0, 0.0], [1.0, 1.0]), ([1.0, 1.0], [-1.0, 1.0])]
)
def test_a_round_refuses_what_is_no_time(a: list[float], b: list[float]) -> None:
    """Both sides have the same epochs, two or more, and all are positive."""
    with pytest.raises(ValueError, match="a and b must be equally many positive seconds"):
        round_log_ratio(a, b)


def test_the_interval_is_students() -> None:
    """By hand: mean 0.1, sd 0.1 of three rounds, t of 2 degrees of freedom."""
    interval = ratio_interval([0.0, 0.1, 0.2], tail=0.025)
    half = 4.302653 * 0.1 / np.sqrt(3)
    assert np.log([interval.low, interval.estimate, interval.high]) == pytest.approx([0.1 - half, 0.1, 0.1 + half])
    assert interval.level == 0.95


def test_rounds_that_a_slow_process_spoilt_are_left_out() -> None:
    """One each way of six, two each way of eight: the interval is about as narrow as that of the sound ones."""
    sound = [0.09, 0.10, 0.10, 0.11]
    half = np.log(ratio_interval(sound, tail=0.01).high) - 0.1
    for wild in ([-0.2, 0.4], [-0.2, -0.3, 0.4, 0.5]):
        interval = ratio_interval([*sound, *wild], tail=0.01)
        assert np.log(interval.estimate) == pytest.approx(0.1)
        assert half / 3 < np.log(interval.high) - 0.1 < 3 * half


def test_a_spoilt_round_of_five_counts() -> None:
    """With too few to leave one out the interval is open enough for it: such a run is undecided."""
    assert judge_ratios(([0.1, 0.1, 0.11, 0.09, -0.2],) * 2).word == "inconclusive"


@pytest.mark.parametrize(
    "log_ratios", [[0.1], [0.1, 0.1, 0.1], [-1.0, 0.1, 0.1, 0.1, 0.1, 1.0]], ids=["one", "alike", "alike but two"]
)
def test_without_spread_the_interval_is_open(log_ratios: list[float]) -> None:
    """One round, or equal ones, are no proof of precision; so nothing is decided."""
    interval = ratio_interval(log_ratios, tail=0.01)
    assert (interval.low, interval.high) == (0.0, np.inf)
    assert judge_ratios((log_ratios, log_ratios)).word == "inconclusive"


def test_two_wild_rounds_overflow_nothing() -> None:
    """An end too large for a float is infinite."""
    assert ratio_interval([0.0, 50.0], tail=0.001).high == np.inf


@pytest.mark.parametrize("tail", [0, 0.5, float("nan")])
def test_the_interval_refuses_a_bad_level(tail: float) -> None:
    """A tail lies above 0 and below one half."""
    with pytest.raises(ValueError, match=r"tail must be above 0 and below 0\.5"):
        ratio_interval([0.0, 1.0], tail=tail)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rounds", [3, 5, 6, 8, 12])
def test_the_interval_covers(rounds: int, shape: str) -> None:
    """It misses the truth in 5% of runs at most: bound 1 in 1,000 for the simulation."""
    missed = sum(
        not interval.low <= 1.1 <= interval.high
        for wall, _ in draw_runs(shape, rounds, 0.02, shift=np.log(1.1))
        for interval in [ratio_interval(wall, tail=0.025)]
    )
    assert missed <= stats.binom.isf(0.001, RUNS, 0.05)
    if shape == "normal":
        assert missed >= stats.binom.ppf(0.001, RUNS, 0.05)


def test_a_plain_bootstrap_of_five_rounds_would_be_too_sure() -> None:
    """Resampling rounds misses more than twice as often as it says: why the interval is Student's."""
    rng = np.random.default_rng(0)
    rounds = rng.normal(size=(RUNS, 5))
    means = rounds[:, rng.integers(5, size=(500, 5))].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert np.mean((low > 0) | (high < 0)) > 0.10


@pytest.mark.parametrize("shape", SHAPES)
def test_false_alarms_over_a_whole_run(shape: str) -> None:
    """With a bound of next to nothing, two clocks and two looks, nothing changed is called so in 5% at most."""
    alarms = sum(word in ("faster", "slower") for word in words(draw_runs(shape, 6, 0.03), [3, 6], 1e-9))
    assert alarms <= stats.binom.isf(0.001, RUNS, ALPHA)
    assert alarms > 0


def test_the_bound_makes_false_alarms_rare() -> None:
    """At the project's bound and 2% between rounds one run in a hundred alarms, and nearly none is undecided."""
    found = words(draw_runs("normal", 9, 0.014), [5, 9], 0.05)
    assert sum(word in ("faster", "slower") for word in found) <= 8
    assert found.count("same") > 0.7 * RUNS


def test_a_change_of_a_tenth_is_found() -> None:
    """2% between rounds: a slow-down by 10% is called slower in all but 1%, and never the same."""
    found = words(draw_runs("normal", 6, 0.014, shift=np.log(1.1)), [3, 6], 0.05)
    assert found.count("slower") >= 0.99 * RUNS
    assert "same" not in found
    turned = words(draw_runs("normal", 6, 0.014, shift=-np.log(1.1)), [3, 6], 0.05)
    assert turned.count("faster") >= 0.99 * RUNS


def test_a_change_at_the_bound_seldom_passes() -> None:
    """At a true ratio of 1.05 the word is `same` in one tail's level of each look at most."""
    found = words(draw_runs("normal", 6, 0.014, shift=np.log(1.05)), [3, 6], 0.05)
    assert found.count("same") <= stats.binom.isf(0.001, RUNS, tail_level(ALPHA))


NEAR, UP, DOWN = [-0.001, 0.0, 0.001], [0.099, 0.1, 0.101], [-0.101, -0.1, -0.099]


@pytest.mark.parametrize(
    ("wall", "cpu", "word", "finding"),
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
def test_the_words(wall: list[float], cpu: list[float], word: str, finding: str) -> None:
    """One clock is enough for slower; the same takes both; a change within the bound is the same."""
    judgement = judge_ratios((wall, cpu))
    assert (judgement.word, judgement.finding) == (word, finding)


def test_the_first_look_that_decides_counts() -> None:
    """What comes after it was not needed; without a decision the last one counts."""
    later = [-0.5, 0.5, 0.9]
    assert judge_looks((UP + later, UP + later), plan(3, 6)).word == "slower"
    assert judge_looks((later + UP, later + UP), plan(3, 6)).word == "inconclusive"


def test_without_a_look_nothing_is_decided() -> None:
    """Two rounds are too few, whatever they say."""
    judgement = judge_looks((UP[:2], UP[:2]), [])
    assert isinstance(judgement, Judgement)
    assert (judgement.word, judgement.finding) == ("inconclusive", "2 rounds are too few: it takes 3")


def test_the_smallest_slowdown() -> None:
    """It is the least whole percent that nine of ten runs find; waiting shows on the noisier clock only."""
    runs = [((wall.tolist(), cpu.tolist()), plan(3, 6)) for wall, cpu in draw_runs("normal", 6, 0.01)[:40]]
    found = smallest_slowdown(runs)
    waiting = smallest_slowdown(runs, clocks=(True, False))
    assert found is not None
    assert waiting is not None
    assert 0.03 <= found <= waiting <= 0.08
    for slowdown, enough in ((found, True), (found - 0.01, False)):
        shift = np.log1p(slowdown)
        slower = [judge_looks((np.add(w, shift), np.add(c, shift)), looks).word for (w, c), looks in runs].count(
            "slower"
        )
        assert (slower >= 36) is enough


def test_where_nothing_is_found_there_is_no_slowdown() -> None:
    """Runs that are all noise find not even twice the time; no runs are no answer."""
    assert smallest_slowdown([(([-3.0, 0.0, 3.0], [-3.0, 0.0, 3.0]), plan(3))]) is None
    with pytest.raises(ValueError, match="no runs"):
        smallest_slowdown([])


def test_a_sleep_is_found_where_processes_are_slow_by_turns() -> None:
    """Spoilt processes leave both clocks open; what B waits beside its processor time is as clear as ever."""
    cpu = np.array([0.0, -0.33, 0.23, -0.25, -0.12, 0.01])
    wall = cpu + np.array([0.091, 0.090, 0.085, 0.093, 0.089, 0.12])
    judgement = judge_ratios((wall.tolist(), cpu.tolist()))
    assert judgement.word == "slower"
    assert judgement.finding.startswith("slower in what it waits (+")
    faster = judge_ratios(((wall - 0.1).tolist(), (cpu - 0.1).tolist()))
    assert faster.word == "inconclusive"  # on the wall it seems faster


def test_less_processor_time_on_the_same_wall_is_not_slower() -> None:
    """It waits more beside its processor time, and nothing got worse."""
    rng = np.random.default_rng(0)
    wall = rng.normal(0.005, 0.002, 9)
    cpu = rng.normal(-0.2, 0.002, 9)
    assert judge_ratios((wall.tolist(), cpu.tolist())).word == "faster"
