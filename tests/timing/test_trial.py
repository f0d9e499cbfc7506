"""A trial trains the lab, notes the training part alone, and is never another model in disguise."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.timing import trial as trials
from mnist_bench.timing.clock import Rounds
from mnist_bench.timing.trial import Trial, check_trial, on_device, prepare_process
from mnist_bench.training.backend import is_deterministic
from mnist_bench.training.data.dataset import prepare
from mnist_bench.training.engines import ENGINES as ALL_ENGINES
from mnist_bench.training.engines import compile_model, train_model
from mnist_bench.training.labs import LABS, build_model

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset

ENGINES = ("graph", "fused")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_trial_trains_as_a_training_does(engine: str, tiny: Dataset) -> None:
    """From the same weights and seeds its first epoch ends in the weights of `train_model`'s."""
    config, prepared = TrainingConfig(lab="perceptron", engine=engine), prepare(tiny)
    prepare_process(config)
    trial = Trial(config, prepared, Rounds())
    start = trial.model.get_weights()
    trial.train_epoch()

    prepare_process(config)
    model = build_model(LABS["perceptron"])
    compile_model(model, ALL_ENGINES[engine], config, samples=len(prepared.x_train))
    model.set_weights(start)
    train_model(model, prepared, config, epochs=1)
    for ours, theirs, before in zip(trial.model.get_weights(), model.get_weights(), start, strict=True):
        assert np.array_equal(ours, theirs)
        assert not np.array_equal(ours, before)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_epoch_is_noted_once(engine: str, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its begin to its end, by both clocks; the evaluation notes nothing."""
    ticks = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    rounds = Rounds()
    trial = Trial(TrainingConfig(lab="perceptron", engine=engine), prepare(tiny), rounds)
    trial.train_epoch()
    trial.train_epoch()
    trial.evaluate()
    assert len(rounds.times) == 2
    assert all(times.wall >= 1 and times.cpu > 0 for times in rounds.times)


def test_the_lab_is_let_through() -> None:
    """The model of the lab sheet follows the oracle."""
    check_trial(TrainingConfig(lab="perceptron", engine="graph"))


def test_a_wrong_model_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one of other parameters, nor one that trains in another way, nor one of which nothing is known."""
    config = TrainingConfig(lab="perceptron", engine="graph")
    for excess, words in ((1.5, "departs from the oracle's by 1.5"), (None, "by None"), (float("nan"), "by nan")):
        monkeypatch.setattr(trials, "first_certain", lambda *_, excess=excess: excess)
        with pytest.raises(ValueError, match=words):
            check_trial(config)
    monkeypatch.setattr(trials, "build_model", lambda _: build_model(LABS["mlp"]))
    with pytest.raises(ValueError, match="perceptron has 118,282 parameters, and the lab 7,850: not timed"):
        check_trial(config)


@pytest.mark.parametrize(("engine", "on"), [("graph", True), ("xla", False)])
def test_a_process_is_set_as_a_training_sets_it(engine: str, on: bool) -> None:  # noqa: FBT001
    """Op determinism is on where the engine may have it: it costs time."""
    prepare_process(TrainingConfig(lab="perceptron", engine=engine))
    assert is_deterministic() is on


def test_a_device_is_only_chosen_where_there_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU nothing is pinned, as in a training; with one the CPU is named."""
    named: list[Any] = []
    tf = type("TF", (), {"device": staticmethod(named.append)})
    for gpus, names in (([], []), (["a GPU"], ["/CPU:0"])):
        tf.config = type("Config", (), {"get_visible_devices": staticmethod(lambda _, gpus=gpus: gpus)})
        monkeypatch.setattr(trials, "load_tensorflow", lambda: tf)
        on_device("cpu")
        assert named == names
