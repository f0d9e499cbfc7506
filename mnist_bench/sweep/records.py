"""The record of a sweep: what was tried, every training of it, and the tests of the few that were chosen."""

from __future__ import annotations

from mnist_bench.records.serial import SCHEMA_VERSION, Record
from mnist_bench.records.training import DatasetRecord, TrainingRecord
from mnist_bench.records.validation import ValidationRecord
from mnist_bench.sweep.space import Level, Space

__all__ = ["ChosenRecord", "SweepPlan", "SweepRecord", "TrialRecord"]


class SweepPlan(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class TrialRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class ChosenRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the chosen points, trained again with the same seeds and tested."""

    number: int
    trainings: list[TrainingRecord]


class SweepRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
