"""The versions' records that one page is about: gathered from files and folders, and refused where they do not mix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from mnist_bench.records.environment import DatasetRecord
from mnist_bench.records.serial import dump_json, list_records, load_json
from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.versions.pairrecords import load_pairs, pair_path
from mnist_bench.versions.records import VersionRecord, load_version
from mnist_bench.versions.releases import MATRIX, Axis, find_axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mnist_bench.versions.releases import VersionSpec

__all__ = ["MOST", "Collection", "load_collection", "make_collection"]

MOST = 60  # versions that a page judges and lists: more, and nobody reads them; the matrix has 24
_AXES: tuple[Axis, ...] = ("tensorflow", "keras", "python")


class _Name(msgspec.Struct):
    """Of a version, what it is called."""

    name: str


class _Head(msgspec.Struct):
    """Of a record, what says whether it is shown, and with which others."""

    version: _Name
    dataset: DatasetRecord | None = None
    created: str = ""


@dataclass(frozen=True)
class Collection:
    """What a page is about.

    Attributes:
        records: By name, in the order of the page: along TensorFlow, along Keras, along Python.
        axes: The axis of each.
        pairs: Comparisons of times with the predecessor, by the name of the newer one.
        left_out: How many records were read and are not shown, because there are too many.
    """

    records: dict[str, VersionRecord]
    axes: dict[str, Axis]
    pairs: dict[str, AbRecord]
    left_out: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of all that is in it: equal collections give equal pages."""
        return hashlib.sha256(dump_json([self.records, self.pairs]).encode()).hexdigest()


def load_collection(paths: Sequence[Path], *, most: int = MOST) -> Collection:
    """Read the records that these files and folders hold, and the pairs beside them.

    Args:
        paths: Records, or folders of them; a file that is named twice counts once.
        most: How many to show: the matrix's own and then the newest. Of the others only name, date and data are
            read, so that thousands take no time.

    Raises:
        RecordError: There is no record, or a file is no valid one.
        ValueError: Two records are of one version, or of different data; the message names both files.
    """
    files = dict.fromkeys(it.resolve() for path in paths for it in list_records(path))
    heads = {path: load_json(path, _Head) for path in files}
    _check_versions(heads)
    datasets = {path: head.dataset for path, head in heads.items() if head.dataset}
    pairs: dict[str, AbRecord] = {}
    for folder in dict.fromkeys(path.parent for path in heads):
        for name, pair in load_pairs(folder).items():
            pairs[name] = pair
            datasets[pair_path(folder, name)] = pair.workload.dataset
    _check_data(datasets)
    ranked = sorted(heads, key=lambda path: _rank(heads[path]), reverse=True)
    records = [load_version(path) for path in ranked[:most]]
    return make_collection(records, pairs, left_out=len(ranked) - len(records))


def make_collection(
    records: Iterable[VersionRecord], pairs: Mapping[str, AbRecord] | None = None, *, left_out: int = 0
) -> Collection:
    """Return records in the order of the page.

    Args:
        records: Of one data set, each version once.
        pairs: By the name of the newer version; those of versions without a record are not shown.
        left_out: How many more there are.
    """
    there = {record.version.name: record for record in records}
    specs = [record.version for record in there.values()]
    axes = {spec.name: find_axis(spec, specs) for spec in specs}
    names = sorted(there, key=lambda name: _order(there[name].version, axes[name]))
    return Collection(
        records={name: there[name] for name in names},
        axes={name: axes[name] for name in names},
        pairs={name: pairs[name] for name in names if pairs and name in pairs},
        left_out=left_out,
    )


def _rank(head: _Head) -> tuple[bool, str, str]:
    return head.version.name in MATRIX, head.created, head.version.name


def _check_versions(heads: Mapping[Path, _Head]) -> None:
    seen: dict[str, Path] = {}
    for path, head in heads.items():
        name = head.version.name
        if name in seen:
            raise ValueError(f"{seen[name]} and {path} are both records of {name}: a page shows a version once")
        seen[name] = path


def _check_data(datasets: Mapping[Path, DatasetRecord]) -> None:
    """Refuse records of different data, of which no verdict could hold."""
    first = next(iter(datasets), None)
    for path, dataset in datasets.items():
        if first and dataset != datasets[first]:
            there, here = (f"{it.source} {it.digest[:8]}" for it in (datasets[first], dataset))
            raise ValueError(f"{first} and {path} are of different data ({there}, {here}): not in one page")


def _order(spec: VersionSpec, axis: Axis) -> tuple[int, Version, Version, Version, str]:
    return _AXES.index(axis), Version(spec.tensorflow), Version(spec.keras or "0"), Version(spec.python), spec.name
