"""The command `selftest`: faults planted on purpose, and what the checks say of each."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import echo, load_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.checks.selftest.records import Outcome, SelftestRecord
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.training.workers.cluster import Cluster

__all__ = ["selftest"]


def selftest(
    *,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="NAME", help="A fault to plant, again if it was; all that were not, if none."),
    ] = None,
    engine: options.Engine = "graph",
    jobs: options.Jobs = 1,
    cluster: options.Cluster = None,
    data: options.Data = "digits",
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for selftest.json, which is continued, and selftest.md."),
    ] = Path("docs"),
) -> None:
    """Plant faults in Keras, and write which check sees each first.

    Outcomes of the same versions, engine and machine are kept; without --fault only what is missing is planted. Exit
    status: 0 every fault was seen, or is known to stay unseen, 1 another fault was not seen, 2 bad usage or bad input,
    3 the checks do not run without any fault.
    """
    from mnist_bench.checks.elsewhere import ask_own_environment
    from mnist_bench.checks.selftest.records import SelftestRecord
    from mnist_bench.checks.selftest.report import MARK, find_missed, format_report
    from mnist_bench.checks.selftest.run import find_failing, list_faults
    from mnist_bench.records.files import check_replaceable, replace_own
    from mnist_bench.records.serial import save
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.workers.cluster import open_cluster

    chosen = list_faults(check_engine(engine).name, faults or ())
    path, page = out / "selftest.json", out / "selftest.md"
    check_replaceable(page, MARK)
    source = load_data(data).name if data == "auto" else data
    if cluster and jobs > 1:
        raise ValueError("--cluster: each fault is a task; not with --jobs")
    with open_cluster(cluster) if cluster else contextlib.nullcontext() as found:
        environment = found.ask_environment("cpu") if found else ask_own_environment("cpu")
        kept = _load(path, engine, environment)
        known = {outcome.key: outcome for outcome in kept.outcomes} if kept else {}
        todo = chosen if faults else [fault for fault in chosen if fault not in known]
        failing = kept.failing if kept else find_failing(engine, source, found)
        record = SelftestRecord(
            environment=kept.environment if kept else environment,
            engine=engine,
            failing=failing,
            outcomes=[*known.values()],
        )
        for outcome in _plant(todo, found, jobs, engine=engine, source=source, failing=failing):
            known[outcome.key] = outcome
            record = _replace(record, list(known.values()))
            save(record, path, overwrite=True)
            echo(_format(outcome))
    replace_own(page, format_report(record).encode(), MARK)
    echo(f"{page}: {len(record.outcomes)} outcomes")
    missed = find_missed(record)
    for outcome in missed:
        echo(f"not seen, and not explained: {outcome.key}", err=True)
    raise typer.Exit(1 if missed else 0)


def _plant(todo: Sequence[str], cluster: Cluster | None, jobs: int, **named: Any) -> Iterator[Outcome]:
    """Yield the outcomes of these faults, planted in processes here or on a cluster."""
    from mnist_bench.checks.selftest.run import run_faults, run_faults_there

    return run_faults_there(todo, cluster, **named) if cluster else run_faults(todo, jobs=jobs, **named)


def _load(path: Path, engine: str, environment: EnvironmentRecord) -> SelftestRecord | None:
    """Return the record to continue, if there is one.

    Raises:
        RecordError: The record is invalid.
        ValueError: The record is of another engine or environment.
    """
    from mnist_bench.checks.selftest.records import SelftestRecord
    from mnist_bench.records.files import is_taken
    from mnist_bench.records.serial import load
    from mnist_bench.training.campaign import check_environment

    if not is_taken(path):
        return None
    record = load(path, SelftestRecord)
    if record.engine != engine:
        raise ValueError(f"{path}: engine is {record.engine!r}, not {engine!r}: name another folder with --out")
    check_environment(record.environment, environment, f"{path}: cannot continue: made")
    return record


def _replace(record: SelftestRecord, outcomes: list[Outcome]) -> SelftestRecord:
    import dataclasses

    return dataclasses.replace(record, outcomes=outcomes)


def _format(outcome: Outcome) -> str:
    from mnist_bench.checks.selftest.report import is_right

    if outcome.first is None:
        return f"{'UNSEEN':<12} {outcome.key:<28} {outcome.seconds:.1f} s"
    word = "SEEN" if is_right(outcome) else "OTHER CAUSE"
    return f"{word:<12} {outcome.key:<28} {outcome.first_seconds:.1f} s by {outcome.first}: {outcome.sentence}"
