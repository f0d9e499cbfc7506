"""What runs next to a measurement: begun before it, ended after it, and never leaving it stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def neighbours(load_script: Callable[[str], Any]) -> Any:
    """The script, imported from where it lies."""
    return load_script("neighbours")


@pytest.mark.parametrize("name", ["COMPUTES", "STREAMS", "SORTS"])
def test_neighbours_leave_with_the_round(name: str, neighbours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The neighbours run inside the context only."""
    begun: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen
    monkeypatch.setattr(
        neighbours.subprocess, "Popen", lambda *args, **options: begun.append(begin(*args, **options)) or begun[-1]
    )
    with neighbours.keep_busy([getattr(neighbours, name)] * 2):
        assert [process.poll() for process in begun] == [None, None]
    assert all(process.returncode is not None for process in begun)


def test_a_command_runs_next_to_neighbours(neighbours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the command's status; without a number of neighbours it says what is wanted."""
    told: list[list[str]] = []
    monkeypatch.setattr(neighbours, "keep_busy", lambda programs: told.append(programs) or contextlib.nullcontext())
    monkeypatch.setattr(sys, "argv", ["it", "2", sys.executable, "-c", "raise SystemExit(7)"])
    with pytest.raises(SystemExit, match="7"):
        neighbours.main()
    assert told == [[neighbours.COMPUTES] * 2]
    for arguments in ([], ["2"], ["many", "true"]):
        monkeypatch.setattr(sys, "argv", ["it", *arguments])
        with pytest.raises(SystemExit, match="COUNT is a number"):
            neighbours.main()


def test_half_of_the_time_is_taken(neighbours: Any) -> None:
    """The process is stopped and goes on again and again inside the context, and no more afterwards."""
    told: list[int] = []
    before = signal.signal(signal.SIGCONT, lambda number, _: told.append(number))
    try:
        with neighbours.keep_busy([neighbours.STOPS]):
            time.sleep(0.5)
        count = len(told)
        time.sleep(0.1)
    finally:
        signal.signal(signal.SIGCONT, before)
    assert len(told) == count >= 5


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system does not pin threads")
def test_half_of_the_cores_for_a_while(neighbours: Any) -> None:
    """Every thread has half of the cores inside the context, and all of them afterwards."""
    before = os.sched_getaffinity(0)
    with neighbours.on_half_the_cores():
        counts = {len(os.sched_getaffinity(int(thread.name))) for thread in Path("/proc/self/task").iterdir()}
    assert counts == {max(1, len(before) // 2)}
    assert os.sched_getaffinity(0) == before
