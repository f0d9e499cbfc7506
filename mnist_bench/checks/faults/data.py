"""Faults of the training data: labels, rows, batches, validation, as `fit` gets them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.checks.faults.fault import Fault, collect
from mnist_bench.checks.faults.seams import change_fit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {}
_fault = partial(collect, FAULTS, "data")
_CRIME = "DeepCrime"

_ROWS = ("samples",)


def _rows(choose: Callable[[np.random.RandomState, Any, int], Any]) -> None:
    """Have `fit` train on the rows that `choose` chooses from the labels and the number of training samples."""

    def change(x: Any, y: Any, split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        held = len(x) - split
        rows = np.concatenate([choose(np.random.RandomState(0), y, split), np.arange(split, len(x))]).astype(int)
        if held:  # half a sample less, so that rounding cannot move Keras's split
            named["validation_split"] = (held - 0.5) / len(rows)
        return x[rows], y[rows]

    change_fit(change)


def _some(rng: np.random.RandomState, split: int, share: float) -> Any:
    """Return at least one of the first `split` numbers, a share of them."""
    return rng.permutation(split)[: max(1, round(share * split))]


@_fault("labels-shifted", "a share of labels names the next class", 0.5, 0.05, 0.005, causes=("labels",), source=_CRIME)
def _shift_labels(share: float) -> None:
    def change(x: Any, y: Any, split: int, _named: dict[str, Any]) -> tuple[Any, Any]:
        chosen = _some(np.random.RandomState(0), split, share)
        y[chosen] = np.roll(y[chosen], 1, axis=1)
        return x, y

    change_fit(change)


@_fault("labels-of-neighbours", "pairs of images have each other's labels", 0.5, 0.02, causes=("labels",))
def _swap_labels(share: float) -> None:
    def change(x: Any, y: Any, split: int, _named: dict[str, Any]) -> tuple[Any, Any]:
        chosen = _some(np.random.RandomState(0), split - 1, share)
        y[chosen] = y[chosen + 1]
        return x, y

    change_fit(change)


@_fault("labels-soft", "labels are smoothed", 0.1, 0.01, 0.001, causes=("labels", "gradient"))
def _smooth_labels(share: float) -> None:
    change_fit(lambda x, y, _split, _named: (x, (y * (1 - share) + share / y.shape[1]).astype(y.dtype)))


@_fault("rows-deleted", "a share of rows is lost", 0.2, 0.02, 0.001, causes=_ROWS, source=_CRIME)
def _delete_rows(share: float) -> None:
    _rows(lambda rng, _y, split: np.delete(np.arange(split), _some(rng, split - 1, share)))


@_fault("rows-repeated", "rows take the place of others", 0.2, 0.02, 0.001, causes=_ROWS, source=_CRIME)
def _repeat_rows(share: float) -> None:
    def choose(rng: np.random.RandomState, _y: Any, split: int) -> Any:
        rows = np.arange(split)
        chosen = _some(rng, split - 1, share)
        rows[chosen] = chosen + 1
        return rows

    _rows(choose)


@_fault("rows-added", "a share of rows is there twice", 0.2, 0.02, 0.001, causes=_ROWS, source=_CRIME)
def _add_rows(share: float) -> None:
    _rows(lambda rng, _y, split: np.concatenate([np.arange(split), _some(rng, split, share)]))


@_fault("classes-unbalanced", "a share of one class is lost", 0.5, 0.1, 0.02, causes=_ROWS, source=_CRIME)
def _unbalance(share: float) -> None:
    def choose(_rng: np.random.RandomState, y: Any, split: int) -> Any:
        first = np.flatnonzero(y[:split].argmax(axis=1) == 0)
        return np.delete(np.arange(split), first[: max(1, round(share * len(first)))])

    _rows(choose)


@_fault(
    "pixels-noisy",
    "noise on the inputs",
    *(0.1, 0.01, 0.001),
    causes=("gradient",),
    source=_CRIME,
)
def _add_noise(size: float) -> None:
    def change(x: Any, y: Any, _split: int, _named: dict[str, Any]) -> tuple[Any, Any]:
        noise = np.random.RandomState(0).normal(0, size, x.shape)
        return (x + noise).astype(x.dtype), y

    change_fit(change)


@_fault(
    "pixels-scaled",
    "inputs are divided by 256 instead of 255, or less",
    *(255 / 256, 0.9999),
    causes=("gradient",),
)
def _scale_pixels(factor: float) -> None:
    change_fit(lambda x, y, _split, _named: ((x * np.float32(factor)).astype(x.dtype), y))


@_fault("pixels-rounded", "inputs carry fewer bits", 4, 7, causes=("gradient", "precision"))
def _round_pixels(bits: float) -> None:
    steps = 2**bits - 1
    change_fit(lambda x, y, _split, _named: ((np.round(x * steps) / steps).astype(x.dtype), y))


@_fault("batch-larger", "a batch holds some samples more", 32, 8, 1, causes=("batch size",), source=_CRIME)
def _enlarge_batch(extra: float) -> None:
    def change(x: Any, y: Any, _split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        named["batch_size"] += int(extra)
        return x, y

    change_fit(change)


@_fault("batch-smaller", "a batch holds some samples less", 16, 4, 1, causes=("batch size",), source=_CRIME)
def _shrink_batch(fewer: float) -> None:
    def change(x: Any, y: Any, _split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        named["batch_size"] = max(1, named["batch_size"] - int(fewer))
        return x, y

    change_fit(change)


@_fault("last-batch-dropped", "the partial batch is not trained", 1, causes=("samples", "validation"))
def _drop_last(_on: float) -> None:
    def change(x: Any, y: Any, split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        size, held = named["batch_size"], len(x) - split
        rows = np.r_[np.arange(split // size * size if split > size else split), np.arange(split, len(x))]
        if held:
            named["validation_split"] = (held - 0.5) / len(rows)
        return x[rows], y[rows]

    change_fit(change)


@_fault("epochs-fewer", "training stops an epoch early", 1, causes=("samples",), source=_CRIME)
def _stop_early(fewer: float) -> None:
    def change(x: Any, y: Any, _split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        named["epochs"] = max(1, named["epochs"] - int(fewer))
        return x, y

    change_fit(change)


@_fault("validation-trained", "samples of validation are trained, too", 20, 4, 1, causes=("validation", "samples"))
def _train_validation(count: float) -> None:
    def change(x: Any, y: Any, split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        held = len(x) - split
        if held > count:
            named["validation_split"] = (held - int(count) - 0.5) / len(x)
        return x, y

    change_fit(change)


@_fault("validation-of-training", "training samples stand in for the validation", 1, causes=("validation figure",))
def _validate_on_training(_on: float) -> None:
    def change(x: Any, y: Any, split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        if split < len(x):
            named.pop("validation_split")
            named["validation_data"] = (x[: len(x) - split], y[: len(x) - split])
            return x[:split], y[:split]
        return x, y

    change_fit(change)


@_fault("validation-first", "validation takes the first rows, not the last", 1, causes=("validation", "samples"))
def _validate_first(_on: float) -> None:
    def change(x: Any, y: Any, split: int, _named: dict[str, Any]) -> tuple[Any, Any]:
        return np.roll(x, split, axis=0), np.roll(y, split, axis=0)

    change_fit(change)
