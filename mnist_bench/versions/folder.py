"""Version records as files: read by name, and refused if they cannot be shown or compared together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mnist_bench.records.environment import (
    HARDWARE_FIELDS,
    VERSION_FIELDS,
    DatasetRecord,
    change_environment,
    explain_keys,
    refuse_fault,
)
from mnist_bench.records.fields import check_time
from mnist_bench.records.files import place_in
from mnist_bench.records.serial import list_json, load
from mnist_bench.records.strict import RecordError
from mnist_bench.stats.ratios import ALPHA, BOUND
from mnist_bench.training.fingerprint import BUILDS, COMPANIONS
from mnist_bench.versions.records import Planned, VersionRecord
from mnist_bench.versions.releases import VersionSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.timing.ab.records import AbRecord

_QUOTA = re.compile(r", [0-9.e+-]+ cores by quota$")  # as `training.fingerprint.collect_machine` writes it
_TIMED_SETTINGS = ("threads", "inter_op_threads", "xla", "op_determinism", "onednn", "flags")
# The packages that can be what `tf.keras` is: the last is Keras 2 for a TensorFlow whose own is Keras 3.
_KERASES = ("keras", "keras-nightly", "tf-keras")
_SIDE_FIELDS = (*VERSION_FIELDS, "backend", "precision", "device")
_GATE = {"bound": BOUND, "alpha": ALPHA}  # a record that sets its own may call any time the same

__all__ = [
    "VersionHead",
    "check_data",
    "check_installed",
    "check_pair",
    "check_planned",
    "check_together",
    "check_unplanted",
    "explain_machine",
    "load_folder",
    "load_version",
    "pair_path",
]


@dataclass(frozen=True, kw_only=True)
class VersionHead:
    """Of a version's record, what says whether it is shown, and with which others."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    version: VersionSpec
    dataset: DatasetRecord | None = None
    created: str = ""

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        if self.created:
            check_time("created", self.created)


def load_version(path: Path) -> VersionRecord:
    """Read a version's record.

    Raises:
        RecordError: The file cannot be read, or is no valid record of the version in its name.
    """
    record = check_planned(path, load(path, VersionRecord))
    if record.version.name != path.stem:
        raise RecordError(f"{path}: the record of {record.version.name!r}, not of {path.stem!r}")
    return record


def check_planned(path: Path, record: VersionRecord) -> VersionRecord:
    """Return the record, or refuse one whose plan names nothing: to such a plan nothing would ever be missing.

    Raises:
        RecordError: The plan is empty, or the record is of another version or of other packages than it says. A record
            may be without a plan: then what is usual is due.
    """
    if record.planned == Planned():
        raise RecordError(f"{path}: $.planned: it names no lab, engine or seed")
    environments = {"record": record.environment}
    environments |= {f"probe of {probe.config.case}": probe.environment for probe in record.probes}
    for where, environment in environments.items():
        if environment:
            check_unplanted(path, where, environment)
    if record.environment:
        _check_named(path, record.version, record.environment)
    if record.install:
        _check_pins(path, record.version, record.install.packages)
    if record.environment and record.install:
        check_installed(path, record.install.packages, record.environment)
    return record


def check_unplanted(path: Path, where: str, environment: EnvironmentRecord) -> None:
    """Refuse what was made under a planted fault.

    Raises:
        RecordError: It was; the message names the fault.
    """
    try:
        refuse_fault(environment, f"the {where}")
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error


def _check_named(path: Path, version: VersionSpec, environment: EnvironmentRecord) -> None:
    """Refuse a version for which another one was measured."""
    for field in ("tensorflow", "keras", "python"):
        named, measured = getattr(version, field), getattr(environment, field)
        # Of Python, a version names no patch release.
        release = measured.rpartition(".")[0] if field == "python" else measured
        if named not in (None, measured, release):
            raise RecordError(f"{path}: $.version.{field} is {named!r}, and {measured!r} in $.environment")


def check_installed(path: Path, packages: Mapping[str, str], environment: EnvironmentRecord) -> None:
    """Refuse packages that are of other versions than those that were measured.

    A module may write its version otherwise than its package, as nightlies (`2.22.0-dev20260905`) and vendors' builds
    (`2.14.0.600`) do: the releases are compared.

    Raises:
        RecordError: A package contradicts the module that was measured.
    """
    installed = {str(canonicalize_name(name)): version for name, version in packages.items()}
    # A vendor may name its build as it likes, but for this.
    named = [name for name in installed if "tensorflow" in name or name.startswith("tf-")]
    if installed and not {*named} - {*COMPANIONS}:
        told = f"the packages have no TensorFlow, and $.environment.tensorflow is {environment.tensorflow!r}"
        raise RecordError(f"{path}: {told}")
    for module, names in (("tensorflow", BUILDS), ("keras", _KERASES), ("numpy", ("numpy",))):
        found, measured = {name: installed[name] for name in names if name in installed}, getattr(environment, module)
        if found and not any(_is_of_release(version, measured) for version in found.values()):
            told = " and ".join(f"{name} {version}" for name, version in found.items())
            raise RecordError(f"{path}: the packages have {told}, and $.environment.{module} is {measured!r}")


