"""Trainings in worker processes: many at a time, each on its own cores, none able to take another down.

A worker is `python -m mnist_bench.training.workers.pool`. It reads one JSON request a line and answers with
events, one a line; nothing is pickled. joblib's and concurrent.futures' pools end every task when one worker is killed;
here each worker stands alone, so a killed one loses the training it was at and no other.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from mnist_bench.records.training import TrainingConfig, TrainingRecord, decode_record, encode_record
from mnist_bench.training.workers.child import describe_exit, open_events, pin_by_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.training.workers.child import Tell

__all__ = ["EpochEnded", "Failed", "Finished", "Started", "share_cores", "train_all"]


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


Event = Started | EpochEnded | Finished | Failed


def train_all(configs: Sequence[TrainingConfig], *, jobs: int = 1, python: str | None = None) -> Iterator[Event]:
    """Train every configuration, `jobs` at a time, and yield what happens as it happens.

    Each of the `jobs` workers is pinned to its share of the cores, and takes the next configuration when it
    has finished one, so TensorFlow is imported once a worker.

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
    workers = [_Worker(cores, python or sys.executable) for cores in shares]
    threads: list[threading.Thread] = []
    try:
        for worker in workers:
            thread = threading.Thread(target=_serve, args=(worker, tasks, events), daemon=True)
            thread.start()
            threads.append(thread)
        busy = len(threads)
        while busy:
            event = events.get()
            if event is None:
                busy -= 1
            else:
                yield event
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
    """One worker process, started when it is first needed and again after it was lost."""

    cores: list[int] | None
    python: str
    process: subprocess.Popen[str] | None = None
    log: Any = field(default_factory=lambda: tempfile.TemporaryFile("w+", errors="replace"))  # noqa: SIM115
    stopped: bool = False

    def run(self, task: int, config: TrainingConfig) -> Iterator[Event]:
        """Have the worker train one configuration and yield its events, `Finished` or `Failed` last."""
        if self.process is None:
            self._start()
        assert self.process is not None and self.process.stdin and self.process.stdout  # noqa: PT018, S101
        try:
            self.process.stdin.write(msgspec.json.encode(config).decode() + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                event = _read_event(json.loads(line), task, config)
                yield event
                if isinstance(event, (Finished, Failed)):
                    return
        except (BrokenPipeError, json.JSONDecodeError):
            self.process.kill()
        yield self._report_loss(task, config)

    def stop(self) -> None:
        """Kill the process and let no other one start; the thread that serves it then ends by itself."""
        self.stopped = True
        process = self.process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self._bury()

    def _start(self) -> None:
        command = [self.python, "-m", "mnist_bench.training.workers.pool"]
        if self.cores is not None:
            command += ["--cores", ",".join(map(str, self.cores))]
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        if self.stopped:  # since the thread last looked
            self.process.kill()

    def _bury(self) -> int:
        """Wait for a process that has ended or will, let go of its pipes, and return its exit code."""
        process, self.process = self.process, None
        assert process is not None and process.stdin and process.stdout  # noqa: PT018, S101
        with contextlib.suppress(BrokenPipeError):  # of what it was sent and did not read
            process.stdin.close()
        process.stdout.close()
        return process.wait()

    def _report_loss(self, task: int, config: TrainingConfig) -> Failed:
        code = self._bury()
        self.log.seek(0)
        end = self.log.read()[-4000:]
        reason = f"{config.lab}, seed {config.seed}: its worker process {describe_exit(code)}"
        return Failed(task, config, reason, bad_input=False, details=end)


def _serve(
    worker: _Worker,
    tasks: queue.SimpleQueue[tuple[int, TrainingConfig]],
    events: queue.SimpleQueue[Event | None],
) -> None:
    """Give a worker one task after another until there are none left; None says that it is done."""
    with contextlib.suppress(queue.Empty), worker.log:
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


def _read_event(message: dict[str, Any], task: int, config: TrainingConfig) -> Event:
    kind = message["event"]
    if kind == "started":
        return Started(task, message["dataset"])
    if kind == "epoch":
        return EpochEnded(task, message["epoch"], message["figures"])
    if kind == "finished":
        return Finished(task, decode_record(message["record"], origin="worker"))
    bad_input, reason = message["bad_input"], " ".join(message["reason"].split())
    if not bad_input:
        reason = f"{config.lab}, seed {config.seed}: {reason}"
    return Failed(task, config, reason, bad_input, message["details"])


def main() -> None:
    """Serve requests from standard input until it ends: the child's side."""
    pin_by_option()
    with open_events() as tell:
        for line in sys.stdin:
            _answer(line, tell)


def _answer(line: str, tell: Tell) -> None:
    """Train what one request asks for, and tell the events of it."""
    from mnist_bench.training.backend import DeviceError
    from mnist_bench.training.runner import check_config, train

    try:
        config = check_config(msgspec.json.decode(line, type=TrainingConfig))
        dataset = _load_dataset(config.data)
    except ValueError as error:
        tell(event="failed", reason=str(error), bad_input=True, details=traceback.format_exc())
        return
    tell(event="started", dataset=dataset.name)
    try:
        # Python's json reads back the NaN that it writes here; nothing else sees it.
        record = train(
            config,
            dataset=dataset,
            on_epoch=lambda epoch, it: tell(event="epoch", epoch=epoch, figures=vars(it)),
        )
        tell(event="finished", record=encode_record(record))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
        bad_input = isinstance(error, (DeviceError, ModuleNotFoundError))
        reason = str(error) if bad_input else f"{type(error).__name__}: {error}"
        tell(event="failed", reason=reason, bad_input=bad_input, details=traceback.format_exc())


@functools.lru_cache(maxsize=1)
def _load_dataset(source: str) -> Any:
    """Load a data set once for all the trainings of this worker."""
    from mnist_bench.training.data.dataset import load_dataset

    return load_dataset(source)


if __name__ == "__main__":
    main()
