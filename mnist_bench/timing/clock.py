"""Clocks and control workloads, without TensorFlow.

A control is a fixed piece of work. Timed right before an epoch, it tells whether the machine or the epoch became
slower. Each control resembles one part of an epoch: matrix products, reading images from memory, Python code; one works
on all cores at once, and so is slower where another process holds a core. What other processes used of the cores
meanwhile is read from the system.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mnist_bench.training.fingerprint import count_usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CONTROLS",
    "ROUND_CLOCK",
    "Clock",
    "OthersMeter",
    "RoundClock",
    "Times",
    "read_peak_memory",
    "reset_peak_memory",
    "time_call",
]

# A control must stay the same for as long as times of it are compared. These are the lab's figures, stated again here
# so that a change of the lab does not change the controls.
_SAMPLES, _PIXELS, _BATCH = 48_000, 784, 128
_WIDTHS = (784, 128, 128, 10)

# 20 to 50 ms of work on one core of a server from 2020 to 2025: long compared with the clock's resolution and the
# scheduler's time slices, short compared with an epoch.
_PRODUCT_STEPS, _GATHERS, _LOOPS = 50, 4, 200_000


class Times(NamedTuple):
    """Seconds that a piece of work took: wall time, and processor time of all threads together."""

    wall: float
    cpu: float


class Clock:
    """A stopwatch for wall time and processor time, which can be started again after each stop."""

    def start(self) -> None:
        """Start, or start again."""
        # Wall time is read last here and first in `stop`, so that reading the processor time is not timed.
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def stop(self) -> Times:
        """Return the seconds since the last start; the device must have finished the work by now."""
        wall = time.perf_counter() - self._wall
        return Times(wall, time.process_time() - self._cpu)


def time_call(call: Callable[[], object]) -> Times:
    """Call a function without arguments once, and return the seconds that the call took."""
    clock = Clock()
    clock.start()
    call()
    return clock.stop()


class RoundClock:
    """A clock for pytest-benchmark that only the noted rounds advance.

    pytest-benchmark times a function as the difference of two readings of a clock. With this clock the difference is
    the time that was noted in between: the training part of a `fit`, without the preparation of the data before the
    first epoch.

    Attributes:
        times: The times of each round, in the order of the rounds.
    """

    def __init__(self) -> None:
        """Start at 0 seconds."""
        self.times: list[Times] = []
        self._wall = 0.0

    def note(self, times: Times) -> None:
        """Note the times of a round."""
        self.times.append(times)
        self._wall += times.wall

    def read_rounds(self) -> float:
        """Return the wall seconds of all rounds so far."""
        return self._wall


# pytest-benchmark takes its clock from a mark, which is made at import, so the benchmarks share this one.
ROUND_CLOCK = RoundClock()


def _make_sgemm() -> Callable[[], None]:
    """Make the matrix products of 50 steps of the MLP, by NumPy's BLAS on one core, in arrays that stay in the cache.

    They run on one core because the threads of a BLAS spin while they wait for each other: next to other work, two
    threads took up to 2 s for what one thread does in 0.06 s.
    """
    from threadpoolctl import ThreadpoolController

    multiply = _make_products()
    pools = ThreadpoolController()  # finds only the libraries that are loaded by now

    def control() -> None:
        with pools.limit(limits=1, user_api="blas"):
            multiply()

    return control


def _make_cores() -> Callable[[], None]:
    """Make the products of `_make_sgemm` for each usable core, all at the same time.

    On a machine without other work this takes about as long as `sgemm`. Where one neighbour holds one of two cores,
    `sgemm` takes as long as before, and both this and an epoch take longer.
    """
    from threadpoolctl import ThreadpoolController

    count = count_usable_cores()
    parts = [_make_products() for _ in range(count)]
    pools = ThreadpoolController()  # after NumPy, as above
    team = concurrent.futures.ThreadPoolExecutor(count)

    def control() -> None:
        with pools.limit(limits=1, user_api="blas"):
            for part in [team.submit(part) for part in parts]:
                part.result()

    return control


def _make_products() -> Callable[[], None]:
    """Make a function of the MLP's matrix products in 50 steps, with arrays of its own."""
    import numpy as np

    rng, products = np.random.default_rng(0), []
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(_WIDTHS)):
        x, delta, kernel = (
            rng.random(shape, np.float32) for shape in ((_BATCH, inputs), (_BATCH, outputs), (inputs, outputs))
        )
        pairs = [(x, kernel), (x.T, delta), (delta, kernel.T)]
        # Forward pass, gradient of the kernel, gradient of the input; the first layer needs no gradient of the input.
        products += [(left, right, left @ right) for left, right in (pairs if layer else pairs[:2])]

    def multiply() -> None:
        for _ in range(_PRODUCT_STEPS):
            for left, right, out in products:
                np.matmul(left, right, out=out)

    return multiply


