"""The record of a version: everything that was measured of one TensorFlow, Keras and Python, in one small file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.environment import DatasetRecord, EnvironmentRecord
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.serial import RecordError, load
from mnist_bench.records.training import History
from mnist_bench.records.verdicts import CheckResult
from mnist_bench.versions.releases import VersionSpec

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

__all__ = [
    "NEEDED",
    "EpochTimes",
    "Failure",
    "Install",
    "SeedResults",
    "VersionRecord",
    "add_training",
    "find_cases",
    "load_version",
    "load_versions",
    "make_times",
    "probes_by_case",
    "put",
    "seeds_by_case",
]

# Nothing is measured of a version that does not come through these layers.
NEEDED = ("install", "import")
_DIGITS = 5  # of a curve: a hundredth of the spread over seeds


@dataclass(frozen=True, kw_only=True)
class Install:
    """The environment of a version.

    Attributes:
        seconds: Of making it, with whatever uv had in its cache; None for one that was there already.
        bytes: Sum of the sizes of its files, before anything was run in it.
        packages: Versions by package.
    """

    seconds: float | None
    bytes: int
    packages: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What could not be measured: that is a result, too.

    Attributes:
        layer: The layer.
        what: What of it, such as `mlp-epoch`.
        reason: One line.
        lines: The last lines that the command left.
    """

    layer: str
    what: str
    reason: str
    lines: list[str]


@dataclass(frozen=True, kw_only=True)
class SeedResults:
    """What one engine's trainings of one lab came to, one figure a seed, in the order of the seeds.

    Attributes:
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
        epochs: Epochs of each training.
        numerics_key: Of the environment that all of them were trained in.
        seeds: The seeds, each once.
        test_accuracy: On the test set.
        test_loss: The same; None where it was not finite.
        final_digests: SHA-256 of the final weights.
        history: The learning curves of the first seed, rounded.
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

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, seeds out of order, and figures out of range."""
        lengths = {len(self.seeds), len(self.test_accuracy), len(self.test_loss), len(self.final_digests)}
        if len(lengths) != 1 or not self.seeds:
            raise ValueError(f"{self.lab}: columns of different lengths, or empty ones")
        if sorted(set(self.seeds)) != self.seeds:
            raise ValueError(f"{self.lab}: seeds {self.seeds!r} are not each there once, in their order")
        if not all(0 <= it <= 1 for it in self.test_accuracy):
            raise ValueError(f"{self.lab}: test_accuracy {self.test_accuracy!r} is outside 0 to 1")
        if not all(it is None or it >= 0 for it in self.test_loss):
            raise ValueError(f"{self.lab}: test_loss {self.test_loss!r} is negative")


@dataclass(frozen=True, kw_only=True)
class EpochTimes:
    """The wall-clock seconds of each epoch of one training in a process of its own, training part only.

    The first holds tracing and compilation. One process and no pair: a lead, not a figure to quote.
    """

    lab: str
    engine: str
    hardware_key: str
    seconds: list[float]


@dataclass(frozen=True, kw_only=True)
class VersionRecord:
    """Everything that was measured of one version; a layer that was not is empty.

    Attributes:
        version: What it is.
        status: `planned` before anything is measured; `failed` where it could not be installed or imported,
            `partial` where something else could not be measured, else `measured`.
        environment: Its fingerprint.
        dataset: What was trained on.
        install: How the environment was made.
        imports: Seconds of importing TensorFlow and Keras, each in a fresh process.
        checks: Structure, contracts, arithmetic and reproducibility, by engine.
        probes: Every stage of a short training, by lab and engine.
        accuracy: Full trainings of several seeds, by lab and engine.
        times: Seconds of epochs, by lab and engine.
        failures: What could not be measured.
        created: When it was begun.
        commit: Of the project that measured it.
    """

    version: VersionSpec
    status: Literal["planned", "measured", "partial", "failed"] = "planned"
    environment: EnvironmentRecord | None = None
    dataset: DatasetRecord | None = None
    install: Install | None = None
    imports: list[float] = field(default_factory=list)
    checks: dict[str, list[CheckResult]] = field(default_factory=dict)
    probes: list[ProbeRecord] = field(default_factory=list)
    accuracy: list[SeedResults] = field(default_factory=list)
    times: list[EpochTimes] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    created: str = ""
    commit: str | None = None
    kind: str = "version"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a status that the rest belies, and figures of other data than the record's."""
        if (self.status in ("failed", "partial")) != bool(self.failures):
            raise ValueError(f"status is {self.status!r}, with {len(self.failures)} failures")
        for probe in self.probes:
            if probe.dataset != self.dataset:
                raise ValueError(f"the probe of {probe.config.lab} is of other data than the record")


