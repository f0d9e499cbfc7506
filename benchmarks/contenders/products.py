"""The bound: the matrix products that no one can leave out, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contenders.task import Clock, Outcome

if TYPE_CHECKING:
    from contenders.task import Task, Weights

__all__ = ["Products"]


class Products:
    """Every product of an epoch by NumPy's BLAS, in arrays that stay in the cache."""

    def __init__(self, task: Task) -> None:
        """Make the operands of one step: forward, weight gradient, and input gradient where there is one."""
        batch, rng = task.config.batch_size, np.random.default_rng(task.config.seed)
        self._steps, self._products = len(task.data.x_train) // batch, []
        for layer, kernel in enumerate(task.weights[::2]):
            x, delta = (rng.random((batch, width), np.float32) for width in kernel.shape)
            pairs = [(x, kernel), (x.T, delta), (delta, kernel.T)]
            # The first layer's input needs no gradient.
            for left, right in pairs if layer else pairs[:2]:
                self._products.append((left, right, left @ right))

    def train_epoch(self, clock: Clock, *, shuffle: bool) -> Outcome:
        """Multiply as often as an epoch has steps."""
        del shuffle
        clock.start()
        for _ in range(self._steps):
            for left, right, out in self._products:
                np.matmul(left, right, out=out)
        clock.stop()
        return Outcome(float("nan"), None)

    def read_weights(self) -> Weights:
        """Return nothing: nothing was trained."""
        return []
