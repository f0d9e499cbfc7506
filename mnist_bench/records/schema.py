"""The JSON Schema of a kind of records, which docs/ publishes for programs that read our files."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from mnist_bench.records.checksum import CHECKSUM, CHECKSUM_PATTERN
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.training import TrainingRecord

__all__ = ["make_schema"]


def make_schema(form: Any = TrainingRecord) -> dict[str, Any]:
    """Return the JSON Schema of a kind of records, which docs/ publishes for trainings and for sides of own models.

    Args:
        form: The class of the records.
    """
    schema = msgspec.json.schema(form)
    for definition in schema["$defs"].values():
        # Python 3.13 takes the indentation out of a docstring, those before it do not.
        definition["description"] = inspect.cleandoc(definition["description"])
        properties = definition.get("properties")
        if properties is None:
            continue  # the words of an enumeration
        definition["additionalProperties"] = False
        for field in properties.values():
            if field.get("default") in ([], {}):
                del field["default"]  # msgspec names empty containers from 0.23 on, those before it do not
        if "schema_version" in properties:
            # `decode` asks for these two, which say how to read the rest, although they have defaults.
            definition["required"] += ["kind", "schema_version"]
            kind = properties["kind"]["default"]
            properties |= {"kind": {"const": kind}, "schema_version": {"const": SCHEMA_VERSION}}
    whole = schema["$defs"][schema["$ref"].rpartition("/")[2]]  # of a file; a record within another has no checksum
    whole["properties"][CHECKSUM] = {
        "description": "SHA-256 of the record's other fields, as sorted JSON without spaces: see docs/reliability.md.",
        "pattern": CHECKSUM_PATTERN,
        "type": "string",
    }
    whole["required"].append(CHECKSUM)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
