"""The commands `ab` and `calibrate`: two interpreters beside each other. A thin shell, which cli.py registers."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli.check import DataOption, EngineOption, JsonOption  # noqa: TC001 - typer reads them at run time
from mnist_bench.records.serial import save

if TYPE_CHECKING:
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.timing.ab.rounds import AbPlan

__all__ = ["BudgetOption", "ab", "calibrate"]

LabOption = Annotated[str, typer.Option(help="perceptron, mlp or dropout.")]
BudgetOption = Annotated[float, typer.Option(metavar="SECONDS", help="For one comparison.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or gpu; on a GPU use --in-turn.")]
TurnOption = Annotated[
    bool,
    typer.Option(
        "--in-turn", help="One process at a time with all the cores, instead of A and B together on a core each."
    ),
]
ShippedOption = Annotated[
    bool,
    typer.Option(
        "--as-shipped", help="With tf.data's autotuner, for which Keras 3 waits at the end of each epoch: less sharp."
    ),
]
BaselinesOption = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The baselines, with the calibrations; those of the package if not given."),
]

_DEVICES = ("auto", "cpu", "gpu")
_BUDGET = 90.0  # ab.BUDGET_SECONDS, whose import `--help` does without


def ab(
    a: Annotated[str, typer.Option("--a", metavar="PYTHON", help="An interpreter, or a virtual environment's folder.")],
    b: Annotated[str, typer.Option("--b", metavar="PYTHON", help="The one that may have become slower.")],
    *,
    lab: LabOption = "mlp",
    engine: EngineOption = "epoch",
    budget: BudgetOption = _BUDGET,
    data: DataOption = "auto",
    device: DeviceOption = "cpu",
    in_turn: TurnOption = False,
    as_shipped: ShippedOption = False,
    baselines: BaselinesOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For the record; results/TIME/ab.json if not given.")
    ] = None,
    json: JsonOption = False,
    fault_b: Annotated[str | None, typer.Option(hidden=True, help="Plant a slow-down in B.")] = None,
) -> None:
    """Is B slower than A? Two interpreters, so two TensorFlow versions, on this machine, now.

    Each needs this package, NumPy and TensorFlow 2.8 or newer. Fresh processes of both are timed side by side
    until the answer is clear or the budget is spent. Exit status: 0 faster or the same, 1 slower, 2 bad usage,
    bad input or a process that was lost, 3 inconclusive.
    """
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.cli.app import default_folder
    from mnist_bench.records.serial import dump_json
    from mnist_bench.records.verdicts import EXIT_STATUS
    from mnist_bench.timing.ab.calibration import find_sharpness
    from mnist_bench.timing.ab.console import format_ab, show_rounds
    from mnist_bench.timing.ab.records import VERDICTS
    from mnist_bench.timing.ab.rounds import compare

    path = out or default_folder() / "ab.json"
    if path.exists():
        raise FileExistsError(f"{path} exists already: --out takes another file")
    plan = _make_plan(
        a,
        b,
        lab,
        engine,
        budget=budget,
        data=data,
        device=device,
        in_turn=in_turn,
        as_shipped=as_shipped,
        fault_b=fault_b,
    )
    with show_rounds(budget) as show:
        record = compare(plan, show)
    # Kept before anything else can go wrong.
    save(record, path)
    record = dataclasses.replace(record, calibration=find_sharpness(baselines or find_folder(), record))
    save(record, path, overwrite=True)
    typer.echo(dump_json(record) if json else f"{format_ab(record)}\nRecord: {path}\n", nl=False)
    if record.failure:
        raise ValueError(f"{record.failure}; the rounds before it are in {path}")
    raise typer.Exit(EXIT_STATUS[VERDICTS[record.verdict]])


def calibrate(
    lab: LabOption = "mlp",
    engine: EngineOption = "epoch",
    runs: Annotated[int, typer.Option(min=1, help="Comparisons to make.")] = 20,
    budget: BudgetOption = _BUDGET,
    data: DataOption = "auto",
    device: DeviceOption = "cpu",
    in_turn: TurnOption = False,  # noqa: FBT002
    baselines: BaselinesOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For a record a run; results/calibration/LAB-ENGINE if not given."),
    ] = None,
    json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Find out what `ab` is worth on this machine, by comparing this interpreter with itself.

    Gives the rate of false alarms and the smallest slow-down that is found with 90%, which `ab` then shows
    beside its verdict. It takes RUNS times the budget, and a quiet machine; after a break the same command goes
    on where it was.
    """
    import dataclasses

    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.records.serial import dump_json
    from mnist_bench.timing.ab.calibration import calibrate as summarise
    from mnist_bench.timing.ab.calibration import calibration_path, format_sharpness
    from mnist_bench.timing.ab.rounds import run_series

    plan = _make_plan(
        sys.executable, sys.executable, lab, engine, budget=budget, data=data, device=device, in_turn=in_turn
    )
    folder = out or Path("results", "calibration", f"{lab}-{engine}")
    place = baselines or find_folder()

    def show(number: int, run: AbRecord) -> None:
        path = calibration_path(place, run.a, run.workload)
        if path.exists():  # found out after the first run, not after the last
            raise FileExistsError(f"{path} exists already: remove it to calibrate this machine again")
        _show_run(number, run)

    record = summarise(run_series(dataclasses.replace(plan, early=False), folder, runs, show))
    path = calibration_path(place, record.environment, record.workload)
    save(record, path)
    typer.echo(dump_json(record) if json else f"{format_sharpness(record.sharpness)}\nwritten: {path}\n", nl=False)


def _make_plan(
    a: str,
    b: str,
    lab: str,
    engine: str,
    *,
    budget: float,
    data: str,
    device: str,
    in_turn: bool,
    as_shipped: bool = False,
    fault_b: str | None = None,
) -> AbPlan:
    """Check everything that can be before a process is started, and return the plan."""
    import tempfile

    from mnist_bench.cli.app import load_data
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
    with tempfile.TemporaryDirectory() as folder:
        for python in dict.fromkeys(pythons):
            check_python(python, Path(folder))
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


def _show_run(number: int, record: AbRecord) -> None:
    from mnist_bench.timing.ab.records import format_ratio

    ratios = f"wall {format_ratio(record.wall)}, processor {format_ratio(record.cpu)}"
    typer.echo(f"run {number}: {record.verdict}; {ratios}", err=True)
