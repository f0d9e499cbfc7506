"""A regression that a model of the docs shows: the stages of both sides are compared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fixtures.sides import make_probe
from mnist_bench.own.upgrade import replay
from mnist_bench.own.upgrade.replay import compare_model
from mnist_bench.records.verdicts import Verdict
from mnist_bench.versions.replay.regressions import REGRESSIONS

if TYPE_CHECKING:
    import pytest

    from mnist_bench.records.training import TrainingRecord


def test_the_stages_of_both_sides_are_compared(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that moved by more than rounding moves it is told; a side that is like itself is not."""
    asked: list[Any] = []

    def ask(python: Path, config: Any) -> Any:
        asked.append(config.model.name)
        moved = {"update: 1 Conv2D kernel": 0.2} if python == Path("bad") else {}
        return make_probe(record.environment, str(python), moved=moved)

    monkeypatch.setattr(replay, "ask_own_probe", ask)
    question = REGRESSIONS["repeated-rows"].questions[0]
    good = Path(sys.executable)
    (told,) = compare_model(question, good, Path("bad"), "digits")
    (quiet,) = compare_model(question, good, good, "digits")
    assert asked == ["lstm"] * 4
    assert (told.check, told.verdict) == ("bits/lstm", Verdict.REGRESSED)
    assert quiet.verdict is Verdict.IDENTICAL
