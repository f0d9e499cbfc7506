"""How often a comparison by pairs of seeds is wrong: simulated comparisons, and real pairs with their sides exchanged.

    python benchmarks/calibrate_pairs.py                  # the tables of docs/statistics.md, a few minutes
    python benchmarks/calibrate_pairs.py --runs 200       # the same, with less information

A simulated comparison is what `mnist-bench compare` judges of three labs: accuracy, loss and two clocks each, and the
errors of thirty classes, at the looks of pairs, until something is REGRESSED or nothing is open. It is a false alarm if
anything is REGRESSED at any look. The real pairs are those of the committed records of versions.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
from collections import Counter
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import numpy as np
import scipy

from mnist_bench.records.serial import load
from mnist_bench.stats import sequential
from mnist_bench.stats.paired import FEWEST_PAIRS
from mnist_bench.stats.ratios import BOUND
from mnist_bench.stats.sequential import ACCURACY_MARGIN, ALPHA, PAIR_LOOKS, Comparison, judge, loss_margin
from mnist_bench.versions.bits import align_engines, count_same_ends, share_case_streams
from mnist_bench.versions.figures import CLASS_MARGIN, SHIPPED_BOUND, FigureRules, compare_figures
from mnist_bench.versions.records import VersionRecord, seeds_by_case
from mnist_bench.versions.seeds import select_seeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from mnist_bench.records.config import Case
    from mnist_bench.versions.seeds import SeedResults

    Figures = dict[tuple[str, int], tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]

VERSIONS = Path(__file__).parents[1] / "baselines" / "versions"
LABS, CLASSES, IMAGES = 3, 10, 10_000
CHANGED = 2  # the lab whose pairs vary most
MAIN_SHARE = 0.8  # of alpha, as in `versions/figures.py`: the classes have the rest
SEED_SD, PAIR_SD = 0.001, (0.0002, 0.0004, 0.0007)  # of the accuracy; measured of pairs: up to 0.00066
LOSS_SEED_SD, LOSS_PAIR_SD = 0.0034, 0.00055  # measured of the MLP with dropout
WORK_SD, FIT_SD = 0.01, 0.06  # of the logarithm of a round's ratio


class Truth(NamedTuple):
    """What is really so: how much the figures of one lab have changed.

    Attributes:
        name: What the table says.
        accuracy: The change of the accuracy.
        classes: The change of the errors of class 0, as a share of its images.
        work: The factor of the processor time.
        spread: The factor of the accuracy's spread over seeds.
        margins: The factor of all margins; 0 leaves the tests alone to decide.
    """

    name: str
    accuracy: float = 0.0
    classes: float = 0.0
    work: float = 1.0
    spread: float = 1.0
    margins: float = 1.0


NOTHING = Truth("no change")
NOISES = ("normal", "heavy", "counts")
ROWS = (
    (NOTHING, NOISES),
    (Truth("no change, all margins 0", margins=0.0), NOISES),
    (Truth("accuracy -0.15 points, the margin", accuracy=-ACCURACY_MARGIN), NOISES),
    (
        Truth("class 0: +0.75 points of errors, the margin", classes=CLASS_MARGIN * ACCURACY_MARGIN),
        ("normal", "counts"),
    ),
    (Truth("processor time +5%, the bound", work=1 + BOUND), ("normal", "heavy")),
    (Truth("accuracy -0.20 points", accuracy=-0.0020), ("normal",)),
    (Truth("class 0: +1.0 points of errors", classes=0.01), ("counts",)),
    (Truth("processor time +10%", work=1.1), ("normal",)),
    (Truth("spread of the accuracy 3 times as wide", spread=3.0), ("normal",)),
)


def main() -> None:
    """Print both tables, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=2000, metavar="N", help="comparisons of each row")
    runs = parser.parse_args().runs
    # The smallest detectable shift takes most of a decision's time, and no part in its verdict; the quantiles are few.
    quick = functools.lru_cache(scipy.stats.t.isf)
    with mock.patch.object(sequential, "_find_shift", return_value=0.0), mock.patch.object(scipy.stats.t, "isf", quick):
        print_simulated(runs)
        print()
        print_real(runs)


