"""The amounts by which the steps of an epoch move the rows of their samples, and the steps that amounts tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.records.readings import Reading
from mnist_bench.training.labs import CLASSES

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]
    Amounts = npt.NDArray[np.float64]

__all__ = [
    "UNKNOWN",
    "UNSEEN",
    "batch_sizes",
    "count_inexact",
    "count_visits",
    "decode_steps",
    "find_broken",
    "step_amounts",
]

UNSEEN = -1  # a sample that was trained in no step
UNKNOWN = -2  # a sample that was trained, but not once in one step

# The amounts by which two steps move a row must differ by far more than float32 rounds.
_TOLERANCE = 1e-4

# A sample that is trained again learns less, and so the amounts of all later steps change a little: up to 0.3% where a
# fifth of the samples is trained twice. Two steps differ by 5% and more.
_LOOSE = 5e-3

# Drawing with replacement leaves 58% of the drawn samples with the amount of one step; wrong amounts leave almost none.
_MOST_UNKNOWN = 0.6

# By as much does float32's rounding change the first step's amount, several times over.
_EXACT = 2e-5

# The first step's samples all move by one amount; the next step's move by 15% less.
_ALIKE = 1e-2


def batch_sizes(samples: int, batch_size: int) -> list[int]:
    """Return how many samples each step of an epoch trains: the last one has the rest."""
    return [min(batch_size, samples - start) for start in range(0, samples, batch_size)]


def step_amounts(samples: int, batch_size: int) -> Amounts:
    """Return by how much each step moves the row of a sample: learning rate 1, class 0, mean over the batch.

    With all samples of class 0 and fresh rows, a step's probabilities depend on the bias alone, so the amount,
    (1 - p) / batch, is known in advance. It decreases from step to step.
    """
    bias, amounts = np.zeros(CLASSES), []
    for size in batch_sizes(samples, batch_size):
        p = np.exp(bias) / np.exp(bias).sum()
        amounts.append((1 - p[0]) / size)
        bias -= p - np.eye(CLASSES)[0]
    gaps = np.abs(np.subtract.outer(amounts, amounts))[~np.eye(len(amounts), dtype=bool)]
    if gaps.size and gaps.min() < 10 * _TOLERANCE * max(amounts):
        raise ValueError(f"{samples} samples in batches of {batch_size} have steps that look alike")
    return np.asarray(amounts)


def decode_steps(moves: Floats, amounts: Amounts) -> Ints:
    """Return for each (epoch, sample) the step whose amount is the movement of the sample's row."""
    distance = np.abs(moves[:, :, None] / amounts - 1)
    steps: Ints = distance.argmin(axis=2)
    # Also what is not finite is UNKNOWN.
    steps[~(distance.min(axis=2) <= _LOOSE)] = UNKNOWN
    steps[moves == 0] = UNSEEN
    return steps


def count_visits(moves: Floats, samples: int, batch_size: int) -> int:
    """Return how many samples an epoch trains, each as often as it is trained, if the amounts of the steps tell.

    Rows that are lost, repeated or added, and samples of validation that are trained, change the size of the last
    batch, and so the amount of the last step. Each other step keeps its amount: so the amounts still tell the steps.

    Args:
        moves: (epochs, training and validation samples): the movement of each sample's row.
        samples: How many samples should be trained.
        batch_size: Samples of a step.

    Returns:
        `samples` where no other number explains every epoch.

    Raises:
        ValueError: Two steps of so many samples would look alike.
    """
    step_amounts(samples, batch_size)
    moved = int((moves != 0).sum(axis=1).max(initial=0))
    others = sorted(range(1, 2 * moved + 1), key=lambda visits: abs(visits - samples))
    return next((visits for visits in (samples, *others) if _explains(visits, moves, batch_size)), samples)


