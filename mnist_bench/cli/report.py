"""The commands `report` and `export`: records as a page for people, and as figures for a tracker of benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import check_reports, echo, find_versions, say, write_report

if TYPE_CHECKING:
    from mnist_bench.versions.report.findings import Findings

__all__ = ["export", "report"]


def report(
    records: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RECORDS]...", help="Records of versions, or folders of these; baselines/versions if not given."
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; report.html if neither --out nor --docs is given.")
    ] = None,
    docs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write results.md and images/versions.svg of these records there."),
    ] = None,
) -> None:
    """Show what changed between TensorFlow, Keras and Python versions: one self-contained page.

    Each version is shown next to its predecessor, with what `compare` says of the two. A page that this command
    made is replaced; any other file is left alone. Exit status: 0 written, whatever the page says, 2 bad usage or
    bad input.
    """
    from mnist_bench.records.serial import list_json
    from mnist_bench.versions.report.collection import load_collection, make_collection
    from mnist_bench.versions.report.findings import collect_findings

    versions = find_versions(options.VERSIONS_FOLDER)
    # There may be no records yet: the documents then say so.
    empty = docs is not None and records is None and not list_json(versions)
    findings = collect_findings(make_collection([]) if empty else load_collection(records or [versions]))
    if docs is not None:
        _write_docs(findings, docs)
    if out is not None or docs is None:
        _write_page(findings, out or Path("report.html"))


def export(
    records: Annotated[
        list[Path],
        typer.Argument(metavar="RECORDS...", help="Records of versions or of trainings, or folders of these."),
    ],
    *,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="github-action-benchmark or bencher.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of to stdout.")] = None,
) -> None:
    """Write the figures of records as a tracker of benchmarks reads them: losses, errors, seconds, megabytes.

    Each figure has its lowest and highest value; smaller is better. What could not be measured is named on stderr.
    Exit status: 0 written, 2 bad usage or bad input, such as a loss that is not finite.
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


def _write_page(findings: Findings, path: Path) -> None:
    from mnist_bench.records.files import replace_own
    from mnist_bench.show.text import clean_line
    from mnist_bench.versions.report.page import GENERATOR, format_page

    replace_own(path, format_page(findings).encode(), f'<meta name="generator" content="{GENERATOR}">')
    echo(f"{clean_line(findings.headline.sentence)}\nPage: {path}")


def _write_docs(findings: Findings, folder: Path) -> None:
    from mnist_bench.versions.report.docs import write_docs

    for path in write_docs(findings, folder):
        echo(f"Written: {path}")
