"""What a model's figures mean: which way a metric is better, and which class a prediction names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.file import ModelFileError
from mnist_bench.own.records import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mnist_bench.own.file import Loaded

    Array = npt.NDArray[Any]

__all__ = ["count_classes", "describe_metrics", "read_evaluation"]

# Words of the names that Keras gives to its losses and metrics. A share lies from 0 to 1.
_SHARES = (
    *("accuracy", "acc", "auc", "precision", "recall", "f1", "f1_score", "fbeta_score", "iou", "io_u", "mean_io_u"),
    *("one_hot_io_u", "one_hot_mean_io_u", "binary_io_u", "specificity", "sensitivity"),
)
_HIGHER = ("r2_score", "r2", "cosine_similarity", "true_positives", "true_negatives", "concordance_correlation")
_LOWER = (
    *("loss", "error", "mae", "mse", "msle", "mape", "rmse", "crossentropy", "hinge", "kld", "kl_divergence"),
    *("poisson", "log_cosh", "logcosh", "huber", "perplexity", "false_positives", "false_negatives", "divergence"),
)


def describe_metrics(names: Sequence[str], loaded: Loaded) -> list[Metric]:
    """Return what is known of each metric before any result is seen.

    Raises:
        ModelFileError: The file has a margin or a direction of a metric that the model does not have.
    """
    for field, given in (("margins", loaded.margins), ("better", loaded.better)):
        for name in given:
            if name not in names:
                raise ModelFileError(
                    f"{loaded.model.path}: {field} names the metric {name!r}, the model has {', '.join(names)}"
                )
    return [
        Metric(
            name=name,
            better=loaded.better.get(name, _guess(name)),
            margin=loaded.margins.get(name),
            bounded=_has(name, _SHARES),
        )
        for name in names
    ]


def _guess(name: str) -> str | None:
    if _has(name, _LOWER):  # first: the loss of an output that is called `accuracy` is a loss
        return "lower"
    return "higher" if _has(name, (*_SHARES, *_HIGHER)) else None


def _has(name: str, words: Sequence[str]) -> bool:
    """Return whether a metric's name ends in one of the words: `age_mae` and `auc_1` are what `mae` and `auc` are."""
    plain = re.sub(r"_\d+$", "", name.lower())
    return any(plain == word or plain.endswith(f"_{word}") for word in words)


def read_evaluation(reported: dict[str, Any], loaded: Loaded) -> dict[str, float]:
    """Return the figures that `evaluate(return_dict=True)` has reported.

    Raises:
        ModelFileError: A metric is no number.
    """
    for name, value in reported.items():
        if np.ndim(value):
            raise ModelFileError(
                f"{loaded.model.path}: metric {name!r} is an array of shape {np.shape(value)}: one number is needed, "
                "as from average='macro'"
            )
    return {name: float(value) for name, value in reported.items()}


def count_classes(model: Any, predictions: Sequence[Array], targets: Any) -> tuple[list[int], list[int]]:
    """Return the sizes of the classes and the errors of each; none of a model that is no classifier with one output."""
    name, logits = _read_loss(model)
    if len(predictions) != 1 or not isinstance(targets, np.ndarray):
        return [], []
    found = _name_classes(name, predictions[0], targets, border=0.0 if logits else 0.5)
    if found is None:
        return [], []
    named, wanted, classes = found
    sizes = np.bincount(wanted, minlength=classes)
    errors = np.bincount(wanted[named != wanted], minlength=classes)
    return sizes.tolist(), errors.tolist()


def _read_loss(model: Any) -> tuple[str, bool]:
    """Return the name of the loss without underscores, "" for several, and whether it takes logits."""
    loss: Any = getattr(model, "loss", None)
    if isinstance(loss, (tuple, list)) and len(loss) == 1:
        loss = loss[0]
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", "")) or ""
    logits = bool(loss.get_config().get("from_logits")) if hasattr(loss, "get_config") else False
    return name.lower().replace("_", ""), logits


def _name_classes(name: str, predicted: Array, targets: Array, *, border: float) -> tuple[Array, Array, int] | None:
    """Return the classes that are named and those that are right, (n,) each, and the number of classes."""
    samples = len(predicted)
    if "binary" in name and predicted.size == targets.size == samples and np.isin(targets, (0, 1)).all():
        return (predicted.ravel() > border).astype(int), targets.ravel().astype(int), 2
    if predicted.ndim != 2 or "categorical" not in name or "crossentropy" not in name:  # noqa: PLR2004 - (n, classes)
        return None
    classes = predicted.shape[1]
    if "sparse" not in name:
        one_hot = targets.shape == predicted.shape and bool((np.sort(targets, axis=1)[:, :-1] == 0).all())
        return (predicted.argmax(axis=1), targets.argmax(axis=1), classes) if one_hot else None
    wanted = targets.ravel().astype(int)
    fits = targets.size == samples and bool(((wanted >= 0) & (wanted < classes)).all())
    return (predicted.argmax(axis=1), wanted, classes) if fits else None
