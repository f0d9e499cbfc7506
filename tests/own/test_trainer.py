"""A training of a user's own model becomes a record: figures, digests, classes, times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_bench.own.figures import count_classes
from mnist_bench.own.file import ModelFileError
from mnist_bench.own.trainer import train
from mnist_bench.records.config import TrainingConfig
from mnist_bench.training import runner
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.own.records import OwnConfig
    from mnist_bench.training.data.dataset import Dataset, Prepared

LAB = """
def build():
    stack = [layers.Input((784,))]
    for width in {hidden}:
        stack += [layers.Dense(width), layers.Activation("relu")]
        if {dropout}:
            stack.append(layers.Dropout({dropout}))
    model = keras.Sequential([*stack, layers.Dense(10), layers.Activation("softmax")])
    model.compile(
        loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(0.1), metrics=["accuracy"], jit_compile=False
    )
    return model
"""
LAB_DATA = """
def data():
    with np.load({path!r}) as it:
        return (it["x_fit"], it["y_fit"]), (it["x_test"], it["y_test"])
"""
LAB_FIT = """
def fit():
    return {"epochs": 2, "batch_size": 128, "validation_split": 0.2}
"""


@pytest.mark.parametrize("name", ["perceptron", "dropout"])
def test_the_lab_is_one_instance(
    configure_model: Callable[..., OwnConfig], tiny: Dataset, prepared: Prepared, tmp_path: Path, name: str
) -> None:
    """A lab as a model file ends in the same bits and figures as the lab's own training."""
    lab = LABS[name]
    build = LAB.format(hidden=lab.hidden, dropout=lab.dropout)
    arrays = {name: getattr(prepared, name) for name in ("x_fit", "y_fit", "x_test", "y_test")}
    np.savez(tmp_path / "lab.npz", **arrays)
    own = train(
        configure_model(build=build, data=LAB_DATA.format(path=str(tmp_path / "lab.npz")), fit=LAB_FIT, seed=1671)
    )
    config = TrainingConfig(lab=name, engine="graph", seed=1671, epochs=2, device="cpu")
    record = runner.train(config, dataset=tiny)
    assert (own.initial_digest, own.final_digest) == (record.initial_digest, record.final_digest)
    assert own.parameters == lab.parameters
    assert own.by_metric["accuracy"] == pytest.approx(record.test_accuracy)
    assert own.by_metric["loss"] == pytest.approx(record.test_loss)
    assert own.history["val_loss"] == record.history.val_loss
    assert record.predictions is not None
    assert own.class_sizes == record.predictions.class_sizes
    assert own.class_errors == record.predictions.class_errors


def test_a_training_is_recorded(configure_model: Callable[..., OwnConfig]) -> None:
    """Columns have one value an epoch; the metrics know their directions, margins and bounds."""
    own = train(configure_model(rest="margins = {'accuracy': 0.1}\n"))
    assert own.epochs == 2
    assert set(own.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    metrics = {metric.name: (metric.better, metric.margin, metric.bounded) for metric in own.metrics}
    assert metrics == {"loss": ("lower", None, False), "accuracy": ("higher", 0.1, True)}
    assert sum(own.class_sizes) == 32
    assert own.peak_memory is None or own.peak_memory > 10_000_000
    assert own.environment.op_determinism


def test_a_seed_decides(configure_model: Callable[..., OwnConfig]) -> None:
    """The same seed gives the same weights and predictions, the next one others."""
    first, again, other = (train(configure_model(seed=seed)) for seed in (1, 1, 2))
    assert first.final_digest == again.final_digest != other.final_digest
    assert first.predictions_digest == again.predictions_digest


EARLY = """
def fit():
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=0, min_delta=100.0)
    return {"epochs": 9, "validation_split": 0.25, "callbacks": [stop]}
"""
CUSTOM = """
class Scale(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.scale


class Custom(keras.Model):
    def __init__(self):
        super().__init__()
        self.scale, self.dense = Scale(), layers.Dense(3)

    def call(self, x):
        return self.dense(self.scale(x))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, self(x), from_logits=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        return {"own_loss": loss}

    def test_step(self, data):
        x, y = data
        return {"own_loss": tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, self(x), from_logits=True))}


def build():
    model = Custom()
    model.compile(optimizer="sgd")
    return model
"""


def test_early_stopping_stops(configure_model: Callable[..., OwnConfig]) -> None:
    """The record has the epochs that were trained."""
    assert train(configure_model(fit=EARLY)).epochs == 2


def test_a_custom_layer_and_step_need_no_config(configure_model: Callable[..., OwnConfig]) -> None:
    """Nothing is serialised: a layer without `get_config` and a subclassed model with a step of its own train."""
    own = train(configure_model(build=CUSTOM))
    assert list(own.by_metric) == ["own_loss"]
    assert own.metrics[0].better == "lower"
    assert own.parameters == 6 + 6 * 3 + 3


def test_a_figure_that_is_not_finite_is_recorded(configure_model: Callable[..., OwnConfig]) -> None:
    """It is None, and the metric is named."""
    build = """
def nothing(y_true, y_pred):
    return tf.reduce_mean(y_pred) * np.nan

def build():
    model = keras.Sequential([layers.Input((6,)), layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=[nothing])
    return model
"""
    own = train(configure_model(build=build))
    assert own.diverged == ["nothing"]
    assert own.history["nothing"] == [None, None]


def test_a_margin_of_no_metric_is_refused(configure_model: Callable[..., OwnConfig]) -> None:
    """The message lists the metrics that the model has."""
    with pytest.raises(ModelFileError, match=r"margins names the metric 'f1', the model has .*accuracy"):
        train(configure_model(rest="margins = {'f1': 0.1}\n"))


class Model:
    """A model of which only the loss is read."""

    def __init__(self, loss: object) -> None:
        """Keep the loss."""
        self.loss = loss


@pytest.mark.parametrize(
    ("loss", "predicted", "targets", "wanted"),
    [
        ("sparse_categorical_crossentropy", [[0.9, 0.1], [0.8, 0.2]], [0, 1], ([1, 1], [0, 1])),
        ("sparse_categorical_crossentropy", [[0.9, 0.1], [0.8, 0.2]], [[0], [1]], ([1, 1], [0, 1])),
        ("categorical_crossentropy", [[0.9, 0.1], [0.8, 0.2]], [[1, 0], [0, 1]], ([1, 1], [0, 1])),
        ("categorical_crossentropy", [[0.9, 0.1], [0.8, 0.2]], [[0.5, 0.5], [0, 1]], ([], [])),
        ("binary_crossentropy", [[0.9], [0.2]], [1, 1], ([0, 2], [0, 1])),
        ("binary_crossentropy", [[0.9, 0.1], [0.2, 0.3]], [[1, 0], [1, 1]], ([], [])),
        ("mse", [[0.9], [0.2]], [1, 1], ([], [])),
        ({"a": "mse"}, [[0.9], [0.2]], [1, 1], ([], [])),
        ("sparse_categorical_crossentropy", [[0.9, 0.1], [0.8, 0.2]], [0, 7], ([], [])),
    ],
    ids=["sparse", "column", "one-hot", "soft", "binary", "multilabel", "regression", "dict", "foreign"],
)
def test_classes_are_counted(loss: object, predicted: list[list[float]], targets: list[int], wanted: object) -> None:
    """Of a classifier with one output; of no other model."""
    assert count_classes(Model(loss), [np.array(predicted)], np.array(targets)) == wanted
