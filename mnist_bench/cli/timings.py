"""The commands `mnist-bench timings ...`: stored runs of the benchmarks. A thin shell, which cli.py registers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mnist_bench.timing.records import TimingRun

__all__ = ["timings"]

RunsArgument = Annotated[list[Path], typer.Argument(metavar="RUN.json...", help="What --benchmark-json wrote.")]
FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", metavar="FOLDER", help="The stored runs; baselines/timings if not given."),
]

timings = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, check and accept stored runs of the benchmarks."
)


@timings.command("list")
def list_all(folder: FolderOption = None) -> None:
    """List the stored runs: hardware, TensorFlow, commit, and who accepted each and why."""
    from mnist_bench.timing.records import load_run
    from mnist_bench.timing.store import list_runs

    place = _find(folder)
    paths = list(list_runs(place))
    if not paths:
        typer.echo(f"mnist-bench: {place}: no runs there", err=True)
    for path in paths:
        typer.echo(f"{path.relative_to(place)}: {_describe(load_run(path))}")


@timings.command()
def check(
    paths: RunsArgument,
    *,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The stored runs, or one of them; baselines/timings if not given."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")] = False,
) -> None:
    """Judge one run, or several together, beside the baseline, and print a line a benchmark.

    Of several runs each benchmark is judged where it was fastest: noise adds time, and a regression is in all of them.
    What ran once has regressed only beyond twice its time; below that it is inconclusive, and its last line says how to
    measure it again. On other hardware times are divided by a control workload's. Exit status: 0 all hold, 1 one
    regressed, 2 bad usage or bad input, 3 inconclusive or not measured, 4 no baseline.
    """
    import numpy as np

    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.show import text
    from mnist_bench.timing.gate import judge_runs
    from mnist_bench.timing.records import load_run
    from mnist_bench.timing.store import expected_names, find_references, load_manifest

    runs = [load_run(path) for path in paths]
    if against is not None and against.is_file():
        folder, references = _find(None), [load_run(against)]
    else:
        folder = _find(against)
        references = find_references(folder, runs[0])
    expected = expected_names(load_manifest(folder), runs[0].machine)
    # The resamples' seed is fixed: the same two files give the same verdict.
    results = judge_runs(runs, references, expected, rng=np.random.default_rng(0))
    if json:
        typer.echo(text.format_json(results), nl=False)
    else:
        for result in results:
            typer.echo(text.format_line(result))
        typer.echo(text.format_summary(results))
    raise typer.Exit(exit_status(results))


@timings.command()
def accept(
    paths: RunsArgument,
    *,
    why: Annotated[str, typer.Option(help="The reason, for whoever reviews the files.")],
    folder: FolderOption = None,
    force: Annotated[bool, typer.Option("--force", help="Accept a dirty working tree; the file says so.")] = False,
) -> None:
    """Make runs the baseline of their hardware and TensorFlow; earlier ones are kept.

    Refused where a test of a run failed, a benchmark of the manifest is missing, or the tree was dirty.
    """
    from mnist_bench.timing.store import accept_runs

    for path in accept_runs(paths, _find(folder), why=why, force=force):
        typer.echo(f"accepted: {path}")


@timings.command()
def manifest(folder: FolderOption = None) -> None:
    """Make those benchmarks the due ones that pytest lists on standard input; review the change.

    pytest benchmarks --collect-only -q | mnist-bench timings manifest
    """
    from mnist_bench.timing.store import write_manifest

    names = [line for line in map(str.strip, sys.stdin) if "::" in line]
    typer.echo(f"{write_manifest(names, _find(folder))}: {len(names)} benchmarks")


def _find(folder: Path | None) -> Path:
    from mnist_bench.checks.baselines import find_folder

    if folder is not None and not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    return folder or find_folder() / "timings"


def _describe(run: TimingRun) -> str:
    acceptance = run.mnist_bench.acceptance
    said = f"accepted {acceptance.when} by {acceptance.who}: {acceptance.why}" if acceptance else "not accepted"
    first = run.benchmarks[0].extra_info
    return (
        f"{run.machine.cpu}, {run.machine.usable_cores} cores, key {run.machine.hardware_key}; "
        f"TensorFlow {first.tensorflow}, Keras {first.keras}; {len(run.benchmarks)} benchmarks; {said}"
    )
