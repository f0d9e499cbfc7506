"""What is asked of an interpreter about a user's own model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fixtures.interpreters import make_interpreter, make_program
from mnist_bench.own import elsewhere
from mnist_bench.own.checks import name_own_checks
from mnist_bench.own.records import ModelFile, OwnConfig
from mnist_bench.records.environment import change_environment
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.timing.ab.process import find_cores
from mnist_bench.versions.upgrade.rounds import LostSideError, train_round

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

MODEL = ModelFile(name="mine", path="/mine.py", digest=64 * "0")


@pytest.mark.parametrize(("keras", "verdict"), [("3.15.1", Verdict.KNOWN), ("2.15.0", Verdict.REGRESSED)])
def test_a_known_regression_is_known_of_an_own_model(
    mlp: TrainingRecord, monkeypatch: pytest.MonkeyPatch, keras: str, verdict: Verdict
) -> None:
    """The frozen shuffle is Keras 3's, whichever model sees it; under Keras 2 it is new."""
    environment = change_environment(mlp.environment, keras=keras)
    names = name_own_checks(MODEL)

    def answer(*_: Any, first: int, **__: Any) -> Iterator[CheckResult]:
        for name in names[first:]:
            frozen = name.startswith("contract/new-order")
            found = Verdict.REGRESSED if frozen else Verdict.PASS
            yield CheckResult(name=name, verdict=found, figure="", bound="", value=1.0 if frozen else None)

    monkeypatch.setattr(elsewhere, "ask_child", answer)
    results = elsewhere.ask_own_checks(None, OwnConfig(model=MODEL), environment=environment)
    assert [result.verdict for result in results if result.check == "contract/new-order"] == [verdict]


@pytest.mark.slow
def test_a_seed_is_trained_on_both_sides(configure_model: Callable[..., OwnConfig], tmp_path: Path) -> None:
    """Two real processes, which import nothing of ours that an environment may lack, end in the same bits."""
    guarded = make_interpreter(tmp_path / "python", "guarded.py")
    config = configure_model()
    done = train_round((guarded, guarded), elsewhere.make_own_task(config), find_cores(), limit=300)
    first, second = done.trainings
    assert (first.config, first.final_digest) == (config, second.final_digest)
    assert done.times is None


def test_a_model_that_cannot_be_trained_is_told_by_its_side(
    configure_model: Callable[..., OwnConfig], tmp_path: Path
) -> None:
    """The line says where in the file, and that the file is to blame, also where the other process has just died."""
    config = configure_model(rest="margins = {'mae': 1.0}\n")
    pythons = make_interpreter(tmp_path / "python", "guarded.py"), make_program(tmp_path / "dying", "exit 3")
    with pytest.raises(LostSideError, match="margins names the metric 'mae'") as caught:
        train_round(pythons, elsewhere.make_own_task(config), find_cores(), limit=300)
    assert (caught.value.side, caught.value.raised, caught.value.bad_input) == (0, True, True)
