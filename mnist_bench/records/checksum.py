"""The checksum of a record's content: what a hand, a merge or a broken disk changed later is known by it.

A checksum is no signature. Anybody can compute one for content that nobody measured.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CHECKSUM", "CHECKSUM_PATTERN", "MISSING", "compute_checksum", "explain_checksum", "seal"]

CHECKSUM = "checksum"
"""The field of a record's JSON object; a record within another one has none of its own."""
CHECKSUM_PATTERN = "^[0-9a-f]{64}$"

_REMEDY = "restore the record, or remove it and measure or accept again"
MISSING = f"the record has no checksum: every record is written with one; {_REMEDY}"
_OTHER = f"checksum does not match the content: the record was changed after it was written; {_REMEDY}"
_SHOWN = 80  # characters of a value in a message: a SHA-256 and its quotes fit


def compute_checksum(content: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hexadecimal digits, of the canonical JSON of a record without its checksum.

    Spaces, line ends and the order of the keys do not count; 1 and 1.0 are different numbers.

    Args:
        content: The JSON object, as Python's `json` reads it.
    """
    rest = {name: value for name, value in content.items() if name != CHECKSUM}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object with the checksum of its content; an earlier checksum is replaced."""
    return {**content, CHECKSUM: compute_checksum(content)}


def explain_checksum(content: Mapping[str, Any]) -> str:
    """Return what is wrong with the checksum of a JSON object, and what to do; "" where it is that of the content."""
    if CHECKSUM not in content:
        return MISSING
    found = content[CHECKSUM]
    if not isinstance(found, str) or not re.fullmatch(CHECKSUM_PATTERN, found):
        shown = ascii(found)[:_SHOWN]
        return f"checksum is {shown}, which is no SHA-256 in 64 lower-case hexadecimal digits; {_REMEDY}"
    return "" if found == compute_checksum(content) else _OTHER