def print_simulated(runs: int) -> None:
    """Print how simulated comparisons end: of the changed figure, and of everything."""
    print("| truth | noise | changed figure: PASS | REGRESSED | anything REGRESSED | all decided, not worse | pairs |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for truth, noise in ((truth, noise) for truth, noises in ROWS for noise in noises):
        rng, counted, pairs = np.random.default_rng(1), Counter[str](), 0
        for _ in range(runs):
            verdict, words, seen = compare(truth, noise, rng)
            counted.update([f"own {verdict}", *(f"any {word}" for word in words)])
            pairs += seen
        own = (
            ["", ""] if truth is NOTHING else [f"{counted[f'own {word}'] / runs:.1%}" for word in ("PASS", "REGRESSED")]
        )
        whole = [f"{counted[f'any {word}'] / runs:.1%}" for word in ("REGRESSED", "green")]
        print("|", " | ".join([truth.name, noise, *own, *whole, f"{pairs / runs:.1f}"]), "|", flush=True)


def compare(truth: Truth, noise: str, rng: np.random.Generator) -> tuple[str, set[str], int]:
    """Return the verdict on the changed figure, what is true of the whole comparison, and the number of pairs."""
    figures = draw(truth, noise, rng)
    changed = find_changed(truth)
    words: set[str] = set()
    verdicts: dict[tuple[str, int], str] = {}
    pairs = 0
    for pairs in PAIR_LOOKS:
        verdicts = judge_look(figures, pairs, truth.margins)
        found = set(verdicts.values())
        if "REGRESSED" in found:
            words.add("REGRESSED")
            break
        if "INCONCLUSIVE" not in found:
            words.add("green")
            break
    return verdicts[changed], words, pairs


def find_changed(truth: Truth) -> tuple[str, int]:
    """Return which figure is changed."""
    if truth.classes:
        return "class", CLASSES * CHANGED
    return ("work" if truth.work != 1 else "accuracy"), CHANGED


def draw(truth: Truth, noise: str, rng: np.random.Generator) -> Figures:
    """Return both sides of every figure, each of as many pairs as the last look has."""
    pairs = PAIR_LOOKS[-1]
    figures: Figures = {}
    for lab in range(LABS):
        own = truth if lab == CHANGED else NOTHING
        seeds = SEED_SD * rng.normal(size=pairs)
        errors = 23 + np.round(rng.normal(scale=4, size=(pairs, CLASSES)))
        moved = draw_moves(noise, PAIR_SD[lab], (pairs, CLASSES), rng)
        moved[:, 0] += np.floor(own.classes * IMAGES / CLASSES + rng.random(pairs))  # half an image in every other pair
        old = 0.977 + np.round(IMAGES * seeds) / IMAGES
        new = 0.977 + own.accuracy + np.round(IMAGES * (own.spread * seeds)) / IMAGES - moved.sum(axis=1) / IMAGES
        figures["accuracy", lab] = (old, new)
        losses = 0.08 + LOSS_SEED_SD * rng.normal(size=pairs)
        figures["loss", lab] = (losses, losses + draw_noise(noise, LOSS_PAIR_SD, pairs, rng))
        figures["work", lab] = (np.zeros(pairs), log(own.work) + draw_noise(noise, WORK_SD, pairs, rng))
        figures["fit", lab] = (np.zeros(pairs), draw_noise(noise, FIT_SD, pairs, rng))
        for place in range(CLASSES):
            before = errors[:, place] * CLASSES / IMAGES
            figures["class", CLASSES * lab + place] = (before, before + moved[:, place] * CLASSES / IMAGES)
    return figures


def draw_moves(noise: str, sd: float, shape: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return by how many errors each class of each pair differs, whole numbers."""
    if noise == "counts":
        moves = 0.5 * (sd * IMAGES) ** 2 / CLASSES  # a difference of two Poisson counts has the sum of their variances
        return (rng.poisson(moves, shape) - rng.poisson(moves, shape)).astype(float)
    return np.round(draw_noise(noise, sd * IMAGES / np.sqrt(CLASSES), shape, rng))


def draw_noise(
    noise: str, sd: float, shape: int | tuple[int, int], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return differences within pairs with this standard deviation; counts are normal where nothing is counted."""
    if noise == "heavy":
        return sd / np.sqrt(2) * rng.standard_t(4, size=shape)
    return sd * rng.normal(size=shape)


def judge_look(figures: Figures, pairs: int, margins: float) -> dict[tuple[str, int], str]:
    """Return the verdicts of both families on the first pairs."""
    families: list[dict[tuple[str, int], Comparison]] = [{}, {}]
    for (metric, place), (old, new) in figures.items():
        comparison = make_comparison(metric, old[:pairs], new[:pairs])
        scaled = dataclasses.replace(comparison, margin=margins * comparison.margin, suspicious=margins > 0)
        families[metric == "class"][metric, place] = scaled if margins != 1 else comparison
    verdicts = {}
    for family, share in zip(families, (MAIN_SHARE, 1 - MAIN_SHARE), strict=True):
        decisions = judge(
            family,
            rng=np.random.default_rng(0),
            looks=len(PAIR_LOOKS),
            last=pairs == PAIR_LOOKS[-1],
            alpha=share * ALPHA,
        )
        verdicts |= {name: decision.verdict for name, decision in decisions.items()}
    return verdicts


def make_comparison(metric: str, old: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> Comparison:
    """Return the pairs of a figure with the rules of `versions/figures.py`."""
    clock: dict[str, Any] = {"paired": True, "spread": False, "suspicious": False}
    if metric == "accuracy":
        return Comparison(old, new, "lower", ACCURACY_MARGIN, paired=True, resolution=1 / IMAGES)
    if metric == "loss":
        step = float(np.finfo(np.float32).eps) * float(old.mean())
        return Comparison(old, new, "higher", loss_margin(old), paired=True, resolution=step)
    if metric == "class":
        margin, step = CLASS_MARGIN * ACCURACY_MARGIN, CLASSES / IMAGES
        return Comparison(old, new, "higher", margin, paired=True, resolution=step, spread=False)
    return Comparison(old, new, "higher", log(1 + (BOUND if metric == "work" else SHIPPED_BOUND)), **clock)


def print_real(runs: int) -> None:
    """Print how comparisons of the committed records end when the sides of each pair are exchanged at random."""
    print("| records | pairs a lab | comparisons | anything REGRESSED | figures: PASS |")
    print("| --- | --- | --- | --- | --- |")
    for names, base, new, cases in find_pairs():
        alarms, verdicts = 0, Counter[str]()
        common = len(set(seeds_by_case(base)[cases[0]].seeds) & set(seeds_by_case(new)[cases[0]].seeds))
        rng = np.random.default_rng(2)
        for _ in range(runs):
            words = judge_exchanged(base, new, cases, rng)
            alarms += "REGRESSED" in words
            verdicts.update(words)
        share = verdicts["PASS"] / verdicts.total()
        print(f"| {names} | {common} | {runs} | {alarms / runs:.1%} | {share:.1%} |", flush=True)


def find_pairs() -> Iterator[tuple[str, VersionRecord, VersionRecord, Sequence[Case]]]:
    """Yield the pairs of versions that share their random numbers and end in other bits, each result once."""
    records = {path.stem: load(path, VersionRecord) for path in sorted(VERSIONS.glob("*.json"))}
    known = set()
    for first, second in itertools.combinations(records, 2):
        base, new = records[first], align_engines(records[first], records[second])
        old, now = seeds_by_case(base), seeds_by_case(new)
        cases = [case for case in old if case in now and share_case_streams(base, new, case)]
        cases = [case for case in cases if len({*old[case].seeds} & {*now[case].seeds}) >= FEWEST_PAIRS]
        moved = [case for case in cases if not count_same_ends(old[case], now[case])]
        ends = tuple((case, *old[case].test_loss, *now[case].test_loss) for case in moved)
        if moved and ends not in known:
            known.add(ends)
            yield f"{first}, {second}", base, new, moved


def judge_exchanged(
    base: VersionRecord, new: VersionRecord, cases: Sequence[Case], rng: np.random.Generator
) -> list[str]:
    """Return the verdicts on accuracy and loss when each pair has its sides exchanged or not, by the toss of a coin."""
    sides: tuple[list[SeedResults], list[SeedResults]] = [], []
    for case in cases:
        pair = seeds_by_case(base)[case], seeds_by_case(new)[case]
        seeds = [seed for seed in pair[0].seeds if seed in pair[1].seeds]
        coins = rng.integers(2, size=len(seeds))
        for number, side in enumerate(sides):
            chosen = [pair[number ^ int(coin)] for coin in coins]
            columns: dict[str, Any] = {
                name: [getattr(each, name)[each.seeds.index(seed)] for each, seed in zip(chosen, seeds, strict=True)]
                for name in ("test_accuracy", "test_loss", "final_digests")
            }
            side.append(dataclasses.replace(select_seeds(pair[number], seeds), predictions=[], **columns))
    first, second = dataclasses.replace(base, accuracy=sides[0]), dataclasses.replace(new, accuracy=sides[1])
    judged = compare_figures(first, second, dict.fromkeys(cases, ""), FigureRules(looks=len(PAIR_LOOKS)))
    return [decision.verdict for decision in judged.decisions.values()]


if __name__ == "__main__":
    main()
