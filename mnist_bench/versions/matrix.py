"""The matrix in a folder: one record a version, and the run that fills the record."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from mnist_bench.checks.elsewhere import ask_environment
from mnist_bench.records.acceptance import now
from mnist_bench.records.files import PACKAGE, check_folder, is_taken, supersede
from mnist_bench.records.locks import locked
from mnist_bench.records.serial import save
from mnist_bench.training.fingerprint import read_commit
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.folder import load_folder, load_version
from mnist_bench.versions.measurement import measure
from mnist_bench.versions.records import VersionRecord, update_record
from mnist_bench.versions.releases import MATRIX, VersionSpec, describe_version, expand_name, find_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mnist_bench.versions.measurement import MeasurementSetup
    from mnist_bench.versions.plan import MeasurementPlan

__all__ = ["add_version", "find_spec", "list_matrix", "run_version", "work_folder"]


def list_matrix(folder: Path) -> dict[str, VersionRecord]:
    """Return the record of each version of the matrix, empty if nothing is measured, and of each that was added.

    Raises:
        RecordError: A record of the folder is not valid.
    """
    planned = {name: VersionRecord(version=find_version(name)) for name in MATRIX}
    return {**planned, **load_folder(folder)}


def find_spec(name: str, folder: Path, python: Path | None = None) -> VersionSpec:
    """Return the version of that name.

    Args:
        name: The name of a record in the folder, or a built-in name; with an interpreter, any name.
        folder: The records.
        python: The interpreter that the version is to be measured in, whose environment says what a new name is.

    Raises:
        ValueError: There is no such version, or the interpreter gives no answer.
    """
    name = name.strip()
    path = folder / f"{name}.json"
    # The name comes from the command line: it must not lead out of the folder.
    if path.parent == folder and is_taken(path):
        return load_version(path).version
    if python is None:
        return find_version(expand_name(name))
    if _is_built_in(name):
        return find_version(name)
    try:
        return describe_version(name, ask_environment(python))
    except CommandError as error:
        raise ValueError(str(error)) from error


def add_version(spec: VersionSpec, folder: Path) -> Path:
    """Add a version to a folder's matrix: an empty record, which a run will fill.

    Raises:
        FileExistsError: There is a record of that name.
        OSError: The folder cannot be made or written.
        ValueError: The name is that of a built-in version.
    """
    if _is_built_in(spec.name):
        raise ValueError(f"{spec.name!r} is the name of a built-in version: choose another name")
    path = folder / f"{spec.name}.json"
    if is_taken(path):
        raise FileExistsError(f"{path} exists already")
    check_folder(folder)
    save(_make_record(spec), path, folded=True)
    return path


def run_version(
    spec: VersionSpec,
    plan: MeasurementPlan,
    setup: MeasurementSetup,
    folder: Path,
    *,
    again: bool = False,
    retry: bool = False,
) -> Iterator[VersionRecord]:
    """Measure what is missing of a version, and save its record after each piece.

    Args:
        spec: The version.
        plan: What to measure.
        setup: How to measure; its folder is that of all versions' raw records.
        folder: The records.
        again: Whether to start anew; the old records are kept under numbered names.
        retry: Whether to try again what has failed.

    Yields:
        The record, each time after it was saved.

    Raises:
        ValueError: The record in the folder is not valid, of other data, or of another version with the same name;
            or another run is measuring the version.
    """
    path, raw = folder / f"{spec.name}.json", setup.folder / spec.name
    raw.mkdir(parents=True, exist_ok=True)
    ignored = setup.folder / ".gitignore"
    if not os.path.lexists(ignored):  # one that is there may be the user's, or a link
        ignored.write_text("*\n")

    def refuse() -> None:
        raise ValueError(f"{spec.name}: another run is measuring it")

    with locked(raw.with_suffix(".lock"), refuse):
        if again:
            supersede(raw, move=True)
        record = load_version(path) if is_taken(path) and not again else _make_record(spec)
        if retry and record.failures:
            record = update_record(record, failures=[])
        if record.version != spec:
            raise ValueError(f"{path}: the record of {record.version}, not of {spec}: --again supersedes it")
        for measured in measure(record, plan, dataclasses.replace(setup, folder=raw)):
            if again and path.exists():
                if measured.status == "failed" and load_version(path).status != "failed":
                    reason = measured.failures[-1].reason
                    raise ValueError(f"{spec.name}: {reason}: the record that was measured before stays")
                # Only now: a run that is killed before has measured nothing that could stand in its place.
                supersede(path)
            again = False
            save(measured, path, overwrite=True, folded=True)
            yield measured


def work_folder(folder: Path) -> Path:
    """Return the folder for the raw records of a matrix, which are not committed."""
    return folder / ".work"


def _make_record(spec: VersionSpec) -> VersionRecord:
    """Return an empty record, with the commit of this package if it is known."""
    return VersionRecord(version=spec, created=now(), commit=read_commit(PACKAGE))


def _is_built_in(name: str) -> bool:
    try:
        find_version(name)
    except ValueError:
        return False
    return True
