"""Weights and samples to compute with, which depend on no initialiser and no random stream under test."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.data import map_leaves
from mnist_bench.own.layers import list_rows, list_weights
from mnist_bench.own.model import make_model
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mnist_bench.own.file import Loaded
    from mnist_bench.own.layers import Weight

    Array = npt.NDArray[Any]

__all__ = ["draw_weights", "round_floats", "take_rows"]

_SPREAD = 0.1  # of a vector that begins at 0, and the share by which a value that is no draw is moved


def draw_weights(loaded: Loaded, first: Sequence[Weight], *, draw: int = 0) -> list[Array]:
    """Return a value of each weight, by its name: the same whatever initialiser and random stream the version has.

    What an initialiser draws at random, and what begins at 0, is drawn from a frozen stream, uniform within Glorot's
    limits. What the file sets to other constants, as to 1 or to pretrained values, is moved by up to a tenth of itself.
    Weights that are not trained stay as they are built: they may be means, variances and vocabularies.

    Args:
        loaded: The file.
        first: The weights of a model that was built with the seed `FIRST_SEED`.
        draw: Another number gives other values.
    """
    values = [weight.read() for weight in first]
    second = list_weights(list_rows(make_model(loaded, FIRST_SEED + 1)))
    drawn = []
    for weight, value, other in zip(first, values, second, strict=True):
        if not weight.variable.trainable or value.dtype.kind != "f":
            drawn.append(value)
            continue
        rng = np.random.RandomState((zlib.crc32(weight.name.encode()) + draw) % 2**32)  # its stream is frozen
        noise = rng.uniform(-1, 1, value.shape)
        fresh = (value != other.read()) | (value == 0)
        drawn.append(np.where(fresh, noise * _limit(value.shape), value * (1 + _SPREAD * noise)).astype(value.dtype))
    return drawn


def _limit(shape: tuple[int, ...]) -> float:
    """Return Glorot's limit for a kernel: of a convolution, the last two axes are inputs and outputs."""
    if len(shape) < 2:  # noqa: PLR2004 - a vector
        return _SPREAD
    return math.sqrt(6 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1])))


def take_rows(structure: Any, count: int, *, draw: int = 0) -> Any:
    """Return `count` samples, or all where there are fewer, chosen by a frozen stream."""

    def choose(array: Array) -> Array:
        places = np.random.RandomState(FIRST_SEED + draw).permutation(len(array))[:count]
        return array[np.sort(places)]

    return round_floats(map_leaves(structure, choose))


def round_floats(structure: Any) -> Any:
    """Return the arrays with floating-point numbers that float32 holds: both precisions begin at the same values."""
    return map_leaves(structure, lambda array: array.astype(np.float32) if array.dtype.kind == "f" else array)
