"""A trial trains the lab as a training does, notes the training part alone, and refuses any other model."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.timing import trial as trials
from mnist_bench.timing.clock import RoundClock
from mnist_bench.timing.trial import Trial, check_trial, on_device, prepare_process
from mnist_bench.training.backend import is_deterministic
from mnist_bench.training.data.dataset import prepare
from mnist_bench.training.engines import ENGINES as ALL_ENGINES
from mnist_bench.training.engines import compile_model, train_model
from mnist_bench.training.labs import LABS, build_model

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset

ENGINES = ("graph", "fused")


@pytest.mark.parametrize(("engine", "epochs"), [("graph", 1), ("fused", 2)])
def test_a_trial_trains_as_a_training_does(engine: str, epochs: int, tiny: Dataset) -> None:
    """From the same weights and seeds it ends in the weights of `train_model`; only fused continues the shuffle."""
    config, prepared = TrainingConfig(lab="perceptron", engine=engine), prepare(tiny)
    prepare_process(config)
    trial = Trial(config, prepared, RoundClock())
    start = trial.model.get_weights()
    for _ in range(epochs):
        trial.train_epoch()

    prepare_process(config)
    model = build_model(LABS["perceptron"])
    compile_model(model, ALL_ENGINES[engine], config, samples=len(prepared.x_train))
    model.set_weights(start)
    train_model(model, prepared, config, epochs=epochs)
    for ours, theirs, before in zip(trial.model.get_weights(), model.get_weights(), start, strict=True):
        assert np.array_equal(ours, theirs)
        assert not np.array_equal(ours, before)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_epoch_is_noted_once(engine: str, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each epoch is noted by both clocks; an evaluation is not noted."""
    ticks = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    clock = RoundClock()
    trial = Trial(TrainingConfig(lab="perceptron", engine=engine), prepare(tiny), clock)
    trial.train_epoch()
    trial.train_epoch()
    trial.evaluate()
    assert len(clock.times) == 2
    assert all(times.wall >= 1 and times.cpu > 0 for times in clock.times)


def test_the_lab_is_accepted() -> None:
    """The model of the lab sheet follows the oracle."""
    check_trial(TrainingConfig(lab="perceptron", engine="graph"))


def test_a_wrong_model_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with another number of parameters, with other steps, or with an unknown departure is refused."""
    config = TrainingConfig(lab="perceptron", engine="graph")
    for excess, words in (
        (1.5, "departs from the oracle's by 1.5"),
        (None, "by an unknown multiple of"),
        (float("nan"), "by nan"),
    ):
        monkeypatch.setattr(trials, "first_certain", lambda *_, excess=excess: excess)
        with pytest.raises(ValueError, match=words):
            check_trial(config)
    monkeypatch.setattr(trials, "build_model", lambda _: build_model(LABS["mlp"]))
    with pytest.raises(ValueError, match="perceptron has 118,282 parameters, not the lab's 7,850: not timed"):
        check_trial(config)


@pytest.mark.parametrize(("engine", "on"), [("graph", True), ("xla", False)])
def test_a_process_is_set_as_a_training_sets_it(engine: str, on: bool) -> None:  # noqa: FBT001
    """Op determinism, which costs time, is on if the engine supports it."""
    prepare_process(TrainingConfig(lab="perceptron", engine=engine))
    assert is_deterministic() is on


def test_a_device_is_only_chosen_where_there_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU no device is set, as in a training; with a GPU the CPU is set."""
    named: list[Any] = []
    tf = type("TF", (), {"device": staticmethod(named.append)})
    for gpus, names in (([], []), (["a GPU"], ["/CPU:0"])):
        tf.config = type("Config", (), {"get_visible_devices": staticmethod(lambda _, gpus=gpus: gpus)})
        monkeypatch.setattr(trials, "load_tensorflow", lambda: tf)
        on_device("cpu")
        assert named == names
