"""What a worker of a cluster does for a campaign: it runs in the cluster's own process there, and trains in children.

A worker with N threads trains N seeds at a time, each in a child process on its share of the cores, as the pool with
`--jobs N` does on that machine: so the same seeds end in the same bits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from mnist_bench.training.workers.events import Failed, Finished
from mnist_bench.training.workers.pool import share_cores
from mnist_bench.training.workers.serve import read_config
from mnist_bench.training.workers.worker import LOOK_SECONDS, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["LostError", "describe_station", "train_here"]

_lock = threading.Lock()
_idle: dict[str | None, queue.SimpleQueue[Worker]] = {}  # by interpreter


class LostError(RuntimeError):
    """A child process ended without an answer: the task may be tried again, here or elsewhere."""


def describe_station(threads: int, device: str) -> dict[str, Any]:
    """Return the environment of a training here, or the reason why there is none.

    Args:
        threads: Of the cluster's worker.
        device: As in a configuration.
    """
    with _borrow(threads, None) as worker:
        answer = worker.ask(environment=device)
    return {"environment": answer.get("environment"), "reason": answer.get("reason", "")}


def train_here(threads: int, config: dict[str, Any], find_python: Callable[[], Path] | None) -> dict[str, Any]:
    """Train one configuration; return the record, or why there is none.

    Args:
        threads: Of the cluster's worker.
        config: A `TrainingConfig` as JSON has it.
        find_python: Finds or makes the environment of another version here, and returns its interpreter.

    Raises:
        LostError: The child process ended without an answer.
        CommandError: The environment of the version cannot be made here.
    """
    python = str(find_python()) if find_python else None
    with _borrow(threads, python) as worker, _watch(worker):
        *_, last = worker.run([(0, read_config(config))])
    if isinstance(last, Finished):
        return {"record": dataclasses.asdict(last.record)}
    assert isinstance(last, Failed)  # noqa: S101 - a training ends in one of the two
    if last.lost:
        raise LostError(last.reason)
    return {"reason": last.reason, "bad_input": last.bad_input, "details": last.details}


@contextlib.contextmanager
def _borrow(threads: int, python: str | None) -> Iterator[Worker]:
    """Give one of the workers that share the cores of this machine; each is one task's at a time."""
    with _lock:
        if python not in _idle:
            _idle[python] = queue.SimpleQueue()
            for cores in share_cores(threads):
                _idle[python].put(Worker(cores, python))
    worker = _idle[python].get()
    try:
        yield worker
    finally:
        if python is not None:
            worker.close()  # of several versions, only those that train have a process
        _idle[python].put(worker)


@contextlib.contextmanager
def _watch(worker: Worker) -> Iterator[None]:
    """Have a worker that hangs killed, as the pool does."""
    over = threading.Event()

    def look() -> None:
        worker.looked = time.monotonic()
        while not over.wait(LOOK_SECONDS):
            for _ in worker.watch():
                pass  # nobody here reads that it is silent

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
