"""A model that trains itself, by a `train_step` of its own: the gradient's norm is clipped and reported."""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class Clipped(keras.Model):
    """A model of which each step moves by a gradient of norm 1 at most."""

    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, self.trainable_variables), 1.0)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        figures = self.compute_metrics(x, y, y_pred, None)
        return {**figures, "loss": loss, "norm": tf.linalg.global_norm(gradients)}


def build():
    x = layers.Input((10,))
    hidden = layers.Dense(48, activation="tanh")(layers.Dense(48, activation="tanh")(x))
    model = Clipped(x, layers.Dense(1)(hidden))
    model.compile(loss="huber", optimizer=keras.optimizers.SGD(0.1), metrics=["mse"])
    return model


def data():
    rng = np.random.RandomState(37)
    x = rng.uniform(-2, 2, (2500, 10)).astype("float32")
    y = (np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3] + 0.1 * rng.normal(0, 1, (2500, 1))).astype("float32")
    return (x[:2000], y[:2000]), (x[2000:], y[2000:])


def fit():
    return {"epochs": 10, "batch_size": 32}
