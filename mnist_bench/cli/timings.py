"""The commands `timings ...`: list, check, accept, calibrate and follow stored runs of the benchmarks."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.families import make_family
from mnist_bench.cli.shell import check_reports, echo, existing_folder, load_data, name_source, say

if TYPE_CHECKING:
    from mnist_bench.timing.records import TimingRun

__all__ = ["timings"]

timings = make_family("List, check and accept stored runs of the benchmarks.")


@timings.command("list")
def list_all(folder: options.RunsFolder = None) -> None:
    """List the stored runs, and who accepted each and why."""
    from mnist_bench.timing.records import load_run
    from mnist_bench.timing.store import list_runs

    place = _find(folder)
    paths = list(list_runs(place))
    if not paths:
        say(f"{place}: no runs")
    for path in paths:
        echo(f"{path.relative_to(place)}: {_describe(load_run(path))}")


@timings.command()
def check(
    paths: options.Runs,
    *,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The stored runs, or one of these; baselines/timings if not given."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Judge runs of the benchmarks against the baseline.

    Prints one line per benchmark. Of several runs each benchmark is judged by its fastest: noise only adds time, and a
    regression is in all runs. A benchmark with one run has regressed only beyond twice the baseline's time; a slow-down
    below that is inconclusive, and the last line of the result says how to measure again. On other hardware times are
    divided by those of a control workload. Exit status: 0 every benchmark holds, 1 a benchmark regressed, 2 bad usage
    or bad input, 3 inconclusive or not measured, 4 no baseline.
    """
    import numpy as np

    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.show.text import format_json, format_line, format_summary
    from mnist_bench.timing.calibration import find_calibration, format_calibration
    from mnist_bench.timing.gate import judge_runs
    from mnist_bench.timing.records import load_run
    from mnist_bench.timing.runs import refuse_bad_references
    from mnist_bench.timing.store import expected_names, find_references, load_manifest

    runs = [load_run(path) for path in paths]
    if against is not None and against.is_file():
        folder, references = _find(None), [load_run(against)]
    else:
        folder = _find(against)
        references = find_references(folder, runs[0])
    refuse_bad_references(runs, references)
    expected = expected_names(load_manifest(folder), runs[0].machine)
    # The resamples' seed is fixed: the same two files give the same verdict.
    results = judge_runs(runs, references, expected, rng=np.random.default_rng(0))
    if json:
        typer.echo(format_json(results), nl=False)
    else:
        trust = format_calibration(find_calibration(folder, runs[0].machine.hardware_key))
        echo("\n".join([*map(format_line, results), trust, format_summary(results)]))
    raise typer.Exit(exit_status(results))


@timings.command()
def accept(
    paths: options.Runs,
    *,
    why: options.Why,
    folder: options.RunsFolder = None,
    force: Annotated[bool, typer.Option("--force", help="Accept a dirty working tree; the file says so.")] = False,
) -> None:
    """Make runs the baseline of their hardware and TensorFlow.

    Earlier runs are kept. Refused if a test of a run failed, a benchmark of the manifest is missing or has fewer than
    three rounds, a run is given twice, or the working tree was dirty. Exit status: 0 accepted, 2 refused.
    """
    from mnist_bench.timing.store import accept_runs

    for path in accept_runs(paths, _find(folder), why=why, force=force):
        echo(f"accepted: {path}")


@timings.command()
def calibrate(
    paths: options.Runs,
    *,
    folder: options.RunsFolder = None,
    force: Annotated[bool, typer.Option("--force", help="Replace this machine's earlier calibration.")] = False,
) -> None:
    """Measure how often the verdicts are wrong on this machine.

    Four or more unchanged runs of one machine and one TensorFlow are judged by each other: how many checks have a false
    alarm, and the smallest slow-down of which 90% is found. The result is stored for the runs' hardware key, and every
    later check shows it. Exit status: 0 stored, 2 refused.
    """
    from mnist_bench.records.serial import save
    from mnist_bench.timing.calibration import calibrate, format_calibration, gate_path
    from mnist_bench.timing.records import load_run

    calibration = calibrate([load_run(path) for path in paths])
    path = gate_path(_find(folder), calibration.hardware_key)
    try:
        save(calibration, path, overwrite=force)
    except FileExistsError as error:
        raise ValueError(f"{path}: this machine has a calibration: --force replaces it") from error
    echo(format_calibration(calibration))
    echo(f"stored: {path}")


