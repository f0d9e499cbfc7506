"""Where the comparisons of versions with their predecessors lie, beside the versions' records, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.records.serial import RecordError, load
from mnist_bench.timing.ab.records import AbRecord

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["load_pairs", "pair_path"]


def pair_path(folder: Path, name: str) -> Path:
    """Return where the comparison of a version with its predecessor is kept, beside the versions' records."""
    return folder / "pairs" / f"{name}.json"


def load_pairs(folder: Path) -> dict[str, AbRecord]:
    """Read every comparison of a folder of versions, by the name of the newer one; none where none was made.

    Raises:
        RecordError: A file holds no valid record of one, or that of another version.
    """
    pairs = {}
    for path in sorted((folder / "pairs").glob("*.json")):
        record = load(path, AbRecord)
        if record.python_b != path.stem:
            raise RecordError(f"{path}: it is the comparison of {record.python_b!r}, not of {path.stem!r}")
        pairs[path.stem] = record
    return pairs
