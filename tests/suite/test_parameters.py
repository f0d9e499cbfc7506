"""Parameters: layers, parameter counts and initial weights of the lab's models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.layers import structure
from mnist_bench.checks.sheet.figures import LAYERS
from mnist_bench.training.labs import LABS, build_model
from mnist_bench.training.runner import describe_layers

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(("lab", "total"), [("perceptron", 7_850), ("mlp", 118_282), ("dropout", 118_282)])
def test_each_layer_has_the_sheets_parameters(lab: str, total: int) -> None:
    """Each row of the model's summary is the lab sheet's: kind, width and parameters, all of them trainable."""
    layers = describe_layers(build_model(LABS[lab]))
    assert tuple((layer.kind, layer.units, layer.parameters) for layer in layers) == LAYERS[lab]
    assert sum(layer.parameters for layer in layers) == sum(layer.trainable for layer in layers) == total


def test_layers(mnist_lab: str, mnist_hold: Callable[..., None]) -> None:
    """Kinds, widths, parameters and activations are the lab's."""
    mnist_hold(structure.check_layers(mnist_lab))


def test_initial_weights(mnist_lab: str, mnist_hold: Callable[..., None]) -> None:
    """Kernels are glorot uniform, biases zero."""
    mnist_hold(structure.check_initial_weights(mnist_lab))
