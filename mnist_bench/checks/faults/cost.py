"""Faults of time and memory: they change no figure, so that only a clock, or the size of the process, can show them."""

from __future__ import annotations

import importlib.abc
import os
import sys
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.checks.faults.fault import Fault, collect
from mnist_bench.checks.faults.seams import change_fit, change_training_calls
from mnist_bench.training.backend import load_keras
from mnist_bench.training.workers.child import pin_all_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {}
_fault = partial(collect, FAULTS, "cost")

_LEAST_SECONDS = 0.02
_WITHIN = "a change within 5% counts as none, because one environment differs from itself by up to that"


def _lengthen_calls(share: float, pass_time: Callable[[float], object]) -> None:
    """Have the calls that train, of steps or of epochs, pass a further share of their own seconds.

    Not after each step: to fall asleep and wake is work, too.
    """

    def change(_model: Any, call: Callable[..., Any]) -> Callable[..., Any]:
        owed = 0.0

        def train(*args: Any) -> Any:
            nonlocal owed
            begin = time.perf_counter()
            result = call(*args)
            owed += share * (time.perf_counter() - begin)
            if owed >= _LEAST_SECONDS:
                pass_time(owed)
                owed = 0.0
            return result

        return train

    change_training_calls(change)


def _spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@_fault(
    "sleep",
    "training sleeps for a share of its own time",
    0.2,
    0.1,
    0.05,
    0.02,
    causes=("waiting",),
    unseen=_WITHIN,
    unseen_from=0.02,
)
def _sleep(share: float) -> None:
    _lengthen_calls(share, time.sleep)


@_fault(
    "work",
    "training needs a share more work",
    0.2,
    0.1,
    0.05,
    0.02,
    causes=("work",),
    unseen=_WITHIN,
    unseen_from=0.02,
)
def _work(share: float) -> None:
    _lengthen_calls(share, _spin)


@_fault(
    "core-lost",
    "training uses one core of several",
    1,
    causes=("waiting", "work"),
    unseen="models as small as these gain nothing from a second core",
)
def _lose_cores(_on: float) -> None:
    core = min(os.sched_getaffinity(0))

    def change(_model: Any, call: Callable[..., Any]) -> Callable[..., Any]:
        def train(*args: Any) -> Any:
            pin_all_threads([core])
            return call(*args)

        return train

    change_training_calls(change)


@_fault(
    "compiled-again",
    "so many of the first steps are traced and compiled again",
    20,
    1,
    causes=("first epoch",),
    engines=("eager", "graph", "xla"),  # in `epoch` a call is an epoch
    unseen="one graph more lengthens the first epoch by less than its own spread",
    unseen_from=1,
)
def _compile_again(times: float) -> None:
    calls: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def change(model: Any, call: Callable[..., Any]) -> Callable[..., Any]:
        def train(*args: Any) -> Any:
            result = call(*args)
            calls[model] = calls.get(model, 0) + 1
            if calls[model] <= times:
                model.make_train_function(force=True)
            return result

        return train

    change_training_calls(change)


@_fault("import-slow", "importing Keras takes some seconds longer", 2, 1, causes=("import",))
def _import_slowly(seconds: float) -> None:
    class Delay(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> None:
            if name == "keras":
                sys.meta_path.remove(self)
                time.sleep(seconds)

    sys.meta_path.insert(0, Delay())


@_fault("leak", "each epoch keeps some megabytes", 100, 1, causes=("memory growth",))
def _leak(megabytes: float) -> None:
    kept: list[Any] = []

    class Keeping(load_keras().callbacks.Callback):  # type: ignore[misc] # Keras is untyped
        def on_epoch_end(self, *_: Any) -> None:
            kept.append(np.ones(round(megabytes * 1e6) // 8))

    def change(x: Any, y: Any, _split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        named["callbacks"] = [*named.get("callbacks", ()), Keeping()]
        return x, y

    change_fit(change)


@_fault("memory-twice", "the data are held twice, or more often", 4, 1, causes=("memory",))
def _hold_copies(copies: float) -> None:
    kept: list[Any] = []

    def change(x: Any, y: Any, _split: int, _named: dict[str, Any]) -> tuple[Any, Any]:
        kept[:] = [array.copy() for array in (x, y) for _ in range(int(copies))]
        return x, y

    change_fit(change)
