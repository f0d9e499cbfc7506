"""Real regressions replayed one after another; each answer is kept, and no side is asked twice."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mnist_bench.records.serial import load, save
from mnist_bench.timing.machine import collect_hardware, explain_hardware
from mnist_bench.versions.replay.judge import find_outcome
from mnist_bench.versions.replay.measure import ask_side
from mnist_bench.versions.replay.records import ReplayRecord
from mnist_bench.versions.replay.regressions import REGRESSIONS, find_regression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mnist_bench.versions.replay.judge import Outcome
    from mnist_bench.versions.replay.measure import Compare
    from mnist_bench.versions.replay.records import Answer
    from mnist_bench.versions.replay.regression import Measure, Regression

__all__ = ["choose", "open_record", "replay"]


def choose(names: Sequence[str]) -> list[Regression]:
    """Return the regressions of these names; all for `all`.

    Raises:
        ValueError: There is none of a name.
    """
    if "all" in names:
        return list(REGRESSIONS.values())
    return [find_regression(name) for name in names]


def open_record(path: Path, source: str) -> ReplayRecord:
    """Return the record to continue, or a new one.

    Raises:
        RecordError: The record is invalid.
        ValueError: The record is of another machine or of other data.
    """
    here = collect_hardware()
    if not path.exists():
        return ReplayRecord(machine=here, source=source, answers=[])
    record: ReplayRecord = load(path, ReplayRecord)
    if not record.machine.is_like(here):
        differ = explain_hardware(record.machine, here)
        raise ValueError(f"{path}: cannot continue: made on another machine: {differ}; name another folder with --out")
    if record.source != source:
        raise ValueError(f"{path}: the data is {record.source!r}, not {source!r}: name another folder with --out")
    asked = [question for regression in REGRESSIONS.values() for question in regression.questions]
    return dataclasses.replace(record, answers=[answer for answer in record.answers if answer.question in asked])


def replay(
    chosen: Sequence[Regression],
    record: ReplayRecord,
    path: Path,
    *,
    again: bool,
    tell: Callable[[str], None],
    further: Mapping[Measure, Compare] | None = None,
) -> Iterator[Outcome]:
    """Ask both sides of each regression, keep the answers, and yield what the suite says.

    Args:
        chosen: The regressions.
        record: The record to continue.
        path: Its file, which is written after each answer.
        again: Whether sides that have answered are asked again.
        tell: Called with each line of progress.
        further: As for `ask_side`.

    Raises:
        CommandError: A side gives no answer.
        ValueError: A side cannot be installed.
    """
    for regression in chosen:
        for question in regression.questions:
            if again or record.find(question) is None:
                tell(f"{regression.name}: {question.side.describe()}")
                record = _keep(record, ask_side(question, source=record.source, tell=tell, further=further))
                save(record, path, overwrite=True)
        outcome = find_outcome(regression, record)
        assert outcome is not None  # noqa: S101 - both sides have been asked
        yield outcome


def _keep(record: ReplayRecord, answer: Answer) -> ReplayRecord:
    others = [it for it in record.answers if it.question != answer.question]
    return dataclasses.replace(record, answers=[*others, answer])
