"""The stages of a user's own model: complete, repeated, and the first that moves names the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.own.file import load_model
from mnist_bench.own.layers import list_rows
from mnist_bench.own.model import make_model
from mnist_bench.own.stages import _name_initial, probe
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.environment import digest_arrays
from mnist_bench.training.backend import load_keras

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.own.records import OwnConfig, OwnProbe

BUILD = """
def build():
    model = keras.Sequential([
        layers.Input((6,)), layers.Dense(5), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(3),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model
"""


def find_moved(first: OwnProbe, second: OwnProbe) -> list[str]:
    """Return the names of the stages whose digests differ."""
    pairs = zip(first.stages, second.stages, strict=True)
    return [a.name for a, b in pairs if (a.name, a.digest) != (b.name, b.digest)]


@pytest.mark.slow
def test_a_probe_is_complete_and_repeats_itself(
    configure_model: Callable[..., OwnConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every layer and weight has its stages; a changed momentum moves the update of that layer's averages first."""
    config = configure_model(build=BUILD)
    clean, again = probe(config), probe(config)
    assert find_moved(clean, again) == []
    names = [stage.name for stage in clean.stages]
    assert names[:5] == [
        *("initial weights: 1 Dense", "initial weights: 2 BatchNormalization", "initial weights: 4 Dense"),
        *("data order", "masks: 3 Dropout"),
    ]
    assert {"forward: 2 BatchNormalization", "loss", "gradient: 1 Dense kernel", "evaluation: accuracy"} <= set(names)
    assert names[-3:] == ["weights after epoch 1", "weights after epoch 2", "weights after epoch 5"]

    original = load_keras().layers.BatchNormalization.__init__

    def start(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.momentum = 0.9

    monkeypatch.setattr(load_keras().layers.BatchNormalization, "__init__", start)
    moved = find_moved(clean, probe(config))
    assert moved[:2] == ["update: 2 BatchNormalization moving_mean", "update: 2 BatchNormalization moving_variance"]
    assert all(name.startswith("weights after epoch") for name in moved[2:])


def test_a_counter_is_no_weight(configure_model: Callable[..., OwnConfig]) -> None:
    """Keras 2 keeps the number of adapted samples, Keras 3 does not: no number of the model depends on that."""
    build = """
def build():
    scale = layers.Normalization()
    scale.adapt(np.arange(12, dtype="float32").reshape(2, 6))
    scale.count.assign(COUNT)
    model = keras.Sequential([layers.Input((6,)), scale, layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="sgd", loss=loss, metrics=["accuracy"])
    return model
"""
    first, second = (
        {
            name: digest_arrays(arrays)
            for name, arrays in _name_initial(list_rows(make_model(load_model(config.model), FIRST_SEED)))
        }
        for config in (configure_model(build=build.replace("COUNT", count)) for count in ("2", "0"))
    )
    assert [*first] == ["initial weights: 1 Normalization", "initial weights: 2 Dense"]
    assert first == second
