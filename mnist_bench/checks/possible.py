"""What a training cannot have been: figures of a test that rule each other out, and weights that never moved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnist_bench.records.training import History, Predictions

__all__ = ["CURVES", "SAME_ACCURACY", "explain_broken_curve", "explain_impossible"]

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
"""The columns of a history that are curves of a training."""

_TEST_IMAGES = 10_000  # of either source, where no predictions say how many
_OFF_GRID = 0.01  # of an image of 10,000: an accuracy is a float32, which errs by 0.0003 images at most
_NEAR_TEST = 0.1  # of the accuracies of training, validation and test after a whole training: 0.03 at most

_ROUNDING = 1e-6
SAME_ACCURACY = 1e-3  # rounding moves single images from one class to another, not ten of ten thousand
_FEW = 3  # epochs, of which two may tie
_LEAST_LOSS = math.log(2)  # of a wrong answer: another class has more, so that the right one has half at most


def explain_impossible(
    accuracy: float, loss: float | None, predictions: Predictions | None, *, initial: str, final: str
) -> str:
    """Return why a training with these figures cannot have been, in words; "" if it can.

    Args:
        accuracy: On the test set.
        loss: On the test set; None where it was not finite.
        predictions: What the final weights make of the test set, if that is known.
        initial: Digest of the initial weights; "" if unknown.
        final: Digest of the final weights.
    """
    if loss is not None and _is_too_small(loss, accuracy):
        return f"a loss of {loss:g} and an accuracy of {accuracy:.4f} cannot be"
    if initial == final:
        return "it ends in its initial weights: nothing was trained"
    if predictions:
        counted, exact = predictions.accuracy, predictions.exact_accuracy
        if max(abs(accuracy - counted), abs(exact - counted)) > SAME_ACCURACY:
            return (
                f"an accuracy of {accuracy:.4f} by evaluate, {counted:.4f} by its own errors and {exact:.4f} by NumPy"
            )
    images = sum(predictions.class_sizes) if predictions else _TEST_IMAGES
    if abs(accuracy * images - round(accuracy * images)) > _OFF_GRID * max(images / _TEST_IMAGES, 1):
        return f"an accuracy of {accuracy:.7g} is of no whole number of {images:,} images"
    return ""


def explain_broken_curve(history: History, accuracy: float, loss: float | None) -> str:
    """Return in what the curves of a whole training cannot be, or end elsewhere than its test; "" if in nothing.

    Args:
        history: The curves.
        accuracy: On the test set.
        loss: On the test set; None where it was not finite.
    """
    for name in CURVES:
        column = getattr(history, name)
        last = column[-1]
        if last is None and loss is not None:
            return f"{name} is not finite after the last epoch, and the test loss is {loss:g}"
        if last is not None and name.endswith("accuracy") and abs(last - accuracy) > _NEAR_TEST:
            return f"{name} is {last:.4f} after the last epoch, and {accuracy:.4f} on the test set"
        if len(column) >= _FEW and last is not None and len(set(column)) == 1:
            return f"{name} is {last:g} after every epoch"
    for kind in ("", "val_"):
        columns = getattr(history, f"{kind}loss"), getattr(history, f"{kind}accuracy")
        for epoch, (lost, right) in enumerate(zip(*columns, strict=True), 1):
            if lost is not None and _is_too_small(lost, right):
                return (
                    f"{kind}loss {lost:g} and {kind}accuracy {right:.4f} after epoch {epoch} cannot be of one training"
                )
    for name in ("seconds", "val_seconds"):
        if not min(getattr(history, name)) > 0:
            return f"{name} of an epoch is 0"
    return ""


def _is_too_small(loss: float, accuracy: float) -> bool:
    """Return whether a mean loss is smaller than so many wrong answers allow.

    Args:
        loss: The mean cross-entropy.
        accuracy: Of the same answers.
    """
    return loss == 0 or loss < (1 - accuracy) * _LEAST_LOSS - _ROUNDING
