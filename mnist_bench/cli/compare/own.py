"""Two environments compared by a user's own model: measured side by side, or what is on record of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mnist_bench.cli.shell import Reports, default_folder, echo, write_report

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
    from mnist_bench.versions.upgrade.looks import BUDGET_SECONDS
    from mnist_bench.versions.upgrade.sides import check_different, enter_sides, list_packages

    described = read_model_file(model)
    if out is not None:
        check_folder(out)
    first, second = enter_sides(sides, python=python, tell=_tell)
    if not same:
        check_different(first, second)
    plan = OwnPlan(
        model=described,
        margin=margin,
        budget_seconds=BUDGET_SECONDS if budget is None else budget,
        only_bits=only_bits,
        folder=out or default_folder(),
    )
    _tell(
        f"packages that differ: {', '.join(list_packages(first.install.packages, second.install.packages)) or 'none'}"
    )
    try:
        decided = decide_own((first, second), plan, _tell)
    except KeyboardInterrupt:
        _tell(f"what was measured is kept: the same command with --out {plan.folder} goes on")
        raise
    answer = write_own_answer(decided.compared, *decided.records, decided.round_seconds)
    _show(decided.compared, decided.records, answer, reports, seconds=decided.seconds)
    if not reports.json:
        echo(f"\n{decided.seconds:.0f} s; records: {plan.folder}")
    _leave(decided.compared)


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

    compared = compare_own(*sides, make_own_rules(margin))
    _show(compared, sides, write_own_answer(compared, *sides), reports, seconds=0.0)
    _leave(compared)


def _leave(compared: OwnCompared) -> None:
    from mnist_bench.records.verdicts import exit_status

    raise typer.Exit(exit_status(compared.results))


def _tell(line: str) -> None:
    echo(line, err=True)


def _show(
    compared: OwnCompared, sides: tuple[OwnSide, OwnSide], answer: str, reports: Reports, *, seconds: float
) -> None:
    from mnist_bench.own.upgrade.answer import name_sides
    from mnist_bench.show.text import format_junit
    from mnist_bench.versions.comparison import format_compared, format_compared_json, format_compared_markdown
    from mnist_bench.versions.upgrade.page import write_compared_page
    from mnist_bench.versions.upgrade.sides import list_packages

    if reports.json:
        typer.echo(format_compared_json(compared, answer), nl=False)
    else:
        echo(format_compared(compared, answer))
    if reports.junit is not None:
        write_report(reports.junit, format_junit(compared.results))
    if reports.markdown is not None:
        write_report(reports.markdown, format_compared_markdown(compared, answer))
    if reports.html is not None:
        base, new = sides
        write_compared_page(
            compared,
            answer,
            reports.html,
            names=name_sides(base, new),
            packages=list_packages(base.packages, new.packages),
            seconds=seconds,
        )
