"""Standard output and standard error and their colours, which cannot decide about a command."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from typing_extensions import Buffer

__all__ = ["CLOSED_PIPE", "flush_streams", "guard_streams", "settle_colors"]

CLOSED_PIPE = 141  # as shells say of a program that SIGPIPE ended: 128 + 13

_OUTPUT, _ERRORS = 1, 2


def guard_streams() -> None:
    """Replace this process's own streams by streams whose errors end nothing; `capsys` and notebooks have others.

    A closed descriptor is opened on the null device: otherwise the next file that is opened would take its number.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _ERRORS:  # the lowest number that is free
        pass
    os.close(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _open(_OUTPUT, sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _open(_ERRORS, sys.stderr)


def flush_streams() -> None:
    """Write what waits in the streams.

    Raises:
        SystemExit: Standard output is a pipe that nobody reads; the status is `CLOSED_PIPE`.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def settle_colors() -> bool | None:
    """Settle NO_COLOR and FORCE_COLOR for all that prints, as https://no-color.org and https://force-color.org ask.

    A variable counts if it is set and not empty, and NO_COLOR outranks FORCE_COLOR, as in pytest. Not every version of
    rich agrees, so what does not count is taken out of the environment.

    Returns:
        False if there shall be no colours, True if there shall be colours in any case, None if a terminal gets them.
    """
    no_color, force_color = (bool(os.environ.get(name)) for name in ("NO_COLOR", "FORCE_COLOR"))
    if not no_color:
        os.environ.pop("NO_COLOR", None)
    if no_color or not force_color:
        os.environ.pop("FORCE_COLOR", None)
    return False if no_color else (force_color or None)


def _open(descriptor: int, former: TextIO | None) -> TextIO:
    """Return a stream on a descriptor, with the encoding of the stream that was there."""
    encoding, errors = (former.encoding, former.errors) if former else (None, None)
    lines = descriptor == _ERRORS or os.isatty(descriptor)
    writer = io.BufferedWriter(_Unfailing(descriptor))
    return io.TextIOWrapper(writer, encoding=encoding, errors=errors, line_buffering=lines)


class _Unfailing(io.FileIO):
    """A descriptor that drops what cannot be written."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._lost = False

    def write(self, data: Buffer) -> int:
        """Write; a pipe of standard output that nobody reads ends the command, as there is nobody to work for."""
        size = memoryview(data).nbytes
        if self._lost:
            return size
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            self._lost = True
            if self.fileno() == _OUTPUT:
                raise SystemExit(CLOSED_PIPE) from None
        except OSError:
            self._lost = True
        return size
