"""The clocks measure wall and processor time, only rounds advance the round clock, and each control can be called."""

from __future__ import annotations

import mmap
import sys
import time

import pytest

from mnist_bench.timing import clock as timing
from mnist_bench.timing.clock import CONTROLS, Clock, OthersMeter, RoundClock, Times, time_call


def test_a_sleep_takes_wall_time_only() -> None:
    """A sleep advances wall time and not processor time."""
    times = time_call(lambda: time.sleep(0.05))
    assert times.wall >= 0.05
    assert times.cpu < times.wall


def test_a_clock_may_be_started_again() -> None:
    """Each stop returns the time since the last start."""
    clock = Clock()
    clock.start()
    time.sleep(0.02)
    clock.start()
    assert clock.stop().wall < 0.02


def test_only_noted_rounds_move_the_clock() -> None:
    """The clock advances by the noted times, however long the rounds really took."""
    clock = RoundClock()
    before = clock.read_rounds()
    time.sleep(0.01)
    clock.note(Times(2.0, 3.0))
    clock.note(Times(0.5, 0.25))
    assert clock.read_rounds() - before == 2.5
    assert clock.times == [(2.0, 3.0), (0.5, 0.25)]


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_can_be_called_again_and_again(name: str) -> None:
    """A control is made once, and does the work at each call."""
    control = CONTROLS[name]()
    assert all(time_call(control).wall > 0 for _ in range(2))


def test_the_controls_need_no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The controls measure the machine even if TensorFlow is broken."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for make in CONTROLS.values():
        make()()


def test_own_work_is_not_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two busy seconds on one core, one is this process's: the others used half of the core."""
    busy, own, wall = iter((10.0, 12.0)), iter((5.0, 6.0)), iter((0.0, 2.0))
    monkeypatch.setattr(timing, "_read_busy_seconds", lambda: next(busy))
    monkeypatch.setattr(timing, "_read_own_seconds", lambda: next(own))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(wall))
    monkeypatch.setattr(timing, "count_usable_cores", lambda: 1)
    meter = OthersMeter()
    meter.start()
    assert meter.stop() == 0.5


def test_a_system_that_does_not_tell_has_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not count busy cores, the share is unknown, and not 0."""
    monkeypatch.setattr(timing, "_read_busy_seconds", lambda: None)
    meter = OthersMeter()
    meter.start()
    assert meter.stop() is None


def test_peak_memory_is_that_since_the_reset() -> None:
    """Memory that was freed counts until the next reset."""
    if timing.read_peak_memory() is None:
        pytest.skip("this system does not report the peak memory of a process")
    timing.reset_peak_memory()
    before = timing.read_peak_memory()
    # The block comes from the system, because an allocator may keep freed memory; it is larger than what threads take.
    with mmap.mmap(-1, 200_000_000) as block:
        block[:: mmap.PAGESIZE] = bytes(len(block[:: mmap.PAGESIZE]))
    assert timing.read_peak_memory() >= before + 190
    timing.reset_peak_memory()
    assert timing.read_peak_memory() < before + 100


def test_peak_memory_may_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system without /proc the peak memory is None, and no error is raised."""
    monkeypatch.setattr(timing, "Path", lambda path: system_path(f"/nowhere{path}"))
    timing.reset_peak_memory()
    assert timing.read_peak_memory() is None


system_path = timing.Path
