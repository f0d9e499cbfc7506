"""The command `selftest`: faults planted on purpose, and what the checks say of each."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import echo, load_data, tell
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.checks.selftest.records import Outcome, SelftestRecord
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.training.workers.cluster import Cluster
    from mnist_bench.versions.replay.measure import Compare
    from mnist_bench.versions.replay.regression import Measure

__all__ = ["selftest"]

_PLANTED, _REPLAYED = "selftest.json", "replay.json"
_NOT_PLANTED = "No planted faults are on record in this folder: `mnist-bench selftest` plants them."


def _complete_real(begun: str) -> list[str]:
    from mnist_bench.versions.replay.regressions import REGRESSIONS

    return [name for name in ("all", *REGRESSIONS) if name.startswith(begun)]


def selftest(
    *,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="NAME", help="A fault to plant, again if it was; all that were not, if none."),
    ] = None,
    real: Annotated[
        list[str] | None,
        typer.Option(
            "--real",
            metavar="NAME",
            help="A real regression to replay instead, again if it was; 'all' for all that were not. "
            "Its environments are made by uv.",
            autocompletion=_complete_real,
        ),
    ] = None,
    engine: options.Engine = "graph",
    jobs: options.Jobs = 1,
    cluster: options.Cluster = None,
    data: options.Data = "digits",
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for selftest.json, replay.json, which are continued, and the page of both, selftest.md.",
        ),
    ] = Path("docs"),
    notebook: Annotated[
        Path | None,
        typer.Option(metavar="FILE.ipynb", help="Write a notebook for a class instead: which test sees the bug?"),
    ] = None,
) -> None:
    """Plant faults, or replay real regressions: which check sees them?

    Outcomes of the same versions, engine and machine are kept; without --fault only what is missing is planted. Exit
    status: 0 every fault was seen, or is known to stay unseen, 1 another fault was not seen, or a good side has an
    alarm, 2 bad usage or bad input, 3 the checks do not run without any fault.
    """
    if notebook is not None:
        from mnist_bench.show.notebook import CLASS, write_notebook

        write_notebook(notebook, seed=FIRST_SEED, source=CLASS)
        echo(f"Notebook: {notebook}")
        return
    path = out / "selftest.md"
    _check_page(path)
    if real:
        missed = _replay(real, data, out)
    else:
        missed = _plant_all(faults or (), engine=engine, jobs=jobs, cluster=cluster, data=data, out=out)
    _write_page(path, out)
    for line in missed:
        echo(line, err=True)
    raise typer.Exit(1 if missed else 0)


def _plant_all(
    faults: Sequence[str], *, engine: str, jobs: int, cluster: str | None, data: str, out: Path
) -> list[str]:
    """Plant the faults, and return a line for each that was not seen without a reason."""
    from mnist_bench.checks.elsewhere import ask_own_environment
    from mnist_bench.checks.selftest.records import SelftestRecord
    from mnist_bench.checks.selftest.report import find_missed
    from mnist_bench.checks.selftest.run import find_failing, list_faults
    from mnist_bench.records.serial import save
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.workers.cluster import open_cluster

    chosen = list_faults(check_engine(engine).name, faults)
    path = out / _PLANTED
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
        save(record, path, overwrite=True)
    return [f"not seen, and not explained: {outcome.key}" for outcome in find_missed(record)]


def _replay(names: Sequence[str], data: str, out: Path) -> list[str]:
    """Replay real regressions, and return a line for each outcome that nothing explains."""
    from mnist_bench.own.upgrade.replay import compare_model
    from mnist_bench.versions.replay.report import find_unexplained, format_outcome
    from mnist_bench.versions.replay.run import choose, open_record, replay

    chosen = choose(names)
    path = out / _REPLAYED
    record = open_record(path, load_data(data).name if data == "auto" else data)
    outcomes = []
    further: dict[Measure, Compare] = {"model": compare_model}
    for outcome in replay(chosen, record, path, again="all" not in names, tell=tell, further=further):
        echo(format_outcome(outcome))
        outcomes.append(outcome)
    return [format_outcome(outcome) for outcome in find_unexplained(outcomes)]


def _check_page(path: Path) -> None:
    from mnist_bench.checks.selftest.report import MARK
    from mnist_bench.records.files import check_replaceable

    check_replaceable(path, MARK)


def _write_page(path: Path, out: Path) -> None:
    """Write the page of what both records in the folder say."""
    from mnist_bench.checks.selftest.records import SelftestRecord
    from mnist_bench.checks.selftest.report import MARK, format_report
    from mnist_bench.records.files import replace_own
    from mnist_bench.records.serial import load
    from mnist_bench.versions.replay.records import ReplayRecord
    from mnist_bench.versions.replay.report import format_replays

    planted, replayed = out / _PLANTED, out / _REPLAYED
    parts = [format_report(load(planted, SelftestRecord)) if planted.exists() else f"{MARK}\n\n{_NOT_PLANTED}\n"]
    parts += [format_replays(load(replayed, ReplayRecord))] if replayed.exists() else []
    replace_own(path, "\n".join(parts).encode(), MARK)
    echo(f"written: {path}")


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
