"""Two inputs and two outputs with a loss each: a category and a number, from a picture and a row of a table."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


def build():
    picture, row = layers.Input((12, 12, 1), name="picture"), layers.Input((5,), name="row")
    seen = layers.Flatten()(layers.MaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(picture)))
    joined = layers.Dense(32, activation="relu")(layers.Concatenate()([seen, row]))
    kind = layers.Dense(3, activation="softmax", name="kind")(joined)
    size = layers.Dense(1, name="size")(joined)
    model = keras.Model([picture, row], [kind, size])
    model.compile(
        loss=["sparse_categorical_crossentropy", "mse"],
        loss_weights=[1.0, 0.5],
        optimizer="adam",
        metrics=[["accuracy"], ["mae"]],
    )
    return model


def data():
    rng = np.random.RandomState(31)
    kinds, rows = rng.randint(0, 3, 1800), rng.normal(0, 1, (1800, 5)).astype("float32")
    shapes = rng.rand(3, 12, 12) > 0.5
    pictures = (shapes[kinds] + rng.normal(0, 0.7, (1800, 12, 12)))[..., np.newaxis].astype("float32")
    sizes = (rows[:, 0] * rows[:, 1] + kinds).astype("float32")
    return ((pictures[:1200], rows[:1200]), (kinds[:1200], sizes[:1200])), (
        (pictures[1200:], rows[1200:]),
        (kinds[1200:], sizes[1200:]),
    )


def fit():
    return {"epochs": 6, "batch_size": 32}
