"""The commands `baseline ...`: list, show, compare and accept stored baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.families import make_family
from mnist_bench.cli.shell import echo, existing_folder, say

if TYPE_CHECKING:
    from mnist_bench.checks.baselines import AccuracyBaseline
    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.records.acceptance import Acceptance

__all__ = ["baseline"]

baseline = make_family("List, show, compare and accept stored baselines.")


@baseline.command("list")
def list_all(folder: options.Baselines = None) -> None:
    """List the baselines, what each is of, and how many seeds it has."""
    from mnist_bench.checks.baselines import FORMS, find_folder, list_baselines
    from mnist_bench.records.serial import load

    place = existing_folder(folder) or find_folder()
    paths = list(list_baselines(place))
    if not paths:
        say(f"{place}: no baselines")
    for path in paths:
        echo(f"{path.relative_to(place)}: {_describe(load(path, *FORMS))}")


@baseline.command()
def show(path: Annotated[Path, typer.Argument(help="A baseline file.")]) -> None:
    """Show what a baseline holds, who accepted it and why.

    That is every reference of an accuracy baseline, or every stage of a probe.
    """
    from mnist_bench.checks.baselines import FORMS, AccuracyBaseline
    from mnist_bench.records.serial import load
    from mnist_bench.show.text import clean_line, format_spread

    stored = load(path, *FORMS)
    if not isinstance(stored, AccuracyBaseline):
        echo(f"{stored.config.lab} by {stored.config.engine} on {stored.dataset.source}: {_describe(stored)}")
        for stage in stored.stages:
            echo(f"  {clean_line(stage.name):<26} {clean_line(stage.digest[:12])}")
        if stored.acceptance:
            echo(f"  {_format_acceptance(stored.acceptance)}")
        return
    echo(f"{stored.lab} on {stored.dataset}; if an engine has several references, the last is in force")
    for reference in stored.references:
        figures = reference.test_accuracy, reference.test_loss
        accuracy, loss = (format_spread(values, (min(values), max(values))) for values in figures)
        environment = reference.environment
        echo(
            f"{reference.engine}: {len(reference.seeds)} seeds, {reference.epochs} epochs: "
            f"accuracy {accuracy}, loss {loss}\n"
            f"  TensorFlow {clean_line(environment.tensorflow)}, Keras {clean_line(environment.keras)}; "
            f"{_format_acceptance(reference.acceptance)}"
        )


@baseline.command()
def diff(
    base: Annotated[Path, typer.Argument(help="An accuracy baseline, or a probe baseline.")],
    new: Annotated[Path, typer.Argument(help="Another of the same kind.")],
) -> None:
    """Compare two baselines of the same kind.

    Two references are compared by their statistics, two probes by their stages. Exit status: 0 nothing is worse, 1
    something is worse, 2 the two cannot be compared, 3 inconclusive.
    """
    from mnist_bench.checks.acceptance import diff_baselines
    from mnist_bench.records.verdicts import EXIT_STATUS, conclude

    verdicts = []
    for line, verdict in diff_baselines(base, new):
        echo(line)
        verdicts.append(verdict)
    raise typer.Exit(EXIT_STATUS[conclude(verdicts)])


@baseline.command()
def accept(
    records: Annotated[
        Path, typer.Argument(help="A folder of training records, or of what `check --save-digests` wrote.")
    ],
    *,
    why: options.Why,
    folder: options.Baselines = None,
    force: Annotated[
        bool, typer.Option("--force", help="Accept against the rules; the file says which are broken.")
    ] = False,
) -> None:
    """Make records the reference in force.

    The earlier reference is kept; nothing is overwritten. Refused if the working tree was dirty, a contract fails, the
    training is not the lab's, or more than one in a hundred is below the lab's threshold. Exit status: 0 accepted, 2
    refused.
    """
    from mnist_bench.checks.acceptance import accept_folder
    from mnist_bench.checks.baselines import find_folder

    for path in accept_folder(records, folder or find_folder(), why=why, force=force):
        echo(f"accepted: {path}")


def _describe(stored: AccuracyBaseline | ProbeRecord) -> str:
    from mnist_bench.checks.baselines import AccuracyBaseline
    from mnist_bench.show.text import clean_line

    if isinstance(stored, AccuracyBaseline):
        return ", ".join(f"{reference.engine} {len(reference.seeds)} seeds" for reference in stored.references)
    environment = stored.environment
    return clean_line(f"{len(stored.stages)} stages, Keras {environment.keras}, {environment.instruction_set}")


def _format_acceptance(acceptance: Acceptance) -> str:
    from mnist_bench.show.text import clean_line

    forced = f"; FORCED: {'; '.join(acceptance.forced)}" if acceptance.forced else ""
    return clean_line(f"accepted {acceptance.when} by {acceptance.who}: {acceptance.why}{forced}")
