"""What the parts of `selftest` share: the files of its folder, records to continue, and who works."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mnist_bench.checks.selftest.records import SelftestRecord, SelftestTrainings
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.training.workers.cluster import Cluster

__all__ = ["PLANTED", "REPLAYED", "TRAINED", "load_kept", "open_workers"]

_Record = TypeVar("_Record", "SelftestRecord", "SelftestTrainings")

PLANTED, REPLAYED, TRAINED = "selftest.json", "replay.json", "selftest-trainings.json"


def load_kept(path: Path, form: type[_Record], engine: str, environment: EnvironmentRecord) -> _Record | None:
    """Return the record to continue, if there is one.

    Raises:
        RecordError: The record is invalid.
        ValueError: The record is of another engine or environment.
    """
    from mnist_bench.records.files import is_taken
    from mnist_bench.records.serial import load
    from mnist_bench.training.campaign import check_environment

    if not is_taken(path):
        return None
    record = load(path, form)
    if record.engine != engine:
        raise ValueError(f"{path}: engine is {record.engine!r}, not {engine!r}: name another folder with --out")
    check_environment(record.environment, environment, f"{path}: cannot continue: made")
    return record


@contextlib.contextmanager
def open_workers(address: str | None, jobs: int) -> Iterator[tuple[Cluster | None, EnvironmentRecord]]:
    """Give the cluster, or None, and the environment of the processes that will work."""
    from mnist_bench.checks.elsewhere import ask_own_environment
    from mnist_bench.training.workers.cluster import open_cluster

    if address and jobs > 1:
        raise ValueError("--cluster: each fault is a task; not with --jobs")
    with open_cluster(address) if address else contextlib.nullcontext() as found:
        yield found, found.ask_environment("cpu") if found else ask_own_environment("cpu")
