"""The command `lab`: the lab sheet, walked through or written as a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.given import name_given
from mnist_bench.cli.shell import check_resume, default_folder, echo, held, load_data
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from mnist_bench.checks.sheet.facts import Fact
    from mnist_bench.checks.sheet.walk import WalkPlan

__all__ = ["lab"]


def lab(
    context: typer.Context,
    *,
    section: Annotated[
        list[int] | None,
        typer.Option(
            parser=options.whole_number(1, options.SECTIONS),
            metavar="N",
            help=f"Only this section, 1 to {options.SECTIONS}; may be given more than once.",
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Train with a faster engine, which ends in the same bits.")
    ] = False,
    seed: options.Seed = FIRST_SEED,
    data: options.Data = "auto",
    out: options.Out = None,
    resume: options.Resume = False,
    json: options.Json = False,
    notebook: Annotated[
        Path | None,
        typer.Option(metavar="FILE.ipynb", help="Write the lab as a notebook instead, and train nothing."),
    ] = None,
) -> None:
    """Walk through the lab sheet, next to the sheet's own figures.

    Shows everything that the sheet prints. Trains as the sheet does, which takes minutes; --fast takes a fraction of
    that. Exit status: 0 everything is as expected, 1 a fact that can have only one value has another, or an accuracy is
    below the lab's threshold, 2 bad usage or bad input.
    """
    if notebook is not None:
        if name_given(context, but=("notebook", "seed")):
            raise ValueError("--notebook trains nothing: of the other options only --seed is allowed")
        from mnist_bench.show.notebook import write_notebook

        write_notebook(notebook, seed=seed)
        echo(f"Notebook: {notebook}")
        return
    check_resume(out, resume=resume)
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.checks.sheet.figures import check_sections
    from mnist_bench.checks.sheet.walk import WalkPlan
    from mnist_bench.records.files import refuse_no_folder

    if out is not None:
        refuse_no_folder(out)
    plan = WalkPlan(
        sections=check_sections(section or []),
        dataset=load_data(data),
        source=data,
        fast=fast,
        seed=seed,
        folder=out or default_folder(),
        resume=resume,
        baselines=find_folder(),
    )
    with held(out):
        status = _walk(plan, json=json)
    raise typer.Exit(status)


def _walk(plan: WalkPlan, *, json: bool) -> int:
    """Walk, show each fact as it comes, write the page, and return the exit status."""
    from mnist_bench.checks.accuracy import judge_threshold
    from mnist_bench.checks.sheet.figures import SAMPLE
    from mnist_bench.checks.sheet.walk import explain_walk, walk
    from mnist_bench.records.files import check_replaceable
    from mnist_bench.records.serial import dump_json
    from mnist_bench.records.verdicts import EXIT_STATUS, Verdict, conclude
    from mnist_bench.show.page import RUN_MARK, write_run_page

    facts: list[Fact] = []

    def show(fact: Fact) -> None:
        if not json:
            _print_fact(fact, heading=not facts or facts[-1].section != fact.section)
        facts.append(fact)

    if plan.folder.exists():
        check_replaceable(plan.folder / "index.html", RUN_MARK)
    for line in explain_walk(plan):
        echo(line, err=json)
    records = walk(plan, show)
    if json:
        typer.echo(dump_json(facts), nl=False)
    if records:
        image, label = plan.dataset.x_train[SAMPLE], int(plan.dataset.y_train[SAMPLE])
        page = write_run_page(records, plan.folder, image=image, label=label, facts=facts)
        echo(f"\nRecords, plots and page: {page}", err=json)
    verdicts = [judge_threshold(record) for record in records]
    return EXIT_STATUS[
        conclude([Verdict.REGRESSED if any(fact.differs for fact in facts) else Verdict.PASS, *verdicts])
    ]


def _print_fact(fact: Fact, *, heading: bool) -> None:
    """Print a fact, and before the first fact of a section the section's heading."""
    from mnist_bench.checks.sheet.facts import format_fact
    from mnist_bench.checks.sheet.figures import SECTIONS

    if heading:
        title = f"{fact.section}  {SECTIONS[fact.section].title}"
        echo(f"\n{title}\n{'-' * len(title)}")
    echo(format_fact(fact))
