"""Records as JSON: written one way everywhere, read back with every fault named by file and field.

A file of a record has a checksum (`checksum.py`), and no file is read whose checksum is not that of its content. What
processes tell each other has none, nor has the list of known regressions, which people write by hand.

This module, `strict.py` and `schema.py` alone need msgspec. What runs in an environment under test writes its records
with `json`.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import re
import stat
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from mnist_bench.records.checksum import CHECKSUM, MISSING, explain_checksum, seal
from mnist_bench.records.files import SCHEMA_VERSION, write_atomically
from mnist_bench.records.strict import (
    RecordError,
    decode_loosely,
    explain,
    flatten,
    make_record,
    make_sealed,
    make_strict,
)
from mnist_bench.records.training import TrainingRecord

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "convert",
    "decode",
    "decode_json",
    "dump_folded",
    "dump_json",
    "dump_record",
    "list_json",
    "list_records",
    "load",
    "load_handwritten",
    "load_headless",
    "load_record",
    "read_checksum",
    "read_kind",
    "save",
    "seal_record",
]

# An array of numbers or digests, as `dump_json` lays it out. No string can look so: JSON has no line break inside one.
_FIGURE = r'(?:-?\d[\d.eE+-]*|null|"[0-9a-f]+")'
_FIGURES = re.compile(rf"\[\n\s+({_FIGURE}(?:,\n\s+{_FIGURE})*)\n\s+\]")


_MOST_BYTES = 200_000_000  # the largest baseline has 2 MB
_ENCODINGS = {
    codecs.BOM_UTF8: "UTF-8 with a byte order mark",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
    b"{\x00": "UTF-16",
}


# The command that reads a kind of record, for the message of one that does not.
_READERS = {
    "training": "mnist-bench compare",
    "probe": "mnist-bench compare",
    "version": "mnist-bench compare",
    "accuracy-baseline": "mnist-bench baseline diff",
    "memory": "mnist-bench timings memory --against",
}


T = TypeVar("T")


class _Head(msgspec.Struct):
    """The two fields that say how to read the rest."""

    schema_version: int
    kind: str


class _Sealed(msgspec.Struct):
    """By which copies of a record are known, also where one has another indentation."""

    checksum: str


class _BenchmarkRun(msgspec.Struct):
    """By which a run of pytest-benchmark is known."""

    machine_info: dict[str, Any]
    benchmarks: list[Any]


def dump_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys, two spaces of indentation and a trailing newline."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode() + "\n"


def dump_folded(value: Any) -> str:
    """Return `value` as `dump_json` does, with each array of numbers or digests on one line, for review."""
    return _FIGURES.sub(lambda match: f"[{' '.join(match[1].split())}]", dump_json(value))


def dump_record(record: Any, *, folded: bool = False) -> str:
    """Return a record as a file holds it: its JSON with the checksum of the content.

    Args:
        record: The record, or a JSON object as Python's `json` reads it.
        folded: Whether each array of numbers or digests stands on one line.
    """
    sealed = seal_record(record)
    return dump_folded(sealed) if folded else dump_json(sealed)


def seal_record(record: Any) -> dict[str, Any]:
    """Return the JSON object of a record, with the checksum of its content."""
    # Of the JSON, not of the record: there a figure that is not a number is null, and a tuple is a list.
    return seal(json.loads(msgspec.json.encode(record)))


def save(record: Any, path: Path, *, overwrite: bool = False, folded: bool = False) -> None:
    """Write a record with its checksum to a file, atomically.

    Args:
        record: The record, or a JSON object as Python's `json` reads it.
        path: Where to write; its folder is made.
        overwrite: Whether a file that is there may be replaced.
        folded: Whether each array of numbers or digests stands on one line.

    Raises:
        FileExistsError: The file is there, and `overwrite` is False.
        OSError: The folder cannot be made or written.
    """
    write_atomically(path, dump_record(record, folded=folded).encode(), overwrite=overwrite)


def load(path: Path, *forms: type[T]) -> T:
    """Read the record in a file.

    Args:
        path: The file.
        forms: The classes that the record may be of; its field `kind` says which.

    Raises:
        RecordError: The file cannot be read, holds no valid record of those classes, or was changed after it was
            written.
    """
    return _decode(_read(path), forms, str(path), sealed=True)


def read_kind(path: Path) -> str:
    """Return the kind of the record in a file; "" where that cannot be read: who loads the file says why."""
    try:
        return decode_loosely(_read(path), _Head, str(path)).kind
    except RecordError:
        return ""


def read_checksum(path: Path) -> str:
    """Return the checksum of the record in a file; "" where that cannot be read: who loads the file says why."""
    try:
        return decode_loosely(_read(path), _Sealed, str(path)).checksum
    except RecordError:
        return ""


def load_record(path: Path) -> TrainingRecord:
    """Read the record of a training.

    Raises:
        RecordError: The file cannot be read, holds no valid record of a training, or was changed after it was
            written.
    """
    return load(path, TrainingRecord)


def decode(text: str | bytes, *forms: type[T], origin: str) -> T:
    """Read a record from JSON text that is in no file, and so has no checksum.

    Args:
        text: The JSON.
        forms: The classes that the record may be of; its field `kind` says which.
        origin: Where the text came from, for the message of an error.

    Raises:
        RecordError: The text is not JSON, has another schema or kind, lacks a field, holds one too many, or one of
            a wrong type or value.
    """
    return _decode(text, forms, origin, sealed=False)


def _decode(text: str | bytes, forms: tuple[type[T], ...], origin: str, *, sealed: bool) -> T:
    try:
        head = decode_loosely(text, _Head, origin)
    except RecordError:
        _refuse_benchmarks(text, origin)
        raise
    if head.schema_version != SCHEMA_VERSION:
        raise RecordError(f"{origin}: schema_version is {head.schema_version!r}, this version reads {SCHEMA_VERSION}")
    kinds = {vars(form)["kind"]: form for form in forms}
    if head.kind not in kinds:
        reader = f"; {_READERS[head.kind]} reads that kind" if head.kind in _READERS else ""
        raise RecordError(f"{origin}: kind is {head.kind!r}, expected {' or '.join(map(repr, kinds))}{reader}")
    record: T = _decode_json(text, kinds[head.kind], origin, sealed=sealed)
    return record


def _refuse_benchmarks(text: str | bytes, origin: str) -> None:
    """Say of a run of pytest-benchmark which command reads it."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        msgspec.json.decode(text, type=_BenchmarkRun)
        raise RecordError(f"{origin}: a run of the benchmarks, by pytest-benchmark: mnist-bench timings check reads it")


