"""The command `mnist-bench`: declares options, calls the core, shows what comes back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench.cli import ab as cli_ab
from mnist_bench.cli import check as cli_gate
from mnist_bench.cli import compare as cli_compare
from mnist_bench.cli import export as cli_export
from mnist_bench.cli import lab as cli_lab
from mnist_bench.cli import matrix as cli_matrix
from mnist_bench.cli import report as cli_report
from mnist_bench.cli import sweep as cli_sweep
from mnist_bench.cli import timings as cli_timings

if TYPE_CHECKING:
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.workers.pool import Failed

__all__ = ["app", "default_folder", "load_data", "main"]

_INTERRUPTED = 130  # what typer makes of a KeyboardInterrupt, as shells do: 128 + SIGINT

# Help without rich's markup: importing it would double the time that `--help` takes.
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Trains the MNIST lab's Keras models and answers: did something get worse, what, and by how much?",
)

DataOption = Annotated[
    str,
    typer.Option("--data", help="auto, mnist, digits, an .npz file or a folder of IDX files.", metavar="SOURCE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: FBT002
) -> None:
    _Debug.on = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


class _Debug:
    """Whether tracebacks are shown; set once, by the option."""

    on = False


@app.command()
def run(
    labs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LAB]...", help="perceptron, mlp, dropout; all three if none."),
    ] = None,
    engine: Annotated[str, typer.Option(help="eager, graph, xla, epoch or fused.")] = "epoch",
    seed: Annotated[int, typer.Option(help="The first seed.")] = 1671,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to train: seed, seed + 1, ...")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes, each on its share of the cores.")] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; the lab's own number if not given.")] = None,
    data: DataOption = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For records, plots and page; results/TIME if not given."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Train only what DIR has no record of.")] = False,  # noqa: FBT002
    json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Train the lab's models in full, and judge their test accuracy by the lab's thresholds.

    Writes one JSON record a training, the lab's plots and a page, index.html. Exit status: 0 every threshold
    holds, 1 one does not, 2 bad usage or bad input, 3 a training did not finish.
    """
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.labs import LABS

    configs = [
        TrainingConfig(lab=lab, engine=engine, seed=number, epochs=epochs, data=data, device=device)
        for lab in dict.fromkeys(labs or LABS)
        for number in range(seed, seed + seeds)
    ]
    raise typer.Exit(_run(configs, jobs=jobs, out=out, resume=resume, json=json))


