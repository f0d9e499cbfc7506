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
    change = decision.change
    tail, freedom = (1 - change.level) / 2, min(decision.sample_size, decision.reference_size) - 1
    if freedom < 1 or change.high == inf:
        return None
    error = (change.high - change.estimate) / float(scipy.stats.t.isf(tail, freedom))
    spread = error * sqrt(freedom + 1)
    loss = abs(change.estimate) if decision.worsened else -abs(change.estimate)
    levels = (tail, decision.threshold / decision.family)
    for seeds in range(freedom + 2, _MOST + 1):
        half, far = (float(scipy.stats.t.isf(level, seeds - 1)) for level in levels)
        width = spread / sqrt(seeds)
        if loss + half * width <= decision.margin or loss - far * width > 0:
            return seeds
    return None
