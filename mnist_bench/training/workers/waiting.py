"""What this process waits for is told, by whoever shows progress."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.training.workers.child import Child

__all__ = ["Waiting", "Watch"]


class Waiting:
    """Who is told what this process waits for; the command sets it, and a library's user learns nothing."""

    tell: Callable[[str], None] | None = None

    @classmethod
    def say(cls, line: str) -> None:
        """Tell a line."""
        if cls.tell:
            cls.tell(line)


class Watch(contextlib.AbstractContextManager["Watch"]):
    """Watches a child that is read from: its silence is told, and it is ended when that lasts too long.

    Attributes:
        lost: How the child was ended; "" while it may answer.
    """

    def __init__(self, child: Child, name: str, *, named_after: float, patience: float, look: float) -> None:
        """Watch from another thread once the context is entered.

        Args:
            child: The process.
            name: What the user knows it by.
            named_after: Seconds without an event after which the silence is told.
            patience: Seconds without an event after which the child is killed.
            look: Seconds between two looks.
        """
        self.lost = ""
        self._child, self._name = child, name
        self._named_after, self._patience, self._look = named_after, patience, look
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:  # noqa: PYI034 - Self is in no standard library before 3.11
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no longer."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        looked, silence, named = time.monotonic(), 0.0, False
        while not self._ended.wait(self._look):
            now = time.monotonic()
            # Where this process itself was stopped, an event may lie unread.
            silence += min(now - looked, 2 * self._look)
            looked = now
            if silence > self._patience:
                self.lost = f"gave no sign for {self._patience:.0f} s and was ended"
                self._child.kill()
                return
            if silence > self._named_after and not named:
                named = True
                given_up = f"it is given up after {self._patience:.0f} s"
                Waiting.say(f"{self._name}: no answer for {silence:.0f} s; {given_up}")
