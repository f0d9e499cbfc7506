"""The faults that are planted, and the runs without any, which say how often an alarm is false."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

from mnist_bench.cli.selftest.kept import PLANTED, load_kept, open_workers
from mnist_bench.cli.shell import echo, load_data, name_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mnist_bench.checks.selftest.records import Outcome, SelftestRecord
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.workers.cluster import Cluster

__all__ = ["plant_all", "run_all_clean"]


def plant_all(faults: Sequence[str], *, engine: str, jobs: int, cluster: str | None, data: str, out: Path) -> list[str]:
    """Plant the faults, and return a line for each that was not seen without a reason."""
    from mnist_bench.checks.faults.registry import CLOCKED, parse_fault
    from mnist_bench.checks.selftest.report import find_missed
    from mnist_bench.checks.selftest.run import list_faults, run_faults, run_faults_there
    from mnist_bench.records.serial import save
    from mnist_bench.timing.planted import find_unmeasurable, run_cost_faults
    from mnist_bench.training.engines import check_engine

    chosen = list_faults(check_engine(engine).name, faults)
    path = out / PLANTED
    dataset = load_data(data)  # bad data are told here, and not by a process without any fault
    source = name_source(data, dataset)
    with open_workers(cluster, jobs) as (found, environment):
        record = _open_record(path, engine, source, dataset, environment, found)
        failing = record.failing
        known = {outcome.key: outcome for outcome in record.outcomes}
        todo = chosen if faults else [fault for fault in chosen if fault not in known]
        asked: dict[str, Any] = {"engine": engine, "source": source, "failing": failing}
        costs = [fault for fault in todo if parse_fault(fault)[0].family == CLOCKED]
        others = [fault for fault in todo if fault not in costs]
        lost = costs if found else find_unmeasurable(costs)
        if lost:
            elsewhere = "time and memory are measured on this machine, without --cluster"
            here = "time needs two cores, and a system that can pin processes to cores"
            echo(f"left out: {', '.join(lost)}: {elsewhere if found else here}", err=True)
            costs = [fault for fault in costs if fault not in lost]
        for outcome in itertools.chain(
            run_faults_there(others, found, **asked) if found else run_faults(others, jobs=jobs, **asked),
            # Last, and one by one: a clock needs the machine.
            run_cost_faults(costs, engine=engine, source=source, dataset=dataset),
        ):
            known[outcome.key] = outcome
            record = dataclasses.replace(record, outcomes=[*known.values()])
            save(record, path, overwrite=True)
            echo(_format(outcome))
        save(record, path, overwrite=True)
    return [f"not seen, and not explained: {outcome.key}" for outcome in find_missed(record)]


def run_all_clean(runs: int, *, engine: str, jobs: int, data: str, out: Path) -> tuple[list[str], int]:
    """Run the checks without any fault until there are so many runs.

    Returns:
        A line for each run with an alarm, or without an answer of every check; and their exit status: 1, or 3 if there
        is no alarm.
    """
    from mnist_bench.checks.selftest.run import run_clean
    from mnist_bench.records.serial import save
    from mnist_bench.training.engines import check_engine

    path = out / PLANTED
    dataset = load_data(data)
    source = name_source(data, dataset)
    with open_workers(None, jobs) as (_, environment):
        record = _open_record(path, check_engine(engine).name, source, dataset, environment, None)
        save(record, path, overwrite=True)
        todo, failing = max(0, runs - len(record.clean)), record.failing
        for run in run_clean(todo, engine=engine, source=source, failing=failing, jobs=jobs):
            record = dataclasses.replace(record, clean=[*record.clean, run])
            save(record, path, overwrite=True)
            told = ", ".join(run.alarms + run.problems) or f"{run.held} checks hold"
            echo(f"run {len(record.clean)} without any fault: {told}, {run.seconds:.1f} s")
    numbered = list(enumerate(record.clean, 1))
    alarms = [f"run {number} without any fault: {', '.join(run.alarms)}" for number, run in numbered if run.alarms]
    lost = [
        f"run {number} without any fault: no answer: {', '.join(run.problems)}"
        for number, run in numbered
        if run.problems and not run.alarms
    ]
    return [*alarms, *lost], 1 if alarms else 3


def _open_record(
    path: Path,
    engine: str,
    source: str,
    dataset: Dataset,
    environment: EnvironmentRecord,
    cluster: Cluster | None,
) -> SelftestRecord:
    """Return the record to continue, or begin one: by finding the checks that do not hold here without any fault."""
    from mnist_bench.checks.selftest.records import SelftestRecord
    from mnist_bench.checks.selftest.run import find_failing
    from mnist_bench.records.environment import DatasetRecord

    data = DatasetRecord(source=dataset.name, digest=dataset.digest)

    kept = load_kept(path, SelftestRecord, engine, environment)
    if kept and kept.dataset not in (None, data):
        raise ValueError(f"{path}: data are {kept.dataset.source}, not {data.source}: another --out, or --data")
    if kept:
        return dataclasses.replace(kept, dataset=data)
    failing = find_failing(engine, source, cluster)
    return SelftestRecord(environment=environment, engine=engine, failing=failing, dataset=data, outcomes=[])


def _format(outcome: Outcome) -> str:
    from mnist_bench.checks.selftest.report import is_right

    if outcome.first is None:
        return f"{'UNSEEN':<12} {outcome.key:<28} {outcome.seconds:.1f} s"
    word = "SEEN" if is_right(outcome) else "OTHER CAUSE"
    return f"{word:<12} {outcome.key:<28} {outcome.first_seconds:.1f} s by {outcome.first}: {outcome.sentence}"