def _make_gather() -> Callable[[], None]:
    """Make a function that reads all training images, 37.6 MB of uint8, in a random order, a batch at a time."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_SAMPLES, _PIXELS), np.uint8)
    batches = rng.permutation(_SAMPLES).reshape(-1, _BATCH)
    batch = np.empty((_BATCH, _PIXELS), np.uint8)

    def gather() -> None:
        for _ in range(_GATHERS):
            for rows in batches:
                # NumPy's default mode would copy through a buffer, because `out` is given.
                np.take(images, rows, axis=0, out=batch, mode="clip")

    return gather


def _make_python() -> Callable[[], None]:
    """Make a loop of pure Python: calls, look-ups and small integers, as in the code between two steps."""

    def advance(state: dict[str, int], number: int) -> int:
        state["total"] = (31 * state["total"] + number) % 65_521
        return state["total"]

    def loop() -> None:
        state = {"total": 1}
        for number in range(_LOOPS):
            advance(state, number)

    return loop


# For each control a function that makes the workload, because making takes time and memory that is not timed.
CONTROLS: dict[str, Callable[[], Callable[[], None]]] = {
    "sgemm": _make_sgemm,
    "cores": _make_cores,
    "gather": _make_gather,
    "python": _make_python,
}


class OthersMeter:
    """Tells which share of the usable cores other processes used, on Linux.

    The system counts the time that each core was busy, and the time that the host of a virtual machine took. What is
    left of it without the time of this process and of its children is the others'.
    """

    def start(self) -> None:
        """Start, or start again."""
        self._wall, self._busy, self._own = time.perf_counter(), _read_busy_seconds(), _read_own_seconds()

    def stop(self) -> float | None:
        """Return the others' share of the cores since the start, from 0 to 1; None if the system does not tell."""
        busy, own = _read_busy_seconds(), _read_own_seconds()
        wall = time.perf_counter() - self._wall
        if busy is None or self._busy is None:
            return None
        others = (busy - self._busy - (own - self._own)) / (wall * count_usable_cores())
        return min(1.0, max(0.0, others))


def _read_own_seconds() -> float:
    """Return the processor time of this process and of the children that it has waited for."""
    return sum(os.times()[:4])


def _read_busy_seconds() -> float | None:
    """Return the seconds that the usable cores were busy so far; None if the system does not tell."""
    try:
        usable, ticks = os.sched_getaffinity(0), os.sysconf("SC_CLK_TCK")
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except (AttributeError, OSError, ValueError):
        return None
    rows = [line.split() for line in lines if line.startswith("cpu")][1:]
    cores = [row for row in rows if int(row[0].removeprefix("cpu")) in usable]
    # proc(5): user, nice, system, idle, iowait, irq, softirq, steal; the guests' time is in that of the user.
    return sum(int(row[place]) for row in cores for place in (1, 2, 3, 6, 7, 8)) / ticks if cores else None


def reset_peak_memory() -> None:
    """Reset the peak memory of this process, if the system can do so: Linux."""
    # proc(5): "5" resets the peak resident set size and nothing else.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def read_peak_memory() -> float | None:
    """Return the peak memory of this process in MB since the last reset; None if the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(sizes[0]) * 1024 / 1e6 if sizes else None
