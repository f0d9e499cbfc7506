"""The command `selftest`: faults planted on purpose, and what the checks say of each."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mnist_bench.cli import options
from mnist_bench.cli.given import refuse_given
from mnist_bench.cli.options import count
from mnist_bench.cli.shell import echo, held, load_data, name_source, tell
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.checks.selftest.records import Outcome, SelftestRecord, SelftestTrainings, Training
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.training.workers.cluster import Cluster
    from mnist_bench.versions.replay.measure import Compare
    from mnist_bench.versions.replay.regression import Measure

__all__ = ["selftest"]

_Record = TypeVar("_Record", "SelftestRecord", "SelftestTrainings")

_PLANTED, _REPLAYED, _TRAINED = "selftest.json", "replay.json", "selftest-trainings.json"
_PLANTING = ("faults", "seeds", "clean", "engine", "jobs", "cluster")
_NOT_PLANTED = "No planted faults are on record in this folder: `mnist-bench selftest` plants them."


def _complete_real(begun: str) -> list[str]:
    from mnist_bench.versions.replay.regressions import REGRESSIONS

    return [name for name in ("all", *REGRESSIONS) if name.startswith(begun)]


def selftest(
    context: typer.Context,
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
    seeds: Annotated[
        int | None,
        count("Train the faults' labs in full instead, with each fault and with none, on so many seeds of --data."),
    ] = None,
    clean: Annotated[
        int | None,
        count("Run the checks without any fault instead, each time in a fresh process, so many times in all."),
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
            help="Folder for the records, which are continued, and for selftest.md, the page of all of them.",
        ),
    ] = Path("docs"),
    notebook: Annotated[
        Path | None,
        typer.Option(metavar="FILE.ipynb", help="Write a notebook for a class instead: which test sees the bug?"),
    ] = None,
) -> None:
    """Plant faults, or replay real regressions: which check sees them?

    With --seeds: what do accuracy and loss alone see of the faults, and with how many seeds? With --clean: how often
    is there an alarm without any fault? Outcomes of the same versions, engine and machine are kept; without --fault
    only what is missing is planted. Exit status: 0 every fault was seen, or is known to stay unseen, 1 another fault
    was not seen, or what is sound has an alarm, 2 bad usage or bad input, 3 the checks do not run without any fault.
    """
    if real:
        refuse_given(context, _PLANTING, "has no part in --real: leave one of the two out")
    if notebook is not None:
        refuse_given(context, None, "has no part in --notebook: leave one of the two out", but=("notebook",))
        from mnist_bench.show.notebook import CLASS, write_notebook

        write_notebook(notebook, seed=FIRST_SEED, source=CLASS)
        echo(f"Notebook: {notebook}")
        return
    if clean:
        refuse_given(context, ("faults", "seeds", "cluster"), "has no part in --clean: leave one of the two out")
    path = out / "selftest.md"
    _check_page(path)
    with held(out):
        if real:
            missed = _replay(real, data, out)
        elif clean:
            missed = _run_clean(clean, engine=engine, jobs=jobs, data=data, out=out)
        elif seeds:
            missed = _train_all(
                faults or (), seeds=seeds, engine=engine, jobs=jobs, cluster=cluster, data=data, out=out
            )
        else:
            missed = _plant_all(faults or (), engine=engine, jobs=jobs, cluster=cluster, data=data, out=out)
        _write_page(path, out)
    for line in missed:
        echo(line, err=True)
    raise typer.Exit(1 if missed else 0)


def _run_clean(runs: int, *, engine: str, jobs: int, data: str, out: Path) -> list[str]:
    """Run the checks without any fault until there are so many runs; return a line for each run with an alarm."""
    from mnist_bench.checks.selftest.run import run_clean
    from mnist_bench.records.serial import save
    from mnist_bench.training.engines import check_engine

    path = out / _PLANTED
    source = name_source(data, load_data(data))
    with _open_workers(None, jobs) as (_, environment):
        record = _open_record(path, check_engine(engine).name, source, environment, None)
        save(record, path, overwrite=True)
        todo, failing = max(0, runs - len(record.clean)), record.failing
        for run in run_clean(todo, engine=engine, source=source, failing=failing, jobs=jobs):
            record = dataclasses.replace(record, clean=[*record.clean, run])
            save(record, path, overwrite=True)
            alarms = ", ".join(run.alarms + run.problems) or f"{run.held} checks hold"
            echo(f"run {len(record.clean)} without any fault: {alarms}, {run.seconds:.1f} s")
    return [
        f"run {number} without any fault: {', '.join(run.alarms)}"
        for number, run in enumerate(record.clean, 1)
        if run.alarms
    ]


def _open_record(
    path: Path, engine: str, source: str, environment: EnvironmentRecord, cluster: Cluster | None
) -> SelftestRecord:
    """Return the record to continue, or begin one: by finding the checks that do not hold here without any fault."""
    from mnist_bench.checks.selftest.records import SelftestRecord
    from mnist_bench.checks.selftest.run import find_failing

    kept = _load(path, SelftestRecord, engine, environment)
    if kept:
        return kept
    failing = find_failing(engine, source, cluster)
    return SelftestRecord(environment=environment, engine=engine, failing=failing, outcomes=[])


def _plant_all(
    faults: Sequence[str], *, engine: str, jobs: int, cluster: str | None, data: str, out: Path
) -> list[str]:
    """Plant the faults, and return a line for each that was not seen without a reason."""
    from mnist_bench.checks.selftest.report import find_missed
    from mnist_bench.checks.selftest.run import list_faults, run_faults, run_faults_there
    from mnist_bench.records.serial import save
    from mnist_bench.training.engines import check_engine

    chosen = list_faults(check_engine(engine).name, faults)
    path = out / _PLANTED
    source = name_source(data, load_data(data))  # bad data are told here, and not by a process without any fault
    with _open_workers(cluster, jobs) as (found, environment):
        record = _open_record(path, engine, source, environment, found)
        failing = record.failing
        known = {outcome.key: outcome for outcome in record.outcomes}
        todo = chosen if faults else [fault for fault in chosen if fault not in known]
        asked: dict[str, Any] = {"engine": engine, "source": source, "failing": failing}
        for outcome in run_faults_there(todo, found, **asked) if found else run_faults(todo, jobs=jobs, **asked):
            known[outcome.key] = outcome
            record = dataclasses.replace(record, outcomes=[*known.values()])
            save(record, path, overwrite=True)
            echo(_format(outcome))
        save(record, path, overwrite=True)
    return [f"not seen, and not explained: {outcome.key}" for outcome in find_missed(record)]


def _train_all(
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
    path = out / _TRAINED
    dataset = load_data(data)
    source = name_source(data, dataset)
    data_record = DatasetRecord(source=dataset.name, digest=dataset.digest)
    with _open_workers(cluster, jobs) as (found, environment):
        record = _load(path, SelftestTrainings, engine, environment) or SelftestTrainings(
            environment=environment, engine=engine, dataset=data_record, trainings=[]
        )
        if record.dataset != data_record:
            raise ValueError(f"{path}: data are {record.dataset.source}, not {dataset.name}: another --out, or --data")
        known = {(it.fault, it.lab, it.seed): it for it in record.trainings}
        tasks = list_trainings(chosen, range(FIRST_SEED, FIRST_SEED + seeds))
        todo = [task for task in tasks if tuple(task) not in known]
        asked: dict[str, Any] = {"engine": engine, "source": source}
        for training in train_faults_there(todo, found, **asked) if found else train_faults(todo, jobs=jobs, **asked):
            known[training.fault, training.lab, training.seed] = training
            record = dataclasses.replace(record, trainings=[*known.values()])
            save(record, path, overwrite=True, folded=True)
            echo(_format_training(training))
        save(record, path, overwrite=True, folded=True)
    return [f"{it.key}: {it.problem}" for it in record.trainings if not it.fault and it.problem]


@contextlib.contextmanager
def _open_workers(address: str | None, jobs: int) -> Iterator[tuple[Cluster | None, EnvironmentRecord]]:
    """Give the cluster, or None, and the environment of the processes that will work."""
    from mnist_bench.checks.elsewhere import ask_own_environment
    from mnist_bench.training.workers.cluster import open_cluster

    if address and jobs > 1:
        raise ValueError("--cluster: each fault is a task; not with --jobs")
    with open_cluster(address) if address else contextlib.nullcontext() as found:
        yield found, found.ask_environment("cpu") if found else ask_own_environment("cpu")


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
    """Write the page of what the records in the folder say."""
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.checks.selftest.effects import find_effects, find_references
    from mnist_bench.checks.selftest.effects_report import format_effects
    from mnist_bench.checks.selftest.records import SelftestRecord, SelftestTrainings
    from mnist_bench.checks.selftest.report import MARK, format_report
    from mnist_bench.records.files import replace_own
    from mnist_bench.records.serial import load
    from mnist_bench.versions.replay.records import ReplayRecord
    from mnist_bench.versions.replay.report import format_replays

    planted, replayed, trained = out / _PLANTED, out / _REPLAYED, out / _TRAINED
    trainings = load(trained, SelftestTrainings) if trained.exists() else None
    effects = find_effects(trainings, find_references(trainings.dataset, find_folder())) if trainings else []
    parts = [f"{MARK}\n\n{_NOT_PLANTED}\n"]
    if planted.exists():
        parts = [format_report(load(planted, SelftestRecord), effects)]
    parts += [format_effects(trainings, effects)] if trainings else []
    parts += [format_replays(load(replayed, ReplayRecord))] if replayed.exists() else []
    replace_own(path, "\n".join(parts).encode(), MARK)
    echo(f"written: {path}")


def _load(path: Path, form: type[_Record], engine: str, environment: EnvironmentRecord) -> _Record | None:
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


def _format(outcome: Outcome) -> str:
    from mnist_bench.checks.selftest.report import is_right

    if outcome.first is None:
        return f"{'UNSEEN':<12} {outcome.key:<28} {outcome.seconds:.1f} s"
    word = "SEEN" if is_right(outcome) else "OTHER CAUSE"
    return f"{word:<12} {outcome.key:<28} {outcome.first_seconds:.1f} s by {outcome.first}: {outcome.sentence}"


def _format_training(training: Training) -> str:
    found = training.figures
    loss = "not finite" if found is None or found.loss is None else f"{found.loss:.4f}"
    told = f"accuracy {found.accuracy:.4f}, loss {loss}" if found else training.problem
    return f"{training.key:<48} {told}"
