"""The record of a sweep: what was tried, all trainings, and the tests of the chosen points."""

from __future__ import annotations

from dataclasses import dataclass

from mnist_bench.records.environment import DatasetRecord
from mnist_bench.records.fields import check_time
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.training import TrainingRecord, ValidationRecord
from mnist_bench.sweep.space import Level, Space

__all__ = ["ChosenRecord", "SweepPlan", "SweepRecord", "TrialRecord"]


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """What a sweep does: all processes that share its study must have the same plan.

    Attributes:
        space: What is varied.
        sampler: One of `space.SAMPLERS`.
        trials: How many points `random` and `tpe` try.
        seeds: The seeds with which each point is trained.
        prune: Whether trials that fall behind the median are stopped.
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
        number: The position in the sweep; 0 is the lab's own point.
        point: How the point departs from the lab; None if no point was chosen.
        state: `complete`, `pruned`, `failed`, or `unfinished`.
        reason: Why the trial failed.
        attempts: How often the trial was started: more than once if a worker was lost.
        repeats: The number of an earlier trial of the same point, which is then not trained again.
        val_accuracy: By epoch, of the first seed, if the trial was pruned.
        trainings: One record for each seed.
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
    """A sweep and its results.

    Attributes:
        plan: What was to be tried.
        trials: The trials in order, the lab's own point first.
        tested: The trainings of the chosen points with the figures of the test set, the best first, the lab's own last.
        created: When this record was made.
    """

    plan: SweepPlan
    trials: list[TrialRecord]
    tested: list[ChosenRecord]
    created: str
    kind: str = "sweep"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_time("created", self.created)
