"""Faults that come and go: a race, a run in twenty, rounding that differs from run to run."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np

from mnist_bench.checks.faults.fault import Fault, collect
from mnist_bench.checks.faults.seams import change_gradients, change_weights_after_fit
from mnist_bench.training.backend import load_tensorflow

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {}
_fault = partial(collect, FAULTS, "chance")


def _draw() -> np.random.RandomState:
    """Return a generator that no seed reaches."""
    return np.random.RandomState(int.from_bytes(os.urandom(4), "little"))


@_fault(
    "run-differs",
    "a share of trainings ends in other bits",
    1,
    0.3,
    0.05,
    causes=("reproducibility",),
    unseen="only three runs of one seed are compared, of which all are alike with a chance of 34% and of 86%",
    unseen_from=0.3,
)
def _differ(share: float) -> None:
    def change(weights: list[Any]) -> list[Any]:
        rng = _draw()
        if rng.rand() < share:
            weights[0][0, 0] += np.float32(1e-6 * (1 + rng.rand()))
        return weights

    change_weights_after_fit(change)


@_fault(
    "sums-in-any-order", "gradients are summed in an order that differs from run to run", 1, causes=("reproducibility",)
)
def _reorder(_on: float) -> None:
    def change(gradients: list[Any], _variables: list[Any]) -> list[Any]:
        tf = load_tensorflow()
        seed = int(_draw().randint(1, 2**31 - 1))
        noise = [tf.random.stateless_normal(tf.shape(g), (seed, place)) for place, g in enumerate(gradients)]
        return [g * (1 + 6e-8 * n) for g, n in zip(gradients, noise, strict=True)]

    change_gradients(change)


@_fault(
    "determinism-refused",
    "op determinism stays off",
    1,
    causes=("determinism",),
    unseen="no check has an answer: all are INCONCLUSIVE, with this as the reason, and nothing is green",
)
def _refuse(_on: float) -> None:
    load_tensorflow().config.experimental.enable_op_determinism = lambda: None


@_fault(
    "update-lost",
    "a race loses the update of a tensor now and then",
    0.5,
    0.01,
    causes=("reproducibility", "tensor scale", "gradient", "later steps"),
)
def _lose(share: float) -> None:
    def change(gradients: list[Any], _variables: list[Any]) -> list[Any]:
        tf = load_tensorflow()
        lost = tf.numpy_function(lambda: np.float32(_draw().rand() < share), [], tf.float32)
        return [gradients[0] * (1 - tf.reshape(lost, [])), *gradients[1:]]

    change_gradients(change)
