"""The checks that need no other environment: complete, green on a sound model, and red where a fault is planted."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.interpreters import make_interpreter
from mnist_bench.own.checking.chance import check_random_layers
from mnist_bench.own.checking.structure import check_seeds
from mnist_bench.own.checks import name_own_checks, run_own_checks
from mnist_bench.own.file import ModelFileError
from mnist_bench.own.serve import MODULE
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.workers.child import Child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.own.records import OwnConfig

RANDOM = """
def build():
    model = keras.Sequential([
        layers.Input((6, 2)), layers.LSTM(4, return_sequences=True, recurrent_dropout=0.4),
        layers.SpatialDropout1D(0.3), layers.Flatten(), layers.GaussianDropout(0.2), layers.GaussianNoise(0.1),
        layers.Dropout(0.5), layers.Dense(3),
    ])
    model.compile(optimizer="sgd", loss="mse")
    return model
"""
RANDOM_DATA = """
def data():
    x, y = np.ones((8, 6, 2)), np.ones((8, 3))
    return (x, y), (x, y)
"""


@pytest.mark.slow
def test_every_check_runs_and_is_green(
    configure_model: Callable[..., OwnConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of their names, which are known before; the fresh process needs nothing of ours."""
    monkeypatch.setattr(sys, "executable", str(make_interpreter(tmp_path / "python", "guarded.py")))
    config = configure_model()
    results = list(run_own_checks(config))
    assert [result.name for result in results] == name_own_checks(config.model)
    # Keras 3 has a known regression, which those who judge name.
    red = {result.check: result.figure for result in results if result.verdict is not Verdict.PASS}
    assert red.keys() <= {"contract/new-order"}, red


def test_settings_that_cannot_be_are_no_result_of_a_check(configure_model: Callable[..., OwnConfig]) -> None:
    """They are refused before the first check, in one line."""
    config = configure_model(fit="def fit():\n    return {'epochs': 0}\n")
    with pytest.raises(ModelFileError, match="epochs 0: a whole number of 1 or more is allowed"):
        next(run_own_checks(config))


def test_random_layers_hold(configure_model: Callable[..., OwnConfig]) -> None:
    """Layers of every kind are found, and are as they should be."""
    result = check_random_layers(configure_model(build=RANDOM, data=RANDOM_DATA).model, "random")
    assert (result.verdict, result.figure) == (Verdict.PASS, "5 random layers as they should be")


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (lambda output, _: output * 0.7, "2 SpatialDropout1D: scales by 1.0000, not 1.4286"),
        (lambda _, inputs: inputs, "1 LSTM: two steps draw the same"),
    ],
    ids=["scale", "never"],
)
def test_a_faulty_dropout_is_named(
    configure_model: Callable[..., OwnConfig], monkeypatch: pytest.MonkeyPatch, kept: Callable[..., Any], told: str
) -> None:
    """The layer, and what it does."""
    random = importlib.import_module("keras.src.backend").random
    original = random.dropout

    def faulty(inputs: Any, *rest: Any, **named: Any) -> Any:
        return kept(original(inputs, *rest, **named), inputs)

    monkeypatch.setattr(random, "dropout", faulty)
    result = check_random_layers(configure_model(build=RANDOM, data=RANDOM_DATA).model, "random")
    assert (result.verdict, result.figure.partition(";")[0]) == (Verdict.REGRESSED, told)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [("keras.utils.set_random_seed(1)", Verdict.INCONCLUSIVE), ("pass", Verdict.PASS)],
    ids=["own", "none"],
)
def test_a_file_that_sets_its_own_seed_is_told(
    configure_model: Callable[..., OwnConfig], line: str, verdict: Verdict
) -> None:
    """Its initial weights do not depend on the seed, which is no fault of Keras."""
    build = f"""
def build():
    {line}
    model = keras.Sequential([layers.Input((6,)), layers.Dense(3)])
    model.compile(optimizer="sgd", loss="mse")
    return model
"""
    assert check_seeds(configure_model(build=build).model, "seeds").verdict is verdict


def test_a_process_answers_requests(configure_model: Callable[..., OwnConfig], tmp_path: Path) -> None:
    """Several in turn; what the file prints does no harm, and a file's mistake is told as one."""
    good = configure_model(rest="print('hello')\n")
    bad = configure_model(build="def build():\n    return None\n", name="bench_bad.py")
    with Child(MODULE, python=make_interpreter(tmp_path / "python", "guarded.py")) as child:
        events = []
        for ask, config in (("train", good), ("train", bad), ("bits", good), ("nothing", good)):
            child.send({"ask": ask, "config": dataclasses.asdict(config)})
            while (event := child.read()) and event["event"] == "value":
                events.append(event)
            events.append(event)
    kinds = [event["event"] for event in events if event]
    assert kinds == ["value", "finished", "failed", "value", "finished", "failed"]
    assert events[0]["value"]["kind"] == "own training"
    assert events[2]["bad_input"] is True
    assert "has to return a compiled Keras model" in events[2]["reason"]
    assert events[5]["bad_input"] is False
