"""The measuring side: it times what it is asked for, and only that."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.records.environment import FAULT_VARIABLE
from mnist_bench.timing.ab import worker
from mnist_bench.timing.ab.start import STARTS
from mnist_bench.timing.ab.worker import AbTask, Step, load_arrays, measure, save_arrays
from mnist_bench.training import backend, labs
from mnist_bench.training.workers.child import Child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.training.data.dataset import Dataset


@pytest.fixture
def task(tiny: Dataset, tmp_path: Path) -> AbTask:
    """A perceptron on 256 images."""
    save_arrays(tiny, tmp_path, samples=256, validation=32)
    return AbTask(lab="perceptron", engine="epoch", batch_size=32, device="cpu", folder=str(tmp_path), warm_ups=2)


def run(task: AbTask, epochs: int) -> list[dict[str, Any]]:
    """Return the events of a measurement of some epochs."""
    events: list[dict[str, Any]] = []
    measure(task, iter([Step()] * epochs), lambda **event: events.append(event))
    return events


def test_the_arrays_arrive(task: AbTask, tiny: Dataset, tmp_path: Path) -> None:
    """The first images to train on, those behind them to validate on, all prepared as the lab does."""
    prepared = load_arrays(tmp_path)
    assert (len(prepared.x_train), len(prepared.x_validation), len(prepared.x_test)) == (256, 32, 32)
    assert np.array_equal(prepared.pixels, tiny.x_train[:288].reshape(288, -1))
    assert task.folder == str(tmp_path)


@pytest.mark.parametrize("engine", ["epoch", "fused"])
def test_it_times_as_many_epochs_as_it_is_asked_for(task: AbTask, engine: str) -> None:
    """First it says that it is warm and where it runs; then come both times of each epoch."""
    ready, *epochs = run(dataclasses.replace(task, engine=engine), 3)
    assert ready["event"] == "ready"
    assert ready["environment"].device == "cpu"
    assert [event["event"] for event in epochs] == ["epoch"] * 3
    assert all(0 < event[clock] < 10 for event in epochs for clock in ("wall", "cpu"))


def test_the_start_is_timed(task: AbTask) -> None:
    """The import, and the first epoch, which compiles and so takes longer than those that are timed."""
    ready, *epochs = run(task, 2)
    assert set(ready["start"]) == set(STARTS)
    assert ready["start"]["import"] == backend.import_seconds() > 0
    assert ready["start"]["first epoch"] > max(event["wall"] for event in epochs)


def test_a_planted_fault_is_in_what_is_timed(task: AbTask, unplanted: Callable[..., None]) -> None:
    """Each epoch works on for as long as it trains, and the environment has the fault."""
    unplanted("make_train_function")
    ready, *epochs = run(dataclasses.replace(task, fault="work:0.2"), 2)
    assert ready["environment"].flags[FAULT_VARIABLE] == "work:0.2"
    assert len(epochs) == 2


@pytest.mark.parametrize("as_shipped", [True, False])
def test_the_autotuner_is_off_unless_asked_for(
    task: AbTask, monkeypatch: pytest.MonkeyPatch, *, as_shipped: bool
) -> None:
    """Every pipeline that Keras builds says so, and afterwards all is as it was."""
    dataset = backend.load_tensorflow().data.Dataset
    with_options = dataset.with_options
    seen: list[bool | None] = []

    def record(self: Any, options: Any, *rest: Any, **named: Any) -> Any:
        seen.append(options.autotune.enabled)
        return with_options(self, options, *rest, **named)

    monkeypatch.setattr(dataset, "with_options", record)
    run(dataclasses.replace(task, as_shipped=as_shipped), 1)
    assert set(seen) == {None if as_shipped else False}
    assert dataset.with_options is record


def test_the_wrong_model_is_not_timed(task: AbTask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parameters are counted first."""
    monkeypatch.setattr(labs, "CLASSES", 11)
    with pytest.raises(RuntimeError, match="the model has 8,635 parameters, the lab's 7,850"):
        run(task, 1)


def test_what_goes_wrong_is_an_event(tmp_path: Path) -> None:
    """A task that is not allowed is answered with one line, whatever else was printed."""
    task = AbTask(lab="cnn", engine="epoch", batch_size=32, device="cpu", folder=str(tmp_path), warm_ups=2)
    with Child(worker.MODULE) as child:
        child.send(task)
        event = child.read()
    assert event is not None
    assert event["event"] == "failed"
    assert event["reason"] == "unknown lab 'cnn': choose from perceptron, mlp, dropout"
