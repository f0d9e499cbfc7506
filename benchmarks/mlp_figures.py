"""The figures of the mlp that are made worse: of the stored seeds by `fused`, and their differences in pairs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy.typing as npt

from mnist_bench.checks.accuracy import TEST_IMAGES
from mnist_bench.checks.baselines import find_folder, find_reference
from mnist_bench.checks.selftest.records import SelftestTrainings
from mnist_bench.records.serial import load
from mnist_bench.stats.sequential import ACCURACY_MARGIN, loss_margin
from mnist_bench.training.data.mnist import DIGEST
from mnist_bench.versions.figures import CLASS_MARGIN

if TYPE_CHECKING:
    from mnist_bench.checks.baselines import Reference

TRAININGS = Path(__file__).parents[1] / "docs" / "selftest-trainings.json"
ROUNDED = ("products-rounded:22", "products-rounded:20", "gradients-flushed:1e-06", "sums-in-any-order:1")
DIGIT, IMAGES = 3, 1_010  # the class that is shown, and its images
TWO, NEW, PAIRS = "two samples", "new seeds", "pairs"


@dataclass(frozen=True)
class Figure:
    """What is made worse; higher values are worse.

    Attributes:
        title: What it is.
        unit: The unit of the tables.
        scale: From the unit of the values to that of the tables.
        values: Of the stored seeds.
        differences: Within pairs.
        find_margin: Returns the margin from the values of the base.
        step: The grid of the values; 0 if there is none.
        by_class: Whether it is the errors of a class, which `check` does not judge.
    """

    title: str
    unit: str
    scale: float
    values: Sequence[float]
    differences: Sequence[float]
    find_margin: Callable[[npt.ArrayLike], float]
    step: float = 0.0
    by_class: bool = False

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways of comparing by which it is judged."""
        return (TWO, PAIRS) if self.by_class else (TWO, NEW, PAIRS)

    @property
    def margin(self) -> float:
        """The margin against all stored seeds."""
        return self.find_margin(self.values)


def list_figures() -> list[Figure]:
    """Return the figures of the mlp: accuracy, loss, and the errors of one class."""
    reference = find_reference(find_folder(), "mnist", "mlp", "fused", digest=DIGEST)
    assert reference
    return make_figures(reference, find_pairs())


def make_figures(reference: Reference, pairs: tuple[list[float], list[float], list[float]]) -> list[Figure]:
    """Return the figures of a reference and of differences within pairs."""
    errors = [1 - value for value in reference.test_accuracy]
    rates = [row[DIGIT] / IMAGES for row in reference.class_errors]
    in_sd = 1 / statistics.stdev(reference.test_loss)
    step = 1 / TEST_IMAGES
    return [
        Figure("Accuracy", "points", 100, errors, pairs[0], lambda _: ACCURACY_MARGIN, step),
        Figure("Loss", "sd", in_sd, reference.test_loss, pairs[1], loss_margin),
        Figure(
            f"Errors of class {DIGIT}",
            "points of it",
            100,
            rates,
            pairs[2],
            lambda _: CLASS_MARGIN * ACCURACY_MARGIN,
            10 * step,
            by_class=True,
        ),
    ]


def find_pairs() -> tuple[list[float], list[float], list[float]]:
    """Return differences within pairs that round otherwise, and do nothing else: errors, loss, errors of a class."""
    trainings = load(TRAININGS, SelftestTrainings).trainings
    clean = {it.seed: it.figures for it in trainings if not it.fault and it.lab == "mlp"}
    found: tuple[list[float], list[float], list[float]] = ([], [], [])
    for training in trainings:
        old, new = clean.get(training.seed), training.figures
        if training.lab == "mlp" and training.fault in ROUNDED and old and new and None not in {old.loss, new.loss}:
            found[0].append(old.accuracy - new.accuracy)
            found[1].append((new.loss or 0.0) - (old.loss or 0.0))
            found[2].append((new.class_errors[DIGIT] - old.class_errors[DIGIT]) / IMAGES)
    return found


def find_spread(differences: Sequence[float]) -> float:
    """Return the standard deviation of differences whose mean is 0."""
    return math.sqrt(statistics.fmean(value * value for value in differences))
