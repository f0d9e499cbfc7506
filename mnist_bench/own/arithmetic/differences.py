"""Gradients compared with differences of the loss: a wrong gradient that both precisions share is found here alone.

Central differences of the float64 model along one direction in some entries of a weight (Nocedal and Wright,
Numerical Optimization, 2nd ed., 2006, section 8.1). The gradient is the one that TensorFlow's tape returns to the
model's own step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.arithmetic.double import UnreadableError, in_float64, make_doubles
from mnist_bench.own.arithmetic.steps import make_task
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.training.backend import KerasError, explain_error

if TYPE_CHECKING:
    import numpy.typing as npt

    from mnist_bench.own.arithmetic.steps import Stepper, Task
    from mnist_bench.own.records import ModelFile

    Array = npt.NDArray[Any]

__all__ = ["Slope", "compare_slopes"]

_ENTRIES = 64  # of a weight, moved together: as many as make the loss move by more than its rounding
_TRIES = 4  # directions and steps; a wrong gradient is wrong along each, a kink of relu lies near one of them
_STEPS = (1e-5, 1e-6, 1e-6, 1e-7)  # of the weight's size: for each try the larger of two steps
_RATIO = 4.0  # of the two steps
_AGREE = 1e-4  # two steps that agree to this have met no kink
_BOUND = 1e-3  # what a sound gradient stays below by far (1e-7 is usual); a factor of 1.01 lies ten times above
_ROUNDOFF = 2.0**-53
_ROUNDINGS = 256.0  # roundoffs of the loss by which its value may be off


@dataclass(frozen=True)
class Slope:
    """The slope of the loss along one direction in a weight.

    Attributes:
        name: The weight's.
        gradient: By the tape's gradient.
        measured: By differences; None where no two steps agree, as next to a kink.
        ratio: Their distance in multiples of the bound; 0 where nothing was measured.
    """

    name: str
    gradient: float
    measured: float | None
    ratio: float


def compare_slopes(model: ModelFile) -> list[Slope]:
    """Return a slope of each weight that is trained.

    Raises:
        UnreadableError: The model has no double, or its step differentiates more than one loss.
    """
    doubles = make_doubles(model)
    if doubles.unseen:
        raise UnreadableError(f"{doubles.unseen[0]} computes in float32 also in the double: differences are too coarse")
    task = make_task(doubles.loaded, doubles.single.weights)
    try:
        with in_float64():
            return _compare_all(doubles.double, task)
    except KerasError as error:
        raise UnreadableError(f"the model does not run in float64: {explain_error(error)}") from error


def _compare_all(double: Stepper, task: Task) -> list[Slope]:
    reads = []
    for _ in range(2):
        double.set(task.values)
        reads.append(double.step(*task.batches[0]))
    read = reads[0]
    if read.calls != 1:
        raise UnreadableError(f"a step asks for gradients {read.calls} times: one loss is needed")
    if float(np.float32(read.loss)) == read.loss:
        # Keras 2.8 casts the losses of the samples for their mean; one number in 500 million is float32's by chance.
        raise UnreadableError("this version of Keras sums the loss in float32: differences are too coarse")
    if abs(reads[1].loss - read.loss) > _ROUNDINGS * _ROUNDOFF * abs(read.loss):
        raise UnreadableError("a step draws random numbers that cannot be switched off")
    rng = np.random.default_rng(FIRST_SEED)
    return [
        _compare(double, task, place, read.gradients[weight.name], rng)
        for place, weight in enumerate(double.weights)
        if weight.name in read.gradients and task.values[place].dtype.kind == "f"
    ]


def _compare(double: Stepper, task: Task, place: int, gradient: Array, rng: np.random.Generator) -> Slope:
    """Return the best of several tries: the first within the bound, else the last that could be measured."""
    name = double.weights[place].name
    slope = Slope(name, 0.0, None, 0.0)
    for step in _STEPS[:_TRIES]:
        direction = _choose_direction(gradient, rng)
        expected = float((gradient * direction).sum())
        size = step * max(float(np.sqrt(np.mean(np.square(task.values[place], dtype=np.float64)))), 1e-2)
        found = [_differentiate(double, task, place, direction, size / part) for part in (1.0, _RATIO)]
        (coarse, loss), (fine, _) = found
        noise = _ROUNDINGS * _ROUNDOFF * loss * _RATIO / size
        if not abs(coarse - fine) <= _AGREE * abs(fine) + noise:
            continue
        ratio = abs(fine - expected) / (_BOUND * max(abs(fine), abs(expected)) + noise)
        slope = Slope(name, expected, fine, ratio)
        if ratio <= 1:
            break
    return slope


def _choose_direction(gradient: Array, rng: np.random.Generator) -> Array:
    """Return a direction in some entries along which the loss rises, and so moves by more than its rounding."""
    flat = gradient.ravel()
    order = rng.permutation(flat.size)
    order = order[np.argsort(flat[order] == 0, kind="stable")]  # an embedding has rows that no sample uses
    chosen = order[:_ENTRIES]
    signs = np.where(flat[chosen] == 0, rng.choice((-1.0, 1.0), len(chosen)), np.sign(flat[chosen]))
    direction = np.zeros(flat.size)
    direction[chosen] = signs * rng.uniform(0.5, 1.0, len(chosen))
    return direction.reshape(gradient.shape)


def _differentiate(double: Stepper, task: Task, place: int, direction: Array, size: float) -> tuple[float, float]:
    """Return the central difference of the loss, and the loss."""
    losses = []
    for sign in (1.0, -1.0):
        values = [np.asarray(it, np.float64) if it.dtype.kind == "f" else it for it in task.values]
        values[place] = values[place] + sign * size * direction
        double.set(values)
        losses.append(double.step(*task.batches[0]).loss)
    return (losses[0] - losses[1]) / (2 * size), max(map(abs, losses))
