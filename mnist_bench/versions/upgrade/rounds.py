"""One seed of one model, trained in two environments at the same time: fresh processes, in step, cores exchanged.

What slows one side slows the other, so that the seconds can be compared; and the two trainings are the pair of which
accuracy and loss are judged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from mnist_bench.records.config import Case, TrainingConfig, check_answer
from mnist_bench.records.serial import convert
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.workers import serve
from mnist_bench.training.workers.child import Child
from mnist_bench.training.workers.interpreters import shorten_lines
from mnist_bench.versions.upgrade.times import RoundTimes

__all__ = ["LostSideError", "OverdueError", "Round", "Task", "make_lab_task", "train_round"]

R = TypeVar("R")


class LostSideError(Exception):
    """A side gave no training.

    Attributes:
        side: 0 for the base, 1 for the new environment.
        lines: The last lines that its process left.
        raised: Whether the training raised an error; otherwise its process has ended without one.
        bad_input: Whether what was asked for cannot be had, such as by a model file with an error.
    """

    def __init__(
        self, side: int, reason: str, lines: list[str], *, raised: bool = False, bad_input: bool = False
    ) -> None:
        """Keep the side, the reason, as the message, and the lines."""
        super().__init__(reason)
        self.side = side
        self.lines = lines
        self.raised = raised
        self.bad_input = bad_input


class OverdueError(Exception):
    """The time was over before both sides had trained."""


@dataclass(frozen=True)
class Task(Generic[R]):
    """What both sides train.

    Attributes:
        module: The module of this package that trains.
        request: What it is asked for.
        case: The model and the engine.
        seed: The seed.
        read: Makes the record of an event that has one, and returns None of every other; ValueError of a wrong record.
        epochs: How many epochs are trained, if that is fixed: then each epoch begins on both sides at once, and the
            cores are exchanged. None: each side goes on by itself.
        as_shipped: Whether tf.data's autotuner is at work, as it is for users.
    """

    module: str
    request: Mapping[str, object]
    case: Case
    seed: int
    read: Callable[[dict[str, Any]], R | None]
    epochs: int | None = None
    as_shipped: bool = True


def make_lab_task(config: TrainingConfig, *, as_shipped: bool = True) -> Task[TrainingRecord]:
    """Return the task of training a lab.

    Args:
        config: What to train.
        as_shipped: Whether tf.data's autotuner is at work. With it, `fit` waits for the autotuner's thread at the end
            of an epoch; that is part of the time of users, and no bit depends on it.
    """

    def read(event: dict[str, Any]) -> TrainingRecord | None:
        if event["event"] != "finished":
            return None
        record: TrainingRecord = convert(event["record"], TrainingRecord, origin="the answer")
        check_answer(config, record.config)
        return record

    request = {**vars(config), "gated": True, "as_shipped": as_shipped}
    return Task(serve.MODULE, request, config.case, config.seed, read, config.epochs, as_shipped)


@dataclass(frozen=True)
class Round(Generic[R]):
    """One seed, trained on both sides.

    Attributes:
        trainings: The records of the base and of the new environment.
        times: The seconds of their epochs; None if they were not in step, each on a core, or for one epoch only.
    """

    trainings: tuple[R, R]
    times: RoundTimes | None


def train_round(
    pythons: tuple[Path, Path],
    task: Task[R],
    cores: tuple[int, int] | None,
    *,
    limit: float,
    swap: bool = False,
) -> Round[R]:
    """Train the same in both environments.

    Args:
        pythons: The interpreters of the base and of the new environment.
        task: What to train.
        cores: A core for each side, exchanged after every epoch of sides in step; None where processes cannot be
            pinned, or there is one core only: then no time is judged.
        limit: Seconds after which both are ended.
        swap: Whether the base begins on the second core.

    Raises:
        LostSideError: A side failed, which is a result.
        OverdueError: The time was over.
    """
    barrier = threading.Barrier(2)
    order = (cores[::-1] if swap else cores) if cores else None
    sides = [_Side(number, python, task, barrier, order) for number, python in enumerate(pythons)]
    timer = threading.Timer(limit, _give_up, [sides])
    threads = [threading.Thread(target=side.train, daemon=True) for side in sides]
    timer.start()
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        timer.cancel()
        for side in sides:
            side.close()
    if any(side.overdue for side in sides):
        raise OverdueError(f"{task.case}, seed {task.seed}: the time was over after {limit:.0f} s")
    lost = next((side.error for side in sides if isinstance(side.error, LostSideError)), None)
    error = lost or next((side.error for side in sides if side.error), None)
    if error:
        raise error
    first, second = (side.record for side in sides)
    assert first is not None  # noqa: S101 - there was no error
    assert second is not None  # noqa: S101 - likewise
    return Round((first, second), _collect_times(task, sides) if cores else None)


def _give_up(sides: list[_Side[R]]) -> None:
    for side in sides:
        side.give_up()


def _collect_times(task: Task[R], sides: list[_Side[R]]) -> RoundTimes | None:
    a, b = (side.seconds[1:] for side in sides)
    if task.epochs is None or len(a) < 2:  # noqa: PLR2004 - the cores are exchanged after each epoch
        return None
    return RoundTimes(
        lab=task.case.lab,
        engine=task.case.engine,
        seed=task.seed,
        wall_a=[round(wall, 5) for wall, _ in a],
        wall_b=[round(wall, 5) for wall, _ in b],
        cpu_a=[round(cpu, 5) for _, cpu in a],
        cpu_b=[round(cpu, 5) for _, cpu in b],
        as_shipped=task.as_shipped,
    )


@dataclass
class _Side(Generic[R]):
    """One side of a round, which a thread of its own serves."""

    number: int
    python: Path
    task: Task[R]
    barrier: threading.Barrier
    cores: tuple[int, ...] | None
    child: Child | None = None
    record: R | None = None
    error: Exception | None = None
    overdue: bool = False
    seconds: list[tuple[float, float]] = field(default_factory=list)

    def train(self) -> None:
        """Train in a fresh process; keep the record, or the error."""
        try:
            self.child = child = Child(self.task.module, python=self.python, cores=self._choose_core(0))
            child.send(self.task.request)
            while self.record is None and (event := child.read()):
                self._take(child, event)
            if self.record is None:
                reason = f"its process {child.explain_end()}"
                self.error = LostSideError(self.number, reason, shorten_lines(child.read_log()))
        except threading.BrokenBarrierError:
            pass  # the other side has the reason
        except Exception as error:  # noqa: BLE001 - a thread's error would vanish
            self.error = error
        finally:
            self.barrier.abort()

    def _take(self, child: Child, event: dict[str, Any]) -> None:
        if event["event"] == "failed":
            reason = " ".join(event["reason"].split())
            lines = shorten_lines(event["details"])
            raise LostSideError(self.number, reason, lines, raised=True, bad_input=event["bad_input"])
        if event["event"] == "epoch" and self.task.epochs is not None:
            self.seconds.append((event["wall"], event["cpu"]))
            if len(self.seconds) < self.task.epochs:
                self.barrier.wait()
                child.send({"cores": self._choose_core(len(self.seconds)) or []})
        elif (record := self.task.read(event)) is not None:
            self.record = record
            self._wait_for_other()

    def _wait_for_other(self) -> None:
        # Without this, ending first would break the barrier that the other side may still need.
        self.barrier.wait()

    def _choose_core(self, epoch: int) -> list[int] | None:
        return None if self.cores is None else [self.cores[(self.number + epoch) % 2]]

    def give_up(self) -> None:
        """End the process because the time is over."""
        self.overdue = True
        if self.child:
            self.child.kill()

    def close(self) -> None:
        """End the process, if there is one."""
        if self.child:
            self.child.close()
