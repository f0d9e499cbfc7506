"""Records as JSON: written one way everywhere, read back with every fault named by file and field. A leaf."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "SCHEMA_VERSION",
    "Record",
    "RecordError",
    "decode",
    "dump_folded",
    "dump_json",
    "list_records",
    "load",
    "load_any",
    "load_json",
]

SCHEMA_VERSION = 1

# An array of numbers, as `dump_json` lays it out. No string can look so: JSON has no line break inside one.
_NUMBERS = re.compile(r"\[\n\s+((?:-?\d[\d.eE+-]*|null)(?:,\n\s+(?:-?\d[\d.eE+-]*|null))*)\n\s+\]")


class RecordError(ValueError):
    """A record that cannot be read: the message is one line that names the file and the field."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every record shares: immutable, keyword-only, and strict about unknown fields."""


R = TypeVar("R", bound=Record)
T = TypeVar("T")


class _Head(msgspec.Struct):
    """The two fields that say how to read the rest."""

    schema_version: int
    kind: str


def dump_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys, two spaces of indentation and a trailing newline."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode() + "\n"


def dump_folded(value: Any) -> str:
    """Return `value` as `dump_json` does, with each array of numbers on one line, as people can review it."""
    return _NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", dump_json(value))


def decode(text: str | bytes, form: type[R], *, kind: str, origin: str) -> R:
    """Read a record from JSON text.

    Args:
        text: The JSON.
        form: The record's class.
        kind: What its field `kind` must say.
        origin: Where it came from, for the message of an error.

    Raises:
        RecordError: The text is no JSON, has another schema or kind, lacks a field, holds one too
            many, or one of a wrong type or value.
    """
    return _decode_any(text, {kind: form}, origin)


def load(path: Path, form: type[R], *, kind: str) -> R:
    """Read the record that stands in the file `path`.

    Raises:
        RecordError: The file cannot be read, or holds no valid record of that kind.
    """
    return load_any(path, {kind: form})


def load_any(path: Path, forms: Mapping[str, type[R]]) -> R:
    """Read the record of one of several kinds that stands in the file `path`.

    Args:
        path: The file.
        forms: The classes of the records by their kinds.

    Raises:
        RecordError: The file cannot be read, or holds no valid record of those kinds.
    """
    return _decode_any(_read(path), forms, str(path))


def load_json(path: Path, form: type[T]) -> T:
    """Read JSON that is no record, such as a list, as the type `form`.

    Raises:
        RecordError: The file cannot be read, or does not hold that type.
    """
    return _decode_json(_read(path), form, str(path))


def list_records(path: Path) -> list[Path]:
    """Return the records' files of a folder; of a file, or of what is not there, the path itself.

    Raises:
        RecordError: The folder holds none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.json"))
    if not files:
        raise RecordError(f"{path}: no records (*.json) there")
    return files


def _decode_any(text: str | bytes, forms: Mapping[str, type[R]], origin: str) -> R:
    head = _decode_json(text, _Head, origin)
    if head.schema_version != SCHEMA_VERSION:
        raise RecordError(f"{origin}: schema_version is {head.schema_version!r}, this version reads {SCHEMA_VERSION}")
    if head.kind not in forms:
        raise RecordError(f"{origin}: kind is {head.kind!r}, expected {' or '.join(map(repr, forms))}")
    return _decode_json(text, forms[head.kind], origin)


def _decode_json(text: str | bytes, form: type[T], origin: str) -> T:
    try:
        return msgspec.json.decode(text, type=form)
    except msgspec.ValidationError as error:
        message, *place = _flatten(error).rsplit(" - at ", 1)
        field = place[0].strip("`") if place else "$"
        raise RecordError(f"{origin}: {field}: {message}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RecordError(f"{origin}: not JSON: {_flatten(error)}") from error


def _flatten(error: Exception) -> str:
    """Return an error's message as one line, although it may quote a field's name from the file."""
    return "".join(character if character.isprintable() else " " for character in str(error))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from error
