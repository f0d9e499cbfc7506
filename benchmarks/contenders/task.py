"""What every contender is given, and what it gives back: one epoch of the same mathematics."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.data.dataset import Dataset, Prepared, load_dataset, prepare
from mnist_bench.training.fused import epoch_orders
from mnist_bench.training.labs import CLASSES, PIXELS, Lab, check_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Weights = Sequence[npt.NDArray[np.float32]]

__all__ = ["Clock", "Orders", "Outcome", "Task", "Trainer", "draw_weights", "load_task"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What is to be trained.

    Attributes:
        lab: Which model.
        config: Batch size, learning rate and seed: the lab's.
        dataset: Where the data are from.
        data: The lab's arrays of it; 48,000 samples are trained on.
        weights: Where training begins, the same for all: kernel (inputs, outputs) and bias in turn, float32.
    """

    lab: Lab
    config: TrainingConfig
    dataset: Dataset
    data: Prepared
    weights: Weights

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The training images as they come, (48000, 784), for those who scale a batch at a time."""
        return self.data.pixels[: len(self.data.x_train)]


class Outcome(NamedTuple):
    """Means over the epoch's samples, taken while the weights move; None where a library keeps none."""

    loss: float
    accuracy: float | None


@dataclass
class Clock:
    """The clock of one epoch: the trainer starts and stops it around the training, and nothing else.

    Attributes:
        begin: When it was started, on a clock that all processes of the machine share.
        end: When it was stopped.
        cpu_seconds: What the process used of all cores in between.
    """

    begin: float = field(default=0.0, init=False)
    end: float = field(default=0.0, init=False)
    cpu_seconds: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start."""
        self.cpu_seconds = -time.process_time()
        self.begin = time.perf_counter()

    def stop(self) -> None:
        """Stop; what was asked of a device must be done."""
        self.end = time.perf_counter()
        self.cpu_seconds += time.process_time()


class Trainer(Protocol):
    """A contender at work on a task."""

    def train_epoch(self, clock: Clock, *, shuffle: bool) -> Outcome:
        """Train one epoch on from where the last one ended.

        Args:
            clock: Runs from before the samples are shuffled until the new weights are there.
            shuffle: Whether to visit the samples in a new random order, or as they come.
        """
        ...

    def read_weights(self) -> Weights:
        """Return the weights in the form of `Task.weights`."""
        ...


class Orders:
    """Orders of the samples for those who shuffle by NumPy: int32 permutations, new for each epoch."""

    def __init__(self, task: Task) -> None:
        """Seed them by the task."""
        self._in_turn = np.arange(len(task.data.x_train), dtype=np.int32)
        self._random = epoch_orders(len(self._in_turn), task.config.seed)

    def draw(self, *, shuffle: bool) -> npt.NDArray[np.int32]:
        """Return the next order."""
        return next(self._random) if shuffle else self._in_turn


def load_task(lab: str, data: str, *, number: int = 0) -> Task:
    """Load the data and draw the initial weights.

    Args:
        lab: A key of `LABS`.
        data: As in `load_dataset`.
        number: Which of the processes that train seeds at once: added to the seed.

    Raises:
        ValueError: There is no such lab, or the data cannot be had.
    """
    config = TrainingConfig(lab=lab, data=data, seed=1671 + number)
    dataset = load_dataset(data)
    return Task(
        lab=check_lab(lab),
        config=config,
        dataset=dataset,
        data=prepare(dataset, config.validation_split),
        weights=draw_weights(check_lab(lab), config.seed),
    )


def draw_weights(lab: Lab, seed: int) -> Weights:
    """Draw weights as Keras does: kernels uniform as in Glorot and Bengio (2010), biases 0."""
    rng, widths, weights = np.random.default_rng(seed), (PIXELS, *lab.hidden, CLASSES), []
    for inputs, outputs in itertools.pairwise(widths):
        limit = np.sqrt(6 / (inputs + outputs))
        kernel = rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
        weights += [kernel, np.zeros(outputs, np.float32)]
    return weights
