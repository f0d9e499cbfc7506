"""The lab's three models: their layers and figures, and how Keras builds them."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_bench.training.backend import load_keras

if TYPE_CHECKING:
    from mnist_bench.records.config import TrainingConfig

__all__ = [
    "CLASSES",
    "LABS",
    "LAB_ARITHMETIC",
    "PIXELS",
    "SET_BY",
    "Lab",
    "build_model",
    "check_lab",
    "configure_lab",
    "count_flops",
    "count_parameters",
    "explain_arithmetic",
    "explain_short",
    "find_departures",
]

PIXELS = 28 * 28
CLASSES = 10

LAB_ARITHMETIC = {"backend": "tensorflow", "precision": "float32"}
"""The lab's values of these fields of an `EnvironmentRecord`."""

SET_BY = "set by KERAS_BACKEND or in keras.json (KERAS_HOME)"
"""Where a user gives these fields other values."""


@dataclass(frozen=True)
class Lab:
    """One of the lab's models, with the figures of the lab sheet.

    Attributes:
        name: The key in `LABS`.
        hidden: Widths of the hidden layers, each followed by relu.
        dropout: Share of each hidden layer's outputs dropped in training; 0 means no dropout layer.
        epochs: Epochs that the lab trains.
        threshold: Accuracy on the test set that a sound training reaches.
        parameters: Total parameters, as the lab's model summary prints.
        sheet_accuracy: Test accuracy in the lab sheet (one run, whose seed does not reach Keras).
        sheet_loss: Test loss in the lab sheet.
    """

    name: str
    hidden: tuple[int, ...]
    dropout: float
    epochs: int
    threshold: float
    parameters: int
    sheet_accuracy: float
    sheet_loss: float


LABS = {
    lab.name: lab
    for lab in (
        # name, hidden, dropout, epochs, threshold, parameters, the sheet's test accuracy and loss
        Lab("perceptron", (), 0.0, 200, 0.92, 7_850, 0.9257, 0.2688),
        Lab("mlp", (128, 128), 0.0, 20, 0.97, 118_282, 0.9766, 0.0764),
        Lab("dropout", (128, 128), 0.3, 20, 0.97, 118_282, 0.9771, 0.0803),
    )
}


def check_lab(name: str) -> Lab:
    """Return the lab of that name.

    Raises:
        ValueError: The lab is unknown; the message lists the labs to choose from.
    """
    if name not in LABS:
        raise ValueError(f"unknown lab {name!r}: choose from {', '.join(LABS)}")
    return LABS[name]


def explain_short(name: str, epochs: int) -> str:
    """Return that a training of fewer epochs than the lab's cannot be judged as the lab's; "" of all others.

    Raises:
        ValueError: The lab is unknown.
    """
    wanted = check_lab(name).epochs
    return f"not judged: {epochs} of {wanted} epochs" if epochs < wanted else ""


def explain_arithmetic(*, backend: str, precision: str) -> str:
    """Return how a training computes that has another backend or precision than the lab's; "" of all others."""
    found = {"backend": backend, "precision": precision}
    other = {name: wanted for name, wanted in LAB_ARITHMETIC.items() if found[name] != wanted}
    told = ", ".join(f"{name} {found[name]}, not the lab's {wanted}" for name, wanted in other.items())
    return told and f"{told}: {SET_BY}"


def configure_lab(config: TrainingConfig) -> Lab:
    """Return the lab of a configuration, with the configuration's hidden layers and dropout, if it names any.

    Raises:
        ValueError: The lab is unknown.
    """
    lab = check_lab(config.lab)
    hidden = lab.hidden if config.hidden is None else config.hidden
    dropout = lab.dropout if config.dropout is None else config.dropout
    return dataclasses.replace(lab, hidden=hidden, dropout=dropout, parameters=count_parameters(hidden))


def count_parameters(hidden: tuple[int, ...]) -> int:
    """Return the parameters of a network with these hidden layers: kernels and biases."""
    sizes = (PIXELS, *hidden, CLASSES)
    return sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes))


def find_departures(config: TrainingConfig) -> dict[str, tuple[Any, Any]]:
    """Return how a training departs from its lab: for each field that differs, the training's and the lab's value.

    Another engine, seed or device is another way to the same training, and no departure.

    Raises:
        ValueError: The lab is unknown.
    """
    lab, meant = check_lab(config.lab), configure_lab(config)
    sheet = type(config)(lab=lab.name, epochs=lab.epochs)
    fields = {
        "epochs": (lab.epochs if config.epochs is None else config.epochs, lab.epochs),
        "hidden": (meant.hidden, lab.hidden),
        "dropout": (meant.dropout, lab.dropout),
    }
    for name in ("batch_size", "learning_rate", "validation_split", "optimizer"):
        fields[name] = (getattr(config, name), getattr(sheet, name))
    return {name: (value, wanted) for name, (value, wanted) in fields.items() if value != wanted}


def build_model(lab: Lab, *, inputs: int = PIXELS) -> Any:
    """Build the lab's Keras model, not compiled, with Dense and Activation as separate layers.

    Args:
        lab: The lab whose model to build.
        inputs: Width of the input; 784 in the lab.

    Returns:
        A built `keras.Sequential` from (batch, inputs) to class probabilities (batch, 10), float32.
    """
    keras = load_keras()
    layers = keras.layers
    # Input, not the sheet's `input_shape=`, of which Keras 3 warns; both build the same model.
    stack = [layers.Input((inputs,))]
    for width in lab.hidden:
        stack += [layers.Dense(width), layers.Activation("relu")]
        if lab.dropout:
            stack.append(layers.Dropout(lab.dropout))
    stack += [layers.Dense(CLASSES), layers.Activation("softmax")]
    return keras.Sequential(stack)


def count_flops(lab: Lab, samples: int, *, training: bool = True) -> int:
    """Return the floating-point operations of the matrix products for a number of samples.

    There are two for each entry of each kernel in the forward pass. Training adds two for the kernel's gradient, and
    two for the gradient of the layer's input, which the first layer does not need.
    """
    widths = (PIXELS, *lab.hidden, CLASSES)
    forward = [2 * inputs * outputs for inputs, outputs in itertools.pairwise(widths)]
    return samples * (2 * sum(forward) + sum(forward[1:]) if training else sum(forward))
