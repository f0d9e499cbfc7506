"""What `compare` and `matrix export` are given: record files, folders, interpreters and names of versions."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.files import is_taken
from mnist_bench.records.serial import list_records, load, read_checksum
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.workers.interpreters import find_python
from mnist_bench.versions.folder import check_planned, check_together, check_unplanted, load_version
from mnist_bench.versions.records import Planned, VersionRecord, add_training, probes_by_case, update_record
from mnist_bench.versions.releases import MATRIX, describe_version, expand_name, suggest_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Record",
    "check_apart",
    "find_interpreter",
    "gather",
    "get_probe",
    "load_records",
    "load_sides",
    "name_version",
]

Record: TypeAlias = TrainingRecord | ProbeRecord | VersionRecord
_FORMS: tuple[type[Record], ...] = (TrainingRecord, ProbeRecord, VersionRecord)


def find_interpreter(text: str, versions: Path) -> Path | None:
    """Return the interpreter that a text names: its path, the folder of its environment, or a command's name.

    Returns:
        The interpreter; None if the text names records or a version, or nothing.
    """
    names_version = text in MATRIX or is_taken(versions / f"{text}.json")
    if names_version or Path(text).suffix == ".json":
        return None
    with contextlib.suppress(ValueError):
        return find_python(text)
    return None


def get_probe(sides: Mapping[str, VersionRecord]) -> ProbeRecord | None:
    """Return the probe if a single probe's own file is all that was loaded, else None.

    A version's record that holds one probe and nothing else is no bare probe: what is due and is not there is told.
    """
    record = sides.get("")
    if record is None or record.planned != Planned() or record.accuracy or record.checks or len(record.probes) != 1:
        return None
    return record.probes[0]


def load_sides(text: str, versions: Path) -> dict[str, VersionRecord]:
    """Load what is to be compared.

    Args:
        text: A record's file, a folder of records, or a version's name.
        versions: The folder in which a version's name is looked up.

    Returns:
        One record, by the name ""; or, of a folder of versions' records, each by its name.

    Raises:
        RecordError: A file is no valid record, or the folder holds none.
        ValueError: The records of the folder do not belong together, or nothing has that name.
    """
    if is_taken(Path(text)):
        found = gather(load_records([Path(text)]), text)
        return {"": next(iter(found.values()))} if len(found) == 1 else found
    return {"": load_version(_find_version(text, versions))}


def name_version(text: str, versions: Path) -> str | None:
    """Return the name of the version on record that a text names, in full or shortened; None if it names files.

    Raises:
        ValueError: There is no such version.
    """
    return None if is_taken(Path(text)) else _find_version(text, versions).stem


def check_apart(base: str, new: str, versions: Path) -> None:
    """Refuse two texts that name the same records, or copies of the same: compared with itself, nothing is worse.

    Raises:
        ValueError: They do; the message says how to compare them nevertheless.
    """
    files = [
        list_records(Path(text) if is_taken(Path(text)) else _find_version(text, versions)) for text in (base, new)
    ]
    same = set(map(Path.resolve, files[0])) == set(map(Path.resolve, files[1]))
    if same or _hold_copies(*files):
        raise ValueError(
            f"{base} and {new} are the same record: nothing to compare; to compare it with itself nevertheless: --same"
        )


def _hold_copies(base: Sequence[Path], new: Sequence[Path]) -> bool:
    """Return whether the files are copies: two records that were measured are never of one moment and one content."""
    checksums = [set(map(read_checksum, files)) for files in (base, new)]
    if checksums[0] != checksums[1] or "" in checksums[0]:
        return False
    # Two probes of one environment may have one content: a probe does not say when it was made.
    return all(getattr(record, "created", "") for record in load_records(base))


def _find_version(text: str, versions: Path) -> Path:
    """Return the file of the version that a text names, in full or shortened."""
    for name in (text, expand_name(text)):
        path = versions / f"{name}.json"
        if path.parent == versions and is_taken(path):
            return path
    if name in MATRIX:
        raise ValueError(f"{text}: not measured yet, in {versions}: mnist-bench matrix run {name}")
    near = suggest_names(text, (path.stem for path in versions.glob("*.json")))
    raise ValueError(f"{text}: neither a record, a folder of records, an interpreter nor a version in {versions}{near}")


def load_records(paths: Sequence[Path]) -> list[Record]:
    """Load every record of some files and folders.

    Raises:
        RecordError: A file is no valid record, or was made under a planted fault, or a folder holds none.
        ValueError: Two records are of one version, or of versions on different data.
    """
    records = {file: load(file, *_FORMS) for path in paths for file in list_records(path)}
    for file, record in records.items():
        if not isinstance(record, VersionRecord):
            check_unplanted(file, f"{record.kind} of {record.config.case}", record.environment)
    versions = {file: record for file, record in records.items() if isinstance(record, VersionRecord)}
    check_together({file: check_planned(file, record) for file, record in versions.items()})
    return list(records.values())


def gather(records: Sequence[Record], origin: str) -> dict[str, VersionRecord]:
    """Return each version's record by its name; or all other records as one record, by the name "".

    Args:
        records: The records.
        origin: Where they are from, for the message of an error.

    Raises:
        ValueError: The records do not belong together.
    """
    versions = {record.version.name: record for record in records if isinstance(record, VersionRecord)}
    others = [record for record in records if not isinstance(record, VersionRecord)]
    if versions and others:
        raise ValueError(f"{origin}: records of versions are mixed with other records")
    if not others:
        return versions
    first = others[0].environment
    # Nothing is due: these records belong to no plan.
    gathered = VersionRecord(version=describe_version("records", first), environment=first, planned=Planned())
    try:
        for record in others:
            gathered = _add(gathered, record)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from error
    return {"": gathered}


def _add(gathered: VersionRecord, record: TrainingRecord | ProbeRecord) -> VersionRecord:
    if gathered.dataset not in (None, record.dataset):
        raise ValueError("records of different data are mixed")
    if isinstance(record, TrainingRecord):
        return add_training(gathered, record)
    if record.config.case in probes_by_case(gathered):
        raise ValueError(f"two probes of {record.config.case}")
    return update_record(gathered, dataset=record.dataset, probes=[*gathered.probes, record])
