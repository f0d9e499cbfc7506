"""The verdicts: the decision table, several metrics, several looks, and the stated rates of error.

Run as a program, this file prints the tables of measured rates in docs/statistics.md.
"""

from __future__ import annotations

import sys
from itertools import product
from math import inf

import numpy as np
import pytest
from scipy import stats

from mnist_bench.checks.accuracy import is_decided, make_metric_result
from mnist_bench.records.verdicts import conclude
from mnist_bench.stats.sequential import (
    ACCURACY_MARGIN,
    ALPHA,
    BETA,
    LOOKS,
    Comparison,
    Decision,
    _conclude,
    format_decision,
    judge,
    loss_margin,
)

MEAN = 0.977


def generator(seed: int = 0) -> np.random.Generator:
    """Return a generator of a fixed seed."""
    return np.random.default_rng(seed)


def accuracies(rng: np.random.Generator, size: int, *, sd: float = 0.001, mean: float = MEAN) -> np.ndarray:
    """Return accuracies of a test set of 10,000 images."""
    return rng.normal(mean, sd, size=size).round(4)


def decide(reference: object, sample: object, *, margin: float = ACCURACY_MARGIN, **options: object) -> Decision:
    """Judge one accuracy alone."""
    options = {"rng": generator(), "resamples": 9_999, **options}
    return judge({"accuracy": Comparison(reference, sample, "lower", margin)}, **options)["accuracy"]


@pytest.mark.parametrize("n", [30, 100, 1000])
@pytest.mark.parametrize("k", [10, 20, 30])
def test_a_shifted_copy_has_regressed(n: int, k: int) -> None:
    """The reference's own values less 0.2 points are REGRESSED."""
    reference = accuracies(generator(n), n)
    decision = decide(reference, reference[:k] - 0.002)
    assert (decision.verdict, decision.finding) == ("REGRESSED", "worse mean")
    assert decision.change.high < 0
    assert decision.mean_p <= decision.threshold == ALPHA / len(LOOKS)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [30, 100])
def test_a_fresh_set_of_seeds_passes(n: int, seed: int) -> None:
    """Another 20 seeds of the same training are a PASS, which excludes a loss of the whole margin."""
    rng = generator(seed)
    decision = decide(accuracies(rng, n), accuracies(rng, 20))
    assert (decision.verdict, decision.finding) == ("PASS", "within the margin")
    assert decision.change.low >= -ACCURACY_MARGIN


def test_a_higher_loss_has_regressed_and_a_lower_one_passes() -> None:
    """Higher is worse for a loss, and the margin is 1.5 standard deviations of the reference."""
    rng = generator(1)
    reference, sample = rng.normal(0.0768, 0.003, 100), rng.normal(0.0768, 0.003, 20)
    margin = loss_margin(reference)
    assert margin == pytest.approx(1.5 * reference.std(ddof=1))
    comparisons = {
        name: Comparison(reference, sample + shift, "higher", margin)
        for name, shift in {"higher": 0.006, "same": 0.0, "lower": -0.006}.items()
    }
    decisions = judge(comparisons, rng=rng, resamples=9_999)
    verdicts = {name: decision.verdict for name, decision in decisions.items()}
    assert verdicts == {"higher": "REGRESSED", "same": "PASS", "lower": "PASS"}
    assert decisions["higher"].smallest_shift > 0
    assert list(decisions) == ["higher", "same", "lower"]


def test_three_seeds_with_a_wide_spread_are_inconclusive() -> None:
    """Three seeds with five times the spread decide nothing, wherever they lie around the reference."""
    reference = accuracies(generator(), 100)
    assert decide(reference, [0.973, 0.977, 0.981], looks=1).verdict == "INCONCLUSIVE"
    rng = generator(2)
    samples = [accuracies(rng, 3, sd=0.005) for _ in range(200)]
    verdicts = [decide(reference, sample, resamples=999).verdict for sample in samples]
    assert verdicts.count("INCONCLUSIVE") >= 180  # the others lie close together by chance
    assert verdicts.count("REGRESSED") <= 10  # one end of the interval errs in 1 of 60 looks


def test_five_seeds_with_a_wide_spread_have_regressed() -> None:
    """From the first look on, a much wider spread is a finding by itself, even with the same mean."""
    reference = accuracies(generator(), 100)
    decision = decide(reference, [0.967, 0.972, 0.977, 0.982, 0.987])
    assert (decision.verdict, decision.finding) == ("REGRESSED", "wider spread")
    assert decision.spread_p <= decision.threshold < 0.1 < decision.mean_p
    assert decide(reference, [0.967, 0.977, 0.987]).spread_p == 1


