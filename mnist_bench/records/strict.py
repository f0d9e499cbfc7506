"""Values checked against dataclasses: unknown fields are refused, and each fault is one line with file and field."""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
import typing
from typing import Any, Literal, TypeVar

import msgspec

from mnist_bench.records.checksum import CHECKSUM
from mnist_bench.records.files import SCHEMA_VERSION

__all__ = ["RecordError", "decode_loosely", "explain", "flatten", "make_record", "make_sealed", "make_strict"]

_HEAD = ("kind", "schema_version")
_HEAD_HINTS = {
    "kind": "; this version reads another kind there",
    "schema_version": f"; this version reads {SCHEMA_VERSION}",
}

T = TypeVar("T")


class RecordError(ValueError):
    """A record that cannot be read: the message is one line that names the file and the field."""


@functools.cache
def make_sealed(form: Any) -> Any:
    """Return the strict type of a file's record, which has a checksum; the records within it have none."""
    return msgspec.defstruct(
        form.__name__,
        [(CHECKSUM, str | msgspec.UnsetType, msgspec.field(default=msgspec.UNSET))],
        bases=(make_strict(form),),
        kw_only=True,
    )


@functools.cache
def make_strict(form: Any) -> Any:
    """Return the type with a twin for each dataclass in it, which refuses fields that the dataclass does not have.

    msgspec has no such option for dataclasses: it skips unknown fields.
    """
    if dataclasses.is_dataclass(form):
        hints = typing.get_type_hints(form)
        # A record that stands within another one is of its own kind, too.
        heads = [field for field in dataclasses.fields(form) if field.name in _HEAD]
        hints |= {field.name: Literal[field.default] for field in heads if field.default is not dataclasses.MISSING}
        return msgspec.defstruct(
            getattr(form, "__name__", ""),
            [(field.name, make_strict(hints[field.name]), _get_default(field)) for field in dataclasses.fields(form)],
            kw_only=True,
            forbid_unknown_fields=not getattr(form, "HAS_FURTHER_FIELDS", False),
        )
    origin: Any = typing.get_origin(form)
    if origin is None or origin is typing.Literal:
        return form
    twins = tuple(map(make_strict, typing.get_args(form)))
    return origin[twins] if origin in (list, dict, tuple) else functools.reduce(operator.or_, twins)


def make_record(twin: Any, form: Any, origin: str) -> Any:
    """Return the dataclasses that strict twins stand for; their own checks run now."""
    return explain(lambda: msgspec.convert(twin, form, from_attributes=True), origin)


def _get_default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return msgspec.field(default_factory=field.default_factory)
    return msgspec.field() if field.default is dataclasses.MISSING else msgspec.field(default=field.default)


def decode_loosely(text: str | bytes, form: type[T], origin: str) -> T:
    """Read JSON as msgspec's type `form`; what that type does not name is skipped.

    Raises:
        RecordError: The text is not JSON, or does not hold that type.
    """
    try:
        return explain(lambda: msgspec.json.decode(text, type=form), origin)
    except RecordError:
        if _has_half_character(text):  # msgspec says that the input was truncated
            raise RecordError(f"{origin}: not JSON: a string holds half a surrogate pair, such as \\ud800") from None
        raise


def _has_half_character(text: str | bytes) -> bool:
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def explain(read: typing.Callable[[], T], origin: str) -> T:
    """Return what `read` returns; name the file and the field where it fails."""
    try:
        return read()
    except msgspec.ValidationError as error:
        message, *place = flatten(error).rsplit(" - at ", 1)
        field = place[0].strip("`") if place else "$"
        more = _HEAD_HINTS.get(field.rpartition(".")[2], "") if message.startswith("Invalid enum") else ""
        raise RecordError(f"{origin}: {field}: {message}{more}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RecordError(f"{origin}: not JSON: {flatten(error)}") from error


def flatten(error: object) -> str:
    """Return an error's message as one line, although it may quote a field's name from the file."""
    return "".join(character if character.isprintable() else " " for character in str(error))
