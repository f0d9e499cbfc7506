"""Version records as files: read by name, and refused if they cannot be shown or compared together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mnist_bench.records.environment import DatasetRecord
from mnist_bench.records.files import place_in
from mnist_bench.records.serial import RecordError, list_json, load
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.releases import VersionSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["VersionHead", "check_data", "check_together", "load_folder", "load_version", "pair_path"]


@dataclass(frozen=True, kw_only=True)
class VersionHead:
    """Of a version's record, what says whether it is shown, and with which others."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    version: VersionSpec
    dataset: DatasetRecord | None = None
    created: str = ""


def load_version(path: Path) -> VersionRecord:
    """Read a version's record.

    Raises:
        RecordError: The file cannot be read, or is no valid record of the version in its name.
    """
    record = load(path, VersionRecord)
    if record.version.name != path.stem:
        raise RecordError(f"{path}: the record of {record.version.name!r}, not of {path.stem!r}")
    return record


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


def pair_path(folder: Path, name: str) -> Path:
    """Return where the comparison of a version's times with its predecessor's is kept: below the versions' records."""
    return place_in(folder, "pairs", f"{name}.json")
