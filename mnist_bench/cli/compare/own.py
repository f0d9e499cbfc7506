"""Two environments compared by a user's own model: measured side by side, or what is on record of them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mnist_bench.cli.shell import Reports, default_folder, held, kept_in, show_compared, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.own.records import OwnSide
    from mnist_bench.own.upgrade.comparison import OwnCompared

__all__ = ["compare_own_environments", "compare_own_records", "load_own_sides"]


def compare_own_environments(
    sides: Sequence[str | Path],
    model: Path,
    *,
    margin: float,
    budget: float | None,
    only_bits: bool,
    python: str | None,
    same: bool,
    out: Path | None,
    reports: Reports,
) -> None:
    """Compare two environments by the model of a file, show the answer, and leave with its exit status."""
    from mnist_bench.own.file import read_model_file
    from mnist_bench.own.upgrade.answer import write_own_answer
    from mnist_bench.own.upgrade.decide import OwnPlan, decide_own
    from mnist_bench.records.files import check_folder
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.versions.upgrade.looks import BUDGET_SECONDS
    from mnist_bench.versions.upgrade.sides import check_different, enter_sides, name_gap

    described = read_model_file(model)
    if out is not None:
        check_folder(out)
    first, second = enter_sides(sides, python=python, tell=tell)
    if not same:
        check_different(first, second)
    plan = OwnPlan(
        model=described,
        margin=margin,
        budget_seconds=BUDGET_SECONDS if budget is None else budget,
        only_bits=only_bits,
        folder=out or default_folder(),
    )
    tell(name_gap(first, second))
    with held(out), kept_in(plan.folder):
        decided = decide_own((first, second), plan, tell)
    answer = write_own_answer(decided.compared, *decided.records, decided.round_seconds)
    page = functools.partial(_write_page, decided.compared, decided.records, answer, seconds=decided.seconds)
    measured = f"{decided.seconds:.0f} s; records: {plan.folder}"
    show_compared(decided.compared, answer, reports, measured=measured, page=page)
    raise typer.Exit(exit_status(decided.compared.results))


def load_own_sides(base: str, new: str) -> tuple[OwnSide, OwnSide] | None:
    """Load the records of two sides, or of two probes, of a user's own model; None where neither text names one.

    Raises:
        RecordError: A file is no valid record.
        ValueError: One text names such a record, and the other does not.
    """
    from mnist_bench.own.stored import load_own_side

    first, second = load_own_side(base), load_own_side(new)
    if first and second:
        return first, second
    if first or second:
        own, other = (base, new) if first else (new, base)
        raise ValueError(f"{own} is a record of a model of your own, and {other} is none: name two such records")
    return None


def compare_own_records(sides: tuple[OwnSide, OwnSide], margin: float, reports: Reports) -> None:
    """Compare two records, show the answer, and leave with its exit status."""
    from mnist_bench.own.upgrade.answer import write_own_answer
    from mnist_bench.own.upgrade.comparison import compare_own, make_own_rules
    from mnist_bench.records.verdicts import exit_status

    compared = compare_own(*sides, make_own_rules(margin))
    answer = write_own_answer(compared, *sides)
    page = functools.partial(_write_page, compared, sides, answer, seconds=0.0)
    show_compared(compared, answer, reports, page=page)
    raise typer.Exit(exit_status(compared.results))


def _write_page(
    compared: OwnCompared, sides: tuple[OwnSide, OwnSide], answer: str, path: Path, *, seconds: float
) -> None:
    from mnist_bench.own.upgrade.answer import name_sides
    from mnist_bench.versions.upgrade.page import write_compared_page
    from mnist_bench.versions.upgrade.sides import list_packages

    base, new = sides
    write_compared_page(
        compared,
        answer,
        path,
        names=name_sides(base, new),
        packages=list_packages(base.packages, new.packages),
        seconds=seconds,
    )
