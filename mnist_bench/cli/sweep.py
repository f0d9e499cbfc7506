"""The command `sweep`: what other hyperparameters would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import check_resume, default_folder, held, load_data, say
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.sweep.records import SweepPlan, SweepRecord
    from mnist_bench.sweep.workers import Order
    from mnist_bench.training.data.dataset import Dataset

__all__ = ["sweep"]

_UNFINISHED = 3


def sweep(
    *,
    lab: options.Lab = "dropout",
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACTOR=LEVELS",
            help="epochs, learning_rate, hidden, dropout, optimizer or batch_size, and its levels separated by commas;"
            " may be given more than once. The lab sheet's homework if not given.",
        ),
    ] = None,
    seeds: Annotated[
        int,
        options.count("How many seeds to train each point with: 1671, 1672, ..."),
    ] = 3,
    sampler: Annotated[
        str, typer.Option(metavar="SAMPLER", help="one-at-a-time (around the lab's own values), grid, random or tpe.")
    ] = "one-at-a-time",
    trials: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number(),
            metavar="N",
            help="Points for random and tpe, in addition to the lab's own; 30 if not given.",
        ),
    ] = None,
    jobs: options.Jobs = 1,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The study's database, to be shared; an SQLite file in FOLDER if not given."),
    ] = None,
    study: Annotated[str, typer.Option(metavar="NAME", help="The study's name in its database.")] = "sweep",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the study in FOLDER, or in --storage.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Stop points whose validation accuracy lags behind the median.")
    ] = False,
    data: options.Data = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for study, tables, plots and page; results/TIME if not given."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Explore the hyperparameters: what would other values do?

    Trains many variants of a lab, and ranks them by validation accuracy. The test set is used once, at the end, for the
    best three points and the lab's own point. The same command started on several machines with one --storage shares
    the work. Exit status: 0 every point has ended, 2 bad usage or bad input, 3 a point failed.
    """
    import numpy as np

    from mnist_bench.records.environment import DatasetRecord
    from mnist_bench.sweep.page import check_page_folder
    from mnist_bench.sweep.records import SweepPlan
    from mnist_bench.sweep.space import list_points, make_space
    from mnist_bench.sweep.storage import load_optuna
    from mnist_bench.sweep.study import HEARTBEAT_SECONDS
    from mnist_bench.sweep.trials import check_points
    from mnist_bench.sweep.workers import Order

    load_optuna()  # if Optuna is missing, say so before anything is done
    space = make_space(lab, vary or [])
    points = list_points(space, sampler, trials, np.random.default_rng(FIRST_SEED))
    if storage is None:  # a study of a server is found by its name
        check_resume(out, resume=resume)
    folder = out or default_folder()
    database = folder / "sweep.db"
    if storage is None and database.exists() and not resume:
        raise FileExistsError(f"{database} exists already: continue with --resume, or choose another folder with --out")
    dataset = load_data(data)
    plan = SweepPlan(
        space=space,
        sampler=sampler,
        trials=trials,
        seeds=list(range(FIRST_SEED, FIRST_SEED + seeds)),
        prune=prune,
        dataset=DatasetRecord(source=dataset.name, digest=dataset.digest),
    )
    check_points(plan, points)
    check_page_folder(folder)
    order = Order(
        storage=storage or f"sqlite:///{database}",
        study=study,
        data=dataset.name if data == "auto" else data,
        heartbeat=HEARTBEAT_SECONDS,
    )
    with held(out):
        status = _run(order, plan, points, dataset, jobs=jobs, folder=folder, json=json)
    raise typer.Exit(status)


def _run(
    order: Order, plan: SweepPlan, points: list[Any], dataset: Dataset, *, jobs: int, folder: Path, json: bool
) -> int:
    """Run a sweep and its tests, write and print the results, and return the exit status."""
    import dataclasses

    from mnist_bench.records.serial import dump_record
    from mnist_bench.sweep.page import format_table, write_sweep
    from mnist_bench.sweep.results import choose_trials
    from mnist_bench.sweep.trials import make_record, open_sweep, open_tests
    from mnist_bench.sweep.workers import WorkersLostError, work_off

    study = open_sweep(order.storage, order.study, plan, points, heartbeat=order.heartbeat)
    say(f"sweep of {plan.space.lab} on {dataset.label}: {len(points)} points, {len(plan.seeds)} seeds each")
    tests = None
    try:
        work_off(order, jobs=jobs, watch=_make_watcher(lambda: make_record(study, None)))
        record = make_record(study, None)
        chosen = choose_trials(record)
        if chosen:
            say(f"testing the best points and the lab's own: {len(chosen)} points")
            name = f"{order.study}-test"
            tests = open_tests(order.storage, name, plan, chosen, heartbeat=order.heartbeat)
            work_off(dataclasses.replace(order, study=name), jobs=jobs, watch=lambda: None)
    except WorkersLostError as error:
        say(f"{error}; --resume continues the sweep")
        return _UNFINISHED
    record = make_record(study, tests)
    if chosen:
        page = write_sweep(record, folder)
        typer.echo(
            dump_record(record) if json else f"{format_table(record)}\n\nTables, plots and page: {page}", nl=not json
        )
    return _conclude(record, len(chosen))


def _make_watcher(read: Callable[[], SweepRecord]) -> Callable[[], None]:
    """Return a function that prints each trial that has ended since the last call."""
    from mnist_bench.sweep.page import describe_fate
    from mnist_bench.sweep.space import describe_point

    told: set[int] = set()

    def watch() -> None:
        record = read()
        for trial in record.trials:
            if trial.state != "unfinished" and trial.number not in told:
                told.add(trial.number)
                fate = describe_fate(trial)
                say(f"{len(told)}/{len(record.trials)} {describe_point(trial.point or {})}: {fate}")

    return watch


def _conclude(record: SweepRecord, chosen: int) -> int:
    failed = [trial for trial in record.trials if trial.state not in ("complete", "pruned")]
    for trial in failed:
        say(f"trial {trial.number} has no result: {trial.reason or trial.state}")
    untested = chosen - len(record.tested)
    if untested:
        say(f"{untested} of the {chosen} chosen points could not be tested")
    return _UNFINISHED if failed or untested else 0
