"""The clock alone: two interpreters timed against each other, and how sharp that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mnist_bench.cli.shell import default_folder, load_data, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.timing.ab.rounds import AbPlan

__all__ = ["compare_times"]

_DEVICES = ("auto", "cpu", "gpu")


def compare_times(
    sides: Sequence[str | Path],
    *,
    python: str | None,
    same: bool,
    lab: str,
    engine: str,
    budget: float,
    data: str,
    device: str,
    in_turn: bool,
    as_shipped: bool,
    calibrate: int | None,
    baselines: Path | None,
    out: Path | None,
    json: bool,
    fault_b: str | None,
) -> None:
    """Time two environments against each other, or measure how small a slow-down is found; leave with the status."""
    from mnist_bench.checks.faults.registry import parse_fault
    from mnist_bench.timing.ab.rounds import AbPlan
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.labs import check_lab
    from mnist_bench.versions.upgrade.sides import check_different, enter_sides

    check_lab(lab)
    check_engine(engine)
    if device not in _DEVICES:
        raise ValueError(f"unknown device {device!r}: choose from {', '.join(_DEVICES)}")
    if fault_b and engine not in (engines := parse_fault(fault_b)[0].engines):
        raise ValueError(f"--fault-b {fault_b} shows in the engines {', '.join(engines)}, not in {engine}")
    first, second = enter_sides(sides, python=python, tell=tell)
    if calibrate and first.install.packages != second.install.packages:
        raise ValueError("--calibrate compares an environment with itself: name the same one twice")
    if not (same or calibrate):
        check_different(first, second)
    plan = AbPlan(
        python_a=first.python,
        python_b=second.python,
        lab=lab,
        engine=engine,
        dataset=load_data(data),
        budget_seconds=budget,
        device=device,
        layout="in turn" if in_turn else "together",
        as_shipped=as_shipped,
        fault_b=fault_b,
    )
    if calibrate:
        _calibrate(plan, calibrate, baselines, out, json=json)
    else:
        _compare(plan, baselines, out, json=json)


def _compare(plan: AbPlan, baselines: Path | None, out: Path | None, *, json: bool) -> None:
    import dataclasses

    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.records.files import check_replaceable
    from mnist_bench.records.serial import dump_record, save
    from mnist_bench.records.verdicts import EXIT_STATUS
    from mnist_bench.show.text import clean
    from mnist_bench.timing.ab.calibration import find_sharpness
    from mnist_bench.timing.ab.console import format_ab, show_rounds
    from mnist_bench.timing.ab.rounds import compare
    from mnist_bench.timing.ab.verdict import conclude_ab

    path = (out or default_folder()) / "time.json"
    check_replaceable(path)
    with show_rounds(plan.budget_seconds) as show:
        record = compare(plan, show)
    # Kept before anything else can go wrong.
    save(record, path)
    record = dataclasses.replace(record, calibration=find_sharpness(baselines or find_folder(), record))
    save(record, path, overwrite=True)
    typer.echo(dump_record(record) if json else f"{clean(format_ab(record))}\nRecord: {path}\n", nl=False)
    if record.failure:
        raise ValueError(f"{record.failure}; the rounds before that are in {path}")
    raise typer.Exit(EXIT_STATUS[conclude_ab(record)])


def _calibrate(plan: AbPlan, runs: int, baselines: Path | None, out: Path | None, *, json: bool) -> None:
    import dataclasses

    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.records.config import Case
    from mnist_bench.records.files import check_folder, is_taken
    from mnist_bench.records.serial import dump_record, save
    from mnist_bench.timing.ab.calibration import calibrate, calibration_path, format_sharpness
    from mnist_bench.timing.ab.ratio import format_ratio
    from mnist_bench.timing.ab.rounds import run_series

    folder = out or Path("results", "calibration", str(Case(plan.lab, plan.engine)))
    place = baselines or find_folder()

    def show(number: int, run: AbRecord) -> None:
        path = calibration_path(place, run.a, run.workload)
        if is_taken(path):  # noticed after the first run, not after the last
            raise FileExistsError(f"{path} exists already: remove it to calibrate this machine again")
        ratios = f"wall {format_ratio(run.wall)}, processor {format_ratio(run.cpu)}"
        tell(f"run {number}: {run.verdict}; {ratios}")

    check_folder(folder)
    check_folder(place / "timings")
    record = calibrate(run_series(dataclasses.replace(plan, early=False), folder, runs, show))
    path = calibration_path(place, record.environment, record.workload)
    save(record, path)
    typer.echo(dump_record(record) if json else f"{format_sharpness(record.sharpness)}\nwritten: {path}\n", nl=False)
