"""The versions' records that one page is about: gathered from files and folders, and refused where they do not mix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from mnist_bench.pairrecords import load_pairs, pair_path
from mnist_bench.serial import dump_json, list_records
from mnist_bench.versionrecords import load_version
from mnist_bench.versions import MATRIX, find_axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mnist_bench.abrecords import AbRecord
    from mnist_bench.records import DatasetRecord
    from mnist_bench.versionrecords import VersionRecord
    from mnist_bench.versions import Axis

__all__ = ["MOST", "Collection", "load_collection", "make_collection"]

MOST = 60  # versions that a page judges and lists: more, and nobody reads them; the matrix has 24
_AXES: tuple[Axis, ...] = ("tensorflow", "keras", "python")


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


def load_collection(paths: Sequence[Path]) -> Collection:
    """Read the records that these files and folders hold, and the pairs beside them.

    Args:
        paths: Records, or folders of them; a file that is named twice counts once.

    Raises:
        RecordError: There is no record, or a file is no valid one.
        ValueError: Two records are of one version, or of different data; the message names both files.
    """
    files = dict.fromkeys(it.resolve() for path in paths for it in list_records(path))
    records: dict[Path, VersionRecord] = {path: load_version(path) for path in files}
    _check_versions(records)
    datasets = {path: record.dataset for path, record in records.items() if record.dataset}
    pairs: dict[str, AbRecord] = {}
    for folder in dict.fromkeys(path.parent for path in records):
        for name, pair in load_pairs(folder).items():
            pairs[name] = pair
            datasets[pair_path(folder, name)] = pair.workload.dataset
    _check_data(datasets)
    return make_collection(records.values(), pairs)


def make_collection(
    records: Iterable[VersionRecord], pairs: Mapping[str, AbRecord] | None = None, *, most: int = MOST
) -> Collection:
    """Return records in the order of the page, the matrix's own and then the newest where there are too many.

    Args:
        records: Of one data set, each version once.
        pairs: By the name of the newer version; those of versions without a record are not shown.
        most: How many records to show.
    """
    ranked = sorted(records, key=lambda it: (it.version.name in MATRIX, it.created, it.version.name), reverse=True)
    shown = ranked[:most]
    specs = [record.version for record in shown]
    axes = {spec.name: find_axis(spec, specs) for spec in specs}
    ordered = sorted(shown, key=lambda record: _order(record, axes[record.version.name]))
    names = [record.version.name for record in ordered]
    return Collection(
        records=dict(zip(names, ordered, strict=True)),
        axes={name: axes[name] for name in names},
        pairs={name: pairs[name] for name in names if pairs and name in pairs},
        left_out=len(ranked) - len(shown),
    )


def _check_versions(records: Mapping[Path, VersionRecord]) -> None:
    seen: dict[str, Path] = {}
    for path, record in records.items():
        name = record.version.name
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


def _order(record: VersionRecord, axis: Axis) -> tuple[int, Version, Version, Version, str]:
    spec = record.version
    return _AXES.index(axis), Version(spec.tensorflow), Version(spec.keras or "0"), Version(spec.python), spec.name