@timings.command()
def history(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN.json", help="Further runs, or folders of runs that --benchmark-save stored."),
    ] = None,
    *,
    folder: options.RunsFolder = None,
    machine: Annotated[
        str | None, typer.Option(metavar="KEY", help="The hardware key of the runs; this machine's if not given.")
    ] = None,
    tensorflow: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Only runs of this TensorFlow; of all if not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page with a plot a benchmark.")] = None,
    json: options.Json = False,
) -> None:
    """Show how the benchmarks of one machine changed over time.

    The stored runs and those that are given are put in the order of time. For each benchmark the changes are found, and
    named with the versions that changed with them. Needs 'mnist-bench[history]' and six runs. Exit status: 0 the newest
    level of no benchmark is slower than the one before by more than the bound, 1 one is, 2 bad usage or bad input,
    3 too few runs, or the machine itself became slower.
    """
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.show.text import format_json, format_line, format_summary
    from mnist_bench.timing.history import collect_history, judge_history, pick_machine, pick_version
    from mnist_bench.timing.history_page import HISTORY_MARK, write_history_page
    from mnist_bench.timing.machine import collect_hardware
    from mnist_bench.timing.records import load_run
    from mnist_bench.timing.store import list_given_runs, list_runs

    check_reports((out, HISTORY_MARK))
    files = [*list_runs(_find(folder)), *(path for place in paths or [] for path in list_given_runs(place))]
    loaded = list(map(load_run, files))
    if tensorflow is not None:
        loaded = pick_version(loaded, tensorflow)
    runs = pick_machine(loaded, machine or collect_hardware().hardware_key)
    versions = [version for version, _ in itertools.groupby(run.tensorflow for run in runs)]
    if back := [version for version in versions if versions.count(version) > 1]:
        say(f"the runs alternate between versions of TensorFlow: --tensorflow {back[0]} shows the runs of one")
    histories = collect_history(runs)
    results = [judge_history(history) for history in histories]
    if out:
        write_history_page(histories, results, runs[-1].machine, out)
    if json:
        typer.echo(format_json(results), nl=False)
    else:
        left_out = len(loaded) - len(runs)
        head = (
            f"{len(runs)} runs of {runs[-1].machine.hardware_key}, {left_out} of other machines or data, or given twice"
        )
        echo("\n".join([head, *map(format_line, results), format_summary(results)]))
    raise typer.Exit(exit_status(results))


@timings.command()
def memory(
    *,
    lab: options.Lab = "mlp",
    engine: options.Engine = "fused",
    data: options.Data = "auto",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the record to this new file.")] = None,
    against: Annotated[Path | None, typer.Option(metavar="FILE", help="The record to compare with.")] = None,
) -> None:
    """Judge the memory of an import and of a training of 20 epochs.

    A fresh process imports TensorFlow and trains. Compared with an earlier record of the same machine: the import and
    the peak of the training may be 1.1 times as large, and an epoch may leave 0.5 MB more behind. Exit status: 0 all
    hold or only measured, 1 regressed, 2 bad usage or bad input, 3 not measured.
    """
    from mnist_bench.records.files import check_replaceable
    from mnist_bench.records.serial import load, save
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.show.text import format_line, format_summary
    from mnist_bench.stats.intervals import format_signed
    from mnist_bench.timing.memory import MemoryRecord, judge_memory, measure_memory
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.labs import check_lab

    check_lab(lab)
    check_engine(engine)
    before = load(against, MemoryRecord) if against else None
    if out:
        check_replaceable(out)
    record = measure_memory(lab, engine, data=name_source(data, load_data(data)))
    say(
        f"import {record.import_mb:.0f} MB, peak of the training {record.peak_mb:.0f} MB, "
        f"growth {format_signed(record.growth_mb, 2)} MB an epoch"
    )
    if out:
        save(record, out)
    if before:
        results = judge_memory(record, before)
        echo("\n".join([*map(format_line, results), format_summary(results)]))
        raise typer.Exit(exit_status(results))


@timings.command()
def manifest(folder: options.RunsFolder = None) -> None:
    """Write the manifest, which lists the benchmarks that are due.

    The benchmarks are those that pytest lists on standard input:

    pytest benchmarks --collect-only -q | mnist-bench timings manifest

    Review the change before you commit the manifest.
    """
    from mnist_bench.timing.store import load_manifest, write_manifest

    try:
        lines = sys.stdin.read().splitlines()
    except (AttributeError, OSError, UnicodeError) as error:  # closed, or no text
        raise ValueError(f"standard input cannot be read: {error}") from error
    if not lines:
        raise ValueError("standard input is empty: pytest benchmarks --collect-only -q | mnist-bench timings manifest")
    path = write_manifest(lines, _find(folder))
    written = load_manifest(path.parent)
    echo(f"{path}: {len(written.cpu) + len(written.gpu)} benchmarks")


def _find(folder: Path | None) -> Path:
    from mnist_bench.checks.baselines import find_folder

    return existing_folder(folder) or find_folder() / "timings"


def _describe(run: TimingRun) -> str:
    from mnist_bench.show.text import clean_line

    acceptance = run.mnist_bench.acceptance
    accepted = f"accepted {acceptance.when} by {acceptance.who}: {acceptance.why}" if acceptance else "not accepted"
    first = run.benchmarks[0].extra_info
    return clean_line(
        f"{run.machine.cpu}, {run.machine.usable_cores} cores, key {run.machine.hardware_key}; "
        f"TensorFlow {first.tensorflow}, Keras {first.keras}; {len(run.benchmarks)} benchmarks; {accepted}"
    )
