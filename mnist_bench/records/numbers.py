"""Numbers in the text of a user, read in one way for all options: Python also takes 1_0, other digits and blanks."""

from __future__ import annotations

import math
import re

__all__ = ["read_number", "read_whole"]

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?")


def read_whole(text: int | str, least: int | None = None, most: int | None = None) -> int:
    """Return the whole number that a text is.

    Args:
        text: ASCII digits, with a sign or without.
        least: The least number that is allowed.
        most: The greatest number that is allowed.

    Raises:
        ValueError: The text is no whole number, or one that is not allowed.
    """
    bounds = _describe(least, most)
    if not _WHOLE.fullmatch(str(text)):
        raise ValueError(f"{text!r} is no whole number{bounds and f': it must be {bounds}'}")
    number = int(text)
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError(f"{number} is not allowed: it must be {bounds}")
    return number


def read_number(text: float | str) -> float:
    """Return the number that a text is, such as `0.15` or `1e-3`.

    Raises:
        ValueError: The text has another form, or is not finite.
    """
    number = float(text) if _NUMBER.fullmatch(str(text)) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number, such as 0.15 or 1e-3")
    return number


def _describe(least: int | None, most: int | None) -> str:
    """Return the bounds of a whole number in words."""
    if least is not None and most is not None:
        return f"from {least:,} to {most:,}"
    if least is not None:
        return f"{least:,} or more"
    return "" if most is None else f"{most:,} or less"
