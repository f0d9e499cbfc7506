"""Trainings in worker processes: many at a time, each on its own cores, none able to take another down.

joblib's and concurrent.futures' pools end every task when one worker is killed; here each worker stands alone, so a
killed one loses the training that it was at and no other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING

from mnist_bench.training.workers.events import Failed, Finished
from mnist_bench.training.workers.worker import LOOK_SECONDS, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.workers.events import Event
    from mnist_bench.training.workers.worker import Task

__all__ = ["share_cores", "train_all"]


def train_all(
    configs: Sequence[TrainingConfig],
    *,
    jobs: int = 1,
    python: str | None = None,
    company: int | None = 1,
    most: int = 1,
) -> Iterator[Event]:
    """Train every configuration, `jobs` at a time, and yield what happens as it happens.

    Each of the `jobs` workers is pinned to its share of the cores, and takes the next configuration when it
    has finished one, so TensorFlow is imported once a worker. A worker that hangs, for example because it was stopped
    or its file system is gone, is named after `SILENT_SECONDS` and killed after `PATIENCE_SECONDS`.

    Args:
        configs: What to train.
        jobs: Worker processes.
        python: The interpreter that they run in; this process's own if None. Another's TensorFlow is measured so.
        company: Seeds that a worker trains in one program; None asks the worker how many its device has room for.
        most: Of a worker that is asked: the seeds of each lab, done or not, as the answer must not depend on how many
            are left.

    Yields:
        For every configuration at last one `Finished` or one `Failed`.
    """
    tasks = _Tasks(configs)
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    # By what was asked for, not by what is left to do: the last training of an interrupted run has the threads, and
    # so the bits, of the first.
    shares = share_cores(jobs)[: len(configs)]
    workers = [Worker(cores, python) for cores in shares]

    def find_size(worker: Worker, config: TrainingConfig) -> int:
        return worker.ask_room(config, most=most, workers=len(workers)) if company is None else company

    threads: list[threading.Thread] = []
    try:
        for worker in workers:
            thread = threading.Thread(target=_serve, args=(worker, tasks, events, find_size), daemon=True)
            thread.start()
            threads.append(thread)
        busy = len(threads)
        while busy:
            with contextlib.suppress(queue.Empty):
                event = events.get(timeout=LOOK_SECONDS)
                if event is None:
                    busy -= 1
                else:
                    yield event
            for worker in workers:
                yield from worker.watch()
    finally:
        # Also when the caller stops early or is interrupted: no worker outlives the call.
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join()


def share_cores(jobs: int) -> list[list[int] | None]:
    """Divide the cores that this process may use among `jobs` workers; None where they cannot be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return [None] * jobs
    cores = sorted(os.sched_getaffinity(0))
    if jobs > len(cores):
        return [None] * jobs
    return [cores[job * len(cores) // jobs : (job + 1) * len(cores) // jobs] for job in range(jobs)]


class _Tasks:
    """What is left to train, for several threads."""

    def __init__(self, configs: Sequence[TrainingConfig]) -> None:
        self._left, self._lock = deque(enumerate(configs)), threading.Lock()

    def take(self) -> Task | None:
        """Return the next task; None where nothing is left."""
        with self._lock:
            return self._left.popleft() if self._left else None

    def take_company(self, first: Task, size: int) -> list[Task]:
        """Return the task together with those that follow and differ in their seeds only, up to `size` of them."""
        taken = [first]
        with self._lock:
            while self._left and len(taken) < size:
                _, config = self._left[0]
                if dataclasses.replace(config, seed=first[1].seed) != first[1]:
                    break
                taken.append(self._left.popleft())
        return taken


def _serve(
    worker: Worker,
    tasks: _Tasks,
    events: queue.SimpleQueue[Event | None],
    find_size: Callable[[Worker, TrainingConfig], int],
) -> None:
    """Give a worker one task after another until there are none left; None says that it is done."""
    while not worker.stopped and (task := tasks.take()):
        taken = [task]
        try:
            size = find_size(worker, task[1])
            taken = tasks.take_company(task, size)
            for event in worker.run(taken, size):
                events.put(event)
                if isinstance(event, (Finished, Failed)):
                    taken = [it for it in taken if it[0] != event.task]
        except Exception as error:  # noqa: BLE001 - a thread's error would vanish, and the trainings with it
            for number, config in taken:
                reason = f"{config.lab}, seed {config.seed}: {type(error).__name__}: {error}"
                events.put(Failed(number, config, reason, bad_input=False, details=traceback.format_exc()))
            worker.close()
    worker.close()
    events.put(None)
