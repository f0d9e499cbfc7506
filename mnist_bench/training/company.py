"""A company: several seeds trained by the fused engine in one program, each with its own weights, order and masks.

On a GPU one small network leaves most of the device idle; a company fills the device. A company's matrix products may
be summed in another order than those of a seed alone, so a record says how many seeds its company had, and its bits
are compared with those of the same number only.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any

from mnist_bench.records.config import check_answer
from mnist_bench.training.backend import choose_device
from mnist_bench.training.engines import check_engine, dropout_of
from mnist_bench.training.fingerprint import read_gpu_memory
from mnist_bench.training.fused import Evaluator
from mnist_bench.training.fusion import Company
from mnist_bench.training.labs import CLASSES, PIXELS, configure_lab
from mnist_bench.training.runner import build_trainee, describe_training, make_record, set_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.fusion import EpochFigures

__all__ = ["check_company", "choose_size", "count_bytes", "find_room", "train_company"]

_MOST = 1024  # seeds in one program: by then the products, not the starts of kernels, bound the mlp's epoch
_SHARE = 0.5  # of a device's memory; the other half is for the data, for XLA's own arrays and for other programs


def train_company(
    configs: Sequence[TrainingConfig],
    *,
    size: int,
    dataset: Dataset | None = None,
    on_epoch: Callable[[int, list[EpochFigures]], None] | None = None,
) -> Iterator[TrainingRecord]:
    """Train several seeds in one program of the fused engine, as `train` trains one, and yield each one's record.

    Args:
        configs: What to train; they differ in their seeds only.
        size: Seeds of the program. Where there are fewer, the last one fills the rest, so that the bits of a seed do
            not depend on how many others are left to do.
        dataset: As for `train`.
        on_epoch: Called after each epoch with the number, from 0, and the figures of each seed.

    Raises:
        ValueError: As `train`; or an engine has no companies, or the trainings differ in more than their seeds.
        ImportError: As `train`.
        KerasError: As `train`.
    """
    setting = set_up(configs[0], dataset)
    check_company(configs, size)
    built = [build_trainee(setting, dataclasses.replace(config, epochs=setting.config.epochs)) for config in configs]
    lanes = [*built, *[built[-1]] * (size - len(built))]
    first = built[0]
    company = Company(setting.prepared, [lane.config for lane in lanes], dropout=dropout_of(first.model))
    weights: list[Any] = [company.join(arrays) for arrays in zip(*(lane.weights for lane in lanes), strict=True)]
    epochs: list[list[EpochFigures]] = []
    for number in range(setting.config.epochs or 0):
        weights, figures = company.train_epoch(weights)
        # What fills the program is no training of its own: its time is that of the others.
        epochs.append([_share(it, size / len(built)) for it in figures[: len(built)]])
        if on_epoch:
            on_epoch(number, epochs[-1])
    for lane, final, *figures in zip(built, company.split(weights), *epochs, strict=False):
        # One model tests all: each model would compile functions of its own.
        first.model.set_weights(final)
        ended = dataclasses.replace(lane, model=first.model)
        yield make_record(describe_training(setting, ended, figures, company=size))


def check_company(configs: Sequence[TrainingConfig], size: int) -> None:
    """Refuse trainings that one program cannot train.

    Raises:
        ValueError: The engine has no companies, or there are too many trainings, or they differ in more than seeds.
    """
    first = configs[0]
    if check_engine(first.engine).fit:
        raise ValueError(f"engine {first.engine} trains each seed alone: a company needs the engine fused")
    if len(configs) > size:
        raise ValueError(f"{len(configs)} trainings are more than a company of {size}")
    for config in configs:
        check_answer(dataclasses.replace(first, seed=config.seed), config, "a company has one configuration")


def choose_size(config: TrainingConfig, dataset: Dataset, *, most: int, workers: int) -> int:
    """Return how many seeds one program should train here.

    On a CPU a process a core is faster than a company (docs/performance.md), so there it is 1.

    Args:
        config: What to train.
        dataset: The data.
        most: Seeds that there are.
        workers: Processes that share the device.

    Raises:
        DeviceError: The device cannot be had.
    """
    if check_engine(config.engine).fit or most == 1 or choose_device(config.device) == "cpu":
        return 1
    memory = read_gpu_memory()
    if memory is None:
        return 1
    lab = configure_lab(config)
    widths = (PIXELS, *lab.hidden, CLASSES)
    shapes = [shape for pair in itertools.pairwise(widths) for shape in (pair, pair[1:])]
    samples = round(len(dataset.x_train) * (1 - config.validation_split))
    seed_bytes = count_bytes(shapes, samples=samples, batch_size=config.batch_size, dropout=bool(lab.dropout))
    return find_room(memory // workers, seed_bytes, most=most)


def count_bytes(shapes: Sequence[Sequence[int]], *, samples: int, batch_size: int, dropout: bool) -> int:
    """Return about how many bytes of a device's memory one more seed of a company takes.

    Args:
        shapes: Of the weights.
        samples: Training samples of an epoch.
        batch_size: Samples in a step.
        dropout: Whether masks are drawn.
    """
    parameters, inputs = sum(map(math.prod, shapes)), shapes[0][0]
    widths = sum(shape[-1] for shape in shapes[1::2])
    copies = 12  # the weights that come and go, those of the loop, transposed, gradients, an optimizer's state
    batch = batch_size * (5 * inputs + 4 * 6 * widths)  # pixels as uint8 and float32, each layer forward and backward
    masks = 2 * 2 * samples * widths if dropout else 0  # 16 bits a unit, drawn and kept
    evaluation = 4 * Evaluator.CHUNK * (inputs + 2 * widths)
    return 4 * copies * parameters + 2 * batch + masks + 2 * 4 * samples + evaluation


def find_room(device_bytes: int, seed_bytes: int, *, most: int) -> int:
    """Return how many seeds train in one program: a power of two, so that the same number comes out again.

    Args:
        device_bytes: The memory of the device.
        seed_bytes: What `count_bytes` says.
        most: No more than the power of two that holds so many.
    """
    fitting = int(device_bytes * _SHARE) // seed_bytes
    room = 1 << max(fitting.bit_length() - 1, 0)
    return min(room, 1 << (most - 1).bit_length(), _MOST)


def _share(figures: EpochFigures, factor: float) -> EpochFigures:
    """Return the figures of an epoch with each of its seconds multiplied."""
    names = ("seconds", "val_seconds", "cpu_seconds")
    return dataclasses.replace(figures, **{name: factor * getattr(figures, name) for name in names})
