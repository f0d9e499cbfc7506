"""Trainings that are looked at on the way: accuracy on the training set, too, which no record of a run has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.serial import load, save
from mnist_bench.training import backend
from mnist_bench.training.data.dataset import prepare
from mnist_bench.training.engines import ENGINES, compile_model, train_model
from mnist_bench.training.fused import Evaluator
from mnist_bench.training.labs import LABS, build_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.engines import EpochFigures

__all__ = ["Bar", "Look", "Way", "keep", "measure_bar", "measure_way"]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Accuracies after one epoch: `printed` is the running mean of training, the others are evaluated."""

    epoch: int
    printed: float
    train: float
    validation: float
    test: float


@dataclass(frozen=True, kw_only=True)
class Way:
    """One training by the fused engine: the validation accuracy of every epoch, and a few looks."""

    lab: str
    seed: int
    epochs: int
    dataset: str
    validation: list[float]
    looks: list[Look]
    kind: str = "way"
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A first epoch of `fit`: the running means at its end, and the mean over its steps of the running means."""

    lab: str
    seed: int
    dataset: str
    accuracy: float
    loss: float
    bar_accuracy: float
    bar_loss: float
    kind: str = "bar"
    schema_version: int = SCHEMA_VERSION


R = TypeVar("R", Way, Bar)


def keep(path: Path, form: type[R], dataset: Dataset, measure: Callable[[], R]) -> R:
    """Return the record that is in the file, or measure it and put it there.

    Raises:
        ValueError: The file has no such record, or one of other data.
    """
    if not path.exists():
        save(measure(), path)
    record = load(path, form)
    if record.dataset != dataset.digest:
        raise ValueError(f"{path}: it was measured on other data")
    return record


def measure_way(lab: str, seed: int, dataset: Dataset, *, epochs: int, looks: Sequence[int]) -> Way:
    """Train by the fused engine, and evaluate on all three sets after the epochs (from 1) that `looks` names."""
    prepared = prepare(dataset)
    config = TrainingConfig(lab=lab, engine="fused", seed=seed)
    split = len(prepared.x_train)
    train_set = Evaluator(prepared.pixels[:split], prepared.y_train)
    test_set = Evaluator(dataset.x_test.reshape(len(dataset.x_test), -1), prepared.y_test)
    model = _make_model(config, samples=split)
    validation: list[float] = []
    found: list[Look] = []

    def look(number: int, figures: EpochFigures) -> None:
        validation.append(figures.val_accuracy)
        if number + 1 in looks:
            weights = model.get_weights()
            found.append(
                Look(
                    epoch=number + 1,
                    printed=figures.accuracy,
                    train=train_set.evaluate(weights)[1],
                    validation=figures.val_accuracy,
                    test=test_set.evaluate(weights)[1],
                )
            )

    train_model(model, prepared, config, epochs=epochs, on_epoch=look)
    return Way(lab=lab, seed=seed, epochs=epochs, dataset=dataset.digest, validation=validation, looks=found)


def measure_bar(lab: str, seed: int, dataset: Dataset) -> Bar:
    """Train one epoch by `fit`, and average what it reports after every step, as its progress bar once did."""
    prepared = prepare(dataset)
    config = TrainingConfig(lab=lab, engine="graph", seed=seed)
    model = _make_model(config, samples=len(prepared.x_train))
    steps: list[tuple[float, float]] = []

    class Steps(backend.load_keras().callbacks.Callback):  # type: ignore[misc] # Keras is untyped
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            del batch
            steps.append((float(logs["accuracy"]), float(logs["loss"])))

    model.fit(
        prepared.x_fit,
        prepared.y_fit,
        batch_size=config.batch_size,
        verbose=0,
        validation_split=prepared.validation_split,
        callbacks=[Steps()],
    )
    accuracy, loss = steps[-1]
    bar_accuracy, bar_loss = map(float, np.mean(steps, axis=0))
    return Bar(
        lab=lab,
        seed=seed,
        dataset=dataset.digest,
        accuracy=accuracy,
        loss=loss,
        bar_accuracy=bar_accuracy,
        bar_loss=bar_loss,
    )


def _make_model(config: TrainingConfig, *, samples: int) -> Any:
    backend.set_determinism(on=True)
    backend.seed_everything(config.seed)
    model = build_model(LABS[config.lab])
    compile_model(model, ENGINES[config.engine], config, samples=samples)
    return model
