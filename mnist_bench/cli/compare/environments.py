"""Two environments compared: measured side by side until the answer is decided."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from mnist_bench.cli.shell import Reports, default_folder, held, kept_in, load_data, name_source, show_compared, tell

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
    from mnist_bench.versions.upgrade.answer import write_answer
    from mnist_bench.versions.upgrade.decide import UpgradePlan, decide
    from mnist_bench.versions.upgrade.looks import BUDGET_SECONDS
    from mnist_bench.versions.upgrade.page import write_page
    from mnist_bench.versions.upgrade.sides import check_different, enter_sides, name_gap

    labs = [check_lab(lab).name for lab in dict.fromkeys(request.labs or LABS)]
    if request.engine:
        check_engine(request.engine)
    if request.out is not None:
        check_folder(request.out)
    first, second = enter_sides(sides, python=request.python, tell=tell)
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
    tell(name_gap(first, second))
    with held(request.out), kept_in(plan.folder):
        decided = decide((first, second), plan, tell)
    answer = write_answer(decided.compared, *decided.records, decided.round_seconds)
    page = functools.partial(write_page, decided, answer)
    measured = f"{decided.seconds:.0f} s; records: {plan.folder}"
    show_compared(decided.compared, answer, reports, measured=measured, page=page)
    raise typer.Exit(exit_status(decided.compared.results))
