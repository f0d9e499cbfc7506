"""The metrics of a user's own model: which are the same on both sides, and how large a loss of each does not matter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.stats.sequential import loss_margin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.own.records import Metric, OwnTraining
    from mnist_bench.records.config import Case

__all__ = ["find_margin", "find_step", "match_metrics", "name_metric"]

_LEAST = 1e-3  # of a metric's own size: the least margin, where all seeds of the base end in one figure


def name_metric(metric: str, case: Case) -> str:
    """Return the name of a metric's check: a metric may have any name, and that of a check has a form."""
    return f"metric/{re.sub(r'[^A-Za-z0-9_.+-]', '-', metric)}[{case}]"


def match_metrics(old: Sequence[Metric], new: Sequence[Metric]) -> tuple[list[tuple[Metric, Metric]], list[str]]:
    """Return which metric of the base is which of the new side, and the names of those that one side alone has.

    Metrics are matched by name. Keras 2 and 3 give some metrics other names: those that are left are matched by their
    place, where each side has as many of them, of the same kinds in the same order.
    """
    names = {metric.name: metric for metric in new}
    pairs = [(metric, names[metric.name]) for metric in old if metric.name in names]
    left = [metric for metric in old if metric.name not in names]
    right = [metric for metric in new if metric.name not in {a.name for a, _ in pairs}]
    kinds = [[(metric.better, metric.bounded) for metric in side] for side in (left, right)]
    if kinds[0] == kinds[1]:
        return [*pairs, *zip(left, right, strict=True)], []
    return pairs, [f"{m.name} in {side} only" for side, ms in (("base", left), ("new", right)) for m in ms]


def find_margin(metric: Metric, before: Sequence[float], share: float) -> float:
    """Return the largest loss of a metric that does not matter, fixed before the new side is seen.

    Args:
        metric: The metric.
        before: Its values in the base.
        share: The margin of a metric that is a share, where the file has none.
    """
    if metric.margin is not None:
        return metric.margin
    if metric.bounded:
        return share
    # Of one figure for all seeds, the spread would allow nothing, not even another rounding.
    return max(loss_margin(before), _LEAST * float(np.mean(np.abs(before))))


def find_step(metric: Metric, trainings: Sequence[OwnTraining], values: Sequence[float]) -> float:
    """Return the step of a metric's grid: one sample of an accuracy, else that of float32."""
    samples = sum(trainings[0].class_sizes)
    if metric.bounded and samples:
        return 1 / samples
    return float(np.finfo(np.float32).eps) * float(np.mean(np.abs(values)))
