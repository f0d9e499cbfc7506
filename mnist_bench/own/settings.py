"""What a model file may set: the arguments of `fit`, and the margins and directions of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.data import list_leaves

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEFAULTS", "check_margins", "check_settings"]

DEFAULTS = {"epochs": 5, "batch_size": 32}
"""What `fit` is given where the file says nothing: enough epochs to see a trend, and Keras's own batch size."""

_DIRECTIONS = ("higher", "lower")


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= 1)


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1


def _is_pair(value: Any) -> bool:
    parts = isinstance(value, (tuple, list)) and len(value) in (2, 3)
    return parts and all(isinstance(array, np.ndarray) for part in value for _, array in list_leaves(part))


# What each argument may be: a test, and the same in words.
_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "epochs": (_is_count, "a whole number of 1 or more"),
    "batch_size": (_is_count, "a whole number of 1 or more"),
    "validation_split": (_is_share, "a number from 0 to below 1"),
    "validation_data": (_is_pair, "(x, y) or (x, y, sample_weight) of arrays"),
    "validation_freq": (_is_count, "a whole number of 1 or more"),
    "validation_batch_size": (_is_count, "a whole number of 1 or more"),
    "callbacks": (lambda value: isinstance(value, (tuple, list)), "a list of Keras callbacks"),
    "shuffle": (lambda value: isinstance(value, bool), "True or False"),
    "class_weight": (lambda value: isinstance(value, dict), "a dict of a weight by class"),
    "sample_weight": (lambda value: isinstance(value, np.ndarray), "an array of a weight by sample"),
}


def check_settings(given: Any, samples: int) -> dict[str, Any]:
    """Return the arguments of `fit` with the defaults filled in.

    Args:
        given: What `fit()` has returned.
        samples: The samples to train.

    Raises:
        ValueError: An argument is not allowed; the message says which are.
    """
    if not isinstance(given, dict):
        raise ValueError(f"has to return a dict of arguments of Model.fit, not a {type(given).__name__}")  # noqa: TRY004 - one class for all that is wrong with a file
    for name, value in given.items():
        if name not in _ALLOWED:
            raise ValueError(f"returns {name!r}, which is not allowed: choose from {', '.join(_ALLOWED)}")
        fits, words = _ALLOWED[name]
        if not fits(value):
            raise ValueError(f"returns {name} {_shorten(value)}: {words} is allowed")
    weights = given.get("sample_weight")
    if weights is not None and len(weights) != samples:
        raise ValueError(f"returns sample_weight of {len(weights):,} weights for {samples:,} samples")
    return {**DEFAULTS, **given}


def _shorten(value: Any) -> str:
    return f"of type {type(value).__name__}" if isinstance(value, (dict, np.ndarray)) else repr(value)[:60]


def check_margins(margins: Any, better: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Return the file's margins and directions.

    Raises:
        ValueError: A margin is no positive number, or a direction none of `higher` and `lower`.
    """
    for name, value in (("margins", margins), ("better", better)):
        if not isinstance(value, dict) or not all(isinstance(metric, str) for metric in value):
            raise ValueError(f"{name} has to be a dict by the names of metrics, not {value!r}")
    for metric, margin in margins.items():
        number = isinstance(margin, (int, float)) and not isinstance(margin, bool)
        if not number or not 0 < margin < float("inf"):
            raise ValueError(f"margins[{metric!r}] is {margin!r}: a positive number is allowed")
    for metric, direction in better.items():
        if direction not in _DIRECTIONS:
            raise ValueError(f"better[{metric!r}] is {direction!r}: choose from {', '.join(_DIRECTIONS)}")
    return {metric: float(margin) for metric, margin in margins.items()}, dict(better)
