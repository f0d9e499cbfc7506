"""Faults of time and memory: just as large as they say, and nothing else changes."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.checks.faults import cost
from mnist_bench.checks.faults.planting import plant
from mnist_bench.training.backend import load_keras

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCHS = 2


@pytest.fixture
def fit(unplanted: Callable[..., None]) -> Callable[[str], tuple[np.ndarray[Any, Any], list[float]]]:
    """A function that plants a fault and trains a small model; it returns the weights and the size after each epoch."""
    unplanted("fit", "make_train_function")

    def train(fault: str) -> tuple[np.ndarray[Any, Any], list[float]]:
        if fault:
            plant(fault)
        keras = load_keras()
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        sizes: list[float] = []
        noted = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: sizes.append(time.perf_counter()))
        x, y = np.ones((64, 4), np.float32), np.ones((64, 2), np.float32)
        model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0, callbacks=[noted])
        return np.concatenate([np.ravel(weight) for weight in model.get_weights()]), sizes

    return train


@pytest.mark.parametrize("name", ["sleep", "work", "core-lost", "compiled-again", "leak", "memory-twice"])
def test_no_figure_changes(name: str, fit: Callable[[str], Any]) -> None:
    """The weights are those without the fault, bit for bit."""
    cores = os.sched_getaffinity(0)
    sound, _ = fit("")
    try:
        # Of a sleep and of work the largest, so that some passes; of memory the smallest.
        planted, epochs = fit(cost.FAULTS[name].keys[0 if name in ("sleep", "work") else -1])
    finally:
        cost.pin_all_threads(cores)
    assert np.array_equal(planted, sound)
    assert len(epochs) == EPOCHS


@pytest.mark.parametrize("name", ["sleep", "work"])
def test_time_passes_by_a_share(name: str, fit: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of what the steps take, together: in the clock of a step each takes a second."""
    now, passed = [0.0], []
    monkeypatch.setattr(cost, "_spin", passed.append)
    clock = SimpleNamespace(perf_counter=lambda: now.__setitem__(0, now[0] + 1.0) or now[0], sleep=passed.append)
    monkeypatch.setattr(cost, "time", clock)
    monkeypatch.setitem(cost.FAULTS[name].plant.__globals__, "time", clock)
    fit(f"{name}:0.2")
    assert passed == [pytest.approx(0.2)] * 2 * EPOCHS


def test_a_step_is_compiled_again(fit: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of the first steps, and then no more."""
    made: list[bool] = []
    model = load_keras().Model
    original = model.make_train_function

    def make_train_function(self: Any, force: bool = False) -> Any:  # noqa: FBT001, FBT002 - as Keras has it
        made.append(force)
        return original(self, force)

    monkeypatch.setattr(model, "make_train_function", make_train_function)
    fit("compiled-again:1")
    assert made.count(True) == 1


def test_an_epoch_keeps_memory(fit: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As many bytes as it says, each epoch anew."""
    kept: list[int] = []
    monkeypatch.setattr(cost, "np", SimpleNamespace(ones=lambda count: kept.append(8 * count)))
    fit("leak:1")
    assert kept == [1_000_000] * EPOCHS


def test_an_import_waits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras is found later, and no other module is."""
    slept: list[float] = []
    monkeypatch.setattr(cost.time, "sleep", slept.append)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setenv("MNIST_BENCH_FAULT", "")
    before = list(sys.meta_path)
    plant("import-slow:2")
    delay = sys.meta_path[0]
    assert delay.find_spec("numpy", None) is None
    assert slept == []
    assert delay.find_spec("keras", None) is None
    assert slept == [2.0]
    assert sys.meta_path == before
    assert importlib.util.find_spec("json") is not None


def test_training_stays_on_one_core(fit: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of those that it may use."""
    pinned: list[list[int]] = []
    monkeypatch.setattr(cost, "pin_all_threads", pinned.append)
    fit("core-lost:1")
    assert pinned == [[min(os.sched_getaffinity(0))]] * 2 * EPOCHS
