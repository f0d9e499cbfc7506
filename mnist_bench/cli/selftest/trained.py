"""Labs trained in full with each fault planted, and with none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mnist_bench.cli.selftest.kept import TRAINED, load_kept, open_workers
from mnist_bench.cli.shell import echo, load_data, name_source
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mnist_bench.checks.selftest.records import Training

__all__ = ["train_all"]


def train_all(
    faults: Sequence[str], *, seeds: int, engine: str, jobs: int, cluster: str | None, data: str, out: Path
) -> list[str]:
    """Train with the faults, and return a line for each training that did not end without any fault."""
    from mnist_bench.checks.selftest.records import SelftestTrainings
    from mnist_bench.checks.selftest.run import list_faults
    from mnist_bench.checks.selftest.trainings import list_trainings, train_faults, train_faults_there
    from mnist_bench.records.environment import DatasetRecord
    from mnist_bench.records.serial import save
    from mnist_bench.training.engines import check_engine

    chosen = list_faults(check_engine(engine).name, faults)
    path = out / TRAINED
    dataset = load_data(data)
    source = name_source(data, dataset)
    data_record = DatasetRecord(source=dataset.name, digest=dataset.digest)
    with open_workers(cluster, jobs) as (found, environment):
        record = load_kept(path, SelftestTrainings, engine, environment) or SelftestTrainings(
            environment=environment, engine=engine, dataset=data_record, trainings=[]
        )
        if record.dataset != data_record:
            raise ValueError(f"{path}: data are {record.dataset.source}, not {dataset.name}: another --out, or --data")
        known = {(it.fault, it.lab, it.seed): it for it in record.trainings}
        # What did not end is made again without a fault, and with one that is named. What ended would end alike.
        done = {key for key, it in known.items() if not it.problem or (it.fault and not faults)}
        tasks = list_trainings(chosen, range(FIRST_SEED, FIRST_SEED + seeds))
        todo = [task for task in tasks if tuple(task) not in done]
        asked: dict[str, Any] = {"engine": engine, "source": source}
        for training in train_faults_there(todo, found, **asked) if found else train_faults(todo, jobs=jobs, **asked):
            known[training.fault, training.lab, training.seed] = training
            record = dataclasses.replace(record, trainings=[*known.values()])
            save(record, path, overwrite=True, folded=True)
            echo(_format_training(training))
        save(record, path, overwrite=True, folded=True)
    return [f"{it.key}: {it.problem}" for it in record.trainings if not it.fault and it.problem]


def _format_training(training: Training) -> str:
    found = training.figures
    loss = "not finite" if found is None or found.loss is None else f"{found.loss:.4f}"
    told = f"accuracy {found.accuracy:.4f}, loss {loss}" if found else training.problem
    return f"{training.key:<48} {told}"
