"""What is asked of an interpreter about a user's own model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.own import elsewhere
from mnist_bench.own.checks import name_own_checks
from mnist_bench.own.records import ModelFile, OwnConfig
from mnist_bench.records.verdicts import CheckResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.records.training import TrainingRecord

MODEL = ModelFile(name="mine", path="/mine.py", digest=64 * "0")


@pytest.mark.parametrize(("keras", "verdict"), [("3.15.1", Verdict.KNOWN), ("2.15.0", Verdict.REGRESSED)])
def test_a_known_regression_is_known_of_an_own_model(
    mlp: TrainingRecord, monkeypatch: pytest.MonkeyPatch, keras: str, verdict: Verdict
) -> None:
    """The frozen shuffle is Keras 3's, whichever model sees it; under Keras 2 it is new."""
    environment = dataclasses.replace(mlp.environment, keras=keras)
    names = name_own_checks(MODEL)

    def answer(*_: Any, first: int, **__: Any) -> Iterator[CheckResult]:
        for name in names[first:]:
            frozen = name.startswith("contract/new-order")
            found = Verdict.REGRESSED if frozen else Verdict.PASS
            yield CheckResult(name=name, verdict=found, figure="", bound="", value=100.0 if frozen else None)

    monkeypatch.setattr(elsewhere, "ask_child", answer)
    results = elsewhere.ask_own_checks(None, OwnConfig(model=MODEL), environment=environment)
    assert [result.verdict for result in results if result.check == "contract/new-order"] == [verdict]
