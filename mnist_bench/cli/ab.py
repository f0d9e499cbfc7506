"""The commands `ab` and `calibrate`: two interpreters timed against each other, and how sharp that is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import default_folder, echo, load_data

if TYPE_CHECKING:
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.timing.ab.rounds import AbPlan

__all__ = ["ab", "calibrate"]

_DEVICES = ("auto", "cpu", "gpu")


def ab(
    a: Annotated[
        str, typer.Option("--a", metavar="PYTHON", help="An interpreter, or the folder of a virtual environment.")
    ],
    b: Annotated[str, typer.Option("--b", metavar="PYTHON", help="The interpreter that may have become slower.")],
    *,
    lab: options.Lab = "mlp",
    engine: options.Engine = "epoch",
    budget: options.Budget = options.BUDGET_SECONDS,
    data: options.Data = "auto",
    device: options.TimedDevice = "cpu",
    in_turn: options.InTurn = False,
    as_shipped: Annotated[
        bool,
        typer.Option(
            "--as-shipped",
            help="Leave tf.data's autotuner on: less sharp, as Keras 3 waits for the tuner at the end of each epoch.",
        ),
    ] = False,
    baselines: options.Calibrations = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The record; results/TIME/ab.json if not given.")
    ] = None,
    json: options.Json = False,
    fault_b: Annotated[str | None, typer.Option(hidden=True, help="Plant a slow-down in B.")] = None,
) -> None:
    """Answer whether B is slower than A: two interpreters, so two TensorFlow versions, on this machine, now.

    Each interpreter needs TensorFlow 2.8 or newer, and nothing else. Fresh processes of both are timed side by side
    until the answer is clear or the budget is spent. Exit status: 0 B is faster or the same, 1 B is slower, 2 bad
    usage, bad input or a process that was lost, 3 inconclusive.
    """
    import dataclasses

    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.records.files import check_replaceable
    from mnist_bench.records.serial import dump_json, save
    from mnist_bench.records.verdicts import EXIT_STATUS
    from mnist_bench.show.text import clean
    from mnist_bench.timing.ab.calibration import find_sharpness
    from mnist_bench.timing.ab.console import format_ab, show_rounds
    from mnist_bench.timing.ab.records import VERDICTS
    from mnist_bench.timing.ab.rounds import compare

    plan = _make_plan(
        a, b, lab, engine, data, device, budget=budget, in_turn=in_turn, as_shipped=as_shipped, fault_b=fault_b
    )
    path = out or default_folder() / "ab.json"
    check_replaceable(path)
    with show_rounds(budget) as show:
        record = compare(plan, show)
    # Kept before anything else can go wrong.
    save(record, path)
    record = dataclasses.replace(record, calibration=find_sharpness(baselines or find_folder(), record))
    save(record, path, overwrite=True)
    typer.echo(dump_json(record) if json else f"{clean(format_ab(record))}\nRecord: {path}\n", nl=False)
    if record.failure:
        raise ValueError(f"{record.failure}; the rounds before that are in {path}")
    raise typer.Exit(EXIT_STATUS[VERDICTS[record.verdict]])


def calibrate(
    *,
    lab: options.Lab = "mlp",
    engine: options.Engine = "epoch",
    runs: Annotated[int, options.count("Comparisons to make.")] = 20,
    budget: options.Budget = options.BUDGET_SECONDS,
    data: options.Data = "auto",
    device: options.TimedDevice = "cpu",
    in_turn: options.InTurn = False,
    baselines: options.Calibrations = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The records, one per comparison; results/calibration/LAB-ENGINE if not given."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Measure how sharp `ab` is on this machine, by comparing this interpreter with itself.

    Finds the rate of false alarms and the smallest slow-down that is detected with 90% probability; `ab` then shows
    both with its verdict. Takes RUNS times the budget, and needs a quiet machine. After a break the same command
    goes on where it stopped.
    """
    import dataclasses

    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.records.config import Case
    from mnist_bench.records.files import check_folder
    from mnist_bench.records.serial import dump_json, save
    from mnist_bench.timing.ab.calibration import calibrate as summarise
    from mnist_bench.timing.ab.calibration import calibration_path, format_sharpness
    from mnist_bench.timing.ab.records import format_ratio
    from mnist_bench.timing.ab.rounds import run_series

    python = sys.executable
    plan = _make_plan(python, python, lab, engine, data, device, budget=budget, in_turn=in_turn)
    folder = out or Path("results", "calibration", str(Case(lab, engine)))
    place = baselines or find_folder()

    def show(number: int, run: AbRecord) -> None:
        path = calibration_path(place, run.a, run.workload)
        if path.exists():  # noticed after the first run, not after the last
            raise FileExistsError(f"{path} exists already: remove it to calibrate this machine again")
        ratios = f"wall {format_ratio(run.wall)}, processor {format_ratio(run.cpu)}"
        echo(f"run {number}: {run.verdict}; {ratios}", err=True)

    check_folder(folder)
    check_folder(place / "timings")
    record = summarise(run_series(dataclasses.replace(plan, early=False), folder, runs, show))
    path = calibration_path(place, record.environment, record.workload)
    save(record, path)
    typer.echo(dump_json(record) if json else f"{format_sharpness(record.sharpness)}\nwritten: {path}\n", nl=False)


def _make_plan(
    a: str,
    b: str,
    lab: str,
    engine: str,
    data: str,
    device: str,
    *,
    budget: float,
    in_turn: bool,
    as_shipped: bool = False,
    fault_b: str | None = None,
) -> AbPlan:
    """Check whatever can be checked before a process is started, and return the plan."""
    from mnist_bench.timing.ab.faults import parse_fault
    from mnist_bench.timing.ab.rounds import AbPlan
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.labs import check_lab
    from mnist_bench.training.workers.interpreters import check_python, find_python

    check_lab(lab)
    check_engine(engine)
    if not 0 < budget < float("inf"):
        raise ValueError(f"budget {budget!r} is not allowed: it must be positive seconds")
    if device not in _DEVICES:
        raise ValueError(f"unknown device {device!r}: choose from {', '.join(_DEVICES)}")
    if fault_b:
        parse_fault(fault_b)
    pythons = [find_python(name) for name in (a, b)]
    for python in dict.fromkeys(pythons):
        check_python(python)
    return AbPlan(
        python_a=pythons[0],
        python_b=pythons[1],
        lab=lab,
        engine=engine,
        dataset=load_data(data),
        budget_seconds=budget,
        device=device,
        layout="in turn" if in_turn else "together",
        as_shipped=as_shipped,
        fault_b=fault_b,
    )
