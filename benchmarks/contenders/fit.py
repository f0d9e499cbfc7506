"""Keras's own `fit`, by each of the project's engines that call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contenders.task import Clock, Outcome
from mnist_bench.training.backend import load_keras, synchronise
from mnist_bench.training.engines import ENGINES, compile_model
from mnist_bench.training.labs import build_model

if TYPE_CHECKING:
    from contenders.task import Task, Weights

__all__ = ["Fit"]


class Fit:
    """The lab's Keras model, compiled for an engine.

    TensorFlow's seed is left unset, because released Keras 3 shuffles once for all epochs when it is set.
    """

    def __init__(self, task: Task, *, engine: str) -> None:
        """Build and compile."""
        self._task = task
        self._model = build_model(task.lab)
        self._model.set_weights(task.weights)
        compile_model(self._model, ENGINES[engine], task.config, samples=len(task.data.x_train))

    def train_epoch(self, clock: Clock, *, shuffle: bool) -> Outcome:
        """Fit one epoch; the clock runs within the epoch, not while `fit` takes the data in before."""
        data = self._task.data
        history = self._model.fit(
            data.x_train,
            data.y_train,
            batch_size=self._task.config.batch_size,
            epochs=1,
            verbose=0,
            shuffle=shuffle,
            callbacks=[_Stopwatch(clock)],
        ).history
        return Outcome(history["loss"][0], history["accuracy"][0])

    def read_weights(self) -> Weights:
        """Return the model's weights."""
        return self._model.get_weights()


class _Stopwatch(load_keras().callbacks.Callback):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        self._clock.start()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        synchronise(self.model)
        self._clock.stop()
