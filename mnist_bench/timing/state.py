"""How the machine of a benchmark differs from what it was at the baseline, by the controls and by other processes."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.timing.records import Timing

__all__ = ["BUSY", "MOVED", "State", "compare_states"]

# How many times as long a control may take before a time says nothing of the benchmark. Of the stored runs, 99% of
# the fastest of two had a control within 1.17 of the baseline's; an epoch moved less than its bound with it.
MOVED = 1.15

# The share of the cores that other processes may use. The system counts in hundredths of a second, so that a short
# round cannot tell a few per cent from nothing.
BUSY = 0.1

# The controls that an epoch follows, for every engine (docs/benchmarks.md): products on one core, and on all at once.
_ASKED = ("sgemm", "cores")


@dataclass(frozen=True, kw_only=True)
class State:
    """A machine compared with itself at the time of the baseline.

    Attributes:
        control: The control that became slower by most.
        typical: How many times as long its median round takes.
        fastest: How many times as long its fastest round takes: the unit for the fastest round of the benchmark.
        others: The share of the cores that other processes used in the median round; None if that was not measured.
    """

    control: str
    typical: float
    fastest: float
    others: float | None

    @property
    def excuse(self) -> str:
        """Why a longer time says nothing of the benchmark, in words; empty if it does."""
        if self.typical > MOVED:
            return (
                f"this machine is {self.typical:.1f} times slower than the baseline's was ({self.control}); "
                "compare on one machine with `mnist-bench compare`"
            )
        if self.is_faster:
            return f"this machine is {1 / self.typical:.1f} times faster than the baseline's was ({self.control})"
        return self.busy_words

    @property
    def busy_words(self) -> str:
        """What other processes used of the machine, in words; empty if it does not matter."""
        if not self.is_busy:
            return ""
        return f"other processes used {self.others:.0%} of the cores; measure again on a quiet machine"

    @property
    def is_busy(self) -> bool:
        """Whether other processes used too much of the machine."""
        return self.others is not None and self.others > BUSY

    @property
    def is_faster(self) -> bool:
        """Whether the machine is so much faster that a benchmark could pass in spite of a regression."""
        return self.typical < 1 / MOVED


def compare_states(timing: Timing, earlier: Sequence[Timing]) -> State | None:
    """Return how the machine moved since the baseline; None if no control was measured on both sides."""
    shared = [name for name in _ASKED if all(measured.extra_info.controls.get(name) for measured in (timing, *earlier))]
    if not shared:
        return None

    def compare(name: str) -> State:
        now, before = timing.extra_info.controls[name], [old.extra_info.controls[name] for old in earlier]
        return State(
            control=name,
            typical=statistics.median(now) / statistics.geometric_mean(map(statistics.median, before)),
            fastest=min(now) / min(map(min, before)),
            others=statistics.median(timing.extra_info.others) if timing.extra_info.others else None,
        )

    return max(map(compare, shared), key=lambda state: state.typical)
