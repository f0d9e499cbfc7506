"""Pairs of seeds: exact levels, ties, and the real pairs of committed records with their labels swapped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy

from mnist_bench.records.serial import load
from mnist_bench.stats.paired import paired_interval, paired_shift, paired_spread_test, paired_test
from mnist_bench.stats.sequential import ACCURACY_MARGIN, PAIR_LOOKS, Comparison, judge, loss_margin
from mnist_bench.versions.records import VersionRecord, seeds_by_case

if TYPE_CHECKING:
    import numpy.typing as npt

    from mnist_bench.stats.sequential import Decision

VERSIONS = Path(__file__).parents[2] / "baselines" / "versions"
IMAGE = 1e-4


def generator(seed: int = 0) -> np.random.Generator:
    """Return a source of random numbers of its own."""
    return np.random.default_rng(seed)


def decide(reference: object, sample: object, **options: float) -> Decision:
    """Return the decision on one accuracy's pairs."""
    comparison = Comparison(reference, sample, "lower", ACCURACY_MARGIN, paired=True, resolution=IMAGE)
    return judge({"accuracy": comparison}, rng=generator(), **options)["accuracy"]


def test_the_test_is_scipys() -> None:
    """The p-value is that of scipy.stats.ttest_rel, one-sided, in both directions."""
    old, new = generator(1).normal(size=(2, 8))
    for worse, alternative in (("lower", "less"), ("higher", "greater")):
        expected = scipy.stats.ttest_rel(new, old, alternative=alternative)
        assert paired_test(old, new, worse=worse).p_value == pytest.approx(expected.pvalue)
    interval = scipy.stats.ttest_rel(new, old).confidence_interval(0.9)
    ours = paired_interval(old, new, alpha=0.05)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))


def test_pairs_see_what_groups_do_not() -> None:
    """Seeds vary by 0.1 points and pairs by 0.04: five pairs show a loss of 0.25 points, five seeds a side do not."""
    rng = generator(2)
    old = 0.977 + 0.001 * rng.normal(size=5)
    new = old - 0.0025 + 0.0004 * rng.normal(size=5)
    assert decide(old, new).verdict == "REGRESSED"
    alone = judge({"accuracy": Comparison(old, new, "lower", ACCURACY_MARGIN)}, rng=generator())["accuracy"]
    assert alone.verdict == "INCONCLUSIVE"


def test_five_pairs_prove_a_pass() -> None:
    """A PASS needs the interval alone, however few the ways of splitting five pairs are."""
    rng = generator(3)
    old = 0.977 + 0.001 * rng.normal(size=5)
    decision = decide(old, old + 0.0002 * rng.normal(size=5))
    assert (decision.verdict, decision.finding) == ("PASS", "within the margin")


def test_equal_pairs_prove_no_more_than_the_grid_shows() -> None:
    """Differences that are all zero have the spread of the rounding to one image, not none."""
    old = np.array([0.9771, 0.9764, 0.9780])
    interval = paired_interval(old, old, alpha=0.0125, resolution=IMAGE)
    assert interval.estimate == 0
    assert 0 < interval.high < ACCURACY_MARGIN
    assert paired_test(old, old, worse="lower", resolution=IMAGE).p_value == 0.5
    assert decide(old, old).verdict == "PASS"
    assert decide(old, old - IMAGE).verdict == "PASS"  # one image in each seed is no loss that matters


def test_without_a_grid_equal_differences_are_certain() -> None:
    """A constant shift of a continuous figure is no chance, and no shift is none."""
    old = np.array([0.25, 0.5, 0.75])
    assert paired_test(old, old + 0.125, worse="higher").p_value == 0
    assert paired_test(old, old, worse="higher").p_value == 1
    assert paired_shift(old, old, alpha=0.01, beta=0.05, margin=0.1, power=0.9) == 0.1


@pytest.mark.parametrize(("old", "new"), [([1.0, 2.0], [1.0, 2.0]), ([1.0, 2.0, 3.0], [1.0, 2.0])], ids=["two", "odd"])
def test_too_few_pairs_are_refused(old: list[float], new: list[float]) -> None:
    """Two differences, or sides of different lengths, raise."""
    with pytest.raises(ValueError, match="pairs need as many values on both sides, 3 or more"):
        paired_test(old, new, worse="lower")


