"""A convolutional network for small pictures, with dropout: ten shapes in noise, 28 x 28 pixels."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


def build():
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def data():
    rng = np.random.RandomState(7)
    shapes = np.repeat(np.repeat(rng.rand(10, 7, 7) > 0.5, 4, axis=1), 4, axis=2)
    y = rng.randint(0, 10, 3000)
    x = (0.6 * shapes[y] + rng.normal(0, 1.5, (3000, 28, 28)))[..., np.newaxis].astype("float32")
    return (x[:2000], y[:2000]), (x[2000:], y[2000:])


def fit():
    return {"epochs": 5, "batch_size": 64, "validation_split": 0.1}
