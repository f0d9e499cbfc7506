"""The commands of the gate: check, probe and baseline. A thin shell, which cli.py registers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.records.serial import save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.checks.suite import Plan
    from mnist_bench.records.acceptance import Acceptance
    from mnist_bench.records.verdicts import CheckResult

__all__ = ["baseline", "check", "probe", "write_report"]

LabsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[LAB]...", help="perceptron, mlp, dropout; all three if none.")
]
EngineOption = Annotated[str, typer.Option(help="eager, graph, xla, epoch or fused.")]
DataOption = Annotated[
    str,
    typer.Option("--data", metavar="SOURCE", help="auto, mnist, digits, an .npz file or a folder of IDX files."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or gpu.")]
FolderOption = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The baselines; those that come with the package if not given."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]


def check(
    labs: LabsArgument = None,
    *,
    engine: EngineOption = "epoch",
    seeds: Annotated[int, typer.Option(min=1, help="New seeds to train at most, where the bits have moved.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes, each on its share of the cores.")] = 1,
    against: FolderOption = None,
    data: DataOption = "auto",
    device: DeviceOption = "auto",
    fast: Annotated[
        bool, typer.Option("--fast", help="Stop before bits and accuracy: what needs no baseline.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For the records; those that are there already are not trained again."),
    ] = None,
    json: JsonOption = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a Markdown table.")] = None,
) -> None:
    """Check everything that can have regressed, the sharpest test first, and print a line a check.

    Structure, contracts, arithmetic beside an independent oracle, reproducibility; then the bits of every
    stage beside the baseline's and, where they have moved, the accuracy of new seeds beside the reference's.
    Exit status: 0 all hold, 1 one regressed, 2 bad usage or bad input, 3 inconclusive, 4 no baseline.
    """
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.checks.suite import Plan
    from mnist_bench.cli.app import default_folder, load_data
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.show import text as exports
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.labs import LABS, check_lab

    dataset = load_data(data)
    plan = Plan(
        labs=[check_lab(lab).name for lab in dict.fromkeys(labs or LABS)],
        engine=check_engine(engine).name,
        seeds=seeds,
        jobs=jobs,
        dataset=dataset,
        source=dataset.name if data == "auto" else data,
        baselines=_existing(against) or find_folder(),
        folder=out or default_folder(),
        device=device,
    )
    results = _run_checks(plan, fast=fast, quiet=json)
    if json:
        typer.echo(exports.format_json(results), nl=False)
    else:
        typer.echo(exports.format_summary(results))
    for path, form in ((junit, exports.format_junit), (markdown, exports.format_markdown)):
        if path is not None:
            write_report(path, form(results))
    raise typer.Exit(exit_status(results))


def probe(
    labs: LabsArgument = None,
    *,
    engine: EngineOption = "epoch",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of training to follow.")] = 5,
    seed: Annotated[int, typer.Option(help="The seed.")] = 1671,
    data: DataOption = "auto",
    device: DeviceOption = "auto",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write LAB-ENGINE.json.")] = Path("probes"),
) -> None:
    """Write the digest of every stage of training, one file a lab; `compare` names the first that differs."""
    from mnist_bench.checks.layers.probes import probe as run_probe
    from mnist_bench.cli.app import load_data
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.labs import LABS
    from mnist_bench.training.runner import check_config

    configs = [
        check_config(TrainingConfig(lab=lab, engine=engine, epochs=epochs, seed=seed, device=device))
        for lab in labs or LABS
    ]
    paths = [out / f"{config.lab}-{config.engine}.json" for config in configs]
    for path in paths:
        if path.exists():
            raise FileExistsError(f"{path} exists already: --out takes another folder")
    dataset = load_data(data)
    for config, path in zip(configs, paths, strict=True):
        record = run_probe(config, dataset)
        save(record, path)
        typer.echo(f"{path}: {len(record.stages)} stages, numerics key {record.environment.numerics_key}")


baseline = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, show, accept and compare stored baselines."
)


@baseline.command("list")
def list_all(folder: FolderOption = None) -> None:
    """List the baselines: where they lie, what they are of, how many seeds they have."""
    from mnist_bench.checks import baselines

    place = _existing(folder) or baselines.find_folder()
    paths = list(baselines.list_baselines(place))
    if not paths:
        typer.echo(f"mnist-bench: {place}: no baselines there", err=True)
    for path in paths:
        typer.echo(f"{path.relative_to(place)}: {_describe(path)}")


@baseline.command()
def show(path: Annotated[Path, typer.Argument(help="A baseline file.")]) -> None:
    """Show what one baseline holds, who accepted it and why: every reference, or every stage of a probe."""
    from mnist_bench.checks.baselines import FORMS, AccuracyBaseline
    from mnist_bench.records.serial import load

    it = load(path, *FORMS)
    if not isinstance(it, AccuracyBaseline):
        typer.echo(f"{it.config.lab} by {it.config.engine} on {it.dataset.source}: {_describe(path)}")
        for stage in it.stages:
            typer.echo(f"  {stage.name:<26} {stage.digest[:12]}")
        if it.acceptance:
            typer.echo(f"  {_format_acceptance(it.acceptance)}")
        return
    typer.echo(f"{it.lab} on {it.dataset}; of several references of an engine the last is in force")
    for reference in it.references:
        environment = reference.environment
        typer.echo(
            f"{reference.engine}: {len(reference.seeds)} seeds, {reference.epochs} epochs: "
            f"accuracy {_format_spread(reference.test_accuracy)}, "
            f"loss {_format_spread(reference.test_loss)}\n"
            f"  TensorFlow {environment.tensorflow}, Keras {environment.keras}; "
            f"{_format_acceptance(reference.acceptance)}"
        )


@baseline.command()
def accept(
    records: Annotated[Path, typer.Argument(help="A folder of training records, or of probe files.")],
    *,
    why: Annotated[str, typer.Option(help="The reason, for whoever reviews the file.")],
    folder: FolderOption = None,
    force: Annotated[bool, typer.Option("--force", help="Accept against the rules; the file says which.")] = False,
) -> None:
    """Make records the reference in force. The earlier one is kept; nothing is overwritten.

    Refused where the working tree was dirty, a contract fails, the training is not the lab's, or below the
    lab's threshold.
    """
    from mnist_bench.checks.acceptance import accept_folder
    from mnist_bench.checks.baselines import find_folder

    for path in accept_folder(records, folder or find_folder(), why=why, force=force):
        typer.echo(f"accepted: {path}")


@baseline.command()
def diff(
    base: Annotated[Path, typer.Argument(help="An accuracy baseline, or a probe baseline.")],
    new: Annotated[Path, typer.Argument(help="Another of the same kind.")],
) -> None:
    """Compare two baselines: the statistics' verdict for two references, the stages for two probes."""
    from mnist_bench.checks.acceptance import diff_baselines

    for line in diff_baselines(base, new):
        typer.echo(line)


