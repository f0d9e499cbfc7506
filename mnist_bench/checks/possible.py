"""What a training cannot have been: figures of a test that rule each other out, and weights that never moved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnist_bench.records.training import Predictions

__all__ = ["SAME_ACCURACY", "explain_impossible"]

_ROUNDING = 1e-6
SAME_ACCURACY = 1e-3  # rounding moves single images from one class to another, not ten of ten thousand
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
    if loss is not None and (loss == 0 or loss < (1 - accuracy) * _LEAST_LOSS - _ROUNDING):
        return f"a loss of {loss:g} and an accuracy of {accuracy:.4f} cannot be"
    if initial == final:
        return "it ends in its initial weights: nothing was trained"
    if predictions is None:
        return ""
    counted, exact = predictions.accuracy, predictions.exact_accuracy
    if max(abs(accuracy - counted), abs(exact - counted)) > SAME_ACCURACY:
        return f"an accuracy of {accuracy:.4f} by evaluate, {counted:.4f} by its own errors and {exact:.4f} by NumPy"
    return ""
