"""A small transformer with layers of its own, without `get_config`: which of four words is the most frequent?"""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class Embedded(layers.Layer):
    """Words and places, embedded and added."""

    def __init__(self, words, length, width):
        super().__init__()
        self.words, self.places = layers.Embedding(words, width), layers.Embedding(length, width)
        self.length = length

    def call(self, x):
        return self.words(x) + self.places(tf.range(self.length))


class Block(layers.Layer):
    """Self-attention and two dense layers, each with dropout, a shortcut and a normalization."""

    def __init__(self, width):
        super().__init__()
        self.attention = layers.MultiHeadAttention(num_heads=2, key_dim=width // 2)
        self.inner, self.outer = layers.Dense(2 * width, activation="relu"), layers.Dense(width)
        self.drops = [layers.Dropout(0.1), layers.Dropout(0.1)]
        self.norms = [layers.LayerNormalization(epsilon=1e-6), layers.LayerNormalization(epsilon=1e-6)]

    def call(self, x, training=None):
        x = self.norms[0](x + self.drops[0](self.attention(x, x), training=training))
        return self.norms[1](x + self.drops[1](self.outer(self.inner(x)), training=training))


def build():
    words = layers.Input((32,), dtype="int32")
    x = Block(32)(Embedded(20, 32, 32)(words))
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(words, layers.Dense(4)(x))
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), optimizer="adam", metrics=["accuracy"]
    )
    return model


def data():
    rng = np.random.RandomState(17)
    x = rng.randint(0, 20, (2500, 32))
    counts = np.stack([(x == word).sum(axis=1) for word in range(4)], axis=1)
    y = counts.argmax(axis=1)
    return (x[:1800], y[:1800]), (x[1800:], y[1800:])


def fit():
    return {"epochs": 5, "batch_size": 32}
