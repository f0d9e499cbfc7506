"""The results of trainings that differ in their seeds alone: one figure a seed."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.agreement import find_contradictions
from mnist_bench.records.config import MOST, Case
from mnist_bench.records.fields import check_digests, check_names, check_range
from mnist_bench.records.training import MOST_LOSS, History, Predictions, check_seeds, find_collision
from mnist_bench.training.labs import CLASSES, find_departures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mnist_bench.records.training import TrainingRecord

__all__ = ["SeedResults", "check_alike", "extend_seeds", "make_results", "merge_results", "select_seeds"]

_COLUMNS = ("seeds", "test_accuracy", "test_loss", "initial_digests", "final_digests", "predictions", "contradictions")
_KEY = re.compile(r"[0-9a-f]{16}")
_DIGITS = 5  # of the points of a curve: a hundredth of the spread over seeds


@dataclass(frozen=True, kw_only=True)
class SeedResults:
    """The results of one engine's trainings of one lab: one figure a seed, in the order of the seeds.

    Attributes:
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
        epochs: Epochs of each training.
        numerics_key: Of the environment in which all of them were trained.
        seeds: The seeds, each once.
        test_accuracy: On the test set.
        test_loss: On the test set; None where the loss was not finite.
        final_digests: SHA-256 of the final weights.
        initial_digests: SHA-256 of the initial weights; empty in records that were made before this field.
        history: The learning curves of the first seed, rounded.
        predictions: What the final weights make of the test set; None for a seed of an earlier version of this
            package, and empty if all are.
        departures: In what model and training are not the lab's, such as `learning_rate` by its value; mostly nothing.
        contradictions: What of each seed's record contradicted the rest of it, in words; "" for most seeds, and empty
            if none did.
    """

    lab: str
    engine: str
    epochs: int
    numerics_key: str
    seeds: list[int]
    test_accuracy: list[float]
    test_loss: list[float | None]
    final_digests: list[str]
    history: History
    predictions: list[Predictions | None] = field(default_factory=list)
    departures: dict[str, str] = field(default_factory=dict)
    initial_digests: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, seeds out of order, and figures out of range."""
        check_names(lab=self.lab, engine=self.engine, numerics_key=self.numerics_key)
        if not _KEY.fullmatch(self.numerics_key):
            raise ValueError(f"{self.lab}: numerics_key {self.numerics_key!r} is no key: 16 hex digits in lower case")
        lengths = {len(self.seeds), len(self.test_accuracy), len(self.test_loss), len(self.final_digests)}
        if len(lengths) != 1 or not self.seeds:
            raise ValueError(f"{self.lab}: columns of different lengths, or empty ones")
        if sorted(set(self.seeds)) != self.seeds:
            raise ValueError(f"{self.lab}: seeds {self.seeds!r} are not in ascending order, each once")
        if self.predictions and len(self.predictions) != len(self.seeds):
            raise ValueError(f"{self.lab}: predictions of {len(self.predictions)} of {len(self.seeds)} seeds")
        _check_predictions(str(self.case), self.seeds, self.predictions)
        check_digests(f"{self.lab}: final_digests", *self.final_digests)
        if len(self.initial_digests) not in (0, len(self.seeds)):
            raise ValueError(f"{self.lab}: {len(self.initial_digests)} initial_digests of {len(self.seeds)} seeds")
        check_digests(f"{self.lab}: initial_digests", *self.initial_digests)
        check_seeds(str(self.case), self.seeds, initial=self.initial_digests, final=self.final_digests)
        if len(self.contradictions) not in (0, len(self.seeds)):
            raise ValueError(f"{self.lab}: {len(self.contradictions)} contradictions of {len(self.seeds)} seeds")
        check_range(f"{self.lab}: test_accuracy", *self.test_accuracy, high=1)
        check_range(f"{self.lab}: test_loss", *self.test_loss, high=MOST_LOSS)
        if not 0 < self.epochs == len(self.history.loss):
            raise ValueError(f"{self.lab}: {self.epochs} epochs, {len(self.history.loss)} in the history")

    @property
    def case(self) -> Case:
        """The lab and the engine."""
        return Case(self.lab, self.engine)


def _check_predictions(what: str, seeds: list[int], predictions: list[Predictions | None]) -> None:
    """Refuse predictions of other classes than the lab's, of several test sets, and those that two seeds share."""
    made = {seed: each for seed, each in zip(seeds, predictions, strict=False) if each}
    for seed, each in made.items():
        if len(each.class_sizes) != CLASSES or not all(0 < size <= MOST for size in each.class_sizes):
            told = f"{CLASSES} classes, each of 1 to {MOST} images"
            raise ValueError(f"{what}: the class_sizes of seed {seed} are not those of {told}")
    first = next(iter(made), None)
    for seed, each in made.items():
        if first is not None and each.class_sizes != made[first].class_sizes:
            raise ValueError(f"{what}: the class_sizes of the seeds {first} and {seed} differ: not one test set")
    found = find_collision(made, [each.digest for each in made.values()])
    if found:
        raise ValueError(f"{what}: the seeds {found[0]} and {found[1]} have other weights and the same predictions")


