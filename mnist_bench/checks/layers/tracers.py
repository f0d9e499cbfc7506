"""Tiny trainings whose final weights tell what an engine did: which sample in which step, which unit dropped.

The engines are not instrumented. Every training sample has a pixel of its own, and all weights start at 0. So the
kernel's row of a sample moves only in the step that trains the sample, and by an amount that identifies the step. That
needs float32 products: TF32 would blur the amounts.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mnist_bench.checks.layers.amounts import (
    UNKNOWN,
    UNSEEN,
    count_inexact,
    count_visits,
    decode_steps,
    find_broken,
    step_amounts,
)
from mnist_bench.records.config import FIRST_SEED, TrainingConfig
from mnist_bench.records.readings import Reading
from mnist_bench.training.backend import load_keras, load_tensorflow, seed_everything, set_determinism, without_tf32
from mnist_bench.training.data.dataset import Prepared
from mnist_bench.training.engines import check_engine, compile_model, train_model
from mnist_bench.training.labs import CLASSES, LABS, build_model
from mnist_bench.training.masks import draw_masks

if TYPE_CHECKING:
    from mnist_bench.training.fusion import EpochFigures

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]

__all__ = [
    "NO_LABEL",
    "SEVERAL_LABELS",
    "UNKNOWN",
    "UNSEEN",
    "MaskTrace",
    "OrderTrace",
    "StepTrace",
    "draw_batch",
    "group_samples",
    "make_prepared",
    "trace_groups",
    "trace_masks",
    "trace_order",
    "trace_steps",
]


NO_LABEL, SEVERAL_LABELS = -1, -2


@dataclass(frozen=True)
class OrderTrace:
    """What an engine did with each sample.

    Attributes:
        steps: (epochs, samples): the step of the epoch in which a sample was trained, UNSEEN, or UNKNOWN.
        validation: (epochs, validation samples): the same for the samples that must not be trained.
        labels: (epochs, samples): the label with which each sample was trained, SEVERAL_LABELS, or NO_LABEL if it was
            not trained.
        inexact: How many samples moved by another amount than a step's.
        broken: What the amounts were, if they are those of no step, so that `steps` tells nothing.
    """

    steps: Ints
    validation: Ints
    labels: Ints
    inexact: int = 0
    broken: Reading | None = None


@dataclass(frozen=True)
class StepTrace:
    """In which step of each epoch an engine trained each sample.

    Attributes:
        steps: (epochs, training and validation samples): the step, UNSEEN, or UNKNOWN.
        inexact: As in `OrderTrace`.
        broken: As in `OrderTrace`.
    """

    steps: Ints
    inexact: int
    broken: Reading | None


def make_prepared(pixels: npt.NDArray[np.uint8], labels: Ints, *, validation: int) -> Prepared:
    """Make the input of an engine from (n, inputs) uint8 pixels and (n,) labels; the last are for validation."""
    x, y = pixels.astype(np.float32) / np.float32(255), np.eye(CLASSES, dtype=np.float32)[labels]
    split = len(x) - validation
    last = x[split:], y[split:]
    return Prepared.split_at(split, validation / len(x), pixels=pixels, fit=(x, y), test=last)


@without_tf32()
def trace_order(
    engine: str, *, samples: int = 240, batch_size: int = 32, epochs: int = 3, seed: int = FIRST_SEED
) -> OrderTrace:
    """Find out in which step of each epoch an engine trains each sample, and with which label.

    Args:
        engine: A key of `ENGINES`.
        samples: Training samples; a quarter of that number are added for validation.
        batch_size: A size that does not divide `samples` makes the last batch a partial one.
        epochs: Epochs to train.
        seed: The seed of the training.
    """
    traced = trace_steps(engine, samples=samples, batch_size=batch_size, epochs=epochs, seed=seed)
    steps = traced.steps
    config = _configure_order(engine, batch_size, seed)
    # Not seeded again: the label of a sample does not depend on the order.
    model = _compile_perceptron(engine, steps.shape[1], samples, batch_size, config.learning_rate)
    mixed = _train_rows(model, config, np.arange(steps.shape[1]) % CLASSES, samples, epochs)
    trained = (mixed > 0).sum(axis=2) == 1
    labels = np.where(trained, mixed.argmax(axis=2), np.where(mixed.any(axis=2), SEVERAL_LABELS, NO_LABEL))
    return OrderTrace(steps[:, :samples], steps[:, samples:], labels[:, :samples], traced.inexact, traced.broken)


@without_tf32()
def trace_steps(
    engine: str, *, samples: int = 240, batch_size: int = 32, epochs: int = 3, seed: int = FIRST_SEED
) -> StepTrace:
    """Find out in which step of each epoch an engine trains each sample, whatever the label.

    The arguments are those of `trace_order`.
    """
    everything = samples + samples // 4
    config = _configure_order(engine, batch_size, seed)
    model = _seed_perceptron(config, everything, samples)
    alike = _train_rows(model, config, np.zeros(everything, np.int64), samples, epochs)
    moves, trained = alike[:, :, 0], slice(0, samples)
    amounts = step_amounts(count_visits(moves, samples, batch_size), batch_size)
    steps = decode_steps(moves, amounts)
    broken = find_broken(moves[:, trained], steps[:, trained], amounts, min(batch_size, samples))
    return StepTrace(steps, count_inexact(moves[:, trained], amounts), broken)


def _configure_order(engine: str, batch_size: int, seed: int) -> TrainingConfig:
    return TrainingConfig(lab="perceptron", engine=engine, seed=seed, batch_size=batch_size, learning_rate=1.0)


def _train_rows(model: Any, config: TrainingConfig, labels: Ints, samples: int, epochs: int) -> Floats:
    """Train samples of one pixel each; return the kernel at the end of each epoch, (epochs, samples, classes)."""
    prepared = make_prepared(255 * np.eye(len(labels), dtype=np.uint8), labels, validation=len(labels) - samples)
    zeros = [np.zeros((len(labels), CLASSES), np.float32), np.zeros(CLASSES, np.float32)]
    return np.stack([weights[0] for weights in _train_from(model, zeros, prepared, config, epochs)])


def group_samples(samples: int, base: int) -> Ints:
    """Return the three groups, (samples, 3), of each sample: one group for each digit of the sample's number.

    There are 3 * base groups, and no two samples have the same three; `samples` is at most base cubed.
    """
    numbers = np.arange(samples)
    return np.stack([place * base + numbers // base**place % base for place in range(3)], axis=1)


@without_tf32()
def trace_groups(engine: str, *, samples: int, base: int, batch_size: int) -> tuple[npt.NDArray[np.float64], float]:
    """Count how often an epoch of full size visits the samples of each group of `group_samples`.

    One pixel for each sample would be too many, so a sample lights the pixels of its groups. With a vanishing learning
    rate all visits move a row by the same amount.

    Args:
        engine: A key of `ENGINES`.
        samples: Training samples.
        base: The base of the samples' numbers.
        batch_size: A divisor of `samples`.

    Returns:
        (3 * base,) visits: in a sound epoch, the number of samples in each group; and the number of steps that the
        bias has taken.
    """
    pixels = np.zeros((samples, 3 * base), np.uint8)
    np.put_along_axis(pixels, group_samples(samples, base), 255, axis=1)
    prepared = make_prepared(pixels, np.zeros(samples, np.int64), validation=0)
    rate = 1e-6
    config = TrainingConfig(lab="perceptron", engine=engine, batch_size=batch_size, learning_rate=rate)
    model = _seed_perceptron(config, 3 * base, samples)
    model.set_weights([np.zeros((3 * base, CLASSES), np.float32), np.zeros(CLASSES, np.float32)])
    train_model(model, prepared, config, epochs=1)
    kernel, bias = (np.asarray(weight, np.float64) for weight in model.get_weights())
    step = rate * (1 - 1 / CLASSES)
    return batch_size * kernel[:, 0] / step, float(bias[0] / step)


@dataclass(frozen=True)
class MaskTrace:
    """What an engine's dropout did, step by step; each step is a batch of one sample from the same weights.

    Attributes:
        kept: (steps, layers, width) of booleans.
        initial: The weights before each step.
        trained: The weights after each step.
        x: (1, inputs), the sample.
        y: (1, classes), the label of the sample.
        learning_rate: The learning rate of each step.
        val_losses: The validation loss that the engine reported after each step.
    """

    kept: npt.NDArray[np.bool_]
    initial: list[Floats]
    trained: list[list[Floats]]
    x: Floats
    y: Floats
    learning_rate: float
    val_losses: list[float]


@without_tf32()
def trace_masks(
    engine: str, *, steps: int = 12, width: int = 1024, seed: int = FIRST_SEED, dropout: bool = True
) -> MaskTrace:
    """Find out which units an engine drops in the dropout lab with wider layers.

    Every hidden unit gives 1 before dropout, so the gradient of the second kernel has a row of zeros for each
    dropped unit of the first layer, and a column of zeros for each of the second.

    Args:
        engine: A key of `ENGINES`.
        steps: Epochs, of one step each.
        width: Units of each hidden layer: more than in the lab, for more draws in each step.
        seed: The seed of the training.
        dropout: Whether the network has its dropout layers; without them every unit is kept.
    """
    rate = LABS["dropout"].dropout if dropout else 0.0
    lab = dataclasses.replace(LABS["dropout"], hidden=(width, width), dropout=rate)
    inputs = 4
    initial: list[Floats] = []
    for shape in zip((inputs, *lab.hidden), (*lab.hidden, CLASSES), strict=True):
        initial += [np.zeros(shape, np.float32), np.ones(shape[1], np.float32)]
    # The last kernel differs by class, so that a gradient flows back to every unit.
    initial[-2] = np.tile(np.linspace(-1, 1, CLASSES, dtype=np.float32) / width, (width, 1))
    prepared = make_prepared(np.full((2, inputs), 255, np.uint8), np.zeros(2, np.int64), validation=1)
    # A small step: otherwise a thousand units together would drive the loss to 0, which would tell nothing.
    config = TrainingConfig(lab="dropout", engine=engine, seed=seed, batch_size=1, learning_rate=1e-4)
    losses: list[float] = []
    set_determinism(on=check_engine(engine).deterministic)
    seed_everything(seed)  # before the model is built: Keras 3 seeds the masks then
    model = build_model(lab, inputs=inputs)
    _compile(model, config, samples=1)
    trained = _train_from(model, initial, prepared, config, steps, losses)
    moved = np.stack([weights[2] - initial[2] for weights in trained]) != 0
    kept = np.stack([moved.any(axis=2), moved.any(axis=1)], axis=1)
    return MaskTrace(
        kept=kept,
        initial=initial,
        trained=trained,
        x=prepared.x_train,
        y=prepared.y_train,
        learning_rate=config.learning_rate,
        val_losses=losses,
    )


def draw_batch(engine: str, *, samples: int = 4, width: int = 1024) -> npt.NDArray[np.bool_]:
    """Return which units of each sample, (samples, width), the dropout of one step keeps, by Keras or by our own."""
    lab = dataclasses.replace(LABS["dropout"], hidden=(width,))
    if not check_engine(engine).fit:
        return np.asarray(draw_masks(lab, steps=1, batch_size=samples, seed=(FIRST_SEED, 0))[0][0] != 0, np.bool_)
    seed_everything(FIRST_SEED)
    dropout = load_keras().layers.Dropout(lab.dropout)
    return np.asarray(dropout(load_tensorflow().ones([samples, width]), training=True), np.bool_)


def _seed_perceptron(config: TrainingConfig, inputs: int, samples: int) -> Any:
    """Return a perceptron, compiled for the config and this many training samples; seed TensorFlow again."""
    set_determinism(on=check_engine(config.engine).deterministic)
    model = _compile_perceptron(config.engine, inputs, samples, config.batch_size, config.learning_rate)
    seed_everything(config.seed)
    return model


# Tracing and compiling take longer than a tiny training; seeds and weights are set before each training.
@functools.lru_cache(maxsize=16)
def _compile_perceptron(engine: str, inputs: int, samples: int, batch_size: int, learning_rate: float) -> Any:
    config = TrainingConfig(lab="perceptron", engine=engine, batch_size=batch_size, learning_rate=learning_rate)
    model = build_model(LABS["perceptron"], inputs=inputs)
    _compile(model, config, samples=samples)
    return model


def _compile(model: Any, config: TrainingConfig, *, samples: int) -> None:
    """Compile a model as a training does, and have Keras make its metrics.

    Keras 3 makes the metrics in the first step, so that TensorFlow traces that step twice. The models of the arithmetic
    checks leave that to their first step; here it would only take time.
    """
    engine = check_engine(config.engine)
    compile_model(model, engine, config, samples=samples)
    if engine.fit:
        nothing = load_tensorflow().zeros([1, CLASSES])
        model.compute_metrics(nothing, nothing, nothing, None)


def _train_from(
    model: Any,
    weights: list[Floats],
    prepared: Prepared,
    config: TrainingConfig,
    epochs: int,
    losses: list[float] | None = None,
) -> list[list[Floats]]:
    """Train with every epoch starting from these weights; return the weights at the end of each epoch."""
    model.set_weights(weights)
    ends: list[list[Floats]] = []

    def rewind(_epoch: int, figures: EpochFigures) -> None:
        ends.append([np.array(weight) for weight in model.get_weights()])
        if losses is not None:
            losses.append(figures.val_loss)
        model.set_weights(weights)

    train_model(model, prepared, config, epochs=epochs, on_epoch=rewind)
    return ends