def _run_checks(plan: Plan, *, fast: bool, quiet: bool) -> list[CheckResult]:
    from mnist_bench.checks.suite import check_fast_layers, run_suite
    from mnist_bench.show.console import show_events_by_config
    from mnist_bench.show.text import format_line

    results = []
    for result in check_fast_layers(plan) if fast else run_suite(plan, show_events_by_config()):
        results.append(result)
        if not quiet:
            typer.echo(format_line(result))
    return results


def write_report(path: Path, text: str) -> None:
    """Write a report to a file, over the one that is there."""
    from mnist_bench.records.files import write_atomically

    # A report is of the last run: a CI job writes it to the same place each time.
    write_atomically(path, text.encode(), overwrite=True)


def _existing(folder: Path | None) -> Path | None:
    if folder is not None and not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    return folder


def _describe(path: Path) -> str:
    from mnist_bench.checks.baselines import FORMS, AccuracyBaseline
    from mnist_bench.records.serial import load

    it = load(path, *FORMS)
    if isinstance(it, AccuracyBaseline):
        return ", ".join(f"{reference.engine} {len(reference.seeds)} seeds" for reference in it.references)
    environment = it.environment
    return f"{len(it.stages)} stages, Keras {environment.keras}, {environment.instruction_set}"


def _format_acceptance(acceptance: Acceptance) -> str:
    forced = f"; FORCED: {'; '.join(acceptance.forced)}" if acceptance.forced else ""
    return f"accepted {acceptance.when} by {acceptance.who}: {acceptance.why}{forced}"


def _format_spread(values: Sequence[float]) -> str:
    import statistics

    sd = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{sd} ({min(values):.4f} to {max(values):.4f})"
