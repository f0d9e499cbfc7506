"""The command export. A thin shell, which cli.py registers."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    records: Annotated[
        list[Path],
        typer.Argument(metavar="RECORDS...", help="Records of versions, or of trainings, or folders of them."),
    ],
    *,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="github-action-benchmark or bencher.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of to stdout.")] = None,
) -> None:
    """Write the figures of records as a tracker of benchmarks reads them: losses, errors, seconds, megabytes.

    Each has its lowest and highest value beside it; smaller is better. What could not be measured is named on
    stderr. Exit status: 0 written, 2 bad usage or bad input, a loss that is not finite included.
    """
    from mnist_bench.cli.check import write_report
    from mnist_bench.versions.report.export import collect_figures, find_gaps
    from mnist_bench.versions.report.trackers import FORMATS, check_format
    from mnist_bench.versions.sources import load_all

    write = FORMATS[check_format(form)]
    there = load_all(records)
    text = write(collect_figures(there))
    for gap in find_gaps(there):
        typer.echo(f"mnist-bench: no figures: {gap}", err=True)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_report(out, text)
