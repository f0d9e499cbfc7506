"""The structure checks are REGRESSED on a model of other layers or other initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.layers import structure
from mnist_bench.records.environment import change_environment
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.labs import LABS, build_model

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord


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


@pytest.mark.parametrize(
    ("name", "value"), [("backend", "jax"), ("precision", "float16"), ("precision", "float64"), (None, None)]
)
def test_backend_and_precision_are_the_labs(name: str | None, value: str | None, record: TrainingRecord) -> None:
    """Another backend or precision is named, and no regression; what is under test is named in any case."""
    environment = change_environment(record.environment, **{name: value} if name else {})
    result = structure.check_environment(environment, "MNIST")
    assert result.verdict is (Verdict.INCONCLUSIVE if name else Verdict.PASS)
    assert name is None or f"{name} {value}" in result.figure
    for words in (f"TensorFlow {environment.tensorflow}", f"Keras {environment.keras}", "backend", "data: MNIST"):
        assert words in result.figure


def test_a_missing_layer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with other layers is REGRESSED."""
    monkeypatch.setattr(structure, "build_model", lambda _lab: build_model(LABS["mlp"]))
    assert structure.check_layers("dropout").verdict is Verdict.REGRESSED
