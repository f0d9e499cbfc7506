"""The processes of A against B, seen from the parent: one round is a fresh one of each side."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import msgspec

from mnist_bench.records.training import EnvironmentRecord
from mnist_bench.timing.ab.records import ProcessTimes
from mnist_bench.timing.ab.worker import PROTOCOL, AbTask, Step
from mnist_bench.training.workers.child import describe_exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LostError", "OverdueError", "Side", "find_cores", "measure_round"]


class LostError(Exception):
    """A process gave no measurement: the message is one line that names its side and its interpreter."""


class OverdueError(LostError):
    """It had no time left."""


@dataclass(frozen=True)
class Side:
    """One side: its name, its interpreter, absolute, and what it is to train."""

    name: Literal["a", "b"]
    python: Path
    task: AbTask


def find_cores() -> tuple[int, int] | None:
    """Return two cores that are no threads of one, or None where there are none or processes cannot be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    first, *others = sorted(os.sched_getaffinity(0))
    path = Path(f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list")
    # Such as `0`, `0,4` or `0-1`: a core has two threads at most where it matters.
    siblings = path.read_text().replace("-", ",").split(",") if path.exists() else []
    other = next((core for core in others if core not in map(int, siblings)), None)
    return None if other is None else (first, other)


def measure_round(
    sides: tuple[Side, Side], number: int, epochs: int, cores: tuple[int, int] | None, *, limit: float
) -> list[tuple[ProcessTimes, EnvironmentRecord]]:
    """Time one new process of each side.

    Args:
        sides: A and B. Even rounds start them in this order, odd ones the other way: A B B A.
        number: Of the round, from 0.
        epochs: To time in each process.
        cores: One for each; they are exchanged after every epoch. None runs one process after the other.
        limit: Seconds after which the processes are killed.

    Returns:
        The times of each process and its environment, in the order of their start.

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
        (ProcessTimes(side=side.name, order=2 * number + place, wall=wall, cpu=cpu), environment)
        for place, (side, (environment, wall, cpu)) in enumerate(zip(ordered, results, strict=True))
    ]


def _train(
    processes: Sequence[_Process], epochs: int, cores: tuple[int, int] | None
) -> list[tuple[EnvironmentRecord, list[float], list[float]]]:
    """Have processes train side by side; return each one's environment and the seconds of its epochs."""
    environments = [process.get_ready() for process in processes]
    events: list[list[dict[str, float]]] = [[] for _ in processes]
    for epoch in range(epochs):
        for place, process in enumerate(processes):
            process.ask(Step(cores=[cores[(place + epoch) % 2]] if cores else None))
        for process, own in zip(processes, events, strict=True):
            own.append(process.read("epoch"))
    return [
        (environment, [event["wall"] for event in own], [event["cpu"] for event in own])
        for environment, own in zip(environments, events, strict=True)
    ]


@contextlib.contextmanager
def _start(side: Side, core: int | None, deadline: float) -> Iterator[_Process]:
    """Start a process of a side; it is killed at the deadline, and at the end."""
    command = [str(side.python), "-m", "mnist_bench.timing.ab.worker"]
    if core is not None:
        command += ["--cores", str(core)]
    # In the folder of the data: in a checkout, `-m` would take the package from there for the installed one.
    folder = side.task.folder
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = _Process(
            side,
            log,
            subprocess.Popen(  # noqa: S603 - the user named the interpreter
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder
            ),
        )
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), process.give_up)
        timer.daemon = True
        timer.start()
        try:
            process.ask(side.task)
            yield process
        finally:
            timer.cancel()
            process.popen.kill()  # it has told all that it had to, and would take long to clean up
            process.popen.communicate()


@dataclass
class _Process:
    """One process of a side."""

    side: Side
    log: IO[str]
    popen: subprocess.Popen[str]
    overdue: bool = False

    def get_ready(self) -> EnvironmentRecord:
        """Wait until it is warm, and return where it runs."""
        ready = self.read("ready")
        if ready["protocol"] != PROTOCOL:
            raise LostError(f"{self._name}: its mnist_bench is of another version (protocol {ready['protocol']!r})")
        return msgspec.convert(ready["environment"], EnvironmentRecord)

    def ask(self, message: msgspec.Struct) -> None:
        """Send a line; that it was lost shows when the answer is read."""
        assert self.popen.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.write(msgspec.json.encode(message).decode() + "\n")
            self.popen.stdin.flush()

    def read(self, kind: str) -> dict[str, Any]:
        """Return the next event, which has to be of this kind."""
        assert self.popen.stdout is not None  # noqa: S101
        line = self.popen.stdout.readline()
        if not line:
            raise self._explain_end()
        try:
            event = json.loads(line)
            if event["event"] == kind:
                return dict(event)
            reason = event["reason"]
        except (ValueError, TypeError, KeyError):
            reason = f"it answered {line[:60]!r}, which is no {kind!r}"
        raise LostError(f"{self._name}: {reason}")

    @property
    def _name(self) -> str:
        return f"{self.side.name.upper()}, {self.side.python}"

    def give_up(self) -> None:
        """Kill it because its time is over."""
        self.overdue = True
        self.popen.kill()

    def _explain_end(self) -> LostError:
        code = self.popen.wait()
        if self.overdue:
            return OverdueError(f"{self._name}: no answer in the time that it had")
        self.log.seek(0)
        lines = [line for line in self.log.read()[-4000:].splitlines() if line.strip()]
        last = f": {lines[-1]}" if lines and code > 0 else ""
        return LostError(f"{self._name}: its process {describe_exit(code)}{last}")
