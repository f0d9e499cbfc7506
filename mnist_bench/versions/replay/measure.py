"""The sides of real regressions made and asked: by the machinery of `compare`, with the variables of each side."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, TypeAlias

from mnist_bench.checks.elsewhere import ask_checks, ask_environment, ask_probes, did_not_run
from mnist_bench.checks.layers.structure import check_environment
from mnist_bench.checks.records import compare_probes, describe_difference
from mnist_bench.records.config import Case, TrainingConfig
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.timing.ab.ratio import format_ratio
from mnist_bench.timing.ab.rounds import AbPlan, compare
from mnist_bench.timing.ab.verdict import VERDICTS
from mnist_bench.training.data.dataset import load_dataset
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.replay.judge import ENVIRONMENT
from mnist_bench.versions.replay.records import Answer
from mnist_bench.versions.upgrade.sides import enter_sides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.versions.replay.regression import Measure, Question, RealSide
    from mnist_bench.versions.upgrade.sides import Side

__all__ = ["Compare", "ask_side"]

_BUDGET_SECONDS = 240.0  # of a comparison of times, which ends as soon as it is decided: machines that replay are busy

Compare: TypeAlias = "Callable[[Question, Path, Path, str], list[CheckResult]]"
"""Asks a side: (question, the good side's interpreter, the interpreter, the data) to results."""


def ask_side(
    question: Question,
    *,
    source: str,
    tell: Callable[[str], None],
    further: Mapping[Measure, Compare] | None = None,
) -> Answer:
    """Make the environments of a question, if they are not in the cache, and ask.

    Args:
        question: The question.
        source: The data.
        tell: Called with each line of progress.
        further: Ways of asking that later wings have.

    Raises:
        CommandError: A side that is compared with another gives no answer.
        ValueError: A side cannot be installed.
    """
    side = _enter(question.side, tell)
    base = side if question.base in (None, question.side) else _enter(question.base, tell)
    begin = time.perf_counter()
    ask = {**_MEASURES, **(further or {})}[question.by]
    results = ask(question, base.python, side.python, source)
    seconds = round(time.perf_counter() - begin, 2)
    return Answer(question=question, packages=side.install.packages, results=results, seconds=seconds)


def _enter(side: RealSide | None, tell: Callable[[str], None]) -> Side:
    assert side is not None  # noqa: S101 - the caller has looked
    (entered,) = enter_sides((side.requirements,), python=side.python, tell=tell)
    return entered


@contextlib.contextmanager
def _set_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Have the processes that are started meanwhile see these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _run_checks(question: Question, _base: Path, python: Path, source: str) -> list[CheckResult]:
    """Run what `mnist-bench check --fast` runs."""
    with _set_variables(question.side.variables):
        try:
            environment = ask_environment(python)
        except CommandError as error:
            return [did_not_run(ENVIRONMENT, str(error))]
        checks = ask_checks(python, [question.lab], engine=question.engine, source=source, environment=environment)
        return [check_environment(environment, source), *checks]


def _compare_bits(question: Question, base: Path, python: Path, source: str) -> list[CheckResult]:
    """Compare the stages of one training: the same bits were to be expected."""
    config = TrainingConfig(lab=question.lab, engine=question.engine, data=source, device="cpu")

    def probe(side: RealSide | None, interpreter: Path) -> ProbeRecord:
        with _set_variables(side.variables if side else {}):
            (found,) = ask_probes(interpreter, [config])
        return found

    before, now = probe(question.base, base), probe(question.side, python)
    differ = bool(compare_probes(before, now))
    return [
        CheckResult(
            name=f"bits/{config.case}",
            verdict=Verdict.REGRESSED if differ else Verdict.IDENTICAL,
            figure=describe_difference(before, now),
            bound="all stages alike",
        )
    ]


def _compare_times(question: Question, base: Path, python: Path, source: str) -> list[CheckResult]:
    """Time both sides against each other, as `compare --only time` does; their variables must be the same."""
    plan = AbPlan(
        python_a=base,
        python_b=python,
        lab=question.lab,
        engine=question.engine,
        dataset=load_dataset(source),
        budget_seconds=_BUDGET_SECONDS,
    )
    with _set_variables(question.side.variables):
        record = compare(plan)
    return [
        CheckResult(
            name=f"time/{Case(question.lab, question.engine)}",
            verdict=VERDICTS[record.verdict],
            figure=f"{record.verdict}: wall {format_ratio(record.wall)}, processor {format_ratio(record.cpu)}",
            bound=f"within {record.bound:.0%}",
            evidence=record.finding,
        )
    ]


_MEASURES: dict[Measure, Compare] = {
    "checks": _run_checks,
    "bits": _compare_bits,
    "time": _compare_times,
}