def _check_pins(path: Path, version: VersionSpec, packages: Mapping[str, str]) -> None:
    """Refuse a package that a pin of its version excludes."""
    installed = {str(canonicalize_name(name)): release for name, release in packages.items()}
    for pin in version.pins:
        requirement = Requirement(pin)
        release = installed.get(str(canonicalize_name(requirement.name)))
        if release is not None and not _allows(requirement, release):
            told = f"$.version.pins has {pin!r}, which contradicts $.install.packages: {requirement.name} {release}"
            raise RecordError(f"{path}: {told}")


def _allows(requirement: Requirement, release: str) -> bool:
    try:
        return requirement.specifier.contains(Version(release), prereleases=True)
    except InvalidVersion:
        return True


def _is_of_release(package: str, module: str) -> bool:
    try:
        first, second = Version(package), Version(module)
    except InvalidVersion:
        return package == module
    return first.release[:3] == second.release[:3] and first.is_prerelease == second.is_prerelease


def load_folder(folder: Path) -> dict[str, VersionRecord]:
    """Read every version's record in a folder, by name; none if the folder does not exist.

    Raises:
        RecordError: As `load_version`.
    """
    return {path.stem: load_version(path) for path in list_json(folder)}


def check_together(records: Mapping[Path, VersionHead | VersionRecord]) -> None:
    """Refuse records that do not belong together.

    Args:
        records: The records, or as much of them as is read of many, by file.

    Raises:
        ValueError: Two records are of one version or of different data; the message names both files.
    """
    files: dict[str, Path] = {}
    for path, record in records.items():
        first = files.setdefault(record.version.name, path)
        if first != path:
            raise ValueError(f"{first} and {path} are both records of {record.version.name}: use only one of them")
    check_data({path: record.dataset for path, record in records.items() if record.dataset})


def check_data(datasets: Mapping[Path, DatasetRecord]) -> None:
    """Refuse files of different data: no verdict on them could hold.

    Raises:
        ValueError: Two files are of different data; the message names both.
    """
    first = next(iter(datasets), None)
    for path, dataset in datasets.items():
        if first and dataset != datasets[first]:
            a, b = (f"{data.source} {data.digest[:8]}" for data in (datasets[first], dataset))
            raise ValueError(f"{first} and {path} are of different data ({a}, {b}): they cannot be used together")


def check_pair(path: Path, pair: AbRecord, versions: Mapping[str, VersionRecord]) -> None:
    """Refuse a comparison of times that says nothing of its two versions.

    Args:
        path: Its file, which a refusal names.
        pair: The comparison; its sides are named by their versions.
        versions: The records that there are, by name.

    Raises:
        RecordError: It has one version on both sides, a slow-down was planted in it, it was judged less strictly than
            comparisons are here, its sides ran on two machines or with two settings, or a side is of other packages
            or data than that version's record.
    """
    if pair.python_a == pair.python_b:
        raise RecordError(f"{path}: both sides are {pair.python_a}: a version is timed against another one")
    if pair.fault_b is not None:
        raise RecordError(f"{path}: a slow-down was planted in it: fault_b is {pair.fault_b!r}")
    for name, most in _GATE.items():
        if getattr(pair, name) > most:
            raise RecordError(f"{path}: {name} is {getattr(pair, name)!r}: comparisons are judged by {most:g} or less")
    machines = explain_keys(pair.a, pair.b, HARDWARE_FIELDS)
    if machines:
        raise RecordError(f"{path}: the two sides ran on two machines: they differ in {', '.join(sorted(machines))}")
    settings = explain_keys(pair.a, pair.b, _TIMED_SETTINGS)
    if settings:
        raise RecordError(f"{path}: the two sides ran with two settings: they differ in {', '.join(sorted(settings))}")
    for side, name, environment in (("a", pair.python_a, pair.a), ("b", pair.python_b, pair.b)):
        recorded = versions[name].environment if name in versions else None
        differ = explain_keys(recorded, environment, _SIDE_FIELDS) if recorded else {}
        dataset = versions[name].dataset if name in versions else None
        if dataset not in (None, pair.workload.dataset):
            raise RecordError(f"{path}: timed on other data than the record of {name} was measured on")
        for field, (there, here) in differ.items():
            raise RecordError(f"{path}: {side}.{field} is {here!r}, and {there!r} in the record of {name}")


def explain_machine(timed: EnvironmentRecord, *recorded: EnvironmentRecord) -> str:
    """Return in what a comparison of times ran on another machine than each of some records; "" if on one of theirs.

    A comparison pins each side to a core, so that the cores that it may use, by its affinity or by a quota, are fewer.
    """
    names = [name for name in HARDWARE_FIELDS if name != "usable_cores"]
    told = ""
    for environment in recorded:
        plain = change_environment(environment, cpu=_QUOTA.sub("", environment.cpu))
        differ = explain_keys(plain, change_environment(timed, cpu=_QUOTA.sub("", timed.cpu)), tuple(names))
        if not differ:
            return ""
        told = told or ", ".join(f"{name} {here!r}, not {there!r}" for name, (there, here) in differ.items())
    return told


def pair_path(folder: Path, name: str) -> Path:
    """Return where the comparison of a version's times with its predecessor's is kept: below the versions' records."""
    return place_in(folder, "pairs", f"{name}.json")