@pytest.mark.parametrize(("n", "k"), [(30, 1), (30, 2), (100, 1), (3, 3)])
@pytest.mark.parametrize("shift", [0, 0.5])
def test_too_few_seeds_are_inconclusive(n: int, k: int, shift: float) -> None:
    """If no loss could be significant, there is no PASS and no REGRESSED, whatever the values."""
    reference = accuracies(generator(4), n)
    decision = decide(reference, reference[:k] - shift)
    assert decision.verdict == "INCONCLUSIVE"
    assert decision.finding == "too few seeds for any loss to be significant"
    assert decision.smallest_shift == -inf


def test_values_without_variation_are_inconclusive() -> None:
    """Equal values on both sides decide nothing; a constant sample far from the reference has regressed."""
    assert decide([0.9] * 30, [0.9] * 5).verdict == "INCONCLUSIVE"
    assert decide([0.9] * 30, [0.8] * 5).verdict == "INCONCLUSIVE"
    assert decide(accuracies(generator(), 30), [0.098] * 5).verdict == "REGRESSED"


def test_a_real_loss_within_the_margin_passes_and_says_so() -> None:
    """A loss of 0.08 points is significant and still shown to be less than 0.15, so the margin decides."""
    rng = generator(6)
    decision = decide(accuracies(rng, 1000, sd=0.0007), accuracies(rng, 20, sd=0.0007, mean=MEAN - 0.0008))
    assert decision.mean_p <= decision.threshold
    assert (decision.verdict, decision.finding) == ("PASS", "worse mean, but within the margin")


@pytest.mark.parametrize(
    ("worse", "wider", "within", "wait", "better", "able"), list(product([False, True], repeat=6)), ids="{:d}".format
)
def test_decision_table(*, worse: bool, wider: bool, within: bool, wait: bool, better: bool, able: bool) -> None:
    """REGRESSED needs a significant finding; PASS and BETTER need a proof by the interval, and nothing else."""
    verdict, finding = _conclude(worse=worse, wider=wider, within=within, wait=wait, better=better, able=able)
    beyond = worse and not within
    regressed = wider or (beyond and not wait)
    assert (verdict == "REGRESSED") == regressed
    assert (verdict == "BETTER") == (better and not wider and not beyond)
    assert (verdict == "PASS") == (within and not better and not regressed)
    assert finding


@pytest.mark.parametrize(
    ("loss", "last", "verdict"),
    [
        (0.0011, False, "INCONCLUSIVE"),  # between nothing and the margin: more seeds say on which side
        (0.0011, True, "REGRESSED"),  # it may be beyond the margin, and no seed follows
        (0.0020, False, "REGRESSED"),
    ],
    ids=["small", "small, last look", "large"],
)
def test_a_small_loss_is_given_more_seeds(loss: float, verdict: str, *, last: bool) -> None:
    """A loss beyond chance that is less than the margin so far is not REGRESSED before the last look."""
    old = accuracies(generator(1), 5)
    moves = [0.0004, -0.0004, 0.0002, -0.0002, 0.0]
    pairs = Comparison(old, old + moves - loss, "lower", ACCURACY_MARGIN, paired=True)
    decision = judge({"it": pairs}, rng=generator(), looks=4, last=last)["it"]
    assert decision.mean_p <= decision.threshold
    assert decision.loss.high > ACCURACY_MARGIN
    assert decision.verdict == verdict


def test_holm_runs_over_all_metrics_and_both_tests() -> None:
    """A p-value that is significant alone may not be among twenty metrics; one clear regression is still found."""
    rng = generator(11)
    reference, sample = accuracies(rng, 100), accuracies(rng, 20)
    comparisons = {f"metric {i}": Comparison(reference, sample, "lower", ACCURACY_MARGIN) for i in range(19)}
    comparisons["bad"] = Comparison(reference, sample - 0.002, "lower", ACCURACY_MARGIN)
    decisions = judge(comparisons, rng=rng, resamples=19_999)
    assert [name for name, decision in decisions.items() if decision.verdict == "REGRESSED"] == ["bad"]
    bad = decisions["bad"]
    assert bad.mean_p == pytest.approx(40 * bad.mean.p_value)
    assert abs(bad.smallest_shift) > abs(decide(reference, sample - 0.002).smallest_shift)


def test_the_same_generator_gives_the_same_decisions() -> None:
    """All randomness comes from the generator, so a verdict can be repeated."""
    rng = generator()
    reference, sample = accuracies(rng, 100), accuracies(rng, 5)
    assert decide(reference, sample) == decide(reference, sample)
    assert decide(reference, sample) != decide(reference, sample, rng=generator(1))


