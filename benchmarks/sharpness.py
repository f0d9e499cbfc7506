"""The smallest loss that the gates find in nine of ten tries, by the number of seeds: as a table and as a picture.

    python benchmarks/sharpness.py --out docs/images/sharpness.svg
    python benchmarks/sharpness.py --campaign DIR        # holds the row of new seeds against real trainings

New seeds are compared with the stored reference of the mlp, as `check` does; pairs are compared as `compare` does. How
far the figures of a pair differ is taken from `docs/selftest-trainings.json`: from the trainings with planted faults
that do no more than round otherwise. DIR holds trainings of the mlp by `fused`: the first hundred are the reference
there, and the others are made worse by what the table says.
"""

from __future__ import annotations

import argparse
import math
import statistics
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from real_seeds import load_folder, split_reference

from mnist_bench.checks.accuracy import compare_values
from mnist_bench.checks.baselines import find_folder, find_reference
from mnist_bench.checks.selftest.effects import TESTS
from mnist_bench.checks.selftest.records import SelftestTrainings
from mnist_bench.records.serial import load
from mnist_bench.show.drawing import TEST, TRAINING, VALIDATION, draw_panels, save_alone
from mnist_bench.stats.paired import shift_of_pairs
from mnist_bench.stats.power import smallest_shift
from mnist_bench.stats.sequential import (
    ACCURACY_MARGIN,
    ALPHA,
    BETA,
    LOOKS,
    PAIR_LOOKS,
    POWER,
    judge,
    loss_margin,
)
from mnist_bench.training.data.mnist import DIGEST
from mnist_bench.versions.figures import CLASS_MARGIN, CLASS_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from mnist_bench.checks.baselines import Reference

TRAININGS = Path(__file__).parents[1] / "docs" / "selftest-trainings.json"
SIZES = (3, 5, 10, 20)
COMPARE_TESTS, CLASS_TESTS = 18, 30  # of `compare` with three labs; the classes are a family of their own
ROUNDED = ("products-rounded:22", "products-rounded:20", "gradients-flushed:1e-06", "sums-in-any-order:1")
DIGIT, IMAGES = 3, 1_010  # the class that is shown, and its images
GROUPS, RESAMPLES = 200, 19_999


class Figure(NamedTuple):
    """What is made worse: the values of the reference's seeds, differences within pairs, the largest loss allowed."""

    title: str
    values: Sequence[float]
    pairs: Sequence[float]
    margin: float
    scale: float
    unit: str


def main() -> None:
    """Print the table, and draw the picture or hold the table against real trainings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="where to write the picture")
    parser.add_argument("--campaign", type=Path, help="a folder of trainings, to hold the table against")
    options = parser.parse_args()
    reference = find_reference(find_folder(), "mnist", "mlp", "fused", digest=DIGEST)
    assert reference
    figures = list_figures(reference)
    print_table(figures)
    if options.campaign:
        print_real(options.campaign)
    if options.out:
        save_picture(figures, options.out)


def list_figures(reference: Reference) -> list[Figure]:
    """Return the figures of the mlp: accuracy, loss, and the errors of one class."""
    accuracies, losses, errors = find_pairs()
    sd = statistics.stdev(reference.test_loss)
    counts = [float(row[DIGIT]) for row in reference.class_errors]
    margin = CLASS_MARGIN * ACCURACY_MARGIN * IMAGES
    return [
        Figure("Accuracy", reference.test_accuracy, accuracies, ACCURACY_MARGIN, 100, "points"),
        Figure("Loss", reference.test_loss, losses, loss_margin(reference.test_loss), 1 / sd, "sd"),
        Figure(f"Errors of class {DIGIT}", counts, errors, margin, 100 / IMAGES, "points of it"),
    ]


def find_pairs() -> tuple[list[float], list[float], list[float]]:
    """Return differences within pairs that round otherwise, and do nothing else: accuracy, loss, errors of a class."""
    trainings = load(TRAININGS, SelftestTrainings).trainings
    clean = {it.seed: it.figures for it in trainings if not it.fault and it.lab == "mlp"}
    found: tuple[list[float], list[float], list[float]] = ([], [], [])
    for training in trainings:
        old, new = clean.get(training.seed), training.figures
        if training.fault in ROUNDED and old and new and old.loss is not None and new.loss is not None:
            found[0].append(new.accuracy - old.accuracy)
            found[1].append(new.loss - old.loss)
            found[2].append(float(new.class_errors[DIGIT] - old.class_errors[DIGIT]))
    return found


def find_spread(differences: Sequence[float]) -> float:
    """Return the standard deviation of differences whose mean is 0."""
    return math.sqrt(statistics.fmean(value * value for value in differences))


def find_new(figure: Figure, seeds: int, size: int = 1_000) -> float:
    """Return the smallest loss that so many new seeds find, against so many stored ones: the gate of `check`."""
    level: dict[str, Any] = {"alpha": ALPHA / len(LOOKS) / TESTS, "beta": BETA / len(LOOKS)}
    return smallest_shift(list(figure.values[:size]), seeds, margin=figure.margin, power=POWER, **level)


def find_two(figure: Figure, seeds: int) -> float:
    """Return the smallest loss that two samples of so many seeds find: `compare`, with other random numbers."""
    line = np.linspace(-1, 1, seeds)  # any values with the standard deviation of the reference
    values = line * statistics.stdev(figure.values) / line.std(ddof=1)
    return smallest_shift(values, seeds, margin=figure.margin, power=POWER, **_spend(figure))


def find_paired(figure: Figure, pairs: int) -> float:
    """Return the smallest loss that so many pairs find: `compare`, with the same random numbers."""
    return shift_of_pairs(find_spread(figure.pairs), pairs, margin=figure.margin, power=POWER, **_spend(figure))


def _spend(figure: Figure) -> dict[str, float]:
    """Return what `compare` spends at each of its looks, which are four, whether seeds are pairs or not."""
    share, tests = (CLASS_SHARE, CLASS_TESTS) if _is_class(figure) else (1 - CLASS_SHARE, COMPARE_TESTS)
    return {"alpha": share * ALPHA / len(PAIR_LOOKS) / tests, "beta": BETA / len(PAIR_LOOKS)}


def _is_class(figure: Figure) -> bool:
    return figure.title.startswith("Errors")


def list_curves(figure: Figure) -> dict[str, list[float]]:
    """Return the smallest losses by the number of seeds, in the figure's unit; `check` does not judge classes."""
    spread = f"pairs that differ by {figure.scale * find_spread(figure.pairs):.2f}"
    curves = {
        "two samples": [find_two(figure, size) for size in SIZES],
        "new seeds, 1,000 stored": [] if _is_class(figure) else [find_new(figure, size) for size in SIZES],
        spread: [find_paired(figure, size) for size in SIZES],
    }
    return {name: [figure.scale * shift for shift in shifts] for name, shifts in curves.items() if shifts}


