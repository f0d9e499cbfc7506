"""The command `lab`: the lab sheet, walked or written as a notebook. A thin shell, which cli.py registers."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mnist_bench.checks.sheet.facts import Fact
    from mnist_bench.checks.sheet.walk import Walk
    from mnist_bench.records.training import TrainingRecord

__all__ = ["lab"]

_SEED = 1671  # the sheet's


def lab(
    *,
    section: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Only this section, 1 to 6; may be repeated.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Train by a quicker engine that gives the same bits.")] = False,
    seed: Annotated[int, typer.Option(help="The seed.")] = _SEED,
    data: Annotated[
        str,
        typer.Option("--data", metavar="SOURCE", help="auto, mnist, digits, an .npz file or a folder of IDX files."),
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For records, plots and page; results/TIME if not given."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Train only what DIR has no record of.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")] = False,
    notebook: Annotated[
        Path | None,
        typer.Option(metavar="FILE.ipynb", help="Write the lab as a notebook instead, and train nothing."),
    ] = None,
) -> None:
    """Walk the lab sheet, section by section: everything that it prints, beside the sheet's own figures.

    Trains as the sheet does, which takes minutes; --fast takes a fraction of that. Exit status: 0 all is as it
    should be, 1 a fact that can have one value only has another, or an accuracy is below the lab's threshold,
    2 bad usage or bad input.
    """
    if notebook is not None:
        if section or fast or out or resume or json or data != "auto":
            raise ValueError("--notebook trains nothing: beside it only --seed is allowed")
        _write_notebook(notebook, seed)
        return
    raise typer.Exit(_walk(_plan(section or [], fast=fast, seed=seed, data=data, out=out, resume=resume), json=json))


def _write_notebook(path: Path, seed: int) -> None:
    from mnist_bench.show.notebook import write_notebook

    write_notebook(path, seed=seed)
    typer.echo(f"Notebook: {path}")


def _plan(numbers: list[int], *, fast: bool, seed: int, data: str, out: Path | None, resume: bool) -> Walk:
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.checks.sheet.figures import check_sections
    from mnist_bench.checks.sheet.walk import Walk
    from mnist_bench.cli.app import default_folder, load_data

    sections = check_sections(numbers)
    return Walk(
        sections=sections,
        dataset=load_data(data),
        source=data,
        fast=fast,
        seed=seed,
        folder=out or default_folder(),
        resume=resume,
        baselines=find_folder(),
    )


def _walk(plan: Walk, *, json: bool) -> int:
    """Walk, show each fact as it comes, write the page, and return the exit status."""
    from mnist_bench.checks.sheet.walk import explain_walk, walk
    from mnist_bench.checks.thresholds import judge_threshold
    from mnist_bench.records.serial import dump_json
    from mnist_bench.records.verdicts import Verdict

    facts: list[Fact] = []

    def tell(fact: Fact) -> None:
        if not json:
            _print_fact(fact, heading=not facts or facts[-1].section != fact.section)
        facts.append(fact)

    for line in explain_walk(plan):
        typer.echo(line, err=json)
    records = walk(plan, tell)
    if json:
        typer.echo(dump_json(facts), nl=False)
    if records:
        page = _write_page(records, facts, plan)
        typer.echo(f"\nRecords, plots and page: {page}", err=json)
    failed = any(judge_threshold(record) is not Verdict.PASS for record in records)
    return 1 if failed or any(fact.differs for fact in facts) else 0


def _write_page(records: list[TrainingRecord], facts: list[Fact], plan: Walk) -> Path:
    from mnist_bench.checks.sheet.figures import SAMPLE
    from mnist_bench.show.page import write_run_page

    image, label = plan.dataset.x_train[SAMPLE], int(plan.dataset.y_train[SAMPLE])
    return write_run_page(records, plan.folder, image=image, label=label, facts=facts)


def _print_fact(fact: Fact, *, heading: bool) -> None:
    """Print a fact, and before the first of a section its heading."""
    from mnist_bench.checks.sheet.facts import format_fact
    from mnist_bench.checks.sheet.figures import SECTIONS

    if heading:
        title = f"{fact.section}  {SECTIONS[fact.section].title}"
        typer.echo(f"\n{title}\n{'-' * len(title)}")
    typer.echo(format_fact(fact))
