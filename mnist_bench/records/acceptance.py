"""Who made a record a baseline, when and why."""

from __future__ import annotations

import datetime as dt
import getpass
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.fields import check_time

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Acceptance", "make_acceptance", "now"]


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """Who accepted a record as a baseline, when, why, and against which rules."""

    who: str
    when: str
    why: str
    forced: list[str]

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_time("when", self.when)


def make_acceptance(why: str, forced: Sequence[str] = ()) -> Acceptance:
    """Return an acceptance by this user on this machine, now.

    Raises:
        ValueError: No reason is given.
    """
    if not why.strip():
        raise ValueError("a baseline needs a reason, for whoever reviews it")
    return Acceptance(who=f"{_find_user()}@{platform.node()}", when=now(), why=why, forced=list(forced))


def now() -> str:
    """Return the time as records hold it: UTC, to the second."""
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        return "unknown"
