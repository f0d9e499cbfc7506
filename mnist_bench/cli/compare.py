"""The command `compare`: two records, or two interpreters, and what is worse in the second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import check_reports, echo, find_versions, write_report

if TYPE_CHECKING:
    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.versions.records import VersionRecord

__all__ = ["compare"]


def compare(
    base: Annotated[
        str, typer.Argument(help="A record, a folder of records, an interpreter or the name of a version.")
    ],
    new: Annotated[str, typer.Argument(help="What may be worse: another of these.")],
    *,
    versions: options.Versions = options.VERSIONS_FOLDER,
    labs: Annotated[
        list[str] | None,
        typer.Option("--lab", help="With two interpreters: the labs to probe; all three if not given."),
    ] = None,
    engine: Annotated[str, typer.Option(help="With two interpreters: the engine.")] = "epoch",
    epochs: Annotated[
        int,
        typer.Option(
            parser=options.whole_number(1),
            metavar="N",
            help="With two interpreters: the epochs to follow; fewer than 5 are not judged.",
        ),
    ] = 5,
    data: Annotated[
        str, typer.Option("--data", metavar="SOURCE", help="With two interpreters: the data, as for `run`.")
    ] = "auto",
    json: options.Json = False,
    markdown: options.Markdown = None,
) -> None:
    """Compare two records: the first stage of training that differs, accuracy and loss, checks and times.

    Of two probes or two interpreters only the bits are compared: other bits are status 3, because only trainings
    say whether they are worse, or 1 if a stage that starts from given weights moved by more than rounding explains.
    Times are only hints, because the two sides were not measured together. Exit status: 0 nothing is worse, 1
    something is worse, 2 the two cannot be compared, 3 inconclusive.
    """
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.show.text import clean_line
    from mnist_bench.training.labs import LABS, check_lab
    from mnist_bench.versions import comparison
    from mnist_bench.versions.sources import find_interpreter, get_probe, load_sides, probe_environment

    def load(text: str) -> dict[str, VersionRecord]:
        python = find_interpreter(text, versions)
        if python is None:
            return load_sides(text, versions)
        names = [check_lab(lab).name for lab in dict.fromkeys(labs or LABS)]
        echo(f"{text}: probing {', '.join(names)} by {engine} ...", err=True)
        return probe_environment(python, names, engine=engine, epochs=epochs, source=data)

    check_reports(markdown)
    versions = find_versions(versions)
    sides = load(base), load(new)
    probes = [probe for probe in map(get_probe, sides) if probe]
    both = len(probes) == len(sides)
    compared = comparison.compare_probe_records(*probes) if both else comparison.compare_sides(*sides)
    if json:
        typer.echo(comparison.format_compared_json(compared), nl=False)
    elif both:
        _show_probes(*probes)
        for result in compared.results:
            if result.evidence:
                echo(clean_line(": ".join(filter(None, (result.verdict.value, result.evidence, result.command)))))
    else:
        echo(comparison.format_compared(compared))
    if markdown is not None:
        write_report(markdown, comparison.format_compared_markdown(compared))
    raise typer.Exit(exit_status(compared.results))


def _show_probes(base: ProbeRecord, new: ProbeRecord) -> None:
    from mnist_bench.checks.records import compare_probes, describe_difference, format_difference
    from mnist_bench.show.text import clean_line
    from mnist_bench.versions.notes import note_basis

    echo(clean_line(describe_difference(base, new)))
    for note in note_basis(new.dataset, [base.environment, new.environment]):
        echo(clean_line(note))
    for difference in compare_probes(base, new):
        echo(f"  {clean_line(difference.stage):<26} {format_difference(difference)}")
