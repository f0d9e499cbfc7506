"""Where faults are planted: the public functions and classes of the installed Keras, wrapped or replaced."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.training.backend import load_keras, load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "change_calls",
    "change_compile",
    "change_dense",
    "change_dense_by_units",
    "change_fit",
    "change_gradients",
    "change_optimizer",
    "change_training_calls",
    "change_weights_after_fit",
    "random_modules",
    "wrap",
]


def wrap(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a function of a class or module by what `make` makes of it."""
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(make(original)))


def change_dense(**changes: Callable[[Any], Any]) -> None:
    """Have Dense layers made with other arguments: each is what its change makes of the one given, or of None."""
    change_dense_by_units(lambda _units, named: {key: change(named.get(key)) for key, change in changes.items()})


def change_dense_by_units(change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> None:
    """Have Dense layers made with what `change` gives, from their units and arguments, in place of the arguments."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        # Keras reads the names of the arguments, and does not follow what `functools.wraps` notes.
        def init(self: Any, units: int, **named: Any) -> None:
            original(self, units, **{**named, **change(units, named)})

        return init

    wrap(load_keras().layers.Dense, "__init__", make)


def change_fit(change: Callable[[Any, Any, int, dict[str, Any]], tuple[Any, Any]]) -> None:
    """Have `fit` train on other samples.

    Args:
        change: Called with x, y, the number of training samples, which come before those of validation, and the other
            arguments of `fit`, which it may change; returns x and y.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def fit(self: Any, x: Any, y: Any, **named: Any) -> Any:
            split = int(len(x) * (1 - named.get("validation_split", 0.0)) + 1e-6)
            x, y = change(np.array(x), np.array(y), split, named)
            return original(self, x, y, **named)

        return fit

    wrap(load_keras().Model, "fit", make)


def change_training_calls(change: Callable[[Any, Callable[..., Any]], Callable[..., Any]]) -> None:
    """Have the function that `fit` trains by, called for a step or for an epoch, be what `change` makes of it.

    Args:
        change: Called with the model and the function.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def make_train_function(self: Any, force: bool = False) -> Any:  # noqa: FBT001, FBT002 - as Keras has it
            before = self.train_function
            original(self, force)
            if self.train_function is not before:
                self.train_function = change(self, self.train_function)
            return self.train_function

        return make_train_function

    wrap(load_keras().Model, "make_train_function", make)


def change_compile(change: Callable[[dict[str, Any]], None]) -> None:
    """Have `compile` called with other arguments, which `change` changes in place."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def compile_(self: Any, *args: Any, **named: Any) -> Any:
            change(named)
            return original(self, *args, **named)

        return compile_

    wrap(load_keras().Model, "compile", make)


def change_optimizer(make: Callable[[Any, dict[str, Any]], Any]) -> None:
    """Have `optimizers.SGD` give what `make` makes of the optimizers' module (as it was) and the arguments."""
    optimizers = load_keras().optimizers
    genuine = {name: getattr(optimizers, name) for name in ("SGD", "Adam", "RMSprop", "Adagrad", "Ftrl")}
    module = type("Optimizers", (), genuine)
    optimizers.SGD = lambda **named: make(module, named)


def change_gradients(change: Callable[[list[Any], list[Any]], list[Any]]) -> None:
    """Have SGD apply other gradients: `change` is called with gradients and variables when the step is traced."""
    optimizers = load_keras().optimizers

    class SGD(optimizers.SGD):  # type: ignore[misc,name-defined] # Keras is untyped
        def apply_gradients(self, grads_and_vars: Any, *args: Any, **named: Any) -> Any:
            gradients, variables = map(list, zip(*grads_and_vars, strict=True))
            pairs = zip(change(gradients, variables), variables, strict=True)
            return super().apply_gradients(list(pairs), *args, **named)

    optimizers.SGD = SGD


def change_calls(layer: str, change: Callable[[Any, Any, Callable[..., Any], dict[str, Any]], Any]) -> None:
    """Have the `call` of a layer's class give what `change` makes of the layer, the input, the call and its options."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        # Keras looks at the signature for `training`: `functools.wraps` keeps it.
        def call(self: Any, inputs: Any, *args: Any, **named: Any) -> Any:
            named.update(zip(("training",), args, strict=False))
            return change(self, inputs, functools.partial(original, self), named)

        return call

    wrap(getattr(load_keras().layers, layer), "call", make)


def change_weights_after_fit(change: Callable[[list[Any]], list[Any]]) -> None:
    """Have every training end with other weights."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def fit(self: Any, *args: Any, **named: Any) -> Any:
            result = original(self, *args, **named)
            self.set_weights(change([np.array(weight) for weight in self.get_weights()]))
            return result

        return fit

    wrap(load_keras().Model, "fit", make)


def random_modules() -> list[Any]:
    """Return the modules by which Keras finds TensorFlow's random functions."""
    tf = load_tensorflow()
    return [tf.random, tf.compat.v2.random]
