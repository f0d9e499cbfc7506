"""The same model in float64: built again, given the same weights and samples, and compared tensor by tensor.

The bound of each tensor is how far it moves in float64 when every weight and every input is moved at random by a few
units of float32's roundoff: a stable computation in float32 is the exact one of inputs that are moved by a small
multiple of the roundoff (backward error: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002,
chapters 1 and 3).
"""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.arithmetic.steps import GROUPS, STEPS, Stepper, Task, make_task, measure
from mnist_bench.own.data import map_leaves
from mnist_bench.own.file import Loaded, load_model
from mnist_bench.own.layers import list_parts
from mnist_bench.own.model import make_model
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.training.backend import KerasError, explain_error, load_keras, without_tf32

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from mnist_bench.own.records import ModelFile

    Array = npt.NDArray[Any]

__all__ = ["Comparison", "Departure", "Doubles", "UnreadableError", "compare_double", "in_float64", "make_doubles"]

ROUNDOFF = 2.0**-24  # of float32, rounding to nearest

# Weights and inputs are moved by as many roundoffs. An inner product of n terms has a backward error of at most n
# roundoffs of each term, and of sqrt(n) where errors are independent (Higham and Mary, SIAM J. Sci. Comput. 41, 2019).
# Measured on models of many kinds, see docs/own-model.md, float32 moves tensors by less than a fifth of this bound.
FACTOR = 16.0
_CANCELLED = 4.0
_DRAWS = 4  # the largest of the movements counts

_ATTEMPTS = 3  # a unit that rounding switches does so for one draw of weights and samples; a fault is there in each
_SAME = 1e-9  # two equal steps in float64 agree to this


class UnreadableError(Exception):
    """The model has no double that could be compared."""


@dataclass(frozen=True)
class Departure:
    """How far one tensor is from its double.

    Attributes:
        name: What it is, such as `2 Conv2D kernel`.
        ratio: Its distance, in multiples of the bound.
        relative: Its distance, relative to its size.
    """

    name: str
    ratio: float
    relative: float


@dataclass(frozen=True)
class Comparison:
    """One model compared with its double.

    Attributes:
        departures: Of each group, every tensor's, in the order of computation.
        unseen: Layers that have no double: they compute in a precision of their own.
        held: Those of them that have weights, so that little was compared.
        random: The groups in which random numbers are drawn that cannot be switched off.
    """

    departures: dict[str, list[Departure]]
    unseen: list[str]
    held: list[str]
    random: set[str]

    def worst(self, group: str) -> float:
        """Return the largest ratio of a group."""
        return max((it.ratio for it in self.departures[group]), default=0.0)


@dataclass(frozen=True)
class Doubles:
    """A model in float32 and in float64.

    Attributes:
        loaded: The file.
        single: In the precision of the file.
        double: In float64.
        unseen: As in `Comparison`.
        held: As in `Comparison`.
    """

    loaded: Loaded
    single: Stepper
    double: Stepper
    unseen: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """Have Keras compute in float64 while the context lasts, in what is built and in what is called."""
    keras = load_keras()
    floatx, policy = keras.backend.floatx(), keras.mixed_precision.global_policy()
    keras.backend.set_floatx("float64")
    keras.mixed_precision.set_global_policy("float64")
    try:
        yield
    finally:
        keras.backend.set_floatx(floatx)
        keras.mixed_precision.set_global_policy(policy)


@functools.lru_cache(maxsize=1)
def make_doubles(model: ModelFile) -> Doubles:
    """Build the model in both precisions.

    Raises:
        UnreadableError: The model has no double, and why.
    """
    loaded = load_model(model)
    single = Stepper(make_model(loaded, FIRST_SEED))
    halves = [row.name for row in single.rows if _find_precisions(row.layer) & {"float16", "bfloat16"}]
    if halves:
        raise UnreadableError(f"{halves[0]} computes in half precision: the bound is one of float32")
    try:
        with in_float64():
            double = Stepper(make_model(loaded, FIRST_SEED))
    except (KerasError, ValueError) as error:
        raise UnreadableError(f"the model cannot be built in float64: {explain_error(error)}") from error
    shapes = [[(it.name, tuple(it.variable.shape)) for it in stepper.weights] for stepper in (single, double)]
    if shapes[0] != shapes[1]:
        raise UnreadableError("the model has other weights when it is built in float64")
    unseen = [row.name for row in double.rows if "float32" in _find_precisions(row.layer)]
    held = [row.name for row in double.rows if row.weights and row.name in unseen]
    return Doubles(loaded, single, double, unseen, held)


def _find_precisions(layer: Any) -> set[str]:
    return {str(getattr(part, "compute_dtype", None)) for part in list_parts(layer)}


@functools.lru_cache(maxsize=1)
def compare_double(model: ModelFile) -> list[Comparison]:
    """Compare a model with its double: once if it follows, else for as many draws as attempts are allowed.

    Raises:
        UnreadableError: The model has no double, and why.
        KerasError: The model raised an error in its own precision.
    """
    doubles = make_doubles(model)
    comparisons: list[Comparison] = []
    with without_tf32():
        while len(comparisons) < _ATTEMPTS:
            comparisons.append(_compare(doubles, len(comparisons)))
            if all(any(it.worst(group) <= 1 for it in comparisons) for group in GROUPS):
                break
    return comparisons


