"""Labs trained in full with each fault planted, and with none: what would accuracy and loss alone see?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from mnist_bench.checks.faults.registry import CLOCKED, parse_fault
from mnist_bench.checks.selftest.records import Figures, Training
from mnist_bench.checks.selftest.server import Server, spread
from mnist_bench.records.serial import convert
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.workers.interpreters import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.training.workers.cluster import Cluster

__all__ = ["Task", "list_trainings", "train_faults", "train_faults_there"]


class Task(NamedTuple):
    """A training: a fault with its strength, or "", a lab and a seed."""

    fault: str
    lab: str
    seed: int


def list_trainings(faults: Sequence[str], seeds: Sequence[int]) -> list[Task]:
    """Return what is to be trained: the seeds without any fault first, then the weakest strength of each fault.

    Args:
        faults: As `list_faults` returns them, from the strongest strength of each to the weakest.
        seeds: The seeds.
    """
    # An interrupted run has something of every fault, and the weakest strength is the one that is hard to see.
    turns: dict[str, int] = {}
    ordered = []
    for text in reversed(faults):
        fault, _ = parse_fault(text)
        if fault.family != CLOCKED:
            turns[fault.name] = turns.get(fault.name, 0) + 1
            ordered.append((turns[fault.name], text, fault.lab))
    ordered.sort(key=lambda it: it[0])
    clean = dict.fromkeys(lab for _, _, lab in ordered)
    tasks = [("", lab) for lab in clean] + [(text, lab) for _, text, lab in ordered]
    return [Task(text, lab, seed) for text, lab in tasks for seed in seeds]


def train_faults(
    tasks: Sequence[Task], *, engine: str, source: str, jobs: int, epochs: int | None = None
) -> Iterator[Training]:
    """Train with each fault in a fresh process and yield the trainings, in the order in which they end.

    Args:
        tasks: As `list_trainings` returns them.
        engine: A key of `ENGINES`.
        source: The data.
        jobs: Processes at once.
        epochs: Epochs of each training; None for the lab's.

    Raises:
        CommandError: A process gives no answer.
    """

    def train(server: Server, task: Task) -> Training:
        return _train(server, task, engine, epochs)

    yield from spread(tasks, train, source=source, jobs=jobs)


def train_faults_there(tasks: Sequence[Task], cluster: Cluster, *, engine: str, source: str) -> Iterator[Training]:
    """Train with each fault on some worker of a cluster; as `train_faults`, whose arguments these are.

    Raises:
        CommandError: A worker gives no answer, or the cluster has no worker.
    """
    for number, found in cluster.run(_train_there, [(*task, engine, source) for task in tasks]):
        if isinstance(found, BaseException):
            raise CommandError(f"{tasks[number].fault or 'no fault'}: {' '.join(str(found).split())}", [])
        if found is not None:
            training: Training = convert(found, Training, origin=tasks[number].fault)
            yield training


def _train_there(_threads: int, fault: str, lab: str, seed: int, engine: str, source: str) -> dict[str, Any]:
    """Return the training, as JSON has it: a cluster's result must need no class of ours."""
    with Server(source) as server:
        return dataclasses.asdict(_train(server, Task(fault, lab, seed), engine))


def _train(server: Server, task: Task, engine: str, epochs: int | None = None) -> Training:
    *_, event = server.ask(answer="training", engine=engine, epochs=epochs, **task._asdict())
    if event["event"] == "failed":
        return Training(**task._asdict(), figures=None, problem=event["reason"])
    record: TrainingRecord = convert(event["record"], TrainingRecord, origin=f"{task.fault}, seed {task.seed}")
    figures = Figures(
        accuracy=record.test_accuracy,
        loss=record.test_loss,
        losses=[None if loss is None else float(f"{loss:.7g}") for loss in record.history.loss],  # as float32 has them
        class_errors=record.predictions.class_errors if record.predictions else [],
        initial_digest=record.initial_digest,
    )
    return Training(**task._asdict(), figures=figures)