def test_a_wider_spread_of_pairs_is_found() -> None:
    """The test sees a side that varies three times as much around the same values, and nothing below 1.5 times."""
    rng = generator(4)
    common = rng.normal(size=20)
    old, new = common + 0.3 * rng.normal(size=20), 3 * common + 0.3 * rng.normal(size=20)
    assert paired_spread_test(old, new).p_value < 1e-4
    assert paired_spread_test(new, old).p_value > 0.99
    assert paired_spread_test(old, 1.1 * old).p_value > 0.99  # certain, and too little to matter
    assert paired_spread_test(old, np.zeros(20)).p_value > 0.99
    assert paired_spread_test(np.zeros(20), np.zeros(20)).p_value == 1


def test_the_smallest_shift_is_found_as_often_as_stated() -> None:
    """Of simulated pairs with the stated shift, 90% are REGRESSED."""
    rng = generator(5)
    noise = 0.0004 * rng.normal(size=(1000, 10))
    typical = noise[0] * 0.0004 / noise[0].std(ddof=1)  # the spread that all have, not that of these ten
    shift = paired_shift(np.zeros(10), typical, alpha=0.01, beta=0.05, margin=ACCURACY_MARGIN, power=0.9)
    verdicts = [
        judge(
            {0: Comparison(np.zeros(10), row - shift, "lower", ACCURACY_MARGIN, paired=True, spread=False)},
            rng=rng,
            looks=1,
        )[0].verdict
        for row in noise
    ]
    assert 0.87 <= verdicts.count("REGRESSED") / len(verdicts) <= 0.93


@pytest.mark.parametrize("shape", ["normal", "heavy", "counts"])
def test_rates_of_error(shape: str) -> None:
    """Gates of six metrics: false alarms at most 1%; a loss of the margin passes in at most 5% of the cases."""
    rng, gates = generator(6), 300
    draw = {
        "normal": lambda size: 0.0003 * rng.normal(size=size),
        "heavy": lambda size: 0.0003 * rng.standard_t(4, size=size) / np.sqrt(2),
        "counts": lambda size: IMAGE * (rng.poisson(9, size=size) - 9),
    }[shape]
    alarms = passes = 0
    for _ in range(gates):
        seeds = 0.977 + 0.001 * rng.normal(size=(7, PAIR_LOOKS[-1]))
        old, new = seeds + draw(seeds.shape), seeds + draw(seeds.shape)
        alarms += "REGRESSED" in look(old[:6], new[:6])
        passes += "PASS" in look(old[6:], new[6:] - ACCURACY_MARGIN)
    assert alarms <= 0.01 * gates + 3 * np.sqrt(0.01 * gates)
    assert passes <= 0.05 * gates + 3 * np.sqrt(0.05 * gates)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_real_pairs_with_swapped_labels_raise_no_alarm(metric: str) -> None:
    """The pairs of Keras 3.6 and 3.9, their sides exchanged at random, give no REGRESSED and mostly PASS."""
    old, new = (load(VERSIONS / f"{name}.json", VersionRecord) for name in ("py312-tf218", "py312-tf219"))
    before, after = ({case.lab: seeds for case, seeds in seeds_by_case(record).items()} for record in (old, new))
    rng, verdicts = generator(7), []
    for signs in np.array(np.meshgrid(*[[0, 1]] * 5)).reshape(5, -1).T:
        comparisons = {
            lab: make_pairs(
                getattr(before[lab], f"test_{metric}"), getattr(after[lab], f"test_{metric}"), signs, metric
            )
            for lab in before
        }
        verdicts += [decision.verdict for decision in judge(comparisons, rng=rng, looks=len(PAIR_LOOKS)).values()]
    assert "REGRESSED" not in verdicts
    assert verdicts.count("PASS") / len(verdicts) >= 0.9


def make_pairs(old: list[float], new: list[float], signs: npt.NDArray[np.int_], metric: str) -> Comparison:
    """Return the pairs, with those exchanged whose sign is 1."""
    first, second = np.where(signs, new, old), np.where(signs, old, new)
    if metric == "loss":
        return Comparison(first, second, "higher", loss_margin(old), paired=True)
    return Comparison(first, second, "lower", ACCURACY_MARGIN, paired=True, resolution=IMAGE)


def look(old: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> set[str]:
    """Return the verdicts at the look that decides, on metrics of shape (metrics, pairs)."""
    verdicts: set[str] = set()
    for pairs in PAIR_LOOKS:
        comparisons = {
            index: Comparison(before[:pairs], after[:pairs], "lower", ACCURACY_MARGIN, paired=True, resolution=IMAGE)
            for index, (before, after) in enumerate(zip(old, new, strict=True))
        }
        verdicts = {
            decision.verdict for decision in judge(comparisons, rng=generator(), looks=len(PAIR_LOOKS)).values()
        }
        if "REGRESSED" in verdicts or "INCONCLUSIVE" not in verdicts:
            break
    return verdicts
