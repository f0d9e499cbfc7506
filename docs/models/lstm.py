"""An LSTM that reads sequences of words, with recurrent dropout: which of two words came first?"""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


def build():
    model = keras.Sequential(
        [
            layers.Input((24,), dtype="int32"),
            layers.Embedding(50, 16),
            layers.LSTM(32, dropout=0.1, recurrent_dropout=0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def data():
    rng = np.random.RandomState(11)
    x = rng.randint(2, 50, (3000, 24))
    places = np.array([np.sort(rng.choice(24, 2, replace=False)) for _ in x])
    y = rng.randint(0, 2, 3000)
    rows = np.arange(3000)
    x[rows, places[:, 0]], x[rows, places[:, 1]] = y, 1 - y  # word 1 first, or word 0 first
    return (x[:2000], y[:2000]), (x[2000:], y[2000:])


def fit():
    return {"epochs": 6, "batch_size": 64}
