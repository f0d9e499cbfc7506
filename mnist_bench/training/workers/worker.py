"""One worker process of trainings: asked, watched, and started again after it was lost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mnist_bench.records.config import TrainingConfig, check_answer
from mnist_bench.records.serial import convert
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.workers import serve
from mnist_bench.training.workers.child import Child
from mnist_bench.training.workers.events import EpochEnded, Event, Failed, Finished, Silent, Started

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LOOK_SECONDS", "PATIENCE_SECONDS", "SILENT_SECONDS", "Task", "Worker"]

SILENT_SECONDS = 60.0
"""Without an event of a worker: then it is named. A first start from a cold disk, or a slow epoch, may take as long."""

PATIENCE_SECONDS = 1200.0
"""Without an event: then the worker is given up. No epoch of the lab takes a tenth of it on one slow core."""

LOOK_SECONDS = 1.0
"""Between two looks at a worker."""

Task: TypeAlias = tuple[int, TrainingConfig]
"""The index of a training in the list of configurations, and its configuration."""


@dataclass
class Worker:
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

    def run(self, tasks: Sequence[Task], size: int = 1) -> Iterator[Event]:
        """Have the worker train configurations and yield its events, for each `Finished` or `Failed` last.

        Args:
            tasks: What to train; several are a company, which trains in one program.
            size: Seeds of that program.
        """
        if self.child is not None:
            self.child.forget()
        child, left = self.child or self._start(), dict(tasks)
        self._hear(tasks[0])
        configs = [config for _, config in tasks]
        child.send(configs[0] if size == 1 else {"company": [vars(config) for config in configs], "size": size})
        while message := self._read(child):
            self._hear(next(iter(left.items())))
            # What fails a company fails all who have no record yet.
            asked = list(left) if message["event"] == "failed" else [tasks[message.get("number", 0)][0]]
            for task in asked:
                event = _read_event(message, task, left[task])
                if isinstance(event, (Finished, Failed)):
                    del left[task]
                yield event
            if not left:
                self._hear(None)
                return
        self._hear(None)
        how = self.lost or child.explain_end()
        for task, config in left.items():
            reason = f"{config.lab}, seed {config.seed}: its worker process {how}"
            yield Failed(task, config, reason, bad_input=False, details=child.read_log(), lost=True)
        self.close()

    def ask(self, **question: object) -> dict[str, Any]:
        """Return the event that answers a question of `serve`; `failed`, with a reason, where there is no answer."""
        child = self.child or self._start()
        child.send(question)
        message = self._read(child)
        if message is None:
            message = {"event": "failed", "reason": f"its worker process {self.lost or child.explain_end()}"}
            self.close()
        return message

    def ask_room(self, config: TrainingConfig, *, most: int, workers: int) -> int:
        """Return how many seeds the worker's device trains in one program.

        Args:
            config: What to train.
            most: Seeds that there are.
            workers: Workers that share the device.
        """
        # Where there is no answer, the training will say what is wrong.
        return int(self.ask(room=vars(config), most=most, workers=workers).get("seeds", 1))

    def watch(self) -> Iterator[Silent]:
        """Yield that the worker is silent, once; kill it when it has been silent for too long."""
        now = time.monotonic()
        # Where this process itself was stopped, the worker's events may lie unread.
        passed, self.looked = min(now - self.looked, 2 * LOOK_SECONDS), now
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


def _quote(child: Child) -> str:
    """Return what a child has said last, as an addition to a reason."""
    last = child.read_last_words()
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
