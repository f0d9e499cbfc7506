"""Counts of instructions: of all threads, refused in words, and tried with what every kernel counts."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mnist_bench.timing import counts
from mnist_bench.timing.counts import CountsMeter

TASK_CLOCK = {"nanoseconds": (1, 1)}  # an event of the kernel's own, which needs no counter of the processor


def burn(seconds: float) -> None:
    """Use this much processor time of the thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def count_files() -> int:
    """Return how many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> CountsMeter:
    """A meter of processor time, in which every part but the event is as it is with instructions."""
    monkeypatch.setattr(counts, "EVENTS", TASK_CLOCK)
    meter = CountsMeter()
    if meter.reason:
        pytest.skip(meter.reason)
    return meter


def test_all_threads_are_counted(meter: CountsMeter) -> None:
    """The thread that measures, one that was there before, and one that begins later; and not what was before."""
    begin, end = threading.Event(), threading.Event()

    def work() -> None:
        begin.wait()
        burn(0.1)
        end.set()

    threading.Thread(target=work, daemon=True).start()
    burn(0.2)
    meter.start()
    begin.set()
    later = threading.Thread(target=burn, args=(0.1,))
    later.start()
    burn(0.1)
    later.join()
    end.wait()
    assert 0.28 < meter.stop()["nanoseconds"] / 1e9 < 0.45


def test_files_are_closed_and_a_start_starts_again(meter: CountsMeter) -> None:
    """However often one starts, the files of the last start are open, and none after the stop."""
    before = count_files()
    meter.start()
    burn(0.1)
    meter.start()
    burn(0.02)
    assert 0.01 < meter.stop()["nanoseconds"] / 1e9 < 0.08
    assert count_files() == before
    assert meter.stop() == {}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOENT, "no counters, as most virtual machines"),
        (errno.EACCES, "perf_event_paranoid is above 2"),
        (errno.EPERM, "forbids it to this process"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_refusal_is_a_reason(code: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel refuses is said in words, and nothing is counted."""

    def refuse(*_: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(counts, "_open_event", refuse)
    meter = CountsMeter()
    assert words in meter.reason
    meter.start()
    assert meter.stop() == {}


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "x86_64"), ("Linux", "riscv64")])
def test_another_system_has_no_counts(system: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is Linux's, and its number is known for two kinds of processors."""
    monkeypatch.setattr(counts.platform, "system", lambda: system)
    monkeypatch.setattr(counts.platform, "machine", lambda: machine)
    assert CountsMeter().reason == "the kernel has no perf_event_open"


def test_a_shared_counter_is_extended() -> None:
    """A counter that ran for a quarter of the time has seen a quarter of the events; one that never ran, none."""
    for ran, expected in ((1000, 70), (250, 280), (0, 0)):
        read, write = os.pipe()
        os.write(write, counts._READING.pack(70, 1000, ran))
        assert counts._read_event(read) == expected
        os.close(read)
        os.close(write)


def test_here_instructions_are_counted_or_refused() -> None:
    """A loop has more than a million instructions; a machine without counters says so."""
    meter = CountsMeter()
    meter.start()
    burn(0.05)
    counted = meter.stop()
    assert set(counted) == (set() if meter.reason else {"instructions", "cycles"})
    assert all(count > 1e6 for count in counted.values())
