"""A GRU in both directions over sequences of numbers: does the sum of the marked ones exceed a half of their number?"""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


def build():
    model = keras.Sequential(
        [
            layers.Input((20, 2)),
            layers.Bidirectional(layers.GRU(24, return_sequences=True)),
            layers.GRU(24),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        loss="binary_crossentropy",
        optimizer=keras.optimizers.RMSprop(0.003),
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
    )
    return model


def data():
    rng = np.random.RandomState(13)
    values, marks = rng.rand(2400, 20), rng.rand(2400, 20) < 0.3
    y = ((values * marks).sum(axis=1) > 0.5 * marks.sum(axis=1)).astype("int32")
    x = np.stack([values, marks], axis=2).astype("float32")
    return (x[:1600], y[:1600]), (x[1600:], y[1600:])


def fit():
    return {"epochs": 5, "batch_size": 32}
