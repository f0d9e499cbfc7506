"""The project's fused engine."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from contenders.task import Clock, Orders, Outcome
from mnist_bench.training.fused import FusedTrainer

if TYPE_CHECKING:
    from contenders.task import Task, Weights

__all__ = ["Fused"]


class Fused:
    """A whole epoch in one XLA program."""

    def __init__(self, task: Task) -> None:
        """Move the data to the device."""
        self._task, self._orders, self._epochs = task, Orders(task), itertools.count()
        self._weights = list(task.weights)
        self._trainer = FusedTrainer(
            task.pixels, task.data.y_train, dropout=task.lab.dropout, batch_size=task.config.batch_size
        )

    def train_epoch(self, clock: Clock, *, shuffle: bool) -> Outcome:
        """Train by one call; it returns the means, so all is done when it does."""
        config = self._task.config
        clock.start()
        self._weights, loss, accuracy = self._trainer.train_epoch(
            self._weights,
            self._orders.draw(shuffle=shuffle),
            learning_rate=config.learning_rate,
            seed=(config.seed, next(self._epochs)),
        )
        clock.stop()
        return Outcome(loss, accuracy)

    def read_weights(self) -> Weights:
        """Fetch the weights from the device."""
        return [weight.numpy() for weight in self._weights]
