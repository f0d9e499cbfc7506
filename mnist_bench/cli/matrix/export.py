"""The command `matrix export`: the figures of records, for a tracker of benchmarks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli.shell import check_reports, say, write_report

if TYPE_CHECKING:
    from mnist_bench.records.files import Mark

__all__ = ["export", "make_mark"]


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
    mark = make_mark(form)
    check_reports((out, mark))
    loaded = load_records(records)
    versions = gather(loaded, ", ".join(map(str, records[:3])))
    text = write(collect_metrics(versions, [record for record in loaded if isinstance(record, TrainingRecord)]))
    for gap in find_gaps(versions):
        say(f"no figures: {gap}")
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_report(out, text, mark)


def make_mark(form: str) -> Mark:
    """Return how a file of this format begins, by which an earlier one is known."""
    from mnist_bench.versions.report.export import UNITS

    measures = "|".join(UNITS)
    about = r'"extra": "[^"\n]*; TensorFlow [^"\n]*"'
    forms = {
        "github-action-benchmark": rf'\[\s+{{\s+{about},\s+"name": "[^"\n]*/({measures})"',
        "bencher": rf'{{\s+"[^"\n]+": {{\s+"({measures})": {{\s+"(lower_)?value": ',
    }
    return re.compile(forms[form].encode())
