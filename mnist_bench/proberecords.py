"""The record of a probe, and what two of them say beside each other: which stage of training moved first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from mnist_bench.environment import NUMERICS_FIELDS, explain_keys
from mnist_bench.records import DatasetRecord, EnvironmentRecord, TrainingConfig
from mnist_bench.serial import SCHEMA_VERSION, Record, load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Difference", "ProbeRecord", "Stage", "check_comparable", "compare_probes", "load_probe"]


class Stage(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage of training: the SHA-256 of its arrays, and a few of their values."""

    name: str
    digest: str
    values: list[float]

    def __post_init__(self) -> None:
        """Refuse values that are no numbers."""
        if not all(map(math.isfinite, self.values)):
            raise ValueError(f"stage {self.name!r} holds a value that is not finite")


class ProbeRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every stage of one lab's training by one engine, in the order of training."""

    config: TrainingConfig
    environment: EnvironmentRecord
    dataset: DatasetRecord
    stages: list[Stage]
    kind: str = "probe"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a record without stages, or with one twice."""
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"stages must be there, each once, not {names!r}")


class Difference(msgspec.Struct, frozen=True):
    """A stage that is not the same on both sides.

    Attributes:
        stage: Its name.
        size: The largest difference between the values, relative to the largest of them; None where the
            stage is on one side only.
    """

    stage: str
    size: float | None


def load_probe(path: Path) -> ProbeRecord:
    """Read a probe record.

    Raises:
        RecordError: The file cannot be read, or is no valid probe record.
    """
    return load(path, ProbeRecord, kind="probe")


def check_comparable(a: ProbeRecord, b: ProbeRecord) -> None:
    """Refuse to compare probes of different things.

    Raises:
        ValueError: They differ in lab, seed, training or data; the message says in which.
    """
    for name in ("lab", "seed", "epochs", "batch_size", "learning_rate", "validation_split"):
        sides = getattr(a.config, name), getattr(b.config, name)
        if sides[0] != sides[1]:
            raise ValueError(f"probes of different {name}s cannot be compared: {sides[0]!r} and {sides[1]!r}")
    if a.dataset.digest != b.dataset.digest:
        raise ValueError(
            f"probes of different data cannot be compared: {a.dataset.source}, {b.dataset.source}"
        )


def compare_probes(a: ProbeRecord, b: ProbeRecord) -> list[Difference]:
    """Return the stages that differ, in the order of training: the first is where to look.

    Raises:
        ValueError: As `check_comparable`.
    """
    check_comparable(a, b)
    there = {stage.name: stage for stage in b.stages}
    differences = []
    for stage in a.stages:
        other = there.pop(stage.name, None)
        if other is None or stage.digest != other.digest:
            differences.append(
                Difference(stage.name, None if other is None else _size(stage.values, other.values))
            )
    return differences + [Difference(name, None) for name in there]


def describe_difference(a: ProbeRecord, b: ProbeRecord) -> str:
    """Return one line: where two probes part first, by how much, and what of the environment differs."""
    differences = compare_probes(a, b)
    keys = explain_keys(a.environment, b.environment, NUMERICS_FIELDS)
    because = "".join(f"; {name} {x!r} and {y!r}" for name, (x, y) in sorted(keys.items()))
    if not differences:
        return f"identical in all {len(a.stages)} stages{because}"
    first, rest = differences[0], len(a.stages) - len(differences)
    size = "is on one side only" if first.size is None else f"moved by {first.size:.2g} of its size"
    return f"first stage that differs: {first.stage}, which {size}; {rest} of {len(a.stages)} stages alike{because}"


def _size(a: Sequence[float], b: Sequence[float]) -> float | None:
    if len(a) != len(b):
        return None
    scale = max(map(abs, (*a, *b)), default=0.0)
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) / scale if scale else 0.0
