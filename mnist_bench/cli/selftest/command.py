"""The command `selftest` itself: its options, and which of its parts works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.given import refuse_given
from mnist_bench.cli.options import count
from mnist_bench.cli.selftest.page import check_page, write_page
from mnist_bench.cli.selftest.planted import plant_all, run_all_clean
from mnist_bench.cli.selftest.replayed import replay_all
from mnist_bench.cli.selftest.trained import train_all
from mnist_bench.cli.shell import echo, held
from mnist_bench.records.config import FIRST_SEED

__all__ = ["selftest"]

_PLANTING = ("faults", "seeds", "clean", "engine", "jobs", "cluster")


def _complete_real(begun: str) -> list[str]:
    from mnist_bench.versions.replay.regressions import REGRESSIONS

    return [name for name in ("all", *REGRESSIONS) if name.startswith(begun)]


def selftest(
    context: typer.Context,
    *,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME",
            help="A fault to plant in each of its strengths, again if it was (with --seeds: if it did not end); "
            "all that were not, if none.",
        ),
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
    check_page(path, out)
    with held(out):
        status = 1  # of what is missed
        if real:
            missed = replay_all(real, data, out)
        elif clean:
            missed, status = run_all_clean(clean, engine=engine, jobs=jobs, data=data, out=out)
        elif seeds:
            missed = train_all(faults or (), seeds=seeds, engine=engine, jobs=jobs, cluster=cluster, data=data, out=out)
        else:
            missed = plant_all(faults or (), engine=engine, jobs=jobs, cluster=cluster, data=data, out=out)
        write_page(path, out)
    for line in missed:
        echo(line, err=True)
    raise typer.Exit(status if missed else 0)
