"""A regression on a table, with preprocessing layers and early stopping: numbers and a category, by name."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers


def build():
    (x, _), _ = data()
    scale = layers.Normalization()
    scale.adapt(x["numbers"])
    numbers, kind = layers.Input((6,), name="numbers"), layers.Input((1,), name="kind", dtype="int32")
    joined = layers.Concatenate()([scale(numbers), layers.CategoryEncoding(4, output_mode="one_hot")(kind)])
    hidden = layers.Dense(32, activation="relu")(layers.Dense(32, activation="relu")(joined))
    model = keras.Model({"numbers": numbers, "kind": kind}, layers.Dense(1)(hidden))
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(0.01), metrics=["mae"])
    return model


def data():
    rng = np.random.RandomState(23)
    numbers = rng.normal(5, 3, (2000, 6)).astype("float32")
    kind = rng.randint(0, 4, (2000, 1))
    y = numbers[:, 0] - 0.1 * numbers[:, 1] * numbers[:, 2] + 2 * kind[:, 0] + rng.normal(0, 0.3, 2000)
    table = {"numbers": numbers, "kind": kind}
    train, test = ({name: column[part] for name, column in table.items()} for part in (slice(1500), slice(1500, None)))
    return (train, y[:1500].astype("float32")), (test, y[1500:].astype("float32"))


def fit():
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    return {"epochs": 30, "batch_size": 32, "validation_split": 0.2, "callbacks": [stop]}
