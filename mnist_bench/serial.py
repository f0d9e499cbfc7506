"""Records as JSON: written the same way everywhere, and read back with every fault named by file and field. A leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SCHEMA_VERSION", "Record", "RecordError", "decode", "dump_json", "load"]

SCHEMA_VERSION = 1


class RecordError(ValueError):
    """A record that cannot be read: the message is one line that names the file and the field."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every record shares: immutable, keyword-only, and strict about unknown fields."""


R = TypeVar("R", bound=Record)


class _Head(msgspec.Struct):
    """The two fields that say how to read the rest."""

    schema_version: int
    kind: str


def dump_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys, two spaces of indentation and a trailing newline."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode() + "\n"


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
    try:
        head = msgspec.json.decode(text, type=_Head)
        if head.schema_version != SCHEMA_VERSION:
            raise RecordError(
                f"{origin}: schema_version is {head.schema_version!r}, this version reads {SCHEMA_VERSION}"
            )
        if head.kind != kind:
            raise RecordError(f"{origin}: kind is {head.kind!r}, expected {kind!r}")
        return msgspec.json.decode(text, type=form)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        field = place.strip("`") or "$"
        raise RecordError(f"{origin}: {field}: {message}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RecordError(f"{origin}: not JSON: {error}") from error


def load(path: Path, form: type[R], *, kind: str) -> R:
    """Read the record that stands in the file `path`.

    Raises:
        RecordError: The file cannot be read, or holds no valid record of that kind.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from error
    return decode(text, form, kind=kind, origin=str(path))
