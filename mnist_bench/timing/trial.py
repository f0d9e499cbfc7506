"""One piece of work at a time, for those who time it: an epoch, an evaluation, the building of a model."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.layers.arithmetic import first_certain
from mnist_bench.timing.clock import Clock
from mnist_bench.training.backend import (
    load_keras,
    load_tensorflow,
    seed_everything,
    set_determinism,
    synchronise,
    without_autotuner,
)
from mnist_bench.training.engines import check_engine, compile_model
from mnist_bench.training.fused import FusedTrainer, epoch_orders
from mnist_bench.training.labs import build_model, check_lab

if TYPE_CHECKING:
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.timing.clock import Rounds
    from mnist_bench.training.data.dataset import Prepared

__all__ = ["Trial", "check_trial", "on_device", "prepare_process"]


class Trial:
    """A lab's model, built and compiled for an engine as a training has it, with the data at hand.

    Args:
        config: Lab, engine, seed, batch size and learning rate.
        prepared: The data; validation is no part of a trial.
        rounds: Notes the times of the epochs.
    """

    def __init__(self, config: TrainingConfig, prepared: Prepared, rounds: Rounds) -> None:
        """Build and compile; what compiles at the first step compiles in the first epoch."""
        lab, engine = check_lab(config.lab), check_engine(config.engine)
        self._config, self._prepared, self._rounds = config, prepared, rounds
        self.model = build_model(lab)
        compile_model(self.model, engine, config, samples=len(prepared.x_train))
        self._train = self._fit if engine.fit else self._fuse
        if not engine.fit:
            pixels = prepared.pixels[: len(prepared.x_train)]
            self._trainer = FusedTrainer(pixels, prepared.y_train, dropout=lab.dropout, batch_size=config.batch_size)
            self._orders = epoch_orders(len(pixels), config.seed)
            self._epochs = itertools.count()

    def train_epoch(self) -> None:
        """Train one epoch on from where the last one ended, and note the times of its training part.

        They run from before the samples are shuffled until the new weights are there.
        """
        self._train()

    def evaluate(self) -> None:
        """Evaluate the test images as a training does at its end."""
        with without_autotuner():
            self.model.evaluate(self._prepared.x_test, self._prepared.y_test, verbose=0)

    def _fit(self) -> None:
        with without_autotuner():
            self.model.fit(
                self._prepared.x_train,
                self._prepared.y_train,
                batch_size=self._config.batch_size,
                epochs=1,
                verbose=0,
                callbacks=[_make_stopwatch(self._rounds)],
            )

    def _fuse(self) -> None:
        clock = Clock()
        clock.start()
        weights, *_ = self._trainer.train_epoch(
            self.model.get_weights(),
            next(self._orders),
            learning_rate=self._config.learning_rate,
            seed=(self._config.seed, next(self._epochs)),
        )
        # The epoch returns its means, so all of it is done.
        self._rounds.note(clock.stop())
        self.model.set_weights([weight.numpy() for weight in weights])


def _make_stopwatch(rounds: Rounds) -> Any:
    """Return a Keras callback that notes the times of each epoch."""
    clock = Clock()

    class Stopwatch(load_keras().callbacks.Callback):  # type: ignore[misc] # Keras is untyped
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            clock.start()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            synchronise(self.model)
            rounds.note(clock.stop())

    return Stopwatch()


def check_trial(config: TrainingConfig) -> None:
    """Make sure that what is about to be timed is the lab: its parameters, and one step beside the oracle's.

    Raises:
        ValueError: It is not, or no seed tells.
    """
    lab = check_lab(config.lab)
    parameters = build_model(lab).count_params()
    if parameters != lab.parameters:
        raise ValueError(f"{lab.name} has {parameters:,} parameters, and the lab {lab.parameters:,}: not timed")
    excess = first_certain(lab.name, config.engine, 1, 32)
    if excess is None or not excess <= 1:
        raise ValueError(
            f"{lab.name} by {config.engine}: one step departs from the oracle's by {excess} of the rounding error: "
            "not timed"
        )


def prepare_process(config: TrainingConfig) -> None:
    """Set op determinism and the seeds as a training of this configuration does."""
    set_determinism(on=config.deterministic and check_engine(config.engine).deterministic)
    seed_everything(config.seed)


def on_device(device: str) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which TensorFlow works on `cpu` or `gpu`, whether or not it sees a GPU."""
    tf = load_tensorflow()
    if not tf.config.get_visible_devices("GPU"):
        return contextlib.nullcontext()  # as a training on a machine without one
    return tf.device(f"/{device.upper()}:0")  # type: ignore[no-any-return] # TensorFlow is untyped