@app.command()
def env(
    device: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Show the fingerprint of this environment, with its numerics key and its hardware key."""
    from mnist_bench.records.serial import dump_json
    from mnist_bench.training.backend import choose_device
    from mnist_bench.training.fingerprint import collect_environment

    environment = collect_environment(device=choose_device(device), xla=False)
    if json:
        typer.echo(dump_json(environment), nl=False)
        return
    for name, value in dataclasses.asdict(environment).items():
        typer.echo(f"{name:17} {_format_value(value)}")


@app.command()
def data(
    source: DataOption = "auto",
    json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Show which data would be used: its source, where it lies, its shapes and its digest."""
    from mnist_bench.records.serial import dump_json

    dataset = load_data(source)
    arrays = {name: getattr(dataset, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    if json:
        shapes = {name: array.shape for name, array in arrays.items()}
        facts = {"source": dataset.name, "origin": dataset.origin, "digest": dataset.digest, "shapes": shapes}
        typer.echo(dump_json(facts), nl=False)
        return
    typer.echo(f"source   {dataset.label}\norigin   {dataset.origin}\ndigest   {dataset.digest}")
    for name, array in arrays.items():
        typer.echo(f"{name:8} {array.shape} {array.dtype}")


def _run(configs: list[TrainingConfig], *, jobs: int, out: Path | None, resume: bool, json: bool) -> int:
    """Run a campaign with its progress on stderr and its results on stdout; return the exit status."""
    from mnist_bench.show.console import show_events
    from mnist_bench.training.campaign import plan_campaign, record_name, run_campaign
    from mnist_bench.training.runner import check_config
    from mnist_bench.training.workers.pool import Failed, Finished

    configs = [check_config(config) for config in configs]
    dataset = load_data(configs[0].data)
    if dataset.is_standin and configs[0].data != "auto":  # of `auto`, `load_data` has said so
        typer.echo(f"mnist-bench: training on {dataset.label}", err=True)
    campaign = plan_campaign(configs, out or default_folder(), dataset, resume=resume)
    done, failures = dict(campaign.done), []
    with show_events(campaign.todo) as show:
        for event in run_campaign(campaign, jobs=jobs):
            show(event)
            if isinstance(event, Finished):
                done[record_name(event.record.config)] = event.record
            elif isinstance(event, Failed):
                failures.append(event)
    records = [done[name] for name in map(record_name, configs) if name in done]
    if records:
        _show_results(records, campaign.folder, dataset, json=json)
    return _conclude(records, failures)


def _show_results(records: list[TrainingRecord], folder: Path, dataset: Dataset, *, json: bool) -> None:
    """Write the page of a run, and print its records or its table."""
    from mnist_bench.records.serial import dump_json
    from mnist_bench.show.page import write_run_page

    page = write_run_page(records, folder, image=dataset.x_train[2], label=int(dataset.y_train[2]))
    if json:
        typer.echo(dump_json(records), nl=False)
        return
    from rich.console import Console

    from mnist_bench.show.console import make_run_table

    # A pipe has no width, and rich would cut the figures to 80 columns.
    Console(width=None if sys.stdout.isatty() else 120).print(make_run_table(records))
    typer.echo(f"Records, plots and page: {page}")


def _conclude(records: list[TrainingRecord], failures: list[Failed]) -> int:
    """Say what failed, and return the exit status of a run."""
    from mnist_bench.checks.thresholds import judge_threshold
    from mnist_bench.records.verdicts import Verdict

    # A bad request fails every training alike: say it once.
    for reason in dict.fromkeys(failure.reason for failure in failures):
        typer.echo(f"mnist-bench: {reason}", err=True)
    if _Debug.on:
        for failure in failures:
            typer.echo(failure.details, err=True)
    if failures:
        return 2 if all(failure.bad_input for failure in failures) else 3
    return 0 if all(judge_threshold(record) is Verdict.PASS for record in records) else 1


def load_data(source: str) -> Dataset:
    """Load a data set, with the progress of a download, and say so where it is the stand-in."""
    from mnist_bench.show.console import show_download
    from mnist_bench.training.data.dataset import load_dataset

    with show_download() as progress:
        dataset = load_dataset(source, progress=progress)
    if dataset.is_standin and source == "auto":
        typer.echo(f"mnist-bench: no MNIST at hand: using {dataset.label}", err=True)
    return dataset


def default_folder() -> Path:
    """Return where results go if no folder is given: results/TIME."""
    return Path("results", dt.datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S"))


def _format_value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={it}" for name, it in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(_format_value(it) for it in value) or "none"
    return "none" if value is None else str(value)


app.command()(cli_lab.lab)
app.command()(cli_gate.check)
app.command()(cli_gate.probe)
app.command()(cli_compare.compare)
app.command()(cli_export.export)
app.command("bisect-versions")(cli_compare.bisect_versions)
app.command()(cli_report.report)
app.command()(cli_sweep.sweep)
app.add_typer(cli_gate.baseline, name="baseline")
app.add_typer(cli_matrix.matrix, name="matrix")
app.command()(cli_ab.ab)
app.command()(cli_ab.calibrate)
app.add_typer(cli_timings.timings, name="timings")


def main(arguments: list[str] | None = None) -> None:
    """Run the command and leave with its exit status; an error is one line on standard error."""
    try:
        status = app(arguments, standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is one line and an exit status
        if _Debug.on:
            traceback.print_exc()
        _leave(*_explain(error))
    if status == _INTERRUPTED:
        _leave("interrupted", _INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _explain(error: Exception) -> tuple[str, int]:
    """Return the line and the exit status for an error."""
    usage: Any = getattr(error, "format_message", None)
    if usage is not None:  # click's or typer's own: bad usage
        return usage(), 2
    if isinstance(error, (ValueError, OSError, ModuleNotFoundError)):
        return str(error), 2
    return f"internal error: {type(error).__name__}: {error} (--debug shows where)", 70


def _leave(message: str, status: int) -> None:
    sys.stderr.write(f"mnist-bench: {' '.join(message.split())}\n")
    sys.exit(status)