def _find_sizes(results: SeedResults) -> list[int] | None:
    """Return the images of each class of the test set; None where no predictions are recorded."""
    return next((each.class_sizes for each in results.predictions if each), None)


def check_alike(old: SeedResults, new: SeedResults) -> None:
    """Refuse to put together, or to compare, trainings that differ in more than their seeds and surroundings.

    Raises:
        ValueError: They are of another length, model or training; the message has both. Or a seed of one has the
            weights of another seed of the other.
    """
    if old.epochs != new.epochs:
        raise ValueError(f"{old.case}: trained for {old.epochs} and for {new.epochs} epochs: cannot be compared")
    if old.departures != new.departures:
        first, second = (
            ", ".join(f"{name} {value}" for name, value in side.departures.items()) or "the lab's own settings"
            for side in (old, new)
        )
        raise ValueError(f"{old.case}: trained with {first} and with {second}: cannot be compared")
    sizes = _find_sizes(old), _find_sizes(new)
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(f"{old.case}: tested on class_sizes {sizes[0]} and {sizes[1]}: cannot be compared")
    known = old.initial_digests and new.initial_digests
    check_seeds(
        str(old.case),
        [*old.seeds, *new.seeds],
        initial=[*old.initial_digests, *new.initial_digests] if known else (),
        final=[*old.final_digests, *new.final_digests],
        told=" of two records",
    )


def make_results(training: TrainingRecord) -> SeedResults:
    """Return the results of one training: a column has one figure."""
    history: dict[str, Any] = {
        name: [None if value is None else round(value, _DIGITS) for value in column]
        for name, column in vars(training.history).items()
    }
    told = "; ".join(find_contradictions(training))
    return SeedResults(
        lab=training.config.lab,
        engine=training.config.engine,
        epochs=len(training.history.loss),
        numerics_key=training.environment.numerics_key,
        seeds=[training.config.seed],
        test_accuracy=[training.test_accuracy],
        test_loss=[training.test_loss],
        final_digests=[training.final_digest],
        initial_digests=[training.initial_digest],
        history=History(**history),
        predictions=[training.predictions] if training.predictions else [],
        contradictions=[told] if told else [],
        departures={
            name: repr(value) for name, (value, _) in find_departures(training.config).items() if name != "epochs"
        },
    )


def merge_results(old: SeedResults, new: SeedResults) -> SeedResults:
    """Return the results of both, of which `new` has one seed."""
    check_alike(old, new)
    if old.numerics_key != new.numerics_key:
        raise ValueError(
            f"{old.lab}: numerics_key is {new.numerics_key!r}, but {old.numerics_key!r} in the seeds before"
        )
    if set(old.seeds) & set(new.seeds):
        seeds = sorted([*old.seeds, *new.seeds])
        raise ValueError(f"{old.lab}: seeds {seeds!r} are not in ascending order, each once")
    return _join(min(old, new, key=lambda results: results.seeds[0]), {**_list_rows(old), **_list_rows(new)})


def select_seeds(results: SeedResults, seeds: Iterable[int]) -> SeedResults:
    """Return the results of these seeds alone."""
    rows = _list_rows(results)
    return _join(results, {seed: rows[seed] for seed in seeds})


def extend_seeds(own: SeedResults, other: SeedResults) -> SeedResults:
    """Return a version's own results and, of other results, the seeds that it lacks."""
    return _join(own, {**_list_rows(other), **_list_rows(own)})


def _list_rows(results: SeedResults) -> dict[int, tuple[Any, ...]]:
    """Return what is recorded of each seed; None for what the record does not hold."""
    missing = [None] * len(results.seeds)
    columns = [getattr(results, name) or missing for name in _COLUMNS]
    return dict(zip(results.seeds, zip(*columns, strict=True), strict=True))


def _join(first: SeedResults, rows: Mapping[int, tuple[Any, ...]]) -> SeedResults:
    """Return the results with these rows, in the order of their seeds."""
    columns = zip(*(rows[seed] for seed in sorted(rows)), strict=True)
    joined: dict[str, Any] = {name: list(column) for name, column in zip(_COLUMNS, columns, strict=True)}
    # Where a seed has no initial weights on record, nothing can be said of all.
    if None in joined["initial_digests"]:
        joined["initial_digests"] = []
    if not any(joined["predictions"]):
        joined["predictions"] = []
    told = [each or "" for each in joined["contradictions"]]
    joined["contradictions"] = told if any(told) else []
    return dataclasses.replace(first, **joined)
