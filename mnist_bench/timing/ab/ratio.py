"""B's time over A's as a record: an estimate with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.fields import check_range
from mnist_bench.stats.intervals import format_signed

if TYPE_CHECKING:
    from mnist_bench.stats.intervals import Interval

__all__ = ["ROUNDING", "RatioRecord", "check_ratio", "format_ratio", "make_ratio"]

ROUNDING = 1e-6
"""How far a stored ratio may be from the one that is computed again: another SciPy may round a quantile otherwise."""

_LEAST = 1e-18  # the smallest ratio of positive seconds


@dataclass(frozen=True, kw_only=True)
class RatioRecord:
    """B's time over A's, with an interval; an end that the rounds leave open is None."""

    estimate: float
    low: float | None
    high: float | None
    level: float

    def __post_init__(self) -> None:
        """Refuse ratios that are not positive, and a level that is no probability."""
        check_range("ratio", self.estimate, self.low, self.high, low=_LEAST, high=1 / _LEAST)
        check_range("level", self.level, high=1)


def make_ratio(interval: Interval) -> RatioRecord:
    """Return an interval for a record: JSON has no infinity, and an end beyond all ratios is open, too."""
    return RatioRecord(
        estimate=interval.estimate,
        low=interval.low if interval.low >= _LEAST else None,
        high=interval.high if interval.high <= 1 / _LEAST else None,
        level=interval.level,
    )


def format_ratio(ratio: RatioRecord) -> str:
    """Return a ratio with its interval as changes in percent."""
    estimate = _format_change(ratio.estimate)
    if ratio.low is None or ratio.high is None:
        return estimate
    return f"{estimate} ({_format_change(ratio.low)} to {_format_change(ratio.high)})"


def _format_change(ratio: float) -> str:
    return f"{format_signed(100 * (ratio - 1), 1)}%"


def check_ratio(name: str, stored: RatioRecord, derived: RatioRecord) -> None:
    """Refuse a stored ratio that is not the one that follows from the seconds."""
    for part, value in vars(stored).items():
        expected = getattr(derived, part)
        if value != expected and not math.isclose(value or 0, expected or 0, rel_tol=ROUNDING):
            raise ValueError(f"{name}.{part} is {value!r}, but the seconds say {expected!r}")
