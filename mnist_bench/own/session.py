"""A user's own model in one test session: each check is asked for when a test wants it, each seed is trained once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnist_bench.own.checks import name_own_checks
from mnist_bench.own.elsewhere import ask_own_checks, ask_own_training
from mnist_bench.own.file import read_model_file
from mnist_bench.own.records import ModelFile, OwnConfig, OwnTraining
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.verdicts import CheckResult
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["OwnSession", "open_session"]


@dataclass
class OwnSession:
    """What was asked so far of a model, in child processes of this interpreter.

    Attributes:
        model: The model file.
        device: `auto`, `cpu` or `gpu`.
    """

    model: ModelFile
    device: str
    _results: dict[str, CheckResult] = field(default_factory=dict)
    _coming: Iterator[CheckResult] | None = None
    _trained: dict[int, OwnTraining] = field(default_factory=dict)
    _lost: CommandError | None = None

    def list_checks(self) -> list[str]:
        """Return the names of the checks, in their order."""
        return name_own_checks(self.model)

    def find(self, name: str) -> CheckResult:
        """Return the result of a check; the first test that wants one waits for those before that.

        Raises:
            CommandError: The model cannot be measured, which each test is told.
        """
        if self._lost:
            raise self._lost
        try:
            while name not in self._results:
                # The first check that is wanted begins: those before were not selected.
                place = self.list_checks().index(name)
                self._coming = self._coming or ask_own_checks(None, self._configure(FIRST_SEED), first=place)
                result = next(self._coming, None)
                if result is None:
                    self._coming = None
                    continue
                self._results[result.name] = result
        except CommandError as error:
            self._lost = error
            raise
        return self._results[name]

    def train(self, seed: int = FIRST_SEED) -> OwnTraining:
        """Return the training of a seed, which is trained once.

        Raises:
            CommandError: The model cannot be trained.
        """
        if seed not in self._trained:
            self._trained[seed] = ask_own_training(None, self._configure(seed))
        return self._trained[seed]

    def close(self) -> None:
        """End the process that still answers."""
        if self._coming is not None and hasattr(self._coming, "close"):
            self._coming.close()
        self._coming = None

    def _configure(self, seed: int) -> OwnConfig:
        return OwnConfig(model=self.model, seed=seed, device=self.device)


def open_session(path: Path | str, device: str) -> OwnSession:
    """Read a model file for a test session.

    Raises:
        ValueError: The file cannot be used; one line.
    """
    return OwnSession(read_model_file(path), device)
