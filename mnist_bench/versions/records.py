"""The record of a version: everything that was measured of one TensorFlow, Keras and Python."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mnist_bench.checks.known import KNOWN_PATH, find_known, grew_beyond, load_known
from mnist_bench.checks.names import ENGINE_NAMES, describe_size
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.environment import VERSION_FIELDS, DatasetRecord, EnvironmentRecord, explain_keys
from mnist_bench.records.fields import check_commit, check_range, check_seconds, check_time
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.labs import LABS
from mnist_bench.versions.releases import VersionSpec
from mnist_bench.versions.seeds import SeedResults, make_results, merge_results

if TYPE_CHECKING:
    from mnist_bench.records.config import Case
    from mnist_bench.records.training import TrainingRecord

__all__ = [
    "NEEDED",
    "Failure",
    "Install",
    "Planned",
    "VersionRecord",
    "add_training",
    "find_cases",
    "probes_by_case",
    "seeds_by_case",
    "update_record",
]

NEEDED = ("install", "import")  # a version that fails in one of these layers cannot be measured at all
_LEAST_SECONDS = 1e-3  # of an import: Keras alone has hundreds of modules
_MOST_BYTES = 10**15
# What a comparison of two records finds, or misses: a check of such a name would stand for its answer.
_COMPARED = frozenset({"accuracy", "bits", "checks", "comparison", "time", "version"})
# A machine of another name may go on with a record, one with other arithmetic may not.
_MACHINE_FIELDS = ("system", "machine", "instruction_set", "onednn")


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
        if self.packages and not self.bytes:
            raise ValueError(f"bytes is 0, which contradicts packages: {len(self.packages)} are installed")


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
class Planned:
    """What a record should hold when everything is measured. Each run adds what it was asked for.

    Attributes:
        labs: Keys of `LABS`.
        checked: Engines that are checked.
        probed: Engines that are probed.
        trained: Engines of the full trainings.
        seeds: The seeds of the full trainings of every lab.
        further: By lab, the seeds that it is trained with beyond those.
        epochs: Epochs of each training and probe; None if the lab's own, and a probe's own.
        whole: Whether the engines that every version is measured by are due in any case. Not of two environments
            that were measured together: one training with the same bits may be all that their comparison needs.
    """

    labs: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    probed: list[str] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    further: dict[str, list[int]] = field(default_factory=dict)
    epochs: int | None = None
    whole: bool = True

    def __post_init__(self) -> None:
        """Refuse a plan to which next to nothing is missing: of two environments, at least the probes are due."""
        if not self.whole and not (self.labs and self.probed and self.seeds):
            raise ValueError("of two environments measured together, a plan names labs, probed and seeds")
        if not self.whole and bool(self.checked) != bool(self.trained):
            raise ValueError("two environments are checked and trained by the same engines, or by none")
        if strangers := self.further.keys() - set(self.labs):
            raise ValueError(f"further: {min(strangers)!r} is none of the labs")

    def list_seeds(self, lab: str) -> list[int]:
        """Return the seeds that a lab is trained with."""
        return sorted({*self.seeds, *self.further.get(lab, [])})


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
        if self.created:
            check_time("created", self.created)
        check_commit("commit", self.commit)
        _refuse_unsaid(self)
        _refuse_twins("accuracy", [str(results.case) for results in self.accuracy])
        _refuse_twins("probes", [str(probe.config.case) for probe in self.probes])
        for engine, results in self.checks.items():
            _refuse_twins(f"checks.{engine}", [result.name for result in results])
            _refuse_strangers(engine, results)
            _refuse_other_sizes(engine, results)
            if self.environment:
                _refuse_unlisted(engine, results, self.environment)
        if (self.status in ("failed", "partial")) != bool(self.failures):
            raise ValueError(f"status is {self.status!r}, with {len(self.failures)} failures")
        for probe in self.probes:
            if probe.dataset != self.dataset:
                raise ValueError(f"the probe of {probe.config.lab} is of other data than the record")
            # A plan is that of a version that is measured; baselines that were gathered belong to none.
            if probe.acceptance is not None and self.planned != Planned():
                told = "only a baseline has one, and this record was measured"
                raise ValueError(f"the probe of {probe.config.case} has an acceptance: {told}")
            if self.environment:
                where = f"{probe.config.case}: probed"
                _check_versions(self.environment, probe.environment, where, further=_MACHINE_FIELDS)

    @property
    def keras(self) -> str:
        """The Keras that was measured, or that is to be."""
        return self.environment.keras if self.environment else self.version.keras or "any"


def _refuse_twins(where: str, names: list[str]) -> None:
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if first.setdefault(name, place) != place:
            raise ValueError(f"{where}[{first[name]}] and {where}[{place}] are both {name}")


def _refuse_unsaid(record: VersionRecord) -> None:
    """Refuse what was measured nobody says where, and a record that is planned and holds what was measured."""
    measured = {name: getattr(record, name) for name in ("imports", "checks", "probes", "accuracy")}
    there = next((name for name, pieces in measured.items() if pieces), None)
    if there and record.environment is None:
        raise ValueError(f"environment: there is none, and {there} were measured in one")
    if there and record.status == "planned":
        raise ValueError(f"status is 'planned', with {there} that were measured")


def _refuse_strangers(engine: str, results: list[CheckResult]) -> None:
    """Refuse an unknown engine, what a comparison finds, and a check of one engine among those of another."""
    if engine not in ENGINE_NAMES:
        raise ValueError(f"checks.{engine}: an unknown engine: choose from {', '.join(ENGINE_NAMES)}")
    for place, result in enumerate(results):
        # A check of the structure is of a lab, whichever engine trains it.
        strange = result.case and result.layer != "structure" and result.case.rpartition("-")[2] != engine
        if strange or result.layer in _COMPARED:
            raise ValueError(f"checks.{engine}[{place}]: {result.name} is no check of {engine}")
        if not result.figure.strip() or not result.bound.strip():
            raise ValueError(f"checks.{engine}[{place}]: {result.name} has no figure, or no bound")


def _refuse_other_sizes(engine: str, results: list[CheckResult]) -> None:
    """Refuse a PASS of layers that are not the lab's."""
    for place, result in enumerate(results):
        if result.check != "structure/layers" or result.verdict is not Verdict.PASS or result.case not in LABS:
            continue
        # Only a figure that counts parameters can tell another count.
        if "parameters" in result.figure and result.figure != (due := describe_size(LABS[result.case])):
            told = f"{result.name} is PASS, which contradicts its figure {result.figure!r}: the lab has {due}"
            raise ValueError(f"checks.{engine}[{place}]: {told}")