def print_table(figures: Sequence[Figure]) -> None:
    """Print the smallest losses, in Markdown."""
    print(f"| smallest loss found in {POWER:.0%} | {' | '.join(f'{size} seeds' for size in SIZES)} |")
    print(f"| --- |{' --- |' * len(SIZES)}")
    for figure in figures:
        for name, shifts in list_curves(figure).items():
            cells = [f"{shift:.2f}" if math.isfinite(shift) else "none" for shift in shifts]
            print(f"| {figure.title}, {figure.unit}: {name} | {' | '.join(cells)} |", flush=True)


def save_picture(figures: Sequence[Figure], path: Path) -> None:
    """Draw a panel for each figure."""
    save_alone(draw_panels([partial(plot, it) for it in figures], columns=3), path)


def plot(figure: Figure, ax: Axes) -> None:
    """Draw the smallest losses by the number of seeds."""
    for name, shifts in list_curves(figure).items():
        color = {"t": TRAINING, "n": TEST, "p": VALIDATION}[name[0]]
        ax.plot(SIZES, shifts, marker="o", color=color, label=name.partition(" that")[0])
    ax.axhline(figure.scale * figure.margin, linestyle=":", color="#777")
    ax.annotate("margin", (SIZES[0], figure.scale * figure.margin), (0, -4), textcoords="offset points", va="top")
    ax.set_xscale("log")
    ax.set_xticks(SIZES, [str(size) for size in SIZES])
    ax.minorticks_off()
    ax.set_ylim(0, 4 * figure.scale * figure.margin)
    ax.set_title(f"{figure.title}, {figure.unit}")
    ax.set_xlabel("new seeds, or pairs")
    if figure.title == "Accuracy":
        ax.set_ylabel(f"smallest loss found in {POWER:.0%}")
        ax.legend()


def print_real(folder: Path) -> None:
    """Print how often real groups of seeds, made worse by the smallest loss of the table, are REGRESSED."""
    base = load_folder(folder)
    reference, results = split_reference(base, 100), base.accuracy[0]
    rng = np.random.default_rng(0)
    accuracies, losses = np.array(results.test_accuracy), np.array(results.test_loss, dtype=float)
    places = np.arange(100, len(accuracies))
    values = {
        "accuracy": Figure("Accuracy", reference.test_accuracy, [], ACCURACY_MARGIN, 100, "points"),
        "loss": Figure("Loss", reference.test_loss, [], loss_margin(reference.test_loss), 1, "sd"),
    }
    print(f"\n| found in {GROUPS} real groups | {' | '.join(f'{size} seeds' for size in SIZES[1:])} |")
    print(f"| --- |{' --- |' * len(SIZES[1:])}")
    for name, figure in values.items():
        cells = []
        for size in SIZES[1:]:
            shift, found = find_new(figure, size, 100), 0
            for _ in range(GROUPS):
                drawn = rng.choice(places, size, replace=False)
                worse = (accuracies[drawn] - shift * (name == "accuracy"), losses[drawn] + shift * (name == "loss"))
                compared = compare_values(reference, *(column.tolist() for column in worse))
                # Of three labs this is one: its four tests share a third of alpha, as twelve share all of it.
                decided = judge(compared, rng=rng, looks=len(LOOKS), alpha=ALPHA / 3, resamples=RESAMPLES)[name]
                found += decided.verdict == "REGRESSED" and decided.finding != "wider spread"
            cells.append(f"{found / GROUPS:.0%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
