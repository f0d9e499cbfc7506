"""The optimizers: Keras's classes by name, and one step of some optimizers for the fused engine.

The steps follow Keras's own definitions and default constants, with tensors in and out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mnist_bench.training.backend import load_tensorflow

__all__ = ["DEFAULT_RATE", "OPTIMIZERS", "UPDATES", "Step", "Update"]

OPTIMIZERS = {
    "sgd": "SGD",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adagrad": "Adagrad",
    "adamax": "Adamax",
    "nadam": "Nadam",
}
"""Keras's class names by our names."""

DEFAULT_RATE = 0.001
"""Keras's default learning rate for all but `sgd`, whose learning rate is the lab sheet's."""

Step: TypeAlias = Callable[[Sequence[Any], Sequence[Any], Sequence[Any], Any], tuple[list[Any], list[Any]]]
"""(weights, gradients, state, learning rate) to (new weights, new state)."""

# Keras's defaults, which its documentation states for RMSprop and Adam.
_RHO, _BETA_1, _BETA_2, _EPSILON = 0.9, 0.9, 0.999, 1e-7


@dataclass(frozen=True)
class Update:
    """One optimizer.

    Attributes:
        start: Returns the state before the first step, for weights of these shapes.
        step: Makes one step.
    """

    start: Callable[[Sequence[Sequence[int]]], list[Any]]
    step: Step


def _step_sgd(
    weights: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], learning_rate: Any
) -> tuple[list[Any], list[Any]]:
    return [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)], list(state)


def _start_rmsprop(shapes: Sequence[Sequence[int]]) -> list[Any]:
    """Return zeros for each weight: the mean square of its gradient."""
    return [load_tensorflow().zeros(shape) for shape in shapes]


def _step_rmsprop(
    weights: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], learning_rate: Any
) -> tuple[list[Any], list[Any]]:
    """Divide each gradient by the root of its running mean square (Tieleman and Hinton, 2012).

    Keras up to 2.10 adds epsilon outside the root, and so differs in the last digits.
    """
    tf = load_tensorflow()
    squares = [_RHO * s + (1 - _RHO) * tf.square(g) for s, g in zip(state, gradients, strict=True)]
    moved = [w - learning_rate * g / tf.sqrt(s + _EPSILON) for w, g, s in zip(weights, gradients, squares, strict=True)]
    return moved, squares


def _start_adam(shapes: Sequence[Sequence[int]]) -> list[Any]:
    """Return the number of steps, and zeros for each weight: the mean gradients, then the mean squares."""
    tf = load_tensorflow()
    return [tf.constant(0.0), *(tf.zeros(shape) for shape in shapes), *(tf.zeros(shape) for shape in shapes)]


def _step_adam(
    weights: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], learning_rate: Any
) -> tuple[list[Any], list[Any]]:
    """Adam in the form before section 2.1 of Kingma and Ba (2015): the bias correction is in the learning rate."""
    tf = load_tensorflow()
    number, *moments = state
    number += 1
    count = len(weights)
    rate = learning_rate * tf.sqrt(1 - tf.pow(_BETA_2, number)) / (1 - tf.pow(_BETA_1, number))
    means = [m + (g - m) * (1 - _BETA_1) for m, g in zip(moments[:count], gradients, strict=True)]
    squares = [s + (tf.square(g) - s) * (1 - _BETA_2) for s, g in zip(moments[count:], gradients, strict=True)]
    moved = [w - m * rate / (tf.sqrt(s) + _EPSILON) for w, m, s in zip(weights, means, squares, strict=True)]
    return moved, [number, *means, *squares]


# The optimizers of the fused engine.
UPDATES = {
    "sgd": Update(lambda _shapes: [], _step_sgd),
    "rmsprop": Update(_start_rmsprop, _step_rmsprop),
    "adam": Update(_start_adam, _step_adam),
}