def _refuse_unlisted(engine: str, results: list[CheckResult], environment: EnvironmentRecord) -> None:
    """Refuse a KNOWN that the reviewed list does not have for these versions, or not with so large a figure."""
    known = load_known()
    for place, result in enumerate(results):
        if result.verdict is not Verdict.KNOWN:
            continue
        what = f"checks.{engine}[{place}]: {result.check}"
        entry = find_known(result.check, engine, vars(environment), known)
        if entry and grew_beyond(result.value, entry):
            told = (
                f"{what} is KNOWN with value {result.value:g}, and {KNOWN_PATH.name} has {entry.bound:g} as its bound"
            )
            raise ValueError(told)
        if not entry:
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
    old, new = seeds_by_case(record).get(config.case), make_results(training)
    others = [results for results in record.accuracy if results.case != config.case]
    return update_record(record, dataset=training.dataset, accuracy=[*others, merge_results(old, new) if old else new])


def find_cases(*records: VersionRecord) -> list[Case]:
    """Return the labs and engines that were trained or probed in any of the records."""
    return list(dict.fromkeys(case for record in records for case in (*seeds_by_case(record), *probes_by_case(record))))


def seeds_by_case(record: VersionRecord) -> dict[Case, SeedResults]:
    """Return the trainings by lab and engine."""
    return {results.case: results for results in record.accuracy}


def probes_by_case(record: VersionRecord) -> dict[Case, ProbeRecord]:
    """Return the probes by lab and engine."""
    return {probe.config.case: probe for probe in record.probes}


def _check_versions(
    recorded: EnvironmentRecord, other: EnvironmentRecord, what: str, *, further: tuple[str, ...] = ()
) -> None:
    differ = explain_keys(recorded, other, (*VERSION_FIELDS, "backend", "precision", "device", *further))
    if differ:
        words = ", ".join(f"{name} {now!r}, the record's is {then!r}" for name, (then, now) in differ.items())
        raise ValueError(f"{what} with {words}")