def load_headless(path: Path, form: Any) -> Any:
    """Read a record that has no kind and no schema version in its head, or a part of a record, as the type `form`.

    Raises:
        RecordError: The file cannot be read, does not hold that type, or was changed after it was written.
    """
    return _decode_json(_read(path), form, str(path), sealed=True)


def load_handwritten(path: Path, form: Any) -> Any:
    """Read JSON that people write, such as the list of known regressions, as the type `form`; it has no checksum.

    Raises:
        RecordError: The file cannot be read, or does not hold that type.
    """
    return decode_json(_read(path), form, origin=str(path))


def decode_json(text: str | bytes, form: Any, *, origin: str) -> Any:
    """Read JSON text that has no checksum as the type `form`.

    Raises:
        RecordError: The text is not JSON, or does not hold that type.
    """
    return _decode_json(text, form, origin, sealed=False)


def _decode_json(text: str | bytes, form: Any, origin: str, *, sealed: bool) -> Any:
    content = _parse(text, origin)
    has_checksum = sealed and isinstance(content, dict) and CHECKSUM in content
    # What is nested so deep that Python's `json` just reads it may be too deep to write.
    if has_checksum and (fault := explain(lambda: explain_checksum(content), origin)):
        raise RecordError(f"{origin}: {fault}")
    twin = make_sealed(form) if sealed else make_strict(form)
    record = make_record(decode_loosely(text, twin, origin), form, origin)
    # Last: a file of another program is told what it lacks to be a record at all.
    if sealed and not has_checksum:
        raise RecordError(f"{origin}: {MISSING if isinstance(content, dict) else 'not JSON that Python reads'}")
    return record


def _parse(text: str | bytes, origin: str) -> Any:
    """Return JSON as Python reads it, and None where Python cannot: msgspec says what is wrong, and where.

    Raises:
        RecordError: An object has one key twice, of which msgspec would take the last without a word.
    """

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice = next(key for key, count in counts.items() if count > 1)
            raise RecordError(f"{origin}: the key {flatten(twice)!r} stands twice in one object")
        return made

    try:
        return json.loads(text, object_pairs_hook=check)
    except RecordError:
        raise
    except (ValueError, RecursionError):
        return None


def convert(value: Any, form: Any, *, origin: str) -> Any:
    """Make a value of the type `form` of what Python's `json` gives.

    Raises:
        RecordError: The value is not of that type.
    """
    return make_record(explain(lambda: msgspec.convert(value, make_strict(form)), origin), form, origin)


def list_records(path: Path) -> list[Path]:
    """Return the records' files of a folder; of a file, or of what is not there, the path itself.

    Raises:
        RecordError: The folder holds no records.
    """
    if not path.is_dir():
        return [path]
    files = list_json(path)
    if not files:
        raise RecordError(f"{path}: no records (*.json) there")
    return files


def list_json(folder: Path, pattern: str = "*.json") -> list[Path]:
    """Return the JSON files of a folder, sorted, without hidden ones: macOS adds a `._x.json` to each `x.json`."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _read(path: Path) -> bytes:
    """Return the content of a regular file of a size that a record may have: a pipe or a device may never end."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise RecordError(f"{path}: a record is a regular file, not a device or a pipe")
        if status.st_size > _MOST_BYTES:
            raise RecordError(f"{path}: {status.st_size:,} bytes are too many for a record: at most {_MOST_BYTES:,}")
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES)
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from error
    for mark, name in _ENCODINGS.items():
        if content.startswith(mark):
            raise RecordError(f"{path}: the file is {name}: save it as UTF-8 without a byte order mark")
    return content
