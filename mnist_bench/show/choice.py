"""Which trainings of a large run are shown one by one: a page or table of ten thousand rows shows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.accuracy import judge_threshold
from mnist_bench.records.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.records.training import TrainingRecord

__all__ = ["MOST_ROWS", "choose_records", "describe_choice", "describe_company"]

MOST_ROWS = 200
"""Trainings that are shown one by one: some screens of a table, and some seconds of drawing."""


def choose_records(records: Sequence[TrainingRecord]) -> list[TrainingRecord]:
    """Return up to `MOST_ROWS` records in their order: those that do not pass, then the first of the others."""
    if len(records) <= MOST_ROWS:
        return list(records)
    passes = [judge_threshold(record) is Verdict.PASS for record in records]
    chosen = sorted(range(len(records)), key=lambda number: (passes[number], number))[:MOST_ROWS]
    return [records[number] for number in sorted(chosen)]


def describe_choice(records: Sequence[TrainingRecord]) -> str:
    """Return in words which records are shown; "" where all are."""
    if len(records) <= MOST_ROWS:
        return ""
    return f"{MOST_ROWS} of {len(records):,} trainings are shown, first of all those that do not pass"


def describe_company(records: Sequence[TrainingRecord]) -> str:
    """Return in words what the seconds of trainings in company are; "" where each was trained alone."""
    sizes = sorted({record.company for record in records} - {1})
    if not sizes:
        return ""
    return f"s/epoch: a seed's share, trained in one program with others ({', '.join(map(str, sizes))} seeds)"