def _compare(doubles: Doubles, draw: int) -> Comparison:
    task = make_task(doubles.loaded, doubles.single.weights, draw=draw)
    got = measure(doubles.single, task)
    rng = np.random.default_rng(FIRST_SEED + draw)
    try:
        with in_float64():
            want, again = (measure(doubles.double, task) for _ in range(2))
            bounds = _find_bounds(doubles.double, task, want, rng)
    except KerasError as error:
        raise UnreadableError(f"the model does not run in float64: {explain_error(error)}") from error
    random = {
        group
        for group in GROUPS
        if any(_norm(again[group][name] - it) > _SAME * _norm(it) for name, it in want[group].items())
    }
    for name in _list_others(doubles):
        del want["update"][name]
    departures = {group: _list_departures(got[group], want[group], bounds[group]) for group in GROUPS}
    return Comparison(departures, doubles.unseen, doubles.held, random)


def _list_others(doubles: Doubles) -> list[str]:
    """Return the updates that are another quantity in float64.

    Keras 2 normalises batches by one fused operation, which has no float64 and whose variance is that of a sample
    (n / (n - 1)), not of the batch.
    """
    fused = [
        weight.name
        for row, other in zip(doubles.single.rows, doubles.double.rows, strict=True)
        if any(getattr(it, "fused", False) for it in list_parts(row.layer))
        and not all(getattr(it, "fused", True) for it in list_parts(other.layer))
        for weight in row.weights
        if "moving_variance" in weight.name
    ]
    return [f"{name}{told}" for name in fused for told in ("", f" after {STEPS} steps")]


def _find_bounds(
    double: Stepper, task: Task, want: dict[str, dict[str, Array]], rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Return the bound of every tensor: the largest of its movements, and a floor of what moving inputs cannot show."""
    floors = _find_floors(double, task, want)
    bounds = {group: dict(floors[group]) for group in GROUPS}
    for _ in range(_DRAWS):
        # Updates are judged given the errors that gradients are allowed: Adam divides small gradients by themselves.
        noise = {
            name: rng.standard_normal(it.shape) * bounds["gradient"][name] / math.sqrt(it.size)
            for name, it in want["gradient"].items()
        }
        moved = Task(
            [_move(value, rng) for value in task.values],
            [(_move(x, rng), y) for x, y in task.batches],
            (_move(task.test[0], rng), task.test[1]),
            task.batch_size,
        )
        found = measure(double, moved, noise)
        for group in GROUPS:
            for name, tensor in want[group].items():
                movement = _norm(found[group][name] - tensor) + floors[group][name]
                bounds[group][name] = max(bounds[group][name], movement)
    return bounds


def _find_floors(double: Stepper, task: Task, want: dict[str, dict[str, Array]]) -> dict[str, dict[str, float]]:
    floors = {group: {name: FACTOR * ROUNDOFF * _norm(it) for name, it in want[group].items()} for group in GROUPS}
    # A gradient whose terms cancel, as of a bias before a normalisation, is rounding of terms larger than the others.
    every = math.sqrt(sum(_norm(it) ** 2 for it in want["gradient"].values()))
    for name in want["gradient"]:
        floors["gradient"][name] = max(floors["gradient"][name], _CANCELLED * FACTOR * ROUNDOFF * every)
    # A stored weight is rounded once in each step, however little the step moves it.
    for weight, value in zip(double.weights, task.values, strict=True):
        for label, steps in ((weight.name, 1), (f"{weight.name} after {len(task.batches)} steps", len(task.batches))):
            if label in floors["update"]:
                floors["update"][label] += 2 * ROUNDOFF * math.sqrt(steps) * _norm(value)
    return floors


def _move(structure: Any, rng: np.random.Generator) -> Any:
    """Return floating-point arrays with every entry moved by up to FACTOR roundoffs of itself, in float64."""

    def move(array: Array) -> Array:
        if array.dtype.kind != "f":
            return array
        return np.asarray(array, np.float64) * (1 + FACTOR * ROUNDOFF * rng.choice((-1.0, 1.0), array.shape))

    return map_leaves(structure, move)


def _list_departures(got: dict[str, Array], want: dict[str, Array], bounds: dict[str, float]) -> list[Departure]:
    departures = []
    for name, tensor in want.items():
        if name not in got or got[name].shape != tensor.shape:
            departures.append(Departure(name, math.inf, math.inf))
            continue
        distance, length = _norm(got[name] - tensor), _norm(tensor)
        if not math.isfinite(distance):
            # Where the double is not finite either, nothing can be told.
            departures.append(Departure(name, math.inf if math.isfinite(length) else 0.0, math.inf))
            continue
        ratio = distance / bounds[name] if bounds[name] else (math.inf if distance else 0.0)
        departures.append(Departure(name, ratio, distance / length if length else distance))
    return departures


def _norm(tensor: Array) -> float:
    return float(np.linalg.norm(np.asarray(tensor, np.float64).ravel()))
