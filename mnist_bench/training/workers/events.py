"""What happens while trainings run elsewhere: one class for each kind of event, whoever runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.training import TrainingRecord

__all__ = ["EpochEnded", "Event", "Executor", "Failed", "Finished", "Silent", "Started"]


@dataclass(frozen=True)
class Started:
    """A training has begun on the data set named."""

    task: int
    dataset: str


@dataclass(frozen=True)
class EpochEnded:
    """An epoch of a training has ended."""

    task: int
    epoch: int
    figures: dict[str, float]


@dataclass(frozen=True)
class Silent:
    """The worker process of a training has given no sign for so long."""

    task: int
    config: TrainingConfig
    seconds: float


@dataclass(frozen=True)
class Finished:
    """A training has ended; this is its record."""

    task: int
    record: TrainingRecord


@dataclass(frozen=True)
class Failed:
    """A training gave no record.

    Attributes:
        task: Its index in the list of configurations.
        config: What was to be trained.
        reason: One line.
        bad_input: Whether the request was at fault, rather than the training.
        details: A traceback or the end of the worker's standard error, for debugging.
        lost: Whether the worker process ended without an answer, so that another one may succeed.
    """

    task: int
    config: TrainingConfig
    reason: str
    bad_input: bool
    details: str
    lost: bool = False


Event = Started | EpochEnded | Silent | Finished | Failed

Executor: TypeAlias = Callable[[Sequence[TrainingConfig]], Iterator[Event]]
"""Trains configurations somewhere; for each it yields at last one `Finished` or one `Failed`."""
