"""Verdicts: what records say when they are held against a bound or a baseline. Never imports Keras."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from mnist_bench.labs import LABS

if TYPE_CHECKING:
    from mnist_bench.records import TrainingRecord

__all__ = ["Verdict", "judge_threshold"]


class Verdict(str, enum.Enum):
    """What a check says. Only the first two are green."""

    IDENTICAL = "IDENTICAL"
    PASS = "PASS"  # noqa: S105 - no password
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NO_BASELINE = "NO_BASELINE"


def judge_threshold(record: TrainingRecord) -> Verdict:
    """Return PASS where the record's test accuracy reaches its lab's threshold, else REGRESSED."""
    holds = record.test_accuracy >= LABS[record.config.lab].threshold
    return Verdict.PASS if holds else Verdict.REGRESSED
