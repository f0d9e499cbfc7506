"""Rows of layers have the same names in every version of Keras, and each weight belongs to one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.own.arithmetic.given import draw_weights
from mnist_bench.own.file import load_model
from mnist_bench.own.layers import describe_rows, list_rows, list_weights, switch_off
from mnist_bench.own.model import make_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.own.records import OwnConfig

NESTED = """
class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.attention = layers.MultiHeadAttention(2, 3, dropout=0.1)
        self.parts = [layers.Dense(6), layers.Dense(6)]

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x + self.attention(x, x)


def build():
    inner = keras.Sequential([layers.Input((6,)), layers.Dense(4), layers.Dense(6)])
    x = layers.Input((6,))
    h = layers.Reshape((2, 3))(inner(x) + x)
    h = layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.2))(h)
    model = keras.Model(x, layers.Dense(3)(layers.GaussianNoise(0.1)(layers.Flatten()(Block()(h)))))
    model.compile(optimizer="sgd", loss="mse")
    return model
"""


def test_rows_and_weights_are_named(configure_model: Callable[..., OwnConfig]) -> None:
    """Nested models, wrappers and a layer of the user's own."""
    loaded = load_model(configure_model(build=NESTED).model)
    model = make_model(loaded, 1)
    rows = list_rows(model)
    assert [row.name for row in rows] == [
        *("1 Sequential/1 Dense", "1 Sequential/2 Dense", "2 Reshape", "3 Bidirectional", "4 Block", "5 Flatten"),
        *("6 GaussianNoise", "7 Dense"),
    ]
    weights = list_weights(rows)
    names = [weight.name for weight in weights]
    assert len(set(names)) == len(names) == len(model.weights)
    assert {"1 Sequential/1 Dense kernel", "3 Bidirectional forward_lstm recurrent_kernel"} <= set(names)
    assert {"4 Block query kernel", "4 Block dense kernel 2"} <= set(names)
    described = {row.name: row for row in describe_rows(rows)}
    assert described["7 Dense"].shape == "(None, 3)"
    assert sum(row.parameters for row in described.values()) == model.count_params()


def test_random_layers_are_switched_off(configure_model: Callable[..., OwnConfig]) -> None:
    """Those inside wrappers and attention, too: two calls in training agree."""
    loaded = load_model(configure_model(build=NESTED).model)
    model = make_model(loaded, 1)
    x = loaded.data.x[:4].astype("float32")
    assert (model(x, training=True).numpy() != model(x, training=True).numpy()).any()
    assert {"GaussianNoise", "Dropout", "LSTMCell"} <= set(switch_off(model))
    assert (model(x, training=True).numpy() == model(x, training=True).numpy()).all()


def test_given_weights_do_not_depend_on_the_initialiser(configure_model: Callable[..., OwnConfig]) -> None:
    """Another initialiser and another seed give the same weights; constants stay near what they are."""
    build = """
def build():
    model = keras.Sequential([
        layers.Input((6,)), layers.Dense(5, kernel_initializer="INIT"), layers.LayerNormalization(), layers.Dense(3),
    ])
    model.compile(optimizer="sgd", loss="mse")
    return model
"""
    drawn = []
    for place, name in enumerate(("he_normal", "random_uniform")):
        config = configure_model(build=build.replace("INIT", name), name=f"bench_{place}.py")
        loaded = load_model(config.model)
        drawn.append(draw_weights(loaded, list_weights(list_rows(make_model(loaded, place)))))
    assert all((a == b).all() for a, b in zip(*drawn, strict=True))
    gamma = drawn[0][2]
    assert (abs(gamma - 1) <= 0.1).all()
    assert (gamma != 1).any()
