"""The fused engine at work: the epochs of a seed alone, or of several seeds in one program."""

from __future__ import annotations

import itertools
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.training.fused import Evaluator, FusedTrainer, epoch_orders

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.data.dataset import Prepared

__all__ = ["Company", "EpochFigures"]


@dataclass(frozen=True, kw_only=True)
class EpochFigures:
    """The results of one epoch: one figure for each field of `History`, and the seconds of processor time.

    `seconds` and `cpu_seconds` measure the training part: wall time, and the processor time of all threads together.
    In a company they are the seed's share: the company's seconds divided by its seeds, so that the sum over all records
    is what the trainings took. `val_loss` and `val_accuracy` are NaN if there are no validation samples.
    """

    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    val_seconds: float
    cpu_seconds: float


class Company:
    """Trains one epoch of each of its seeds in each call; the weights stay with the caller.

    Args:
        prepared: The data.
        configs: The trainings, which differ in their seeds only. One is a seed alone, whose arrays have no axis of
            seeds; of several, all arrays have this axis first.
        dropout: Share of each hidden layer's outputs to drop.
        shuffle: Whether the samples are visited in a random order.
        validate: Whether validation loss and accuracy are wanted.
    """

    def __init__(
        self,
        prepared: Prepared,
        configs: Sequence[TrainingConfig],
        *,
        dropout: float,
        shuffle: bool = True,
        validate: bool = True,
    ) -> None:
        """Move the data to the device; the first epoch compiles."""
        first, split = configs[0], len(prepared.x_train)
        self._configs, self._epochs = configs, itertools.count()
        self._trainer = FusedTrainer(
            prepared.pixels[:split],
            prepared.y_train,
            dropout=dropout,
            batch_size=first.batch_size,
            optimizer=first.optimizer,
        )
        validate = validate and len(prepared.x_validation) > 0
        self._evaluator = Evaluator(prepared.pixels[split:], prepared.y_validation) if validate else None
        in_turn = itertools.repeat(np.arange(split, dtype=np.int32))
        orders = [epoch_orders(split, config.seed) if shuffle else in_turn for config in configs]
        self._orders = next(iter(orders)) if len(orders) == 1 else _draw_ahead(orders)

    def train_epoch(self, weights: Sequence[Any]) -> tuple[list[Any], list[EpochFigures]]:
        """Train one epoch; return the new weights, on the device, and the figures of each seed.

        Args:
            weights: Kernel and bias of each Dense layer in turn, with the axis of seeds where there are several.
        """
        # The shuffle is timed, as the one of `fit` is.
        cpu_begin, begin = time.process_time(), time.perf_counter()
        number, count = next(self._epochs), len(self._configs)
        weights, loss, accuracy = self._trainer.train_epoch(
            weights,
            next(self._orders),
            learning_rate=self._configs[0].learning_rate,
            seed=self.join([(config.seed, number) for config in self._configs]),
        )
        trained, cpu_trained = time.perf_counter(), time.process_time()
        val_loss, val_accuracy = self._evaluator.evaluate(weights) if self._evaluator else (math.nan, math.nan)
        shares = {
            "seconds": (trained - begin) / count,
            "val_seconds": (time.perf_counter() - trained) / count,
            "cpu_seconds": (cpu_trained - cpu_begin) / count,
        }
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        columns = np.broadcast_arrays(*(np.atleast_1d(it) for it in (loss, accuracy, val_loss, val_accuracy)))
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return weights, [EpochFigures(**dict(zip(names, row, strict=True)), **shares) for row in rows]

    def spread(self, weights: Sequence[npt.NDArray[np.float32]]) -> list[Any]:
        """Return the weights that every seed begins with, where all begin with the same."""
        return [self.join([weight] * len(self._configs)) for weight in weights]

    def join(self, values: Sequence[Any]) -> Any:
        """Return an array of what each seed has, with the axis of seeds first; of a seed alone, what it has."""
        return values[0] if len(self._configs) == 1 else np.stack(values)

    def split(self, weights: Sequence[Any]) -> list[list[npt.NDArray[np.float32]]]:
        """Return the weights of each seed."""
        arrays = [weight.numpy() for weight in weights]
        if len(self._configs) == 1:
            return [arrays]
        return [list(lanes) for lanes in zip(*arrays, strict=True)]


def _draw_ahead(orders: Sequence[Iterator[npt.NDArray[np.int32]]]) -> Iterator[npt.NDArray[np.int32]]:
    """Yield the orders of an epoch, (seeds, samples); those of the next epoch are drawn while the device trains."""
    with ThreadPoolExecutor() as pool:
        ahead = pool.map(next, orders)
        while True:
            drawn = np.stack(list(ahead))
            ahead = pool.map(next, orders)
            yield drawn
