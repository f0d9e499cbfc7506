"""The record of a version: everything that was measured of one TensorFlow, Keras and Python."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mnist_bench.checks.known import KNOWN_PATH, find_known, load_known
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.config import Case
from mnist_bench.records.environment import (
    VERSION_FIELDS,
    DatasetRecord,
    EnvironmentRecord,
    check_digests,
    check_names,
    check_range,
    check_seconds,
    explain_keys,
)
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.training import MOST_LOSS, History, Predictions, check_seeds
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.labs import find_departures
from mnist_bench.versions.releases import VersionSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mnist_bench.records.training import TrainingRecord

__all__ = [
    "NEEDED",
    "Failure",
    "Install",
    "Planned",
    "SeedResults",
    "VersionRecord",
    "add_training",
    "check_alike",
    "extend_seeds",
    "find_cases",
    "probes_by_case",
    "seeds_by_case",
    "select_seeds",
    "update_record",
]

NEEDED = ("install", "import")  # a version that fails in one of these layers cannot be measured at all
_LEAST_SECONDS = 1e-9  # of an import: there is no ratio with 0
_MOST_BYTES = 10**15
_COLUMNS = ("seeds", "test_accuracy", "test_loss", "initial_digests", "final_digests", "predictions")
_DIGITS = 5  # of the points of a curve: a hundredth of the spread over seeds


@dataclass(frozen=True, kw_only=True)
class Install:
    """The environment of a version.

    Attributes:
        seconds: How long uv took to make the environment, with its cache as it was; None for one that existed.
        bytes: Sum of the sizes of its files, before anything was run in the environment.
        packages: Versions by package.
    """

    seconds: float | None
    bytes: int
    packages: dict[str, str]

    def __post_init__(self) -> None:
        """Refuse seconds and bytes that cannot be."""
        check_seconds("seconds", self.seconds)
        check_range("bytes", self.bytes, high=_MOST_BYTES)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Something that could not be measured, which is a result, too.

    Attributes:
        layer: The layer.
        what: Which part of the layer, such as `mlp-epoch`.
        reason: One line.
        lines: The last lines that the command printed.
    """

    layer: str
    what: str
    reason: str
    lines: list[str]


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

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, seeds out of order, and figures out of range."""
        check_names(lab=self.lab, engine=self.engine, numerics_key=self.numerics_key)
        lengths = {len(self.seeds), len(self.test_accuracy), len(self.test_loss), len(self.final_digests)}
        if len(lengths) != 1 or not self.seeds:
            raise ValueError(f"{self.lab}: columns of different lengths, or empty ones")
        if sorted(set(self.seeds)) != self.seeds:
            raise ValueError(f"{self.lab}: seeds {self.seeds!r} are not in ascending order, each once")
        if self.predictions and len(self.predictions) != len(self.seeds):
            raise ValueError(f"{self.lab}: predictions of {len(self.predictions)} of {len(self.seeds)} seeds")
        check_digests(f"{self.lab}: final_digests", *self.final_digests)
        if len(self.initial_digests) not in (0, len(self.seeds)):
            raise ValueError(f"{self.lab}: {len(self.initial_digests)} initial_digests of {len(self.seeds)} seeds")
        check_digests(f"{self.lab}: initial_digests", *self.initial_digests)
        check_seeds(str(self.case), self.seeds, initial=self.initial_digests, final=self.final_digests)
        check_range(f"{self.lab}: test_accuracy", *self.test_accuracy, high=1)
        check_range(f"{self.lab}: test_loss", *self.test_loss, high=MOST_LOSS)
        if not 0 < self.epochs == len(self.history.loss):
            raise ValueError(f"{self.lab}: {self.epochs} epochs, {len(self.history.loss)} in the history")

    @property
    def case(self) -> Case:
        """The lab and the engine."""
        return Case(self.lab, self.engine)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What a record should hold when everything is measured. Each run adds what it was asked for.

    Attributes:
        labs: Keys of `LABS`.
        checked: Engines that are checked.
        probed: Engines that are probed.
        trained: Engines of the full trainings.
        seeds: The seeds of the full trainings.
        epochs: Epochs of each training and probe; None if the lab's own, and a probe's own.
        whole: Whether the engines that every version is measured by are due in any case. Not of two environments
            that were measured together: one training with the same bits may be all that their comparison needs.
    """

    labs: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    probed: list[str] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    epochs: int | None = None
    whole: bool = True


