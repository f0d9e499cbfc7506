"""The pieces of work that the benchmarks time one by one: an epoch, an evaluation, the building of a model."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.layers.arithmetic import first_certain
from mnist_bench.timing.clock import Times
from mnist_bench.training.backend import load_tensorflow, seed_everything, set_determinism, without_autotuner
from mnist_bench.training.engines import check_engine, compile_model, train_epochs
from mnist_bench.training.labs import build_model, check_lab

if TYPE_CHECKING:
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.timing.clock import RoundClock
    from mnist_bench.training.data.dataset import Prepared

__all__ = ["Trial", "check_trial", "on_device", "prepare_process"]


class Trial:
    """A lab's model, built and compiled for an engine as for a training, with the data in memory.

    Args:
        config: Lab, engine, seed, batch size and learning rate.
        prepared: The data; the validation samples are not used.
        clock: Receives the times of the epochs.
    """

    def __init__(self, config: TrainingConfig, prepared: Prepared, clock: RoundClock) -> None:
        """Build and compile the model; what is compiled at the first step is compiled in the first epoch."""
        self._prepared, self._clock = prepared, clock
        self.model = build_model(check_lab(config.lab))
        compile_model(self.model, check_engine(config.engine), config, samples=len(prepared.x_train))
        self._epochs = train_epochs(self.model, _drop_validation(prepared), config)

    def train_epoch(self) -> None:
        """Train one more epoch, and note the times of the training part.

        The times are from before the samples are shuffled until the new weights are on the device.
        """
        with without_autotuner():
            figures = next(self._epochs)
        self._clock.note(Times(figures.seconds, figures.cpu_seconds))

    def evaluate(self) -> None:
        """Evaluate the test images as a training does at its end."""
        with without_autotuner():
            self.model.evaluate(self._prepared.x_test, self._prepared.y_test, verbose=0)


def _drop_validation(prepared: Prepared) -> Prepared:
    """Return the data without validation samples: Keras prepares them anew in each `fit`, in the timed part."""
    return dataclasses.replace(
        prepared,
        pixels=prepared.pixels[: len(prepared.x_train)],
        x_fit=prepared.x_train,
        y_fit=prepared.y_train,
        x_validation=prepared.x_validation[:0],
        y_validation=prepared.y_validation[:0],
        validation_split=0.0,
    )


def check_trial(config: TrainingConfig) -> None:
    """Make sure that the model to be timed is the lab's: count the parameters, and compare one step with the oracle's.

    Raises:
        ValueError: The model is not the lab's, or no seed gives an answer.
    """
    lab = check_lab(config.lab)
    parameters = build_model(lab).count_params()
    if parameters != lab.parameters:
        raise ValueError(f"{lab.name} has {parameters:,} parameters, not the lab's {lab.parameters:,}: not timed")
    excess = first_certain(lab.name, config.engine, 1, 32)
    if excess is None or not excess <= 1:
        departure = "an unknown multiple of" if excess is None else f"{excess} times"
        raise ValueError(
            f"{lab.name} by {config.engine}: one step departs from the oracle's by {departure} the allowed rounding "
            "error: not timed"
        )


def prepare_process(config: TrainingConfig) -> None:
    """Set op determinism and the seeds as a training of this configuration does."""
    set_determinism(on=config.deterministic and check_engine(config.engine).deterministic)
    seed_everything(config.seed)


def on_device(device: str) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which TensorFlow works on `cpu` or `gpu`; it has no effect if TensorFlow sees no GPU."""
    tf = load_tensorflow()
    if not tf.config.get_visible_devices("GPU"):
        return contextlib.nullcontext()  # as in a training on a machine without a GPU
    return tf.device(f"/{device.upper()}:0")  # type: ignore[no-any-return] # TensorFlow is untyped
