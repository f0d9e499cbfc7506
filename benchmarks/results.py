"""What a comparison gave, as frozen records, and the ratios within a round that its claims rest on."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

__all__ = ["Entry", "Epoch", "Proof", "Results", "median_seconds", "pair_ratios"]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One timed epoch: wall-clock seconds, and CPU seconds of all cores, each for one seed."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What came of the first epoch, which all trained from the same weights in the same order.

    Attributes:
        loss: Mean training loss, taken while the weights moved.
        accuracy: Mean training accuracy, likewise; None where a library keeps none.
        val_accuracy: Accuracy on the validation set afterwards.
        departure: How far the weights are from those of the float64 oracle, relative to how far those moved;
            None with dropout, whose masks nobody shares.
    """

    loss: float
    accuracy: float | None
    val_accuracy: float
    departure: float | None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one contender on one lab.

    Attributes:
        lab: A key of `LABS`.
        contender: A key of `CONTENDERS`.
        epochs: One a round, from the first round on.
        proof: None where it did not get that far, and for the bound.
        note: Why it was not timed, or not in all rounds; empty if nothing is to be said.
        failed: Whether that is a fault.
    """

    lab: str
    contender: str
    epochs: list[Epoch]
    proof: Proof | None = None
    note: str = ""
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Results:
    """A whole comparison.

    Attributes:
        dataset_digest: As in `Dataset`.
        environment: What it was measured with, in words for people.
        entries: One for each contender on each lab.
    """

    dataset_digest: str
    environment: dict[str, str]
    entries: list[Entry]
    kind: str = "peers"
    schema_version: int = 1

    def find(self, lab: str, contender: str) -> Entry | None:
        """Return an entry, or None."""
        found = (entry for entry in self.entries if (entry.lab, entry.contender) == (lab, contender))
        return next(found, None)


def median_seconds(entry: Entry) -> float:
    """Return the median wall-clock seconds of an epoch."""
    return statistics.median(epoch.seconds for epoch in entry.epochs)


def pair_ratios(over: Entry | None, under: Entry | None) -> list[float]:
    """Return the ratio of seconds within each round that both took part in; empty if there is none.

    Minutes apart, a machine's speed drifts by more than what is to be told apart; within a round it cancels.
    """
    if over is None or under is None:
        return []
    return [a.seconds / b.seconds for a, b in zip(over.epochs, under.epochs, strict=False)]
