"""The layers of a user's own model: their rows, their weights, and what in them is left to chance."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.records import LayerRow
from mnist_bench.training.backend import load_keras

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["Row", "Weight", "describe_rows", "list_parts", "list_rows", "list_weights", "switch_off"]

# Keras 2 counts operations such as `x + y` among a model's layers, Keras 3 does not; inputs compute nothing.
_UNCOUNTED = ("InputLayer", "TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")


@dataclass(frozen=True)
class Weight:
    """A weight, and its name in stages and checks, such as `2 Conv2D kernel`."""

    name: str
    variable: Any

    def read(self) -> npt.NDArray[Any]:
        """Return a copy of its value."""
        return np.array(self.variable.numpy())


@dataclass(frozen=True)
class Row:
    """A layer, and its name: place and class, such as `2 Conv2D` or, in a nested model, `3 Functional/1 Dense`.

    Attributes:
        name: The same in Keras 2 and 3.
        layer: The layer.
        weights: Its weights, without those that an earlier row has.
    """

    name: str
    layer: Any
    weights: Sequence[Weight]


def list_rows(model: Any) -> list[Row]:
    """Return the layers of a built model in Keras's order; last the model itself, if it has weights of its own."""
    seen: set[int] = set()
    rows = [_make_row(name, layer, layer.weights, seen) for name, layer in _walk(model, "")]
    rest = _make_row(f"0 {type(model).__name__}", model, model.weights, seen)
    return [*rows, rest] if rest.weights else rows


def list_weights(rows: Sequence[Row]) -> list[Weight]:
    """Return all weights of the rows."""
    return [weight for row in rows for weight in row.weights]


def _walk(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    layers = [layer for layer in model.layers if type(layer).__name__ not in _UNCOUNTED]
    for place, layer in enumerate(layers, 1):
        name = f"{prefix}{place} {type(layer).__name__}"
        if isinstance(layer, load_keras().Model):
            yield from _walk(layer, f"{name}/")
        else:
            yield name, layer


def _make_row(name: str, layer: Any, variables: Sequence[Any], seen: set[int]) -> Row:
    fresh = [variable for variable in variables if id(variable) not in seen]
    seen.update(map(id, fresh))
    labels = _label([_split_path(variable) for variable in fresh])
    return Row(name, layer, [Weight(f"{name} {label}", it) for label, it in zip(labels, fresh, strict=True)])


def _split_path(variable: Any) -> list[str]:
    """Return the parts of a variable's name without Keras's counters, such as `lstm`, `lstm_cell`, `kernel`."""
    path = str(getattr(variable, "path", variable.name)).partition(":")[0]
    return [re.sub(r"_\d+$", "", part) for part in path.split("/")]


def _label(paths: list[list[str]]) -> list[str]:
    """Return a short name of each weight: the last part, before it the nearest one that tells it from the others."""
    labels = []
    for path in paths:
        rivals = [other for other in paths if other[-1] == path[-1]]
        label = path[-1]
        for depth in range(2, len(path) + 1 if len(rivals) > 1 else 0):
            parts = [other[-depth] if len(other) >= depth else "" for other in rivals]
            if len(set(parts)) > 1:
                label = f"{path[-depth]} {label}"
                break
        labels.append(label)
    total, count = Counter(labels), Counter[str]()
    for place, label in enumerate(labels):
        count[label] += 1
        if total[label] > 1:
            labels[place] = f"{label} {count[label]}"
    return labels


def describe_rows(rows: Sequence[Row]) -> list[LayerRow]:
    """Return the rows as they are written down."""
    return [
        LayerRow(
            name=row.name,
            shape=_describe_shape(row.layer),
            parameters=sum(math.prod(weight.variable.shape) for weight in row.weights),
            trainable=sum(math.prod(it.variable.shape) for it in row.weights if it.variable.trainable),
        )
        for row in rows
    ]


def _describe_shape(layer: Any) -> str:
    try:
        output = layer.output
    except (AttributeError, RuntimeError, ValueError):  # of a subclassed model, or called more than once
        return ""
    outputs = output if isinstance(output, (tuple, list)) else [output]
    return ", ".join(str(tuple(it.shape)) for it in outputs if getattr(it, "shape", None) is not None)


def list_parts(layer: Any) -> list[Any]:
    """Return a layer and all layers inside it: those of wrappers, of cells, of attention."""
    return list(layer._flatten_layers())  # noqa: SLF001 - Keras 2 and 3 have no public name for it


# What draws random numbers in training, by the attribute that says how much; 0 draws none, in Keras 2 and 3.
_AMOUNTS = ("rate", "stddev", "dropout", "recurrent_dropout")


def switch_off(model: Any) -> list[str]:
    """Have no layer of Keras's draw random numbers in training any more; return the classes of those that did.

    A layer of the user's own, and one that turns or crops images at random, keeps drawing: a caller finds out by asking
    twice.
    """
    off = []
    for part in list_parts(model):
        if not type(part).__module__.split(".")[0].startswith(("keras", "tf_keras", "tensorflow")):
            continue
        for name in _AMOUNTS:
            # `dropout` of a recurrent layer is its cell's, and cannot be set on the layer.
            known = not isinstance(getattr(type(part), name, None), property)
            amount = getattr(part, name, None) if known else None
            if isinstance(amount, (int, float)) and amount > 0:
                setattr(part, name, 0.0)
                off.append(type(part).__name__)
    return off
