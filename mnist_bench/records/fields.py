"""What may stand in a field of a record: names, digests, times, commits, and figures within their range."""

from __future__ import annotations

import datetime as dt
import math
import re
import sys

__all__ = [
    "UNKNOWN_COMMIT",
    "check_commit",
    "check_digests",
    "check_moment",
    "check_names",
    "check_range",
    "check_seconds",
    "check_time",
]

UNKNOWN_COMMIT = "unknown"
"""The commit of a checkout of which git says nothing: its working tree may have been dirty."""

# Safe as the name of a file, on a page, in a drawing and in a shell.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(rf"{UNKNOWN_COMMIT}|[0-9a-f]{{7,64}}(\+dirty)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", re.ASCII)
_FIRST = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)  # where a clock begins that was never set
_MADE = dt.datetime(2026, 12, 1, tzinfo=dt.timezone.utc)  # of this package: a clock that is before it tells nothing
_CLOCKS = dt.timedelta(days=1)  # two machines differ by less
_LARGEST = sys.float_info.max
_LONGEST = 40  # characters of a figure in a message: a whole number may have thousands of digits
_MOST_SECONDS = 1e9  # sums and ratios of larger figures overflow


def check_names(**names: str | None) -> None:
    """Refuse names from a record that could lead out of a folder, or be more than a name on a page.

    Raises:
        ValueError: A name has other characters than names have here, or is too long.
    """
    for field, name in names.items():
        if name is not None and not _NAME.fullmatch(name):
            raise ValueError(f"{field} {name!r} is not allowed: up to 64 of a-z, A-Z, 0-9, '.', '_', '+' and '-'")


def check_digests(field: str, *digests: str) -> None:
    """Refuse digests that are no SHA-256: two that are empty would be equal, and say nothing.

    Raises:
        ValueError: A digest is not 64 hex digits in lower case.
    """
    for digest in digests:
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{field} {digest[:80]!r} is no SHA-256: 64 hex digits in lower case")


def check_time(field: str, time: str) -> None:
    """Refuse a time that is none, or is written otherwise than records have it: two are compared as text.

    Raises:
        ValueError: The time is no time in UTC, to the second; or as `check_moment`.
    """
    when = _read_time(time)
    if when is None:
        raise ValueError(f"{field} {time[:80]!r} is no time in UTC such as 2026-01-31T23:59:59+00:00")
    check_moment(field, when)


def check_moment(field: str, when: dt.datetime) -> None:
    """Refuse a moment at which nothing can have been measured.

    Raises:
        ValueError: The moment is before 1970, or still to come.
    """
    now = dt.datetime.now(dt.timezone.utc)
    if when < _FIRST:
        raise ValueError(f"{field} '{when.isoformat()}' is before 1970, and nothing was measured then")
    if when > max(now, _MADE) + _CLOCKS:
        raise ValueError(f"{field} '{when.isoformat()}' is in the future: the clock is at {now:%Y-%m-%d}")


def _read_time(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None


def check_commit(field: str, commit: str | None) -> None:
    """Refuse a commit that git would not name so; None stands for an installed package.

    Raises:
        ValueError: It is no hash, with or without `+dirty`, and not `UNKNOWN_COMMIT`.
    """
    if commit is not None and not _COMMIT.fullmatch(commit):
        what = f"7 to 64 hex digits in lower case, with +dirty or without, or {UNKNOWN_COMMIT}"
        raise ValueError(f"{field} {commit[:80]!r} is no commit: {what}")


def check_range(name: str, *figures: float | None, low: float = 0, high: float = math.inf) -> None:
    """Refuse figures outside a range, and those that are not finite; None stands for no figure.

    Raises:
        ValueError: A figure is outside the range.
    """
    for figure in figures:
        # A whole number of JSON may be too large to become a float.
        if figure is not None and not low <= figure <= min(high, _LARGEST):
            told = repr(figure)
            short = told if len(told) <= _LONGEST else f"{told[:_LONGEST]}..."
            raise ValueError(f"{name} {short} is outside {low:g} to {min(high, _LARGEST):g}")


def check_seconds(name: str, *seconds: float | None, low: float = 0) -> None:
    """Refuse seconds that cannot have been measured.

    Raises:
        ValueError: They are fewer than `low`, or more than 30 years.
    """
    check_range(name, *seconds, low=low, high=_MOST_SECONDS)
