"""Worker processes that process a study, each on its own cores; a lost worker is started again.

A worker's order comes as JSON on standard input, because the address of a database may hold a password. Workers share
nothing but the study.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.sweep.study import HEARTBEAT_SECONDS
from mnist_bench.training.workers.child import Child, pin_by_option
from mnist_bench.training.workers.pool import share_cores
from mnist_bench.training.workers.worker import PATIENCE_SECONDS, SILENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Order", "WorkersLostError", "main", "work_off"]

MODULE = "sweep.workers"  # as `Child` starts it
_POLL_SECONDS = 0.5
# A worker that is lost more often is not lost by chance: something kills every worker.
_LOSSES = 5
_BAD_INPUT = 2


@dataclass(frozen=True, kw_only=True)
class Order:
    """The work of a worker: which study, on which data."""

    storage: str
    study: str
    data: str
    heartbeat: int = HEARTBEAT_SECONDS
    worker: int = 0


class WorkersLostError(Exception):
    """Workers were lost again and again before the study was finished."""


def work_off(order: Order, *, jobs: int, watch: Callable[[], None]) -> None:
    """Have `jobs` workers process a study, and return when no trial waits or runs.

    Args:
        order: The study and the data.
        jobs: Worker processes, each pinned to its share of the cores.
        watch: Called repeatedly while the workers run, and once at the end.

    Raises:
        ValueError: A worker refused the order.
        WorkersLostError: Workers were killed, or crashed, too often.
    """
    cores = share_cores(jobs)
    workers = [_Worker(dataclasses.replace(order, worker=number), cores[number]) for number in range(jobs)]
    try:
        while [worker for worker in workers if not worker.mend()]:  # a list, so that every worker is mended
            watch()
            time.sleep(_POLL_SECONDS)
        watch()
    finally:
        for worker in workers:
            worker.stop()


@dataclass
class _Worker:
    """One worker process, which is started again if it is lost."""

    order: Order
    cores: list[int] | None
    child: Child | None = None
    losses: int = 0
    looked: float = 0.0
    stuck: float = 0.0

    def mend(self) -> bool:
        """Return whether the worker has finished; start its process if none runs."""
        if self.child is None:
            self.child = Child(MODULE, cores=self.cores)
            self.child.send(self.order)
            self.child.end_input()
        code = self.child.poll()
        if code == 0:
            return True
        if code is None:
            if not self._look():
                return False
            how = f"did nothing for {PATIENCE_SECONDS:.0f} s and was ended"
        else:
            how = self.child.explain_end()
        if code == _BAD_INPUT:
            raise ValueError(self.child.read_log().strip().splitlines()[-1])
        self.losses += 1
        if self.losses > _LOSSES:
            raise WorkersLostError(f"a worker was lost {self.losses} times; the last {how}")
        self.stop()
        return False

    def _look(self) -> bool:
        """Return whether the process has been stuck for so long that it is lost; say so on the way there."""
        assert self.child is not None  # noqa: S101 - as `mend` does
        now = time.monotonic()
        # Where this process itself was stopped, the time in between says nothing.
        passed, self.looked = min(now - self.looked, 2 * _POLL_SECONDS), now
        before, self.stuck = self.stuck, self.stuck + passed if self.child.is_stuck() else 0.0
        if before <= SILENT_SECONDS < self.stuck:
            sys.stderr.write(
                f"worker {self.order.worker}: no sign of its process for {self.stuck:.0f} s; "
                f"it is given up after {PATIENCE_SECONDS:.0f} s\n"
            )
            sys.stderr.flush()
        return self.stuck > PATIENCE_SECONDS

    def stop(self) -> None:
        """End the process; if a trial was running, the missing heartbeat shows, and the trial is tried again."""
        child, self.child, self.stuck = self.child, None, 0.0
        if child is not None:
            child.close()


def main() -> None:
    """Process the study that standard input names: the child's side."""
    pin_by_option()
    order = Order(**json.loads(sys.stdin.read()))

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
    except (ValueError, ImportError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        sys.exit(_BAD_INPUT)
