"""A user's model, built under a seed, with its weights there and its names as those of a fresh process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.data import map_leaves, take
from mnist_bench.training.backend import blame_keras, load_keras, load_tensorflow, seed_everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mnist_bench.own.file import Loaded

__all__ = ["list_arrays", "make_model", "to_tensors"]

_FIRST = 2  # samples that a model is called with where it builds itself in its first call


def make_model(loaded: Loaded, seed: int) -> Any:
    """Seed this process and return the file's model, compiled, with its initial weights.

    Raises:
        ModelFileError: `build()` raises an error, or returns no compiled model.
        KerasError: The model cannot be called with the data.
    """
    reset_names()
    seed_everything(seed)
    model = loaded.build()
    if not model.built:
        with blame_keras("the model's first call"):
            model(to_tensors(take(loaded.data.x, slice(0, _FIRST))))
    return model


def reset_names() -> None:
    """Have Keras count the names of layers and metrics from the beginning: a second `AUC()` would be `auc_1`."""
    keras = load_keras()
    policy = keras.mixed_precision.global_policy()  # the file may have set it; Keras 3 forgets it here
    keras.backend.clear_session()
    keras.mixed_precision.set_global_policy(policy)


def to_tensors(structure: Any) -> Any:
    """Return the arrays as the tensors that `fit` makes of them: floats in Keras's default precision, no lists."""
    tf, floatx = load_tensorflow(), load_keras().backend.floatx()

    def convert(array: npt.NDArray[Any]) -> Any:
        return tf.convert_to_tensor(array.astype(floatx) if array.dtype.kind == "f" else array)

    return map_leaves(_without_lists(structure), convert)


def _without_lists(structure: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _without_lists(part) for key, part in structure.items()}
    return tuple(map(_without_lists, structure)) if isinstance(structure, (tuple, list)) else structure


def list_arrays(predictions: Any) -> Sequence[npt.NDArray[Any]]:
    """Return the arrays of what `predict` returns, in a fixed order."""
    if isinstance(predictions, dict):
        return [array for name in sorted(predictions) for array in list_arrays(predictions[name])]
    if isinstance(predictions, (tuple, list)):
        return [array for part in predictions for array in list_arrays(part)]
    return [np.asarray(predictions)]
