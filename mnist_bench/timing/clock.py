"""Clocks, and control workloads: what a machine does at the moment, said without TensorFlow. A leaf.

A control is a fixed piece of work. Timed next to an epoch it tells a slow machine from a slow epoch: what slows
both is the machine. It is in one of the three things that an epoch of the lab is made of.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONTROLS", "ROUNDS", "Clock", "Rounds", "Times", "read_peak_memory", "reset_peak_memory", "time_call"]

# A control must stay what it is for as long as its times are compared: these are the lab's figures, written
# down here so that no change of the lab changes them.
_SAMPLES, _PIXELS, _BATCH = 48_000, 784, 128
_WIDTHS = (784, 128, 128, 10)

# Work for 20 to 50 ms on one core of a server of 2020 to 2025: long beside the clock's resolution and
# the scheduler's slices, short beside an epoch.
_PRODUCT_STEPS, _GATHERS, _LOOPS = 50, 4, 200_000


class Times(NamedTuple):
    """Seconds that something took: by the clock on the wall, and of the processor, all threads together."""

    wall: float
    cpu: float


class Clock:
    """A stopwatch of both clocks; it may be started again after each stop."""

    def start(self) -> None:
        """Start, or start again."""
        # The wall's clock is read last here and first in `stop`: reading the other one is not timed.
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def stop(self) -> Times:
        """Return the seconds since the last start; what was asked of a device must be done by now."""
        wall = time.perf_counter() - self._wall
        return Times(wall, time.process_time() - self._cpu)


def time_call(call: Callable[[], object]) -> Times:
    """Call a function once, without arguments, and return the seconds that it took."""
    clock = Clock()
    clock.start()
    call()
    return clock.stop()


class Rounds:
    """Notes what each round of a benchmark took, and is itself a clock that only those rounds move.

    pytest-benchmark times a function as the difference of two readings of a clock. Read from here, the
    difference is what was noted in between: the training part of a `fit`, without the data that `fit` takes in
    before its first epoch.

    Attributes:
        times: Those of each round, in their order.
    """

    def __init__(self) -> None:
        """Start at 0 seconds."""
        self.times: list[Times] = []
        self._wall = 0.0

    def note(self, times: Times) -> None:
        """Note a round."""
        self.times.append(times)
        self._wall += times.wall

    def read_rounds(self) -> float:
        """Return the wall seconds of all rounds until now."""
        return self._wall


# The one that the marks of the benchmarks name: pytest-benchmark takes a clock from a mark, made at import.
ROUNDS = Rounds()


def _make_sgemm() -> Callable[[], None]:
    """Make the matrix products of 50 steps of the MLP, by NumPy's BLAS on one core, in arrays that stay in the cache.

    On one, because the threads of a BLAS wait for each other by spinning: beside other work two of them took up to 2 s
    for what one does in 0.06.
    """
    import numpy as np
    from threadpoolctl import ThreadpoolController

    pools = ThreadpoolController()
    rng, products = np.random.default_rng(0), []
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(_WIDTHS)):
        x, delta, kernel = (
            rng.random(shape, np.float32) for shape in ((_BATCH, inputs), (_BATCH, outputs), (inputs, outputs))
        )
        pairs = [(x, kernel), (x.T, delta), (delta, kernel.T)]
        # Forward, gradient of the kernel, gradient of the input, which the first layer does not need.
        products += [(left, right, left @ right) for left, right in (pairs if layer else pairs[:2])]

    def multiply() -> None:
        with pools.limit(limits=1, user_api="blas"):
            for _ in range(_PRODUCT_STEPS):
                for left, right, out in products:
                    np.matmul(left, right, out=out)

    return multiply


def _make_gather() -> Callable[[], None]:
    """Make the reading of all training images, 37.6 MB of uint8, in a random order, a batch at a time."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_SAMPLES, _PIXELS), np.uint8)
    batches = rng.permutation(_SAMPLES).reshape(-1, _BATCH)
    batch = np.empty((_BATCH, _PIXELS), np.uint8)

    def gather() -> None:
        for _ in range(_GATHERS):
            for rows in batches:
                # With `mode`, because NumPy's default takes a detour by a buffer when it is given `out`.
                np.take(images, rows, axis=0, out=batch, mode="clip")

    return gather


def _make_python() -> Callable[[], None]:
    """Make a loop of pure Python: calls, look-ups, small integers, as in the code between two steps."""

    def advance(state: dict[str, int], number: int) -> int:
        state["total"] = (31 * state["total"] + number) % 65_521
        return state["total"]

    def loop() -> None:
        state = {"total": 1}
        for number in range(_LOOPS):
            advance(state, number)

    return loop


# By name, the maker of each: making takes time and memory that the timed call does not.
CONTROLS: dict[str, Callable[[], Callable[[], None]]] = {
    "sgemm": _make_sgemm,
    "gather": _make_gather,
    "python": _make_python,
}


def reset_peak_memory() -> None:
    """Forget the most memory that this process has held so far, where the system can: Linux."""
    # proc(5): "5" resets the peak resident set size, and touches nothing else.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def read_peak_memory() -> float | None:
    """Return the most memory in MB that this process has held since the last reset; None where that is unknown."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(sizes[0]) * 1024 / 1e6 if sizes else None
