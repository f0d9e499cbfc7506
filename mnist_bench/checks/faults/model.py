"""Faults of the model: layers, activations, initial weights, regularisers, dropout."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.checks.faults.fault import ANY, Fault, collect
from mnist_bench.checks.faults.seams import change_calls, change_dense, change_dense_by_units, change_weights_after_fit
from mnist_bench.training.backend import load_keras, load_tensorflow
from mnist_bench.training.labs import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {}
_fault = partial(collect, FAULTS, "model")
_CRIME, _MUTATION = "DeepCrime", "DeepMutation"

_PASS = ("gradient", "backward pass")


def _activation(name: str, change: Callable[[Any], Any]) -> None:
    """Have the activation of that name computed by `change`; the layer still bears the name."""

    def call(layer: Any, inputs: Any, original: Any, named: Any) -> Any:
        del named
        return change(inputs) if layer.activation.__name__ == name else original(inputs)

    change_calls("Activation", call)


@_fault("relu-leaky", "relu lets a share of negative inputs through", 0.3, 0.01, 1e-4, causes=_PASS, source=_CRIME)
def _leak(slope: float) -> None:
    _activation("relu", lambda x: load_tensorflow().nn.leaky_relu(x, slope))


@_fault("relu-removed", "hidden layers have no activation", 1, causes=_PASS, source=_CRIME)
def _remove_relu(_on: float) -> None:
    _activation("relu", lambda x: x)


@_fault("relu-replaced", "tanh, or elu, in the place of relu", 2, 1, causes=_PASS, source=_CRIME)
def _replace_relu(which: float) -> None:
    _activation("relu", load_tensorflow().tanh if which > 1 else load_tensorflow().nn.elu)


@_fault(
    "relu-capped",
    "relu ends at a largest value",
    1,
    6,
    causes=_PASS,
    unseen="no activation reaches 6 here",
    unseen_from=6,
)
def _cap_relu(top: float) -> None:
    _activation("relu", lambda x: load_tensorflow().clip_by_value(x, 0.0, top))


@_fault("softmax-tempered", "softmax divides its input", 2, 1.01, 1.0001, causes=_PASS)
def _temper(temperature: float) -> None:
    _activation("softmax", lambda x: load_tensorflow().nn.softmax(x / temperature))


@_fault("bias-removed", "the layers add no bias", 1, causes=("tensor scale",), source=_CRIME)
def _remove_bias(_on: float) -> None:
    change_calls("Dense", lambda layer, x, _original, _named: load_tensorflow().matmul(x, layer.kernel))


@_fault("neuron-blocked", "one neuron gives 0", 1, causes=_PASS, source=_MUTATION)
def _block(_on: float) -> None:
    _scale_neuron(0.0)


@_fault("neuron-inverted", "one neuron gives the negative of its value", 1, causes=_PASS, source=_MUTATION)
def _invert(_on: float) -> None:
    _scale_neuron(-1.0)


def _scale_neuron(factor: float) -> None:
    def call(_layer: Any, inputs: Any, original: Any, _named: Any) -> Any:
        outputs = original(inputs)
        factors = np.ones(outputs.shape[-1], np.float32)
        factors[3] = factor
        return outputs * factors

    change_calls("Dense", call)


@_fault("weights-fuzzed", "trained weights get noise", 0.1, 1e-3, 1e-5, causes=("other change",), source=_MUTATION)
def _fuzz(size: float) -> None:
    def change(weights: list[Any]) -> list[Any]:
        rng = np.random.RandomState(0)
        return [(w + rng.normal(0, size, w.shape)).astype(np.float32) for w in weights]

    change_weights_after_fit(change)


@_fault(
    "weights-shuffled", "the weights of some neurons are shuffled", 8, 1, causes=("other change",), source=_MUTATION
)
def _shuffle(count: float) -> None:
    def change(weights: list[Any]) -> list[Any]:
        rng = np.random.RandomState(0)
        for column in range(int(count)):
            weights[0][:, column] = rng.permutation(weights[0][:, column])
        return weights

    change_weights_after_fit(change)


_OTHER = {3: "he_uniform", 2: "glorot_normal", 1: "lecun_uniform"}


@_fault(
    "initialiser-replaced",
    "another initialiser: he uniform, glorot normal, lecun uniform",
    *(3, 2, 1),
    causes=("initial weights",),
    source=_CRIME,
    engines=ANY,
)
def _replace_initialiser(which: float) -> None:
    change_dense(kernel_initializer=lambda it: it or _OTHER[int(which)])


@_fault(
    "initialiser-scaled", "initial kernels are too large", 1.1, 1.01, 1.001, causes=("initial weights",), engines=ANY
)
def _scale_initialiser(factor: float) -> None:
    def call(self: Any, *args: Any, **named: Any) -> Any:
        return original(self, *args, **named) * factor

    initializer = load_keras().initializers.GlorotUniform
    original = initializer.__call__
    initializer.__call__ = call


@_fault(
    "biases-not-zero", "biases start at a constant", 0.1, 1e-3, causes=("initial weights",), source=_CRIME, engines=ANY
)
def _start_biases(value: float) -> None:
    change_dense(
        bias_initializer=lambda it: it or load_keras().initializers.Constant(value),
    )


@_fault("l2-added", "a penalty on squared weights", 1e-2, 1e-4, 1e-6, causes=("weight decay",), source=_CRIME)
def _add_l2(size: float) -> None:
    penalty = load_keras().regularizers.L2(size)
    change_dense(kernel_regularizer=lambda it: it or penalty)


@_fault("l1-added", "a penalty on weights", 1e-3, 1e-5, causes=("weight decay", "gradient"), source=_CRIME)
def _add_l1(size: float) -> None:
    penalty = load_keras().regularizers.L1(size)
    change_dense(kernel_regularizer=lambda it: it or penalty)


@_fault(
    "layers-frozen", "no layer is trained, or the last one alone", 2, 1, causes=("layers", "tensor scale"), engines=ANY
)
def _freeze(which: float) -> None:
    change_dense_by_units(lambda units, _named: {"trainable": which == 1 and units == CLASSES})


@_fault(
    "dropout-rate", "dropout drops another share", 0.2, 0.05, 0.02, causes=("dropout",), source=_CRIME, lab="dropout"
)
def _change_rate(more: float) -> None:
    def call(layer: Any, inputs: Any, _original: Any, named: Any) -> Any:
        tf = load_tensorflow()
        return tf.nn.dropout(inputs, layer.rate + more) if _is_training(named) else inputs

    change_calls("Dropout", call)


@_fault("dropout-scale", "kept units have another scale", 0.7, 0.99, 0.999, causes=("dropout",), lab="dropout")
def _scale_kept(factor: float) -> None:
    def call(_layer: Any, inputs: Any, original: Any, named: Any) -> Any:
        outputs = original(inputs, **named)
        return outputs * factor if _is_training(named) else outputs

    change_calls("Dropout", call)


@_fault("dropout-off", "dropout is off in training", 1, causes=("dropout",), lab="dropout")
def _turn_off(_on: float) -> None:
    change_calls("Dropout", lambda _layer, inputs, _original, _named: inputs * 1.0)


@_fault("dropout-in-evaluation", "dropout is on in evaluation", 1, causes=("dropout",), lab="dropout")
def _turn_on(_on: float) -> None:
    change_calls("Dropout", lambda _layer, inputs, original, _named: original(inputs, training=True))


@_fault("dropout-same-mask", "each step has the same mask", 1, causes=("dropout",), lab="dropout")
def _fix_mask(_on: float) -> None:
    def call(layer: Any, inputs: Any, _original: Any, named: Any) -> Any:
        tf = load_tensorflow()
        if not _is_training(named):
            return inputs
        drawn = tf.random.stateless_uniform(tf.shape(inputs), (1, len(layer.name)))
        return inputs * tf.cast(drawn >= layer.rate, tf.float32) / (1 - layer.rate)

    change_calls("Dropout", call)


@_fault(
    "dropout-by-column",
    "a unit is dropped for the whole batch at once",
    1,
    causes=("dropout", "unknown"),
    lab="dropout",
)
def _drop_columns(_on: float) -> None:
    def call(layer: Any, inputs: Any, _original: Any, named: Any) -> Any:
        tf = load_tensorflow()
        if not _is_training(named):
            return inputs
        return tf.nn.dropout(inputs, layer.rate, noise_shape=(1, inputs.shape[-1]))

    change_calls("Dropout", call)


def _is_training(named: dict[str, Any]) -> bool:
    """Return whether a call is a training step's: Keras says so in Python wherever `fit` and `evaluate` call."""
    return named.get("training") is True
