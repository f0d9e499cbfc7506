"""What a training of a user's own model costs on two sides: seconds, memory, epochs."""

from __future__ import annotations

import statistics
from math import log
from typing import TYPE_CHECKING

from mnist_bench.own.upgrade.parity import pair_trainings
from mnist_bench.records.environment import HARDWARE_FIELDS, explain_keys
from mnist_bench.timing.memory import judge_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.own.records import OwnSide, OwnTraining
    from mnist_bench.records.config import Case
    from mnist_bench.records.verdicts import CheckResult

__all__ = ["CLOCKS", "compare_memory", "list_log_ratios", "note_epochs"]

CLOCKS = ("work", "time")
"""The processor time of an epoch, and the wall time of a call of `fit`."""

_MOST_MEMORY = 1.25  # times the base's: a model of the user's own may allocate as it likes
_LEAST_SECONDS = 1e-4  # a clock of the system may show no time at all for an epoch of a few samples


def list_log_ratios(base: OwnSide, new: OwnSide) -> dict[str, list[float]]:
    """Return the logarithms of the new side's seconds over the base's, of each pair that ran together, by the clock.

    The work is the median of the epochs after the first, which traces and compiles; a call of `fit` is all of them.
    """
    timed = list(_list_timed(base, new))
    return {
        "work": [_log_ratio(_median_work(a), _median_work(b)) for a, b in timed if min(a.epochs, b.epochs) > 1],
        "time": [_log_ratio(sum(a.wall), sum(b.wall)) for a, b in timed],
    }


def compare_memory(base: OwnSide, new: OwnSide, case: Case) -> Iterator[CheckResult]:
    """Yield whether a training's process needs more memory: the median of the seeds, which differ by little."""
    sizes = [
        [training.peak_memory / 1e6 for training in side.trainings if training.peak_memory] for side in (base, new)
    ]
    if all(sizes):
        old, now = map(statistics.median, sizes)
        yield judge_size(f"memory/training[{case}]", now, old, whose="base's", most=_MOST_MEMORY)


def note_epochs(base: OwnSide, new: OwnSide) -> Iterator[str]:
    """Yield how many epochs were run, where the sides differ: a callback has stopped one of them earlier."""
    pairs = pair_trainings(base, new)
    old, now = ([training.epochs for training in side] for side in zip(*pairs, strict=True)) if pairs else ([], [])
    if old != now:
        yield (
            f"epochs: a callback ends a training after {statistics.fmean(old):.1f} epochs in base and "
            f"{statistics.fmean(now):.1f} in new, in the mean of {len(old)} seeds"
        )


def _list_timed(base: OwnSide, new: OwnSide) -> Iterator[tuple[OwnTraining, OwnTraining]]:
    """Yield the pairs of trainings that ran at the same time, on one machine."""
    if not base.session or base.session != new.session:
        return
    for a, b in pair_trainings(base, new):
        seed = a.config.seed
        together = seed in base.timed and seed in new.timed
        if together and not explain_keys(a.environment, b.environment, HARDWARE_FIELDS):
            yield a, b


def _median_work(training: OwnTraining) -> float:
    return statistics.median(training.cpu[1:])


def _log_ratio(a: float, b: float) -> float:
    return log(max(b, _LEAST_SECONDS) / max(a, _LEAST_SECONDS))
