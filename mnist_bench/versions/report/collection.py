"""The records that one page is about: gathered from files and folders, and put in the order of the page."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from mnist_bench.records.serial import dump_json, list_json, list_records, load_headless
from mnist_bench.records.strict import RecordError
from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.timing.ab.verdict import load_ab
from mnist_bench.versions.folder import VersionHead, check_data, check_pair, check_together, load_version, pair_path
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.releases import MATRIX, Axis, find_axis, find_predecessor, find_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mnist_bench.versions.releases import VersionSpec

__all__ = ["MOST", "Collection", "load_collection", "load_pairs", "make_collection"]

MOST = 60  # versions that a page judges and lists: nobody reads more; the matrix has 24
_AXES: tuple[Axis, ...] = ("tensorflow", "keras", "python")


@dataclass(frozen=True)
class Collection:
    """What a page is about.

    Attributes:
        records: By name, in the order of the page: along TensorFlow, along Keras, along Python.
        axes: The axis of each version.
        pairs: Comparisons of times with the predecessor, by the name of the newer version.
        left_out: How many records were read and are not shown, because there are too many.
    """

    records: dict[str, VersionRecord]
    axes: dict[str, Axis]
    pairs: dict[str, AbRecord]
    left_out: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of records and pairs: equal collections give equal pages."""
        return hashlib.sha256(dump_json([self.records, self.pairs]).encode()).hexdigest()


def load_collection(paths: Sequence[Path], *, most: int = MOST) -> Collection:
    """Read the records in these files and folders, and the pairs next to the records.

    Args:
        paths: Records, or folders of records; a file that is named twice counts once.
        most: How many records to show: the matrix's own, and then the newest. Of the others only name, date and data
            are read, so that thousands of records take no time.

    Raises:
        RecordError: There is no record, or a file is no valid record.
        ValueError: Two records are of one version, or two files are of different data; the message names both files.
    """
    files: dict[str, Path] = {}  # by where they really are, each under the first name that it was given
    for file in (file for path in paths for file in list_records(path)):
        files.setdefault(os.path.realpath(file), file)
    heads: dict[Path, VersionHead] = {file: load_headless(file, VersionHead) for file in files.values()}
    check_together(heads)
    datasets = {file: head.dataset for file, head in heads.items() if head.dataset}
    pairs: dict[str, AbRecord] = {}
    places: dict[str, Path] = {}  # of the pairs, for refusals
    for folder in dict.fromkeys(file.parent for file in heads):
        for name, pair in load_pairs(folder).items():
            pairs[name], places[name] = pair, pair_path(folder, name)
            datasets[places[name]] = pair.workload.dataset
    check_data(datasets)
    ranked = sorted(heads, key=lambda file: _rank(heads[file]), reverse=True)
    records = [load_version(file) for file in ranked[:most]]
    _check_bases(pairs, places, [head.version for head in heads.values()])
    for name, pair in pairs.items():
        check_pair(places[name], pair, {record.version.name: record for record in records})
    return make_collection(records, pairs, left_out=len(ranked) - len(records))


def _check_bases(pairs: Mapping[str, AbRecord], places: Mapping[str, Path], specs: Sequence[VersionSpec]) -> None:
    """Refuse a comparison of times with another version than the one before.

    Raises:
        RecordError: A pair is of another predecessor.
    """
    matrix = [find_version(name) for name in MATRIX]
    for spec in specs:
        # A version that somebody has added since may be nearer, and makes no old comparison wrong.
        found = [find_predecessor(spec, others) for others in (matrix, [*matrix, *specs])]
        bases = [base.name for base in found if base]
        if spec.name in pairs and bases and pairs[spec.name].python_a not in bases:
            told = f"compared with {pairs[spec.name].python_a!r}, and the version before {spec.name} is {bases[0]!r}"
            raise RecordError(f"{places[spec.name]}: {told}")


def load_pairs(folder: Path) -> dict[str, AbRecord]:
    """Read every comparison of times in a folder of versions, by the name of the newer version.

    Raises:
        RecordError: A file is no valid record of a comparison, or is that of another version.
    """
    pairs = {}
    for path in list_json(pair_path(folder, "").parent):
        record = load_ab(path)
        if record.python_b != path.stem:
            raise RecordError(f"{path}: the comparison of {record.python_b!r}, not of {path.stem!r}")
        pairs[path.stem] = record
    return pairs


def make_collection(
    records: Iterable[VersionRecord], pairs: Mapping[str, AbRecord] | None = None, *, left_out: int = 0
) -> Collection:
    """Return records in the order of the page.

    Args:
        records: Of one data set, each version once.
        pairs: By the name of the newer version; a pair of a version without a record is not shown.
        left_out: How many more records there are.
    """
    by_name = {record.version.name: record for record in records}
    specs = [record.version for record in by_name.values()]
    axes = {spec.name: find_axis(spec, specs) for spec in specs}
    names = sorted(by_name, key=lambda name: _order(by_name[name].version, axes[name]))
    return Collection(
        records={name: by_name[name] for name in names},
        axes={name: axes[name] for name in names},
        pairs={name: pairs[name] for name in names if pairs and name in pairs},
        left_out=left_out,
    )


def _rank(head: VersionHead) -> tuple[bool, str, str]:
    return head.version.name in MATRIX, head.created, head.version.name


def _order(spec: VersionSpec, axis: Axis) -> tuple[int, Version, Version, Version, str]:
    return _AXES.index(axis), Version(spec.tensorflow), Version(spec.keras or "0"), Version(spec.python), spec.name