def test_format_decision_states_evidence_and_power() -> None:
    """The line contains verdict, finding, change, margin, p-values, sizes and power, in the given unit."""
    rng = generator(3)
    decision = decide(accuracies(rng, 100), accuracies(rng, 5))
    points = {"scale": 100, "unit": " points", "digits": 2}
    assert format_decision(decision, **points) == (
        "PASS: within the margin; change +0.00 points (96.7% interval -0.09 to +0.10), margin 0.15; "
        "p of the mean 1, of the spread 1 (significant up to 0.0033); "
        "5 seeds against 100; would detect -0.24 points with 90% power"
    )
    assert format_decision(decide([0.9, 0.8], [0.8])).endswith(
        "of the spread not judged (significant up to 0.0033); 1 seed against 2; could not detect any loss"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"looks": 0}, "in 0 looks", id="no look"),
        pytest.param({"alpha": 1.0}, "at alpha 1.0", id="alpha"),
        pytest.param({"beta": 2.0}, "alpha must be above 0", id="beta"),
        pytest.param({"margin": -0.1}, "margin must be finite and not negative, not -0.1", id="negative margin"),
        pytest.param({"margin": float("nan")}, "margin must be finite and not negative, not nan", id="nan margin"),
    ],
)
def test_bad_options_are_refused(options: dict[str, float], message: str) -> None:
    """Looks, levels and margins out of range raise."""
    with pytest.raises(ValueError, match=message):
        decide([0.9, 0.8], [0.8, 0.9], **options)


def test_bad_values_are_refused() -> None:
    """NaN, an empty side and an empty set of comparisons raise; the caller judges a diverged training."""
    with pytest.raises(ValueError, match="sample must be finite, not nan"):
        decide([0.9, 0.8], [float("nan")])
    with pytest.raises(ValueError, match="reference must be a vector"):
        decide([], [0.9])
    with pytest.raises(ValueError, match="cannot judge 0 comparisons"):
        judge({}, rng=generator())
    assert loss_margin([0.3]) == 0


def run_gate(
    rng: np.random.Generator,
    *,
    n: int = 100,
    sd: float = 0.001,
    shift: float = 0.0,
    metrics: int = 1,
    unlucky: float | None = None,
    margin: float = ACCURACY_MARGIN,
    shape: str = "normal",
    **options: float,
) -> tuple[str, int]:
    """Return the verdict of one simulated gate, and the number of seeds that were needed.

    Args:
        rng: Source of all random numbers.
        n: Number of reference seeds.
        sd: Standard deviation over seeds, on both sides.
        shift: True loss in the mean of every metric.
        metrics: Number of independent metrics.
        unlucky: Error of the reference's mean in its standard errors, or None to draw it.
        margin: Non-inferiority margin.
        shape: Distribution over seeds.
        options: Options of `judge`.
    """
    draw = {
        "normal": rng.normal,
        "heavy": lambda size: rng.standard_t(5, size) / np.sqrt(5 / 3),
        "skewed": lambda size: (2 - rng.gamma(2, size=size)) / np.sqrt(2),
    }[shape]
    references = [draw(size=n) for _ in range(metrics)]
    if unlucky is not None:
        references = [(z - z.mean()) / z.std(ddof=1) + unlucky / np.sqrt(n) for z in references]
    references = [(MEAN + sd * z).round(4) for z in references]
    samples = [(MEAN - shift + sd * draw(size=LOOKS[-1])).round(4) for _ in range(metrics)]
    for seeds in LOOKS:
        comparisons = {
            str(index): Comparison(reference, sample[:seeds], "lower", margin)
            for index, (reference, sample) in enumerate(zip(references, samples, strict=True))
        }
        decisions = judge(comparisons, rng=rng, **{"resamples": 999, **options})
        results = [
            make_metric_result(name, "accuracy", decisions[name], comparisons[name].sample) for name in decisions
        ]
        if is_decided(results):
            break
    return conclude(result.verdict for result in results).value, seeds


def simulate(gates: int, seed: int = 0, **setting: object) -> dict[str, float]:
    """Return the share of each verdict over simulated gates, and their mean number of seeds."""
    rng = generator(seed)
    outcomes = [run_gate(rng, **setting) for _ in range(gates)]
    verdicts = [verdict for verdict, _ in outcomes]
    shares = {name: verdicts.count(name) / gates for name in ("PASS", "REGRESSED", "INCONCLUSIVE")}
    return {**shares, "seeds": float(np.mean([used for _, used in outcomes]))}


def most(gates: int, rate: float) -> float:
    """Return the share that a true rate exceeds in only 1 of 1,000 simulations."""
    return float(stats.binom.isf(0.001, gates, rate)) / gates


