"""The command `report`: a thin shell, which cli.py registers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli.matrix import DEFAULT_FOLDER

if TYPE_CHECKING:
    from mnist_bench.versions.report.findings import Facts

__all__ = ["report"]


def report(
    records: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RECORDS]...", help="Versions' records, or folders of them; baselines/versions if none."
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; report.html if neither it nor --docs is given.")
    ] = None,
    docs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write results.md and images/versions.svg there, of these records."),
    ] = None,
) -> None:
    """Show what changed between TensorFlow, Keras and Python versions: one self-contained page.

    Each version stands beside its predecessor, with what `compare` says of the two. A page that this command made
    is replaced, another file never is. Exit status: 0 it is written, whatever it says; 2 bad usage or bad input.
    """
    from mnist_bench.versions.report.collection import load_collection, make_collection
    from mnist_bench.versions.report.findings import collect_facts

    paths = records or [DEFAULT_FOLDER]
    # The documents have a page before there are records.
    empty = docs is not None and records is None and not list(DEFAULT_FOLDER.glob("*.json"))
    facts = collect_facts(make_collection([]) if empty else load_collection(paths))
    if docs is not None:
        _write_docs(facts, docs)
    if out is not None or docs is None:
        _write_page(facts, out or Path("report.html"))


def _write_page(facts: Facts, path: Path) -> None:
    from mnist_bench.records.files import replace_own
    from mnist_bench.versions.report.page import GENERATOR, format_page

    replace_own(path, format_page(facts).encode(), mark=f'<meta name="generator" content="{GENERATOR}">')
    typer.echo(facts.headline.sentence)
    typer.echo(f"Page: {path}")


def _write_docs(facts: Facts, folder: Path) -> None:
    from mnist_bench.versions.report.docs import write_docs

    for path in write_docs(facts, folder):
        typer.echo(f"Written: {path}")
