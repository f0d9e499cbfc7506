"""Structure: layers, parameters and initial weights of the lab's models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.layers import structure
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.labs import LABS, build_model
from mnist_bench.training.runner import describe_layers

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("lab", "parameters"),
    [
        pytest.param("perceptron", [7_850, 0], id="perceptron"),
        pytest.param("mlp", [100_480, 0, 16_512, 0, 1_290, 0], id="mlp"),
        pytest.param("dropout", [100_480, 0, 0, 16_512, 0, 0, 1_290, 0], id="dropout"),
    ],
)
def test_each_layer_has_the_sheets_parameters(lab: str, parameters: list[int]) -> None:
    """Each row of the layer table is that of the lab sheet's summary."""
    layers = describe_layers(build_model(LABS[lab]))
    assert [layer.parameters for layer in layers] == parameters
    assert [layer.trainable for layer in layers] == parameters
    assert sum(parameters) == LABS[lab].parameters


def test_layers(mnist_lab: str, mnist_hold: Callable[..., None]) -> None:
    """Kinds, widths, parameters and activations are the lab's."""
    mnist_hold(structure.check_layers(mnist_lab))


def test_initial_weights(mnist_lab: str, mnist_hold: Callable[..., None]) -> None:
    """Kernels are glorot uniform, biases zero."""
    mnist_hold(structure.check_initial_weights(mnist_lab))


@pytest.mark.parametrize(
    "initializer", [pytest.param("he_uniform", id="too wide"), pytest.param("lecun_uniform", id="another variance")]
)
def test_another_initializer_is_found(initializer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels of another distribution are REGRESSED."""
    from mnist_bench.training.backend import load_keras

    keras = load_keras()

    def build(lab: object) -> object:
        del lab
        layer = keras.layers.Dense(128, kernel_initializer=initializer)
        return keras.Sequential([keras.layers.Input((784,)), layer])

    monkeypatch.setattr(structure, "build_model", build)
    assert structure.check_initial_weights("mlp").verdict is Verdict.REGRESSED


def test_a_missing_layer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with other layers is REGRESSED."""
    monkeypatch.setattr(structure, "build_model", lambda _lab: build_model(LABS["mlp"]))
    assert structure.check_layers("dropout").verdict is Verdict.REGRESSED