@dataclass(frozen=True, kw_only=True)
class VersionRecord:
    """Everything that was measured of one version. A layer that was not measured is empty.

    Attributes:
        version: What the version is.
        status: `planned` before anything is measured; `failed` if the version could not be installed or imported;
            `partial` if something else could not be measured; else `measured`.
        environment: The fingerprint of the environment.
        dataset: The data of probes and trainings.
        install: How the environment was made.
        imports: Seconds of importing TensorFlow and Keras, each in a fresh process.
        checks: Structure, contracts, arithmetic and reproducibility, by engine.
        probes: Every stage of a short training, by lab and engine.
        accuracy: Full trainings of several seeds, by lab and engine.
        failures: What could not be measured.
        planned: What should be measured; None in a record that does not say: it was planned to hold what it holds.
        created: When the record was begun.
        commit: The commit of the project that measured the version.
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
    failures: list[Failure] = field(default_factory=list)
    planned: Planned | None = None
    created: str = ""
    commit: str | None = None
    kind: str = "version"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, such as twins or a KNOWN on no list, and impossible times."""
        check_seconds("imports", *self.imports, low=_LEAST_SECONDS)
        _refuse_twins("accuracy", [str(results.case) for results in self.accuracy])
        _refuse_twins("probes", [str(probe.config.case) for probe in self.probes])
        for engine, results in self.checks.items():
            _refuse_twins(f"checks.{engine}", [result.name for result in results])
            _refuse_strangers(engine, results)
            if self.environment:
                _refuse_unlisted(engine, results, self.environment)
        if (self.status in ("failed", "partial")) != bool(self.failures):
            raise ValueError(f"status is {self.status!r}, with {len(self.failures)} failures")
        for probe in self.probes:
            if probe.dataset != self.dataset:
                raise ValueError(f"the probe of {probe.config.lab} is of other data than the record")
            if self.environment:
                _check_versions(self.environment, probe.environment, f"{probe.config.case}: probed")

    @property
    def keras(self) -> str:
        """The Keras that was measured, or that is to be."""
        return self.environment.keras if self.environment else self.version.keras or "any"


def _refuse_twins(where: str, names: list[str]) -> None:
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if first.setdefault(name, place) != place:
            raise ValueError(f"{where}[{first[name]}] and {where}[{place}] are both {name}")


def _refuse_strangers(engine: str, results: list[CheckResult]) -> None:
    """Refuse a check of one engine that stands among those of another."""
    for place, result in enumerate(results):
        # A check of the structure is of a lab, whichever engine trains it.
        if result.case and result.layer != "structure" and result.case.rpartition("-")[2] != engine:
            raise ValueError(f"checks.{engine}[{place}]: {result.name} is no check of {engine}")


def _refuse_unlisted(engine: str, results: list[CheckResult], environment: EnvironmentRecord) -> None:
    """Refuse a KNOWN that the reviewed list does not have for these versions."""
    known = load_known()
    for place, result in enumerate(results):
        if result.verdict is Verdict.KNOWN and not find_known(result.check, engine, vars(environment), known):
            what = f"checks.{engine}[{place}]: {result.check}"
            raise ValueError(f"{what} is KNOWN, and {KNOWN_PATH.name} does not list it for these versions")


def update_record(record: VersionRecord, **fields: Any) -> VersionRecord:
    """Return the record with these fields, and with the status that follows from its failures."""
    failures = fields.get("failures", record.failures)
    hopeless = any(failure.layer in NEEDED for failure in failures)
    status = "failed" if hopeless else "partial" if failures else "measured"
    return dataclasses.replace(record, **{"status": status, **fields})


def add_training(record: VersionRecord, training: TrainingRecord) -> VersionRecord:
    """Return the record with one more full training.

    Raises:
        ValueError: The training has other epochs, other data, other versions or another numerics key than those in the
            record.
    """
    config = training.config
    if record.environment:
        _check_versions(record.environment, training.environment, f"{config.case}, seed {config.seed}: trained")
    if record.dataset not in (None, training.dataset):
        raise ValueError(f"{config.lab}, seed {config.seed}: trained on other data than the record's")
    old, new = seeds_by_case(record).get(config.case), _make_results(training)
    others = [results for results in record.accuracy if results.case != config.case]
    return update_record(record, dataset=training.dataset, accuracy=[*others, _merge(old, new) if old else new])


def find_cases(*records: VersionRecord) -> list[Case]:
    """Return the labs and engines that were trained or probed in any of the records."""
    return list(dict.fromkeys(case for record in records for case in (*seeds_by_case(record), *probes_by_case(record))))


def seeds_by_case(record: VersionRecord) -> dict[Case, SeedResults]:
    """Return the trainings by lab and engine."""
    return {results.case: results for results in record.accuracy}


def probes_by_case(record: VersionRecord) -> dict[Case, ProbeRecord]:
    """Return the probes by lab and engine."""
    return {probe.config.case: probe for probe in record.probes}


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
    known = old.initial_digests and new.initial_digests
    check_seeds(
        str(old.case),
        [*old.seeds, *new.seeds],
        initial=[*old.initial_digests, *new.initial_digests] if known else (),
        final=[*old.final_digests, *new.final_digests],
        told=" of two records",
    )


def _check_versions(recorded: EnvironmentRecord, other: EnvironmentRecord, what: str) -> None:
    differ = explain_keys(recorded, other, (*VERSION_FIELDS, "backend", "precision", "device"))
    if differ:
        words = ", ".join(f"{name} {now!r}, the record's is {then!r}" for name, (then, now) in differ.items())
        raise ValueError(f"{what} with {words}")


def _make_results(training: TrainingRecord) -> SeedResults:
    history: dict[str, Any] = {
        name: [None if value is None else round(value, _DIGITS) for value in column]
        for name, column in vars(training.history).items()
    }
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
        departures={
            name: repr(value) for name, (value, _) in find_departures(training.config).items() if name != "epochs"
        },
    )


def _merge(old: SeedResults, new: SeedResults) -> SeedResults:
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
    return dataclasses.replace(first, **joined)