def _explains(visits: int, moves: Floats, batch_size: int) -> bool:
    """Return whether an epoch of so many visits in steps of this size moves the rows so.

    A row that is trained twice moves by the sum of two amounts: it is UNKNOWN, and counts twice.
    """
    try:
        steps = decode_steps(moves, step_amounts(visits, batch_size))
    except ValueError:  # two steps would look alike
        return False
    sizes = np.array(batch_sizes(visits, batch_size))
    for epoch in steps:
        twice = int((epoch == UNKNOWN).sum())
        once = np.bincount(epoch[epoch >= 0], minlength=len(sizes))
        if not (once.all() and (once <= sizes).all() and once.sum() + 2 * twice == visits and twice <= once.sum() / 2):
            return False
    return True


def count_inexact(moves: Floats, amounts: Amounts) -> int:
    """Return how many samples moved by another amount than a step's, by more than float32 rounds."""
    distance = np.abs(moves[:, :, None] - amounts).min(axis=2)
    return int((~(distance <= _TOLERANCE * amounts.max()) & (moves != 0)).sum())


def find_broken(moves: Floats, steps: Ints, amounts: Amounts, due: int) -> Reading | None:
    """Return what the first step of the epochs did, if most amounts are those of no step: then the order is unreadable.

    Args:
        moves: (epochs, training samples): the movement of each sample's row.
        steps: The same, decoded.
        amounts: The amount of each step.
        due: Samples of the first step.
    """
    moved = steps != UNSEEN
    unknown = (steps[moved] == UNKNOWN).mean() if moved.any() else 1.0
    if not np.isfinite(moves).all():
        return Reading(what="first step", steps=1, factor=None)
    # The first epoch's: what an optimizer remembers is not set back with the weights.
    first = np.sort(moves[0].astype(np.float64))[::-1]
    alike = first[first > first[0] * (1 - _ALIKE)] if first[0] > 0 else first[:0]
    factor = float(np.median(alike) / amounts[0]) if alike.size else 0.0
    # Fewer samples than a batch are no step: some of them may have been trained twice.
    longer = alike.size > due / 2 and abs(factor - 1) > _EXACT
    # Every sample moved, and none by the amount of some step: that step's amount is wrong, not its samples.
    counts = np.bincount(steps[0][steps[0] >= 0], minlength=len(amounts))
    drifted = bool((steps[0] != UNSEEN).all() and (counts[: len(amounts)] == 0).any())
    drifted = drifted or any(_is_partition(*epoch, amounts, due) for epoch in zip(moves, steps, strict=True))
    if unknown < _MOST_UNKNOWN and not longer and counts.max() <= 2 * due and not drifted:
        return None
    if unknown < _MOST_UNKNOWN and not longer and counts.max() > 2 * due:
        # The amounts decrease because the bias grows: without it, all steps look like the first.
        return Reading(what="bias", steps=1, factor=0.0, samples=int(counts.max()), due=due)
    # A few samples that moved furthest, or by amounts that scatter, are no batch of another size.
    is_batch = len(alike) > due / 4 and float(np.ptp(alike)) < _TOLERANCE * first[0]
    samples = len(alike) if is_batch else None
    return Reading(what="first step", steps=1, factor=factor, noise=_EXACT, samples=samples, due=due)


def _is_partition(moves: Floats, steps: Ints, amounts: Amounts, due: int) -> bool:
    """Return whether an epoch trains each sample once, in batches as large as they should be, by other amounts.

    Then not the samples are wrong, but the amounts of some steps; a step may also move no row. Rows that are lost
    leave out the last steps, and rows that are trained twice are alone with their amount.
    """
    sizes = batch_sizes(len(moves), due)
    if len(sizes) != len(amounts):
        return False
    if (steps != UNKNOWN).all():
        # The amounts say how far the bias was: a step that moved no row took place, where a later one did.
        counts = np.bincount(steps[steps >= 0], minlength=len(sizes))
        lost = counts == 0
        return bool((counts == np.where(lost, 0, sizes)).all() and np.diff(lost.astype(int)).min(initial=0) < 0)
    ordered = np.sort(moves.astype(np.float64))
    ends = np.flatnonzero(np.diff(ordered) > _TOLERANCE * ordered[-1]) + 1
    found = np.diff([0, *ends, len(ordered)])
    return sorted(found.tolist()) == sorted(sizes)
