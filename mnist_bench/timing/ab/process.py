"""The processes of A against B, seen from the parent: a round is one fresh process of each side."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mnist_bench.records.environment import EnvironmentRecord
from mnist_bench.records.serial import convert
from mnist_bench.records.strict import RecordError
from mnist_bench.timing.ab import worker
from mnist_bench.timing.ab.records import ProcessTimes
from mnist_bench.timing.ab.start import STARTS
from mnist_bench.timing.ab.worker import AbTask, Step
from mnist_bench.training.workers.child import Child

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LostError", "OverdueError", "Side", "find_cores", "measure_round"]


class LostError(Exception):
    """A process gave no measurement; the message is one line that names the side and the interpreter."""


class OverdueError(LostError):
    """A process did not answer in time."""


@dataclass(frozen=True)
class Side:
    """One side: the name, the absolute path of the interpreter, and the task."""

    name: Literal["a", "b"]
    python: Path
    task: AbTask


def find_cores() -> tuple[int, int] | None:
    """Return two cores that are not threads of one core, or None if there are none or processes cannot be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    first, *rest = sorted(os.sched_getaffinity(0))
    path = Path(f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list")
    # Such as `0`, `0,4` or `0-1`: on the relevant machines a core has at most two threads.
    siblings = path.read_text().replace("-", ",").split(",") if path.exists() else []
    second = next((core for core in rest if core not in map(int, siblings)), None)
    return None if second is None else (first, second)


def measure_round(
    sides: tuple[Side, Side], number: int, epochs: int, cores: tuple[int, int] | None, *, limit: float
) -> list[tuple[ProcessTimes, EnvironmentRecord]]:
    """Time one new process of each side.

    Args:
        sides: A and B. Even rounds start A first, odd rounds B: A B B A.
        number: The number of the round, from 0.
        epochs: Epochs to time in each process.
        cores: A core for each process, exchanged after every epoch. None runs one process after the other.
        limit: Seconds after which the processes are killed.

    Returns:
        The times and the environment of each process, in the order of the starts.

    Raises:
        LostError: A process ended, failed or took too long.
    """
    deadline = time.monotonic() + limit
    ordered = sides if number % 2 == 0 else sides[::-1]
    groups = [ordered] if cores else [(side,) for side in ordered]
    results = []
    for group in groups:
        with contextlib.ExitStack() as stack:
            processes = [
                stack.enter_context(_start(side, cores[place] if cores else None, deadline))
                for place, side in enumerate(group)
            ]
            results += _train(processes, epochs, cores)
    return [
        (ProcessTimes(side=side.name, order=2 * number + place, **seconds), environment)
        for place, (side, (environment, seconds)) in enumerate(zip(ordered, results, strict=True))
    ]


def _train(
    processes: Sequence[_Process], epochs: int, cores: tuple[int, int] | None
) -> list[tuple[EnvironmentRecord, dict[str, Any]]]:
    """Have processes train at the same time; return the environment and the seconds of each, as `ProcessTimes` does."""
    ready = [process.get_ready() for process in processes]
    events: list[list[dict[str, float]]] = [[] for _ in processes]
    for epoch in range(epochs):
        for place, process in enumerate(processes):
            process.child.send(Step(cores=[cores[(place + epoch) % 2]] if cores else None))
        for process, own in zip(processes, events, strict=True):
            own.append(process.read_seconds(epoch))
    return [
        (environment, {**{clock: [event[clock] for event in own] for clock in ("wall", "cpu")}, "start": start})
        for (environment, start), own in zip(ready, events, strict=True)
    ]


@contextlib.contextmanager
def _start(side: Side, core: int | None, deadline: float) -> Iterator[_Process]:
    """Start a process of a side; the process is killed at the deadline, or when the context ends."""
    cores = None if core is None else [core]
    with Child(worker.MODULE, python=side.python, cores=cores, folder=Path(side.task.folder)) as child:
        process = _Process(side, child)
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), process.give_up)
        timer.daemon = True
        timer.start()
        try:
            child.send(side.task)
            yield process
        finally:
            timer.cancel()


@dataclass
class _Process:
    """One process of a side."""

    side: Side
    child: Child
    overdue: bool = False

    def get_ready(self) -> tuple[EnvironmentRecord, dict[str, float]]:
        """Wait until the training is warmed up, and return the process's environment and the seconds of its start."""
        event, task = self.read("ready"), vars(self.side.task)
        try:
            environment: EnvironmentRecord = convert(event.get("environment"), EnvironmentRecord, origin="environment")
        except RecordError as error:
            raise LostError(f"{self._name}: {error}") from error
        told = event.get("task")
        other = [name for name in task if not isinstance(told, dict) or told.get(name) != task[name]]
        if other:
            raise LostError(f"{self._name}: the answer is to another question: another {', '.join(other)}")
        if task["device"] not in ("auto", environment.device):
            raise LostError(f"{self._name}: it trained on {environment.device!r}, not on {task['device']!r}")
        start = event.get("start")
        if not isinstance(start, dict) or not all(isinstance(start.get(name), float) for name in STARTS):
            raise LostError(f"{self._name}: it answered {start!r}, not the seconds of its start")
        return environment, {name: start[name] for name in STARTS}

    def read_seconds(self, number: int) -> dict[str, float]:
        """Return the seconds of the next epoch, which has to be of this number."""
        event = self.read("epoch")
        seconds: dict[str, Any] = {name: event.get(name) for name in ("wall", "cpu")}
        if event.get("number") != number or not all(isinstance(value, float) for value in seconds.values()):
            raise LostError(f"{self._name}: it answered {event!r}, not the seconds of epoch {number}")
        return seconds

    def read(self, kind: str) -> dict[str, Any]:
        """Return the next event, which has to be of this kind."""
        try:
            event = self.child.read()
        except ValueError as error:
            raise LostError(f"{self._name}: {error}") from error
        if event is None:
            why = "no answer in time" if self.overdue else f"its process {self.child.explain_end()}"
            raise (OverdueError if self.overdue else LostError)(f"{self._name}: {why}")
        if event["event"] != kind:
            raise LostError(f"{self._name}: {event.get('reason', f'it answered {event!r}, not {kind!r}')}")
        return event

    @property
    def _name(self) -> str:
        return f"{self.side.name.upper()}, {self.side.python}"

    def give_up(self) -> None:
        """Kill the process at its deadline."""
        self.overdue = True
        self.child.kill()
