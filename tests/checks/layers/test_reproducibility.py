"""The reproducibility checks are REGRESSED where TensorFlow ignores what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.checks.layers import reproducibility
from mnist_bench.checks.layers.guard import guard
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.backend import KerasError
from mnist_bench.training.workers import serve

if TYPE_CHECKING:
    from mnist_bench.records.verdicts import CheckResult


def test_missing_determinism_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Op determinism that is off although it was asked for is REGRESSED."""
    monkeypatch.setattr(reproducibility.backend, "set_determinism", lambda *, on: None)  # noqa: ARG005 - as called
    monkeypatch.setattr(reproducibility.backend, "is_deterministic", lambda: False)
    assert reproducibility.check_determinism().verdict is Verdict.REGRESSED


class FakeChild:
    """A fresh process whose trainings fail."""

    def __init__(self, _module: str) -> None:
        """Note what fails."""
        self.told: list[dict[str, Any]] = []

    def send(self, config: TrainingConfig) -> None:
        """Train as the process does, with an error where Keras would train, or elsewhere."""
        with serve._tell_failure(lambda **event: self.told.append(event)):
            raise KerasError("fit raised KeyError: 'val_loss'") if config.seed else OSError("the disk is full")

    def read(self) -> dict[str, Any]:
        """Return the event."""
        return self.told.pop()

    def close(self) -> None:
        """End nothing."""


@pytest.mark.parametrize(("seed", "verdict"), [(1, Verdict.REGRESSED), (0, Verdict.INCONCLUSIVE)])
def test_what_keras_raises_in_a_fresh_process_is_a_regression(
    monkeypatch: pytest.MonkeyPatch, seed: int, verdict: Verdict
) -> None:
    """The process tells whether Keras raised the error, as an error in this process would."""
    monkeypatch.setattr(reproducibility, "Child", FakeChild)

    def check() -> CheckResult:
        with reproducibility.FreshProcess() as fresh:
            fresh.train(TrainingConfig(lab="mlp", seed=seed))
        raise AssertionError

    assert guard("reproducibility/bits[mlp-graph]", check).verdict is verdict
