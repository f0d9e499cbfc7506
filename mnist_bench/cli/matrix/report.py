"""The command `matrix report`: what changed between versions, as a page for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import echo, find_versions

if TYPE_CHECKING:
    from mnist_bench.versions.report.findings import Findings

__all__ = ["report"]


def report(
    records: Annotated[
        list[Path] | None,
        typer.Argument(help="Records of versions, or folders of these; baselines/versions if not given."),
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
    """Write a page that shows what changed between versions.

    The page is self-contained. Each version is compared with the one before, and any two versions can be chosen, with
    what `compare` says of the two. A page that this command made is replaced; any other file is left alone. Exit
    status: 0 written, whatever the page says, 2 bad usage or bad input.
    """
    from mnist_bench.records.files import check_folder, check_replaceable, place_in
    from mnist_bench.records.serial import list_json
    from mnist_bench.versions.report.collection import load_collection, make_collection
    from mnist_bench.versions.report.findings import collect_findings
    from mnist_bench.versions.report.page import PAGE_MARKS

    if docs is not None:
        check_folder(docs)
        images = place_in(docs, "images")
        if out is not None and out.resolve() in ((docs / "results.md").resolve(), (images / "versions.svg").resolve()):
            raise ValueError(f"{out}: --docs writes to this file: choose another one with --out")
    page = Path("report.html") if out is None and docs is None else out
    if page is not None:
        check_replaceable(page, *PAGE_MARKS)
    versions = find_versions(options.VERSIONS_FOLDER)
    # There may be no records yet: the documents then say so.
    empty = docs is not None and records is None and not list_json(versions)
    findings = collect_findings(make_collection([]) if empty else load_collection(records or [versions]))
    if docs is not None:
        _write_docs(findings, docs)
    if page is not None:
        _write_page(findings, page)


def _write_page(findings: Findings, path: Path) -> None:
    from mnist_bench.records.files import replace_own
    from mnist_bench.show.text import clean_line
    from mnist_bench.versions.report.page import PAGE_MARKS, format_page

    replace_own(path, format_page(findings).encode(), *PAGE_MARKS)
    echo(f"{clean_line(findings.headline.sentence)}\nPage: {path}")


def _write_docs(findings: Findings, folder: Path) -> None:
    from mnist_bench.versions.report.docs import write_docs

    for path in write_docs(findings, folder):
        echo(f"Written: {path}")
