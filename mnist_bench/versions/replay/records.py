"""The record of replayed regressions: what was asked of which side, and the answers."""

from __future__ import annotations

from dataclasses import dataclass

from mnist_bench.records.fields import check_seconds
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.verdicts import CheckResult
from mnist_bench.timing.machine import Machine
from mnist_bench.versions.replay.regression import Question

__all__ = ["Answer", "ReplayRecord"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a side answered.

    Attributes:
        question: What was asked.
        packages: What was installed there, by package.
        results: The results of the checks, in their order.
        seconds: The seconds that it took, without the installation.
    """

    question: Question
    packages: dict[str, str]
    results: list[CheckResult]
    seconds: float

    def __post_init__(self) -> None:
        """Refuse an answer without any result, and impossible seconds."""
        check_seconds("seconds", self.seconds)
        if not self.results:
            raise ValueError(f"{self.question.side.describe()}: no result")


@dataclass(frozen=True, kw_only=True)
class ReplayRecord:
    """Replays on one machine.

    Attributes:
        machine: Where they ran: bits and times depend on it.
        source: The data.
        answers: One for each question. Regressions that share a side share its answer.
    """

    machine: Machine
    source: str
    answers: list[Answer]
    kind: str = "replay"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a question that was answered twice."""
        questions = [answer.question for answer in self.answers]
        twice = next((it for it in questions if questions.count(it) > 1), None)
        if twice:
            raise ValueError(f"answers: {twice.side.describe()} is there twice")

    def find(self, question: Question) -> Answer | None:
        """Return the answer to a question, if there is one."""
        return next((answer for answer in self.answers if answer.question == question), None)
