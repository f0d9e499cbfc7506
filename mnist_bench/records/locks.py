"""A lock on a file: one process at a time makes, or fills, what lies there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["locked"]


@contextlib.contextmanager
def locked(path: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold a lock, or wait for it.

    A file system that cannot be written, or has no locks, keeps nobody from the work.

    Args:
        path: The file of the lock; its folder is made.
        busy: Called if another process has the lock: it raises, or says that this one waits.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(lock)
            except Timeout:
                busy()
                lock.acquire(timeout=-1)
                stack.callback(lock.release)
        except (OSError, NotImplementedError):
            pass
        yield
