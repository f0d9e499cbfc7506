"""The referee: lets nobody be timed who does not compute what the lab computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from results import Proof

from mnist_bench.training import oracle

if TYPE_CHECKING:
    import numpy.typing as npt
    from contenders.task import Outcome, Task, Weights

    from mnist_bench.training.oracle import Array

__all__ = ["FLOORS", "Referee", "RefusedError"]

FLOORS = {"perceptron": 0.89, "mlp": 0.92, "dropout": 0.92}
"""Validation accuracy that two epochs must reach; on MNIST they reach 0.905, 0.94 and 0.94."""

# Relative. Without dropout all follow one path, but where float32 turns a relu they leave the oracle's: by up
# to 2 % of the way in one epoch. With dropout, all draw masks of their own, and without it the loss is 27 % less.
_LOSS_TOLERANCE = 0.005
_DROPOUT_LOSS_TOLERANCE = 0.02
_DEPARTURE_LIMIT = 0.05


class RefusedError(ValueError):
    """A contender computes something else; the message is one line."""


class Referee:
    """Trains one epoch of a task in float64, by the project's oracle, and judges by it.

    Args:
        task: What all contenders are given.
    """

    def __init__(self, task: Task) -> None:
        """Train the reference: some seconds."""
        self.task = task
        data, size = task.data, task.config.batch_size
        starts = range(0, len(data.x_train), size)
        weights, losses, rng = list(task.weights), [], np.random.default_rng(task.config.seed)
        for batch in (slice(start, start + size) for start in starts):
            x, y, masks = data.x_train[batch], data.y_train[batch], _draw_masks(task, rng)
            losses.append(oracle.loss(weights, x, y, masks))
            gradients = oracle.gradients(weights, x, y, masks)
            weights = oracle.sgd_step(weights, gradients, task.config.learning_rate)
        self._weights, self._loss = weights, float(np.mean(losses))

    def check_first(self, outcome: Outcome, row: npt.NDArray[np.float32]) -> Proof:
        """Check the epoch that was trained from the task's weights in the samples' own order.

        Args:
            outcome: Its means.
            row: All weights afterwards, one after the other.

        Raises:
            RefusedError: It is not the lab's.
        """
        weights, dropout = self._split(row), self.task.lab.dropout
        tolerance = _DROPOUT_LOSS_TOLERANCE if dropout else _LOSS_TOLERANCE
        if not abs(outcome.loss / self._loss - 1) <= tolerance:
            raise RefusedError(f"refused: training loss {outcome.loss:.4f}, the oracle's is {self._loss:.4f}")
        departure = max(oracle.relative_departures(weights, self._weights, self.task.weights))
        if not dropout and not departure <= _DEPARTURE_LIMIT:
            raise RefusedError(f"refused: its weights are {departure:.0%} off the oracle's")
        return Proof(
            loss=outcome.loss,
            accuracy=outcome.accuracy,
            val_accuracy=self._accuracy(weights),
            departure=None if dropout else departure,
        )

    def check_warm(self, row: npt.NDArray[np.float32]) -> None:
        """Check the weights after the second epoch, which was shuffled.

        Raises:
            RefusedError: They do not reach the floor.
        """
        accuracy, floor = self._accuracy(self._split(row)), FLOORS[self.task.lab.name]
        if not accuracy >= floor:
            raise RefusedError(f"refused: validation accuracy {accuracy:.4f} after two epochs, not {floor}")

    def _accuracy(self, weights: Weights) -> float:
        return oracle.accuracy(weights, self.task.data.x_validation, self.task.data.y_validation)

    def _split(self, row: npt.NDArray[np.float32]) -> Weights:
        if row.size != self.task.lab.parameters:
            raise RefusedError(f"refused: {row.size:,} parameters, not {self.task.lab.parameters:,}")
        ends = np.cumsum([weight.size for weight in self.task.weights])[:-1]
        return [part.reshape(weight.shape) for part, weight in zip(np.split(row, ends), self.task.weights, strict=True)]


def _draw_masks(task: Task, rng: np.random.Generator) -> list[Array]:
    """Return the scaled masks of a batch; none without dropout."""
    lab, rows = task.lab, task.config.batch_size
    kept = [rng.random((rows, width)) >= lab.dropout for width in lab.hidden] if lab.dropout else []
    return [mask / (1 - lab.dropout) for mask in kept]
