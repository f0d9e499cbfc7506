"""What runs next to a measurement on purpose: processes that compute, stream memory, sort, or stop the measured one.

python benchmarks/neighbours.py 2 pytest benchmarks -k mlp --benchmark-compare    # next to two that compute
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["COMPUTES", "SORTS", "STOPS", "STREAMS", "keep_busy", "on_half_the_cores"]

# Each program says that it has begun, and ends when its standard input does.
_BEGIN = "print(flush=True)\n"

COMPUTES = f"x = 1\n{_BEGIN}while True: x = (31 * x + 7) % 65521"
STREAMS = f"import numpy\na = numpy.zeros(8_000_000)\nb = a.copy()\n{_BEGIN}while True: numpy.copyto(a, b)"
"""Copies 64 MB, more than a core's share of any cache: takes the bandwidth of the memory."""

SORTS = f"import numpy\na = numpy.random.rand(8_000_000)\n{_BEGIN}while True: numpy.sort(a)"
"""Uses the memory as well as a core."""

# It looks at its input before each stop and not between a stop and its end: who measures is never left stopped.
STOPS = f"""
import os, select, signal, sys, time
parent = os.getppid()
{_BEGIN}
while not select.select([sys.stdin], [], [], 0.005)[0]:
    os.kill(parent, signal.SIGSTOP)
    time.sleep(0.005)
    os.kill(parent, signal.SIGCONT)
"""
"""Stops the process that started it for half of the time: a core of half the clock, as the host of a cloud may give."""


def main() -> None:
    """Run a command next to neighbours, and end with its exit status."""
    if len(sys.argv) < 3 or not sys.argv[1].isdecimal():
        raise SystemExit("usage: neighbours.py COUNT COMMAND ...: COUNT is a number of neighbours")
    with keep_busy([COMPUTES] * int(sys.argv[1])):
        status = subprocess.run(sys.argv[2:], check=False).returncode  # noqa: S603 - what the user asks for
    raise SystemExit(status)


@contextlib.contextmanager
def keep_busy(programs: Sequence[str]) -> Iterator[None]:
    """Keep these programs running next to this process, all of them begun."""
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own programs
        for program in programs
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process, program in zip(processes, programs, strict=True):
            if program != STOPS:  # which ends by itself, after it has let this process go on
                process.kill()
            process.communicate()


@contextlib.contextmanager
def on_half_the_cores() -> Iterator[None]:
    """Keep all threads of this process on half of the usable cores."""
    before = os.sched_getaffinity(0)
    _move_threads(set(sorted(before)[: max(1, len(before) // 2)]))
    try:
        yield
    finally:
        _move_threads(before)


def _move_threads(cores: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)


if __name__ == "__main__":
    main()
