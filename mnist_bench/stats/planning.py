"""How many seeds would decide what is open: from the spread that was seen so far."""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING

import scipy  # loads scipy.stats, which takes most of a second, on first use

if TYPE_CHECKING:
    from mnist_bench.stats.sequential import Decision

__all__ = ["find_needed_seeds"]

_MOST = 400  # seeds: no one waits for more


def find_needed_seeds(decision: Decision) -> int | None:
    """Return how many seeds a side would decide, if mean and spread stay as they are; None if not even 400 would.

    The interval of so many seeds lies within the margin, or is beyond chance on the worse side.

    Args:
        decision: An open decision.
    """
    loss = decision.loss
    tail, freedom = (1 - loss.level) / 2, min(decision.sample_size, decision.reference_size) - 1
    if freedom < 1 or loss.high == inf:
        return None
    error = (loss.high - loss.estimate) / float(scipy.stats.t.isf(tail, freedom))
    spread = error * sqrt(freedom + 1)
    levels = (tail, decision.threshold / decision.family)
    for seeds in range(freedom + 2, _MOST + 1):
        half, far = (float(scipy.stats.t.isf(level, seeds - 1)) for level in levels)
        width = spread / sqrt(seeds)
        if loss.estimate + half * width <= decision.margin or loss.estimate - far * width > 0:
            return seeds
    return None
