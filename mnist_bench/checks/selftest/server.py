"""The parent's side of a process that plants faults in its forks, and several of them at work at once."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from mnist_bench.checks.selftest import serve
from mnist_bench.training.workers.child import Child
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Self

__all__ = ["Server", "spread"]

_Task = TypeVar("_Task")
_Answer = TypeVar("_Answer")


class Server:
    """A process that plants faults in its forks."""

    def __init__(self, source: str) -> None:
        """Start the process, which loads the data."""
        self._child = Child(serve.MODULE)
        self._child.send({"source": source})
        self._read()

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._child.close()

    def ask(self, **request: Any) -> Iterator[dict[str, Any]]:
        """Yield the events by which a fork answers; the last one is `failed`, with the reason, if the fork died.

        Args:
            request: The arguments of a function of `serve`, whose name is `answer`.

        Raises:
            CommandError: The process gives no answer.
        """
        self._child.forget()  # what an earlier fork has said
        self._child.send(request)
        while (event := self._read())["event"] not in ("finished", "failed"):
            yield event
        if event["event"] == "failed":
            # What a fork said last is no reason why it did not end.
            words = "" if event["late"] else self._child.read_last_words()
            yield {"event": "failed", "reason": event["reason"] + (f": {words}" if words else "")}

    def _read(self) -> dict[str, Any]:
        event = self._child.read()
        if event is None:
            raise CommandError(f"the process of the self-test {self._child.explain_end()}", [])
        return event


def spread(
    tasks: Sequence[_Task],
    answer: Callable[[Server, _Task], _Answer],
    *,
    source: str,
    jobs: int,
    fresh: bool = False,
) -> Iterator[_Answer]:
    """Yield the answers to tasks, in the order in which they come, from so many processes at once.

    Args:
        tasks: The tasks.
        answer: Asks a server for the answer to a task.
        source: The data.
        jobs: Processes at once.
        fresh: Whether each task has a process of its own, and not only a fork.

    Raises:
        CommandError: A process gives no answer.
    """
    todo: queue.SimpleQueue[_Task] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[_Answer | None, Exception | None]] = queue.SimpleQueue()
    for task in tasks:
        todo.put(task)

    def work() -> None:
        try:
            while True:
                task = todo.get_nowait()
                with Server(source) as server:
                    done.put((answer(server, task), None))
                    while not fresh:
                        done.put((answer(server, todo.get_nowait()), None))
        except Exception as error:  # noqa: BLE001 - raised where the answers are read
            done.put((None, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, len(tasks)))]
    for thread in threads:
        thread.start()
    left = len(threads)
    while left:
        answered, error = done.get()
        if isinstance(error, queue.Empty):
            left -= 1
        elif error is not None:
            raise error
        else:
            yield answered  # type: ignore[misc]  # an answer without an error is one, whatever its type