def put(record: VersionRecord, **fields: Any) -> VersionRecord:
    """Return the record with these fields, and with the status that they make."""
    failures = fields.get("failures", record.failures)
    hopeless = any(failure.layer in NEEDED for failure in failures)
    status = "failed" if hopeless else "partial" if failures else "measured"
    return dataclasses.replace(record, **{"status": status, **fields})


def add_training(record: VersionRecord, training: TrainingRecord) -> VersionRecord:
    """Return the version's record with one more full training in it.

    Raises:
        ValueError: It does not belong to those that are there: its epochs, data or numerics key are others.
    """
    config = training.config
    new = _make_results(training)
    others = [it for it in record.accuracy if (it.lab, it.engine) != (config.lab, config.engine)]
    for old in record.accuracy:
        if old not in others:
            new = _merge(old, new)
    if record.dataset not in (None, training.dataset):
        raise ValueError(f"{config.lab}, seed {config.seed}: trained on other data than the record's")
    return put(record, dataset=training.dataset, accuracy=[*others, new])


def make_times(training: TrainingRecord) -> EpochTimes:
    """Return the seconds of a training's epochs."""
    return EpochTimes(
        lab=training.config.lab,
        engine=training.config.engine,
        hardware_key=training.environment.hardware_key,
        seconds=[round(seconds, 6) for seconds in training.history.seconds],
    )


def load_version(path: Path) -> VersionRecord:
    """Read a version's record.

    Raises:
        RecordError: The file cannot be read, or is no valid record of the version that it is called after.
    """
    record = load(path, VersionRecord)
    if record.version.name != path.stem:
        raise RecordError(f"{path}: it is the record of {record.version.name!r}, not of {path.stem!r}")
    return record


def load_versions(folder: Path) -> dict[str, VersionRecord]:
    """Read every version's record of a folder, by name; none where there is no such folder.

    Raises:
        RecordError: As `load_version`.
    """
    return {path.stem: load_version(path) for path in sorted(folder.glob("*.json"))}


def find_cases(base: VersionRecord, new: VersionRecord) -> list[str]:
    """Return the labs and engines that were trained or probed in either, such as `mlp-epoch`."""
    return list(dict.fromkeys([*seeds_by_case(base), *probes_by_case(base), *seeds_by_case(new), *probes_by_case(new)]))


def seeds_by_case(record: VersionRecord) -> dict[str, SeedResults]:
    """Return the trainings by lab and engine."""
    return {f"{it.lab}-{it.engine}": it for it in record.accuracy}


def probes_by_case(record: VersionRecord) -> dict[str, ProbeRecord]:
    """Return the probes by lab and engine."""
    return {f"{it.config.lab}-{it.config.engine}": it for it in record.probes}


def _make_results(training: TrainingRecord) -> SeedResults:
    history = training.history
    columns: dict[str, Any] = {
        name: [_round(it) for it in getattr(history, name)] for name in history.__dataclass_fields__
    }
    return SeedResults(
        lab=training.config.lab,
        engine=training.config.engine,
        epochs=len(history.loss),
        numerics_key=training.environment.numerics_key,
        seeds=[training.config.seed],
        test_accuracy=[training.test_accuracy],
        test_loss=[training.test_loss],
        final_digests=[training.final_digest],
        history=History(**columns),
    )


def _merge(old: SeedResults, new: SeedResults) -> SeedResults:
    """Return the results of both, of which `new` has one seed."""
    for name in ("epochs", "numerics_key"):
        there, here = getattr(old, name), getattr(new, name)
        if there != here:
            raise ValueError(f"{old.lab}: {name} is {here!r}, of the seeds that are there {there!r}")
    names = ("seeds", "test_accuracy", "test_loss", "final_digests")
    rows = zip(*([*getattr(old, name), *getattr(new, name)] for name in names), strict=True)
    columns: Any = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    first = min(old, new, key=lambda it: it.seeds[0])
    merged: dict[str, Any] = dict(zip(names, map(list, columns), strict=True))
    return dataclasses.replace(first, **merged)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
