"""The matrix in a folder: a record a version, what is missing, and the run that fills it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from mnist_bench.records.acceptance import now
from mnist_bench.records.files import PACKAGE
from mnist_bench.records.serial import save
from mnist_bench.training.fingerprint import read_commit
from mnist_bench.versions.measurement import measure
from mnist_bench.versions.records import VersionRecord, load_version, load_versions, put
from mnist_bench.versions.releases import MATRIX, VersionSpec, find_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mnist_bench.versions.measurement import Bench
    from mnist_bench.versions.plan import Wanted

__all__ = ["add_version", "find_spec", "list_matrix", "run_version", "work_folder"]


def list_matrix(folder: Path) -> dict[str, VersionRecord]:
    """Return a record for each version of the matrix, empty where nothing is measured, and for each that was added.

    Raises:
        RecordError: A record of the folder is not valid.
    """
    there = load_versions(folder)
    planned = {name: VersionRecord(version=find_version(name)) for name in MATRIX}
    return {**planned, **there}


def find_spec(name: str, folder: Path) -> VersionSpec:
    """Return the version of that name: as the folder has it, else as the name says.

    Raises:
        ValueError: There is none.
    """
    path = folder / f"{name}.json"
    # A name is asked for on the command line: it must not lead out of the folder.
    if path.parent == folder and path.is_file():
        return load_version(path).version
    return find_version(name)


def add_version(spec: VersionSpec, folder: Path) -> Path:
    """Add a version to a folder's matrix: an empty record, which a run will fill.

    Raises:
        FileExistsError: There is one of that name.
        ValueError: The name is one of the built-in versions.
    """
    if _is_built_in(spec.name):
        raise ValueError(f"{spec.name!r} is in the matrix already, and says what it is: choose another name")
    path = folder / f"{spec.name}.json"
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    save(_make_record(spec), path, folded=True)
    return path


def run_version(
    spec: VersionSpec, wanted: Wanted, bench: Bench, folder: Path, *, again: bool = False, retry: bool = False
) -> Iterator[VersionRecord]:
    """Measure what is missing of a version, and keep its record after each piece.

    Args:
        spec: The version.
        wanted: What is wanted.
        bench: With what; its folder is that of all versions' raw records.
        folder: The records.
        again: Whether to begin anew; what was there is kept beside, numbered.
        retry: Whether to try anew what has failed.

    Yields:
        The record each time after it was written.

    Raises:
        ValueError: The record that is there is not valid, of other data, or another version by the same name;
            or another run is at it.
    """
    path, raw = folder / f"{spec.name}.json", bench.folder / spec.name
    raw.mkdir(parents=True, exist_ok=True)
    (bench.folder / ".gitignore").write_text("*\n")
    try:
        with FileLock(raw.with_suffix(".lock"), timeout=0):
            if again:
                _supersede(path)
                _supersede(raw)
            record = load_version(path) if path.exists() else _make_record(spec)
            if retry and record.failures:
                record = put(record, failures=[])
            if record.version != spec:
                raise ValueError(f"{path}: it is of {record.version}, not of {spec}: --again supersedes it")
            for measured in measure(record, wanted, replace(bench, folder=raw)):
                save(measured, path, overwrite=True, folded=True)
                yield measured
    except Timeout as error:
        raise ValueError(f"{spec.name}: another run is measuring it") from error


def work_folder(folder: Path) -> Path:
    """Return where the raw records of a folder's matrix are kept, which are not committed."""
    return folder / ".work"


def _make_record(spec: VersionSpec) -> VersionRecord:
    """Return an empty record, with the commit of this package, where that is known."""
    return VersionRecord(version=spec, created=now(), commit=read_commit(PACKAGE))


def _supersede(path: Path) -> None:
    """Put what is there beside itself, numbered."""
    if path.exists():
        number = 1 + len(list(path.parent.glob(f"{path.stem}.superseded-*")))
        path.rename(path.with_name(f"{path.stem}.superseded-{number}"))


def _is_built_in(name: str) -> bool:
    try:
        find_version(name)
    except ValueError:
        return name in MATRIX
    return True
