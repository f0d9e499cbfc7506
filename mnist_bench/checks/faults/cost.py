"""Faults of time and memory: they change no figure, so that clocks alone can find them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.checks.faults.fault import Fault, collect
from mnist_bench.checks.faults.seams import change_fit, wrap
from mnist_bench.training.backend import load_keras

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {}
_fault = partial(collect, FAULTS, "cost")
_CLOCKS = "it changes no figure; `mnist-bench compare --only time` and the gate on benchmarks measure time"
_MEMORY = "it changes no figure, and no check measures memory"


def _lengthen_fit(share: float, pass_time: Callable[[float], object]) -> None:
    """Have each call of `fit` pass a further share of its own seconds."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def fit(self: Any, *args: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            result = original(self, *args, **named)
            pass_time(share * (time.perf_counter() - begin))
            return result

        return fit

    wrap(load_keras().Model, "fit", make)


def _spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@_fault(
    "sleep",
    "the process sleeps for a share of each training's own time",
    0.2,
    0.1,
    0.05,
    0.02,
    causes=("time",),
    unseen=_CLOCKS,
)
def _sleep(share: float) -> None:
    _lengthen_fit(share, time.sleep)


@_fault(
    "work",
    "the process works on for a share of each training's own time",
    0.2,
    0.1,
    0.05,
    0.02,
    causes=("time",),
    unseen=_CLOCKS,
)
def _work(share: float) -> None:
    _lengthen_fit(share, _spin)


@_fault("compiled-twice", "the step is compiled once more in each training", 1, causes=("time",), unseen=_CLOCKS)
def _compile_twice(_on: float) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def fit(self: Any, *args: Any, **named: Any) -> Any:
            self.train_function = None
            return original(self, *args, **named)

        return fit

    wrap(load_keras().Model, "fit", make)


@_fault("leak", "each training keeps some megabytes", 100, 1, causes=("memory",), unseen=_MEMORY)
def _leak(megabytes: float) -> None:
    kept: list[Any] = []

    def change(x: Any, y: Any, _split: int, named: dict[str, Any]) -> tuple[Any, Any]:
        kept.extend(np.ones(int(megabytes * 2**17)) for _ in range(named.get("epochs", 1)))
        return x, y

    change_fit(change)


@_fault("memory-twice", "the data are held twice", 1, causes=("memory",), unseen=_MEMORY)
def _hold_twice(_on: float) -> None:
    kept: list[Any] = []

    def change(x: Any, y: Any, _split: int, _named: dict[str, Any]) -> tuple[Any, Any]:
        kept[:] = [x.copy(), y.copy()]
        return x, y

    change_fit(change)


@_fault("import-slow", "importing Keras takes longer", 2, causes=("time",), unseen=_CLOCKS)
def _import_slowly(seconds: float) -> None:
    time.sleep(seconds)
