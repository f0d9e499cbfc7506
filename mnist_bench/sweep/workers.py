"""Worker processes that work off a study, each on its own cores, and started again where one is lost.

A worker is `python -m mnist_bench.sweep.workers`; its order comes as JSON on its standard input, because the
address of a database may hold a password. It is in touch with the others by the study alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from mnist_bench.records.serial import Record
from mnist_bench.sweep.study import HEARTBEAT_SECONDS
from mnist_bench.training.workers.pool import share_cores

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Order", "WorkersLostError", "work_off"]

_POLL_SECONDS = 0.5
# A worker that is lost so often is not lost by chance: something kills every one.
_LOSSES = 5
_BAD_INPUT = 2


class Order(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker is to do: which study, on which data."""

    storage: str
    study: str
    data: str
    heartbeat: int = HEARTBEAT_SECONDS
    worker: int = 0


class WorkersLostError(Exception):
    """Workers were lost again and again, and the study is not at its end."""


def work_off(order: Order, *, jobs: int, watch: Callable[[], None]) -> None:
    """Have `jobs` workers work off a study, and return when nothing waits or runs there.

    Args:
        order: The study and the data.
        jobs: Worker processes, each pinned to its share of the cores.
        watch: Called again and again meanwhile, and once at the end.

    Raises:
        ValueError: A worker found the order at fault.
        WorkersLostError: Workers were killed, or crashed, more often than is worth another try.
    """
    cores = share_cores(jobs)
    workers = [_Worker(msgspec.structs.replace(order, worker=number), cores[number]) for number in range(jobs)]
    try:
        while [worker for worker in workers if not worker.mend()]:  # each is mended, whatever the others do
            watch()
            time.sleep(_POLL_SECONDS)
        watch()
    finally:
        for worker in workers:
            worker.stop()


@dataclass
class _Worker:
    """One worker process, started again when it was lost."""

    order: Order
    cores: list[int] | None
    process: subprocess.Popen[str] | None = None
    log: Any = field(default_factory=lambda: tempfile.TemporaryFile("w+", errors="replace"))  # noqa: SIM115
    losses: int = 0

    def mend(self) -> bool:
        """Return whether the worker has done its work; start it where it does not run."""
        if self.process is None:
            self._start()
        assert self.process is not None  # noqa: S101
        code = self.process.poll()
        if code is None or code == 0:
            return code == 0
        self.log.seek(0)
        line = (self.log.read().strip().splitlines() or ["it said nothing"])[-1]
        if code == _BAD_INPUT:
            raise ValueError(line)
        self.losses += 1
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}: {line}"
        if self.losses > _LOSSES:
            raise WorkersLostError(f"a worker was lost {self.losses} times; the last {how}")
        self.process = None
        return False

    def stop(self) -> None:
        """End the process: a trial that it is at is found by its heartbeat, and tried again."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def _start(self) -> None:
        command = [sys.executable, "-m", "mnist_bench.sweep.workers"]
        if self.cores is not None:
            command += ["--cores", ",".join(map(str, self.cores))]
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, text=True
        )
        assert self.process.stdin is not None  # noqa: S101
        with self.process.stdin as stream:
            stream.write(msgspec.json.encode(self.order).decode())


def main() -> None:
    """Work off the study that standard input names: the child's side."""
    # Ctrl-C reaches the parent, too, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "--cores" in sys.argv:
        # Before TensorFlow is imported: it sizes its thread pools by the cores it may use.
        os.sched_setaffinity(0, map(int, sys.argv[sys.argv.index("--cores") + 1].split(",")))
    order = msgspec.json.decode(sys.stdin.read(), type=Order)

    from mnist_bench.sweep.trials import run_trials
    from mnist_bench.training.data.dataset import load_dataset

    try:
        run_trials(
            order.storage,
            order.study,
            load_dataset(order.data),
            data=order.data,
            worker=order.worker,
            heartbeat=order.heartbeat,
        )
    except (ValueError, ModuleNotFoundError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        sys.exit(_BAD_INPUT)


if __name__ == "__main__":
    main()
