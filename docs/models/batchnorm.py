"""A small residual network with batch normalization, trained by SGD with momentum."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


def normalize():
    return layers.BatchNormalization(momentum=0.9)


def unit(x, filters):
    y = layers.Activation("relu")(normalize()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)))
    y = normalize()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
    return layers.Activation("relu")(layers.Add()([x, y]))


def build():
    picture = layers.Input((16, 16, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(picture)
    x = layers.Activation("relu")(normalize()(x))
    x = layers.GlobalAveragePooling2D()(unit(unit(x, 16), 16))
    model = keras.Model(picture, layers.Dense(5, activation="softmax")(x))
    model.compile(
        loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(0.02, momentum=0.9), metrics=["accuracy"]
    )
    return model


def data():
    rng = np.random.RandomState(29)
    textures = rng.normal(0, 1, (5, 4, 4, 3))
    labels = rng.randint(0, 5, 1500)
    x = (np.tile(textures[labels], (1, 4, 4, 1)) + rng.normal(0, 1.8, (1500, 16, 16, 3))).astype("float32")
    y = np.eye(5, dtype="float32")[labels]
    return (x[:1000], y[:1000]), (x[1000:], y[1000:])


def fit():
    return {"epochs": 6, "batch_size": 50}
