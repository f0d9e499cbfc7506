"""A convolutional autoencoder that takes the noise out of pictures: no classes, and the target is a picture."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


def build():
    picture = layers.Input((16, 16, 1))
    x = layers.Conv2D(16, 3, activation="relu", padding="same", strides=2)(picture)
    x = layers.Conv2D(8, 3, activation="relu", padding="same", strides=2)(x)
    x = layers.Conv2DTranspose(8, 3, activation="relu", padding="same", strides=2)(x)
    x = layers.Conv2DTranspose(16, 3, activation="relu", padding="same", strides=2)(x)
    model = keras.Model(picture, layers.Conv2D(1, 3, activation="sigmoid", padding="same")(x))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["mae"])
    return model


def data():
    rng = np.random.RandomState(19)
    y = np.repeat(np.repeat(rng.rand(1500, 4, 4, 1) > 0.5, 4, axis=1), 4, axis=2).astype("float32")
    x = np.clip(y + rng.normal(0, 0.5, y.shape), 0, 1).astype("float32")
    return (x[:1200], y[:1200]), (x[1200:], y[1200:])


def fit():
    return {"epochs": 5, "batch_size": 32}
