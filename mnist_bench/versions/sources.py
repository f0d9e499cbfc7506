"""What `compare` is told to compare: a record, a folder of records, an environment or a version's name."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mnist_bench.checks.elsewhere import ask_probes
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.serial import list_records, load
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.workers.interpreters import CommandError, find_python
from mnist_bench.versions.records import VersionRecord, add_training, load_version, make_times
from mnist_bench.versions.releases import MATRIX, VersionSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mnist_bench.records.environment import EnvironmentRecord

__all__ = ["find_interpreter", "get_probe", "load_all", "load_sides", "probe_environment"]

_Record: TypeAlias = TrainingRecord | ProbeRecord | VersionRecord
_FORMS: tuple[type[_Record], ...] = (TrainingRecord, ProbeRecord, VersionRecord)


def find_interpreter(text: str, versions: Path) -> Path | None:
    """Return the interpreter that a text names, by its path, its environment's folder or a name on the path.

    Returns:
        The interpreter; None where the text names records or a version, or nothing.
    """
    names_version = text in MATRIX or (versions / f"{text}.json").is_file()
    if names_version or Path(text).suffix == ".json":
        return None
    with contextlib.suppress(ValueError):
        return find_python(text)
    return None


def probe_environment(
    python: Path, labs: Sequence[str], *, engine: str, epochs: int, source: str
) -> dict[str, VersionRecord]:
    """Probe labs in another environment.

    Args:
        python: Its interpreter.
        labs: Keys of `LABS`.
        engine: A key of `ENGINES`.
        epochs: Epochs that are followed.
        source: The data.

    Raises:
        ValueError: The environment cannot be probed; the message says why.
    """
    configs = [TrainingConfig(lab=lab, engine=engine, epochs=epochs, data=source) for lab in labs]
    try:
        return _gather(list(ask_probes(python, configs)), str(python))
    except CommandError as error:
        raise ValueError(str(error)) from error


def get_probe(sides: Mapping[str, VersionRecord]) -> ProbeRecord | None:
    """Return the probe that is all that was loaded, or None."""
    record = sides.get("")
    if record is None or record.accuracy or record.checks or len(record.probes) != 1:
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
        ValueError: The records of the folder do not belong together, or there is nothing of that name.
    """
    if Path(text).exists():
        found = load_all([Path(text)])
        return {"": next(iter(found.values()))} if len(found) == 1 else found
    there = versions / f"{text}.json"
    if there.parent == versions and there.is_file():
        return {"": load_version(there)}
    if text in MATRIX:
        raise ValueError(f"{text}: not measured yet, in {versions}: mnist-bench matrix run {text}")
    raise ValueError(f"{text}: neither a record, a folder of records, an interpreter nor a version in {versions}")


def load_all(paths: Sequence[Path]) -> dict[str, VersionRecord]:
    """Load every record of some files and folders.

    Args:
        paths: Records' files, and folders of them.

    Returns:
        Each version's record by its name; or all other records as one, by the name "".

    Raises:
        RecordError: A file is no valid record, or a folder holds none.
        ValueError: The records do not belong together.
    """
    files = [file for path in paths for file in list_records(path)]
    return _gather([load(file, *_FORMS) for file in files], ", ".join(map(str, paths[:3])))


def _gather(records: Sequence[_Record], origin: str) -> dict[str, VersionRecord]:
    """Return the versions' records by name, or all other records as one by the name ""."""
    whole = {record.version.name: record for record in records if isinstance(record, VersionRecord)}
    if whole:
        count = sum(isinstance(record, VersionRecord) for record in records)
        if count < len(records):
            raise ValueError(f"{origin}: records of versions and other records are mixed there")
        if len(whole) < count:
            raise ValueError(f"{origin}: two records of one version are there, among {', '.join(whole)}")
        return whole
    gathered: VersionRecord | None = None
    for record in records:
        assert isinstance(record, (TrainingRecord, ProbeRecord))  # noqa: S101 - there are no other forms
        gathered = gathered or _begin(record.environment)
        try:
            gathered = _add(gathered, record)
        except ValueError as error:
            raise ValueError(f"{origin}: {error}") from error
    return {"": gathered} if gathered else {}


def _begin(environment: EnvironmentRecord) -> VersionRecord:
    python = ".".join(environment.python.split(".")[:2])
    spec = VersionSpec(
        name="records", python=python, tensorflow=environment.tensorflow, keras=environment.keras, pins=[]
    )
    return VersionRecord(version=spec, environment=environment)


def _add(gathered: VersionRecord, record: TrainingRecord | ProbeRecord) -> VersionRecord:
    if gathered.dataset not in (None, record.dataset):
        raise ValueError("records of different data are mixed there")
    gathered = dataclasses.replace(gathered, dataset=record.dataset)
    case = (record.config.lab, record.config.engine)
    if isinstance(record, ProbeRecord):
        if case in ((it.config.lab, it.config.engine) for it in gathered.probes):
            raise ValueError(f"two probes of {'-'.join(case)} are there")
        return dataclasses.replace(gathered, probes=[*gathered.probes, record])
    timed = case in ((it.lab, it.engine) for it in gathered.times)
    times = gathered.times if timed else [*gathered.times, make_times(record)]
    return dataclasses.replace(add_training(gathered, record), times=times)
