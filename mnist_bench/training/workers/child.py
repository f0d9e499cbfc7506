"""What parents and workers share: an output of events, cores to run on, how a process ended. A leaf."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Tell: TypeAlias = Callable[..., None]

__all__ = ["describe_exit", "open_events", "pin_all_threads", "pin_by_option"]


@contextlib.contextmanager
def open_events() -> Iterator[Tell]:
    """Give a function that writes its keyword arguments as one line of JSON to this process's standard output.

    It writes by a descriptor of its own; what a library prints goes to standard error meanwhile, and cannot
    break the protocol.
    """
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)

        def tell(**event: object) -> None:
            out.write(json.dumps(event) + "\n")

        yield tell


def pin_by_option() -> None:
    """Pin this process to the cores of its option `--cores 0,1`, if it has one.

    To be called before TensorFlow is imported: it sizes its thread pools by the cores it may use.
    """
    if "--cores" in sys.argv:
        os.sched_setaffinity(0, map(int, sys.argv[sys.argv.index("--cores") + 1].split(",")))


def pin_all_threads(cores: Iterable[int]) -> None:
    """Move this process, all its threads, to these cores; Linux only."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # a thread may end meanwhile
            os.sched_setaffinity(int(thread.name), cores)


def describe_exit(code: int) -> str:
    """Return how a process ended, in words, from its return code as `subprocess` gives it."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
