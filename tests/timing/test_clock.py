"""Clocks tell wall from CPU, rounds are a clock of their own, and each control does its work."""

from __future__ import annotations

import mmap
import sys
import time

import pytest

from mnist_bench.timing import clock as timing
from mnist_bench.timing.clock import CONTROLS, Clock, Rounds, Times, time_call


def test_a_sleep_takes_wall_and_no_cpu() -> None:
    """The two clocks are two: of a sleep only the wall's moves."""
    times = time_call(lambda: time.sleep(0.05))
    assert times.wall >= 0.05
    assert times.cpu < times.wall


def test_a_clock_may_be_started_again() -> None:
    """Each stop gives the time since the last start."""
    clock = Clock()
    clock.start()
    time.sleep(0.02)
    clock.start()
    assert clock.stop().wall < 0.02


def test_only_noted_rounds_move_the_clock() -> None:
    """Read before and after a round, the difference is what the round noted, however long it took."""
    rounds = Rounds()
    before = rounds.read_rounds()
    time.sleep(0.01)
    rounds.note(Times(2.0, 3.0))
    rounds.note(Times(0.5, 0.25))
    assert rounds.read_rounds() - before == 2.5
    assert rounds.times == [(2.0, 3.0), (0.5, 0.25)]


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_can_be_called_again_and_again(name: str) -> None:
    """Made once, it does its work at each call."""
    control = CONTROLS[name]()
    assert all(time_call(control).wall > 0 for _ in range(2))


def test_the_controls_need_no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """They tell of a machine, also where TensorFlow is broken."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for make in CONTROLS.values():
        make()()


def test_peak_memory_is_that_since_the_reset() -> None:
    """What has gone counts until the next reset."""
    if timing.read_peak_memory() is None:
        pytest.skip("this system does not tell a process's peak memory")
    timing.reset_peak_memory()
    before = timing.read_peak_memory()
    # From the system and not from an allocator, which may keep what is freed; and more than other threads take.
    with mmap.mmap(-1, 200_000_000) as block:
        block[:: mmap.PAGESIZE] = bytes(len(block[:: mmap.PAGESIZE]))
    assert timing.read_peak_memory() >= before + 190
    timing.reset_peak_memory()
    assert timing.read_peak_memory() < before + 100


def test_peak_memory_may_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system without proc it is None, and no error."""
    monkeypatch.setattr(timing, "Path", lambda path: timing_path(f"/nowhere{path}"))
    timing.reset_peak_memory()
    assert timing.read_peak_memory() is None


timing_path = timing.Path
