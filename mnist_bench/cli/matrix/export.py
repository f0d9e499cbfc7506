"""The command `matrix export`: the figures of records, for a tracker of benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mnist_bench.cli.shell import check_reports, say, write_report

__all__ = ["export"]


def export(
    records: Annotated[
        list[Path],
        typer.Argument(help="Records of versions or of trainings, or folders of these."),
    ],
    *,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="github-action-benchmark or bencher.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of to stdout.")] = None,
) -> None:
    """Write the figures of records for a tracker of benchmarks.

    The figures are losses, errors, seconds and megabytes. Each figure has its lowest and highest value; smaller is
    better. What could not be measured is named on stderr. Exit status: 0 written, 2 bad usage or bad input, such as a
    loss that is not finite.
    """
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.versions.report.export import FORMATS, check_format, collect_metrics, find_gaps
    from mnist_bench.versions.sources import gather, load_records

    write = FORMATS[check_format(form)]
    check_reports(out)
    loaded = load_records(records)
    versions = gather(loaded, ", ".join(map(str, records[:3])))
    text = write(collect_metrics(versions, [record for record in loaded if isinstance(record, TrainingRecord)]))
    for gap in find_gaps(versions):
        say(f"no figures: {gap}")
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_report(out, text)
