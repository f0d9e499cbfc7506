"""Instructions and cycles of this process, counted by the processor, where Linux allows it: perf_event_open(2).

Counts of instructions hardly depend on what else runs on the machine. Most virtual machines have no counters, and a
kernel may refuse them: then there is a reason and no counts.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EVENTS", "CountsMeter"]

EVENTS = {"instructions": (0, 1), "cycles": (0, 0)}
"""What is counted: the event's type and number, as in linux/perf_event.h."""

_CALLS = {"x86_64": 298, "aarch64": 241}  # the number of the system call
_CLOSE_ON_EXEC = 8
# Only user space, which is what an ordinary user may count; threads that begin later are counted, too.
_INHERIT, _NO_KERNEL, _NO_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
_WITH_TIMES = 3  # each reading has the time for which the counter was wanted, and the time for which it ran
_ATTRIBUTES = struct.Struct("=IIQQQQQQQ")  # perf_event_attr in its first version
_READING = struct.Struct("=QQQ")

_REASONS = {
    errno.ENOENT: "this machine shows no counters, as most virtual machines",
    errno.EACCES: "the kernel forbids it: /proc/sys/kernel/perf_event_paranoid is above 2",
    errno.EPERM: "the kernel forbids it to this process",
    errno.ENOSYS: "the kernel has no perf_event_open",
}


class CountsMeter:
    """Counts the events of all threads of this process between a start and a stop, in user space.

    Attributes:
        reason: Why there are no counts; empty if there are.
    """

    def __init__(self) -> None:
        """Try whether each event can be counted."""
        self.reason = ""
        self._open: dict[str, list[int]] = {}
        try:
            for kind, number in EVENTS.values():
                os.close(_open_event(kind, number, threading.get_native_id()))
        except OSError as error:
            self.reason = _REASONS.get(error.errno or 0, str(error))

    def start(self) -> None:
        """Start, or start again."""
        self._close()
        if self.reason:
            return
        threads = [int(path.name) for path in Path("/proc/self/task").iterdir()]
        for name, (kind, number) in EVENTS.items():
            self._open[name] = []
            for thread in threads:
                with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                    self._open[name].append(_open_event(kind, number, thread))

    def stop(self) -> dict[str, int]:
        """Return the counts since the last start by the event's name; empty if there are none."""
        counts = {name: sum(map(_read_event, files)) for name, files in self._open.items()}
        self._close()
        return counts

    def _close(self) -> None:
        for file in self._list_open():
            os.close(file)
        self._open = {}

    def _list_open(self) -> Iterator[int]:
        for files in self._open.values():
            yield from files


def _open_event(kind: int, number: int, thread: int) -> int:
    """Return the file of a counter of one thread, which counts from now on.

    Raises:
        OSError: The system does not count this.
    """
    call = _CALLS.get(platform.machine())
    if platform.system() != "Linux" or call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    flags = _INHERIT | _NO_KERNEL | _NO_HYPERVISOR
    attributes = ctypes.create_string_buffer(
        _ATTRIBUTES.pack(kind, _ATTRIBUTES.size, number, 0, 0, _WITH_TIMES, flags, 0, 0), _ATTRIBUTES.size
    )
    libc = ctypes.CDLL(None, use_errno=True)
    every_core, no_group = ctypes.c_int(-1), ctypes.c_int(-1)
    file: int = libc.syscall(
        ctypes.c_long(call), attributes, ctypes.c_int(thread), every_core, no_group, ctypes.c_ulong(_CLOSE_ON_EXEC)
    )
    if file < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return file


def _read_event(file: int) -> int:
    """Return a count; where the processor had too few counters for all, it is extended to the whole time."""
    count, wanted, ran = _READING.unpack(os.read(file, _READING.size))
    return round(count * wanted / ran) if ran else 0
