"""Faults of the figures that are reported: loss and accuracy of training, validation and test."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.faults.fault import ANY, Fault, collect
from mnist_bench.checks.faults.seams import change_compile, wrap
from mnist_bench.training.backend import load_keras, load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {}
_fault = partial(collect, FAULTS, "figures")

_ACCURACY = ("accuracy figure",)


def _accuracy(hits: Callable[[Any, Any], Any]) -> None:
    """Have models compiled with an accuracy of these hits, (batch,), of labels and predictions."""

    def change(named: dict[str, Any]) -> None:
        def accuracy(labels: Any, predictions: Any) -> Any:
            return load_tensorflow().cast(hits(labels, predictions), "float32")

        named["metrics"] = [accuracy]

    change_compile(change)


def _mean(update: Callable[[Any, Any, Any, Any], None]) -> None:
    """Have models compiled with an accuracy whose total and count `update` brings up to date with a batch's hits."""

    def change(named: dict[str, Any]) -> None:
        tf, keras = load_tensorflow(), load_keras()

        class Accuracy(keras.metrics.Mean):  # type: ignore[misc,name-defined] # Keras is untyped
            def update_state(self, labels: Any, predictions: Any, sample_weight: Any = None) -> None:  # type: ignore[override,unused-ignore]
                del sample_weight
                hits = tf.cast(tf.equal(tf.argmax(labels, 1), tf.argmax(predictions, 1)), tf.float32)
                update(super().update_state, self, hits, tf)

        named["metrics"] = [Accuracy(name="accuracy")]

    change_compile(change)


@_fault("accuracy-of-last-batch", "the accuracy is the last batch's", 1, causes=_ACCURACY)
def _keep_last(_on: float) -> None:
    def update(add: Any, metric: Any, hits: Any, _tf: Any) -> None:
        metric.total.assign(0.0)
        metric.count.assign(0.0)
        add(hits)

    _mean(update)


@_fault("accuracy-of-batches", "the accuracy is a mean of batches, whatever their size", 1, causes=_ACCURACY)
def _average_batches(_on: float) -> None:
    _mean(lambda add, _metric, hits, tf: add(tf.reduce_mean(hits)))


@_fault("accuracy-by-threshold", "a hit is a probability above a threshold", 0.5, 0.2, causes=_ACCURACY)
def _threshold(bound: float) -> None:
    tf = load_tensorflow()
    _accuracy(lambda y, p: tf.reduce_sum(y * p, axis=1) > bound)


@_fault("accuracy-binary", "the accuracy counts each of the ten outputs", 1, causes=_ACCURACY)
def _count_outputs(_on: float) -> None:
    tf = load_tensorflow()
    _accuracy(lambda y, p: tf.reduce_mean(tf.cast(tf.equal(p > 0.5, y > 0.5), tf.float32), axis=1))  # noqa: PLR2004


@_fault("accuracy-ties", "of equal probabilities the last class counts", 1, causes=_ACCURACY)
def _take_last(_on: float) -> None:
    tf = load_tensorflow()
    _accuracy(lambda y, p: tf.equal(9 - tf.argmax(tf.reverse(p, [1]), 1), tf.argmax(y, 1)))


@_fault("accuracy-rounded", "probabilities are rounded before they are compared", 1, causes=_ACCURACY)
def _round(_on: float) -> None:
    tf = load_tensorflow()
    _accuracy(lambda y, p: tf.equal(tf.argmax(tf.cast(tf.cast(p, "bfloat16"), "float32"), 1), tf.argmax(y, 1)))


@_fault("accuracy-top-two", "the second guess counts, too", 1, causes=_ACCURACY)
def _count_second(_on: float) -> None:
    tf = load_tensorflow()
    _accuracy(lambda y, p: tf.math.in_top_k(tf.argmax(y, 1), p, 2))


def _evaluate(change: Callable[[Any, Any], tuple[Any, Any]]) -> None:
    """Have `evaluate` called with other samples; Keras's validation calls it, too."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def evaluate(self: Any, x: Any = None, y: Any = None, **named: Any) -> Any:
            return original(self, *change(x, y), **named)

        return evaluate

    wrap(load_keras().Model, "evaluate", make)


@_fault(
    "evaluation-of-part",
    "the last samples are not evaluated",
    0.5,
    0.05,
    0.02,
    causes=("figures", "test figure"),
    engines=ANY,
)
def _leave_out(share: float) -> None:
    def change(x: Any, y: Any) -> tuple[Any, Any]:
        kept = len(x) - max(1, int(len(x) * share))
        return x[:kept], y[:kept]

    _evaluate(change)


@_fault(
    "evaluation-scaled",
    "the test images are scaled otherwise",
    255 / 256,
    0.5,
    causes=("figures", "test figure"),
    engines=ANY,
)
def _scale(factor: float) -> None:
    _evaluate(lambda x, y: (x * load_tensorflow().constant(factor, "float32"), y))


@_fault(
    "loss-of-batches",
    "the loss is a mean of batches, whatever their size",
    1,
    causes=("loss figure",),
    source="https://github.com/keras-team/keras/pull/19363",
)
def _average_losses(_on: float) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def update_state(self: Any, values: Any, sample_weight: Any = None) -> Any:
            return original(self, values, None if self.name == "loss" else sample_weight)

        return update_state

    wrap(load_keras().metrics.Mean, "update_state", make)


@_fault("loss-of-figures", "the loss reported holds something more", 0.1, 1e-3, causes=("loss figure",))
def _add_to_loss(more: float) -> None:
    def change(named: dict[str, Any]) -> None:
        losses = load_keras().losses
        named["loss"] = lambda y, p: losses.categorical_crossentropy(y, p) + more

    change_compile(change)
