"""Two environments compared: measured side by side until the answer is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mnist_bench.cli.shell import Reports, default_folder, echo, load_data, name_source, write_report

if TYPE_CHECKING:
    from mnist_bench.versions.upgrade.decide import Decided

__all__ = ["Request", "compare_environments"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for; the fields are the options of `compare`."""

    labs: Sequence[str]
    engine: str | None
    margin: float
    budget: float | None
    only_bits: bool
    python: str | None
    same: bool
    data: str
    out: Path | None


def compare_environments(sides: Sequence[str | Path], request: Request, reports: Reports) -> None:
    """Compare two environments, show the answer, and leave with its exit status."""
    from mnist_bench.records.files import check_folder
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.labs import LABS, check_lab
    from mnist_bench.versions.upgrade.decide import UpgradePlan, decide
    from mnist_bench.versions.upgrade.looks import BUDGET_SECONDS
    from mnist_bench.versions.upgrade.sides import check_different, enter_sides, list_packages

    labs = [check_lab(lab).name for lab in dict.fromkeys(request.labs or LABS)]
    if request.engine:
        check_engine(request.engine)
    if request.out is not None:
        check_folder(request.out)
    first, second = enter_sides(sides, python=request.python, tell=_tell)
    if not request.same:
        check_different(first, second)
    dataset = load_data(request.data)
    plan = UpgradePlan(
        labs=labs,
        engine=request.engine,
        margin=request.margin,
        budget_seconds=BUDGET_SECONDS if request.budget is None else request.budget,
        only_bits=request.only_bits,
        dataset=dataset,
        source=name_source(request.data, dataset),
        folder=request.out or default_folder(),
    )
    _tell(
        f"packages that differ: {', '.join(list_packages(first.install.packages, second.install.packages)) or 'none'}"
    )
    try:
        decided = decide((first, second), plan, _tell)
    except KeyboardInterrupt:
        _tell(f"what was measured is kept: the same command with --out {plan.folder} goes on")
        raise
    _show(decided, plan.folder, reports)
    raise typer.Exit(exit_status(decided.compared.results))


def _tell(line: str) -> None:
    echo(line, err=True)


def _show(decided: Decided, folder: Path, reports: Reports) -> None:
    from mnist_bench.show.text import format_junit
    from mnist_bench.versions.comparison import format_compared, format_compared_json, format_compared_markdown
    from mnist_bench.versions.upgrade.answer import write_answer
    from mnist_bench.versions.upgrade.page import write_page

    compared, (base, new) = decided.compared, decided.records
    answer = write_answer(compared, base, new, decided.round_seconds)
    if reports.json:
        typer.echo(format_compared_json(compared, answer), nl=False)
    else:
        echo(format_compared(compared, answer))
        echo(f"\n{decided.seconds:.0f} s; records: {folder}")
    if reports.junit is not None:
        write_report(reports.junit, format_junit(compared.results))
    if reports.markdown is not None:
        write_report(reports.markdown, format_compared_markdown(compared, answer))
    if reports.html is not None:
        write_page(decided, answer, reports.html)