@pytest.mark.parametrize(("n", "shape"), [(30, "normal"), (100, "normal"), (100, "heavy"), (100, "skewed")])
def test_error_rates_false_alarm(n: int, shape: str) -> None:
    """A gate without any change says REGRESSED in at most 1%: 200 gates, bound 1 in 1,000 (3.5%)."""
    shares = simulate(200, n, n=n, sd=0.0016, shape=shape)
    assert shares["REGRESSED"] <= most(200, ALPHA)


def test_error_rates_of_looks_and_metrics_together() -> None:
    """Three looks at three metrics err no oftener than alpha, here 0.2 without a margin, so that errors are frequent.

    Measured: 0.07. The whole alpha at each look would give 0.27, and for each test 0.41.
    """
    shares = simulate(120, metrics=3, margin=0.0, alpha=0.2, beta=1.4, resamples=199)
    assert 0.01 <= shares["REGRESSED"] <= 0.16


@pytest.mark.parametrize("sd", [0.0007, 0.0016])
def test_error_rates_missed_margin(sd: float) -> None:
    """A loss of the whole margin says PASS in at most 5%: 200 gates, bound 1 in 1,000 (10.5%)."""
    shares = simulate(200, 1, sd=sd, shift=ACCURACY_MARGIN)
    assert shares["PASS"] <= most(200, BETA)


def test_error_rates_of_an_unlucky_reference() -> None:
    """With a reference mean at its upper 5% point false alarms stay rare, as the loss must exceed the margin, too."""
    shares = simulate(300, 2, sd=0.001, unlucky=1.645)
    assert shares["REGRESSED"] <= most(300, ALPHA)


def test_error_rates_no_change_passes_and_a_loss_of_02_points_regresses() -> None:
    """At the spread of the models both verdicts are nearly always right, mostly before the last look."""
    fresh, worse = simulate(100, 3), simulate(100, 4, shift=0.002)
    assert fresh["PASS"] >= 0.95
    assert worse["REGRESSED"] >= 0.95
    assert max(fresh["seeds"], worse["seeds"]) < 12


def format_tables(gates: int) -> str:
    """Return the table of docs/statistics.md, each row from as many gates."""
    sizes, spreads = (30, 100, 1000), (0.0007, 0.001, 0.0016)
    settings: list[tuple[str, dict]] = [
        (f"loss of {100 * shift:.2f}" if shift else "no change", {"n": n, "sd": sd, "shift": shift})
        for shift, n, sd in product((0.0, 0.0015, 0.002), sizes, spreads)
    ]
    settings += [
        ("no change, unlucky reference", {"n": n, "sd": sd, "unlucky": 1.645}) for n, sd in product(sizes, spreads)
    ]
    settings += [(f"no change, {shape}", {"shape": shape}) for shape in ("heavy", "skewed")]
    settings += [("no change, 6 metrics", {"n": n, "metrics": 6}) for n in sizes]
    rows = ["| truth | n | sd | PASS | REGRESSED | INCONCLUSIVE | seeds |", "| --- " * 7 + "|"]
    for truth, setting in settings:
        shares = simulate(gates, **setting, resamples=9_999 if "metrics" in setting else 999)
        cells = [truth, str(setting.get("n", 100)), f"{100 * setting.get('sd', 0.001):.2f}"]
        cells += [f"{shares[verdict]:.1%}" for verdict in ("PASS", "REGRESSED", "INCONCLUSIVE")]
        rows.append(f"| {' | '.join(cells)} | {shares['seeds']:.1f} |")
    rows += ["", "| n | k | smallest shift in sd | REGRESSED |", "| --- " * 4 + "|"]
    rows += [format_power(n, k, gates) for n, k in product(sizes, LOOKS)]
    return "\n".join(rows) + "\n"


def format_power(n: int, k: int, gates: int) -> str:
    """Return how often the smallest shift is detected at one look of a gate of six metrics, margin 1.5 sd."""
    rng = generator(n + k)
    options = {"margin": 1.5, "alpha": ALPHA / 6, "resamples": 29_999, "rng": rng}
    unit = rng.normal(size=n)
    shift = decide((unit - unit.mean()) / unit.std(ddof=1), rng.normal(size=k), **options).smallest_shift
    verdicts = [decide(rng.normal(size=n), rng.normal(size=k) + shift, **options).verdict for _ in range(gates)]
    return f"| {n} | {k} | {-shift:.2f} | {verdicts.count('REGRESSED') / gates:.1%} |"


if __name__ == "__main__":
    sys.stdout.write(format_tables(int(sys.argv[1])))
