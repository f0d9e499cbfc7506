"""The record of a sweep: what was tried, every training of it, and the tests of the few that were chosen."""

from __future__ import annotations

from dataclasses import dataclass

from mnist_bench.records.environment import DatasetRecord
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.training import TrainingRecord, ValidationRecord
from mnist_bench.sweep.space import Level, Space

__all__ = ["ChosenRecord", "SweepPlan", "SweepRecord", "TrialRecord"]


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """What a sweep is: whoever shares its study must mean the same.

    Attributes:
        space: What is varied.
        sampler: One of `space.SAMPLERS`.
        trials: How many points `random` and `tpe` were asked for.
        seeds: Each point is trained with every one of them.
        prune: Whether trials that lag behind the median are stopped.
        dataset: The data.
    """

    space: Space
    sampler: str
    trials: int | None
    seeds: list[int]
    prune: bool
    dataset: DatasetRecord


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One point and its trainings.

    Attributes:
        number: Its place in the sweep, from 0: the lab's own point.
        point: What it does otherwise than the lab; None where it never came to be chosen.
        state: `complete`, `pruned`, `failed`, or `unfinished`.
        reason: Why it failed.
        attempts: How often it was begun: more than once where a worker was lost.
        repeats: The number of the trial that had tried the same point before, and was not trained again.
        val_accuracy: By epoch, of the first seed, where it was pruned.
        trainings: One record a seed.
    """

    number: int
    point: dict[str, Level] | None
    state: str
    attempts: int
    reason: str | None = None
    repeats: int | None = None
    val_accuracy: list[float]
    trainings: list[ValidationRecord]


@dataclass(frozen=True, kw_only=True)
class ChosenRecord:
    """One of the chosen points, trained again with the same seeds and tested."""

    number: int
    trainings: list[TrainingRecord]


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """A sweep and all that came of it.

    Attributes:
        plan: What was asked for.
        trials: In their order, the lab's own point first.
        tested: The chosen points' trainings with the test set's figures, the best first, the lab's own last.
        created: When this record was made.
    """

    plan: SweepPlan
    trials: list[TrialRecord]
    tested: list[ChosenRecord]
    created: str
    kind: str = "sweep"
    schema_version: int = SCHEMA_VERSION
