"""Trainings in worker processes: many at a time, each on its own cores, none able to take another down.

joblib's and concurrent.futures' pools end every task when one worker is killed; here each worker stands alone, so a
killed one loses the training that it was at and no other.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_bench.records.config import TrainingConfig, check_answer
from mnist_bench.records.serial import convert
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.workers import serve
from mnist_bench.training.workers.child import Child

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


__all__ = ["EpochEnded", "Failed", "Finished", "Silent", "Started", "share_cores", "train_all"]

SILENT_SECONDS = 60.0
"""Without an event of a worker: then it is named. A first start from a cold disk, or a slow epoch, may take as long."""

PATIENCE_SECONDS = 1200.0
"""Without an event: then the worker is given up. No epoch of the lab takes a tenth of it on one slow core."""

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Started:
    """A training has begun on the data set named."""

    task: int
    dataset: str


@dataclass(frozen=True)
class EpochEnded:
    """An epoch of a training has ended."""

    task: int
    epoch: int
    figures: dict[str, float]


@dataclass(frozen=True)
class Silent:
    """The worker process of a training has given no sign for so long."""

    task: int
    config: TrainingConfig
    seconds: float


@dataclass(frozen=True)
class Finished:
    """A training has ended; this is its record."""

    task: int
    record: TrainingRecord


@dataclass(frozen=True)
class Failed:
    """A training gave no record.

    Attributes:
        task: Its index in the list of configurations.
        config: What was to be trained.
        reason: One line.
        bad_input: Whether the request was at fault, rather than the training.
        details: A traceback or the end of the worker's standard error, for debugging.
    """

    task: int
    config: TrainingConfig
    reason: str
    bad_input: bool
    details: str


Event = Started | EpochEnded | Silent | Finished | Failed


def train_all(configs: Sequence[TrainingConfig], *, jobs: int = 1, python: str | None = None) -> Iterator[Event]:
    """Train every configuration, `jobs` at a time, and yield what happens as it happens.

    Each of the `jobs` workers is pinned to its share of the cores, and takes the next configuration when it
    has finished one, so TensorFlow is imported once a worker. A worker that hangs, for example because it was stopped
    or its file system is gone, is named after `SILENT_SECONDS` and killed after `PATIENCE_SECONDS`.

    Args:
        configs: What to train.
        jobs: Worker processes.
        python: The interpreter that they run in; this process's own if None. Another's TensorFlow is measured so.

    Yields:
        For every configuration at last one `Finished` or one `Failed`.
    """
    tasks: queue.SimpleQueue[tuple[int, TrainingConfig]] = queue.SimpleQueue()
    for task in enumerate(configs):
        tasks.put(task)
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    # By what was asked for, not by what is left to do: the last training of an interrupted run has the threads, and
    # so the bits, of the first.
    shares = share_cores(jobs)[: len(configs)]
    workers = [_Worker(cores, python) for cores in shares]
    threads: list[threading.Thread] = []
    try:
        for worker in workers:
            thread = threading.Thread(target=_serve, args=(worker, tasks, events), daemon=True)
            thread.start()
            threads.append(thread)
        busy = len(threads)
        while busy:
            with contextlib.suppress(queue.Empty):
                event = events.get(timeout=_LOOK_SECONDS)
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


@dataclass
class _Worker:
    """One worker process, started when it is first needed and again after it was lost.

    Attributes:
        at: What it trains, from its own thread.
        silence: Seconds without an event, as far as they were watched: a stopped parent counts none.
    """

    cores: list[int] | None
    python: str | None
    child: Child | None = None
    stopped: bool = False
    at: tuple[int, TrainingConfig] | None = None
    silence: float = 0.0
    named: bool = False
    looked: float = 0.0
    lost: str = ""

    def run(self, task: int, config: TrainingConfig) -> Iterator[Event]:
        """Have the worker train one configuration and yield its events, `Finished` or `Failed` last."""
        if self.child is not None:
            self.child.forget()
        child = self.child or self._start()
        self._hear((task, config))
        child.send(config)
        while message := self._read(child):
            self._hear((task, config))
            event = _read_event(message, task, config)
            yield event
            if isinstance(event, (Finished, Failed)):
                self._hear(None)
                return
        self._hear(None)
        how = self.lost or child.explain_end()
        reason = f"{config.lab}, seed {config.seed}: its worker process {how}"
        yield Failed(task, config, reason, bad_input=False, details=child.read_log())
        self.close()

    def watch(self) -> Iterator[Silent]:
        """Yield that the worker is silent, once; kill it when it has been silent for too long."""
        now = time.monotonic()
        # Where this process itself was stopped, the worker's events may lie unread.
        passed, self.looked = min(now - self.looked, 2 * _LOOK_SECONDS), now
        at, child = self.at, self.child
        if at is None or child is None:
            return
        self.silence += passed
        if self.silence > PATIENCE_SECONDS:
            self.lost = f"gave no sign for {PATIENCE_SECONDS:.0f} s and was ended{_quote(child)}"
            child.kill()
        elif self.silence > SILENT_SECONDS and not self.named:
            self.named = True
            yield Silent(*at, self.silence)

    def _hear(self, at: tuple[int, TrainingConfig] | None) -> None:
        self.at, self.silence, self.named = at, 0.0, False

    def _read(self, child: Child) -> dict[str, Any] | None:
        """Return the next event of a child, which is killed where it writes anything else; None where it has ended."""
        try:
            return child.read()
        except ValueError as error:
            self.lost = f"was ended: {error}{_quote(child)}"
            child.kill()
            return None

    def stop(self) -> None:
        """Kill the process and let no other one start; the thread that serves it then ends by itself."""
        self.stopped = True
        child = self.child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the process, if there is one."""
        child, self.child, self.lost = self.child, None, ""
        if child is not None:
            child.close()

    def _start(self) -> Child:
        self.child = Child(serve.MODULE, python=self.python, cores=self.cores)
        if self.stopped:  # since the thread last looked
            self.child.kill()
        return self.child


def _serve(
    worker: _Worker,
    tasks: queue.SimpleQueue[tuple[int, TrainingConfig]],
    events: queue.SimpleQueue[Event | None],
) -> None:
    """Give a worker one task after another until there are none left; None says that it is done."""
    with contextlib.suppress(queue.Empty):
        while not worker.stopped:
            task, config = tasks.get_nowait()
            try:
                for event in worker.run(task, config):
                    events.put(event)
            except Exception as error:  # noqa: BLE001 - a thread's error would vanish, and the training with it
                reason = f"{config.lab}, seed {config.seed}: {type(error).__name__}: {error}"
                events.put(Failed(task, config, reason, bad_input=False, details=traceback.format_exc()))
                worker.close()
    worker.close()
    events.put(None)


def _quote(child: Child) -> str:
    """Return what a child has said last, as an addition to a reason."""
    last = child.read_last_line()
    return f"; it said last: {last}" if last else ""


def _read_event(message: dict[str, Any], task: int, config: TrainingConfig) -> Event:
    kind = message["event"]
    if kind == "started":
        return Started(task, message["dataset"])
    if kind == "epoch":
        return EpochEnded(task, message["epoch"], message["figures"])
    if kind == "finished":
        record: TrainingRecord = convert(message["record"], TrainingRecord, origin="worker")
        check_answer(config, record.config)
        return Finished(task, record)
    bad_input, reason = message["bad_input"], " ".join(message["reason"].split())
    if not bad_input:
        reason = f"{config.lab}, seed {config.seed}: {reason}"
    return Failed(task, config, reason, bad_input, message["details"])
