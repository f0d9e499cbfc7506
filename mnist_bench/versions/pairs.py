"""Each version beside its predecessor: the comparison of times that two records, made at two moments, cannot give."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mnist_bench.records.serial import load, save
from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.timing.ab.rounds import AbPlan, compare
from mnist_bench.versions.environments import make_environment
from mnist_bench.versions.pairrecords import pair_path
from mnist_bench.versions.plan import STAND_INS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.timing.ab.rounds import RoundEnded
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.releases import VersionSpec

__all__ = ["choose_engine", "measure_pair"]


def choose_engine(*records: VersionRecord) -> str:
    """Return the engine to time these versions by: `epoch`, or what stands in for it where one cannot train by it."""
    failed = any(failure.what.startswith("mlp-epoch") for record in records for failure in record.failures)
    return STAND_INS["epoch"] if failed else "epoch"


def measure_pair(
    base: VersionSpec,
    new: VersionSpec,
    folder: Path,
    *,
    engine: str,
    dataset: Dataset,
    budget_seconds: float,
    on_round: Callable[[RoundEnded], None] | None = None,
) -> AbRecord:
    """Time a version beside its predecessor by the mlp, and keep the record; one that is there is read.

    In the record the sides are called by the versions' names: the paths of their interpreters are of one machine.

    Args:
        base: The predecessor, side A.
        new: The version, side B.
        folder: The versions' records.
        engine: A key of `ENGINES`.
        dataset: What is trained on.
        budget_seconds: See `ab.AbPlan`.
        on_round: See `ab.compare`.

    Raises:
        CommandError: An environment cannot be made.
        ValueError: The record that is there is of another pair, or no process of each side got through.
    """
    path = pair_path(folder, new.name)
    if path.exists():
        return _check_pair(load(path, AbRecord), base, path)
    pythons = [make_environment(spec)[0] for spec in (base, new)]
    plan = AbPlan(
        python_a=pythons[0],
        python_b=pythons[1],
        lab="mlp",
        engine=engine,
        dataset=dataset,
        budget_seconds=budget_seconds,
    )
    measured = dataclasses.replace(compare(plan, on_round), python_a=base.name, python_b=new.name)
    if measured.failure:
        raise ValueError(f"{new.name}: {measured.failure}")
    save(measured, path, folded=True)
    return measured


def _check_pair(record: AbRecord, base: VersionSpec, path: Path) -> AbRecord:
    if (record.python_a, record.python_b) != (base.name, path.stem):
        raise ValueError(f"{path}: it compares {record.python_a!r} with {record.python_b!r}, not with {base.name!r}")
    return record
