"""The start of a process: the import, and the epoch that compiles, of B compared with A."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

from mnist_bench.stats.ratios import Speed, judge_clock
from mnist_bench.timing.ab.ratio import RatioRecord, check_ratio, make_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Starts: TypeAlias = tuple[Mapping[str, float] | None, Mapping[str, float] | None]

__all__ = ["STARTS", "START_BOUND", "StartRecord", "check_starts", "judge_starts"]

STARTS = ("import", "first epoch")
"""The parts of a start that are timed: the import of TensorFlow and Keras, and the epoch that traces and compiles."""

START_BOUND = 0.1
"""The change of a part that does not matter, as a share of its time."""

_ALPHA = 0.01  # of a false alarm, over both parts, both ends of their intervals, and both looks at which a run may end


@dataclass(frozen=True, kw_only=True)
class StartRecord:
    """One part of the start: B's wall time over A's, and whether that is slower."""

    ratio: RatioRecord
    verdict: Speed


def judge_starts(rounds: Sequence[Starts], spent: float) -> dict[str, StartRecord]:
    """Return how B's start compares with A's, by the names of `STARTS`; nothing where a start was not timed.

    Args:
        rounds: The seconds of A's and of B's process in each round, by the names of `STARTS`.
        spent: The share of alpha that the look spends at which the run ended.
    """
    known = [(a, b) for a, b in rounds if a is not None and b is not None]
    found: dict[str, StartRecord] = {}
    for name in STARTS if len(known) == len(rounds) else ():
        ratios = [log(b[name] / a[name]) for a, b in known]
        speed, interval = judge_clock(ratios, bound=START_BOUND, tail=_ALPHA * spent / (2 * len(STARTS)))
        found[name] = StartRecord(ratio=make_ratio(interval), verdict=speed)
    return found


def check_starts(stored: Mapping[str, StartRecord], derived: Mapping[str, StartRecord]) -> None:
    """Refuse what does not follow from the seconds."""
    if set(stored) != set(derived):
        raise ValueError(f"start has {sorted(stored)}, but the seconds say {sorted(derived)}")
    for name, part in derived.items():
        if stored[name].verdict != part.verdict:
            raise ValueError(f"start: {name} is {stored[name].verdict}, but the seconds say {part.verdict}")
        check_ratio(f"start: {name}", stored[name].ratio, part.ratio)
