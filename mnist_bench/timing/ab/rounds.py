"""A against B: two interpreters train the same lab on this machine, now, in fresh processes on both sides.

Each process has a speed of its own, so the unit is the round: one new process of each side. Both train at the same
time, each on a core of its own, and exchange the cores after every epoch, so that the machine slows both equally.
Where that is impossible, the processes take turns.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.records.acceptance import now
from mnist_bench.records.environment import HARDWARE_FIELDS, DatasetRecord, EnvironmentRecord, explain_keys
from mnist_bench.records.files import is_taken
from mnist_bench.records.serial import save
from mnist_bench.stats.ratios import (
    ALPHA,
    ALPHA_END,
    ALPHA_HALF,
    BOUND,
    FEWEST_ROUNDS,
    Judgement,
    judge_looks,
    judge_ratios,
)
from mnist_bench.timing.ab.process import LostError, OverdueError, Side, find_cores, measure_round
from mnist_bench.timing.ab.ratio import make_ratio
from mnist_bench.timing.ab.records import SAMPLES, AbRecord, Layout, Look, ProcessTimes, Workload
from mnist_bench.timing.ab.verdict import collect_looks, collect_rounds, conclude_ab, judge_start, load_ab
from mnist_bench.timing.ab.worker import AbTask, save_arrays
from mnist_bench.training.data.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["BUDGET_SECONDS", "AbPlan", "RoundEnded", "compare", "run_series"]

BATCH_SIZE = 128  # the lab's
WARM_UPS = 1  # the first epoch traces and compiles
EPOCHS = 6  # of each process: three pairs, so that their median ignores a burst of other work
BUDGET_SECONDS = 90.0  # nine rounds on two quiet cores, six on slow cores

# The fields that a plan and a workload have in common.
_PLANNED = ("lab", "engine", "samples", "epochs", "device", "layout", "as_shipped")

# A later round counts as hung after this many times the longest round so far, and a minute.
_HUNG = 10.0
_HUNG_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class AbPlan:
    """What to compare, and how.

    Attributes:
        python_a: The absolute path of side A's interpreter.
        python_b: The absolute path of side B's interpreter.
        lab: A key of `mnist_bench.LABS`.
        engine: A key of `mnist_bench.training.engines.ENGINES`.
        dataset: The data, of which the first images are trained.
        budget_seconds: For the whole run; a round is started only if it is expected to fit.
        device: `auto`, `cpu` or `gpu`.
        layout: As in `Workload`.
        as_shipped: As in `Workload`.
        bound: The change that does not matter, as a share of the time.
        samples: Images trained in an epoch.
        epochs: Timed epochs of each process, at least two.
        fault_b: A fault to plant in B, as `checks.faults.planting.plant` takes it.
        early: Whether to stop at the first look that decides.
    """

    python_a: Path
    python_b: Path
    lab: str
    engine: str
    dataset: Dataset
    budget_seconds: float = BUDGET_SECONDS
    device: str = "cpu"
    layout: Layout = "together"
    as_shipped: bool = False
    bound: float = BOUND
    samples: int = SAMPLES
    epochs: int = EPOCHS
    fault_b: str | None = None
    early: bool = True


@dataclass(frozen=True)
class RoundEnded:
    """A round has ended.

    Attributes:
        number: How many rounds have ended.
        seconds: Seconds since the start of the run.
        judgement: The judgement so far, which counts only at a look.
    """

    number: int
    seconds: float
    judgement: Judgement


def compare(plan: AbPlan, on_round: Callable[[RoundEnded], None] | None = None) -> AbRecord:
    """Compare two interpreters until the result is decided or the budget is spent.

    Args:
        plan: What to compare.
        on_round: Called after each round.

    Returns:
        The record. If a process is lost after the first round, the record says so and holds the rounds before.

    Raises:
        ValueError: The budget ended, or a process was lost, before the first round was complete; or the two cannot be
            compared on this hardware.
    """
    run = _Run(plan)
    cores = find_cores() if plan.layout == "together" else None
    if plan.layout == "together" and cores is None:
        raise ValueError(
            "A and B cannot run together here: that needs two cores, and a system that can pin processes to cores"
        )
    with tempfile.TemporaryDirectory(prefix="mnist-bench-ab-") as name:
        folder = Path(name)
        save_arrays(plan.dataset, folder, samples=plan.samples, validation=BATCH_SIZE)
        run.begin, run.load = time.monotonic(), os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        while not run.ended:
            try:
                run.add(measure_round(run.sides(folder), run.number, plan.epochs, cores, limit=run.limit()))
            except LostError as error:
                run.lose(error)
                break
            if on_round:
                on_round(RoundEnded(run.number, run.seconds, run.judge_so_far()))
    return run.make_record()


def run_series(
    plan: AbPlan, folder: Path, runs: int, on_run: Callable[[int, AbRecord], None] | None = None
) -> list[AbRecord]:
    """Compare the same two interpreters many times; each run is saved when it ends, and no run is repeated.

    Args:
        plan: What to compare.
        folder: The folder of the records, `run-001.json` and so on; existing records count.
        runs: The total number of runs.
        on_run: Called with the number, from 1, and the record of each run, also of existing records.

    Raises:
        ValueError: An existing record is damaged or of another comparison, or a run lost a process.
    """
    records = []
    for number in range(1, runs + 1):
        path = folder / f"run-{number:03}.json"
        if is_taken(path):
            record = _check_same(load_ab(path), plan, path)
        else:
            record = compare(plan)
            if record.failure:
                raise ValueError(f"run {number}: {record.failure}; the same command continues with this run")
            save(record, path)
        records.append(record)
        if on_run:
            on_run(number, record)
    return records


@dataclass
class _Run:
    """A comparison in progress."""

    plan: AbPlan
    begin: float = 0.0
    load: float | None = None
    seconds: float = 0.0
    longest: float = 0.0
    last: float = 0.0
    ended: bool = False
    failure: str | None = None
    processes: list[ProcessTimes] = field(default_factory=list)
    environments: dict[str, EnvironmentRecord] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)

    @property
    def number(self) -> int:
        return len(self.processes) // 2

    def sides(self, folder: Path) -> tuple[Side, Side]:
        """Return both sides, with their data in the folder."""
        plan = self.plan
        task = AbTask(
            lab=plan.lab,
            engine=plan.engine,
            batch_size=BATCH_SIZE,
            device=plan.device,
            folder=str(folder),
            warm_ups=WARM_UPS,
            as_shipped=plan.as_shipped,
        )
        slowed = dataclasses.replace(task, fault=plan.fault_b)
        return Side("a", plan.python_a, task), Side("b", plan.python_b, slowed)

    def limit(self) -> float:
        """Return the seconds after which the next round is abandoned."""
        return _HUNG * self.longest + _HUNG_SECONDS if self.number else self.plan.budget_seconds

    def add(self, sides: list[tuple[ProcessTimes, EnvironmentRecord]]) -> None:
        """Keep a round, and decide whether it was the last."""
        for times, environment in sides:
            self.processes.append(times)
            self.environments.setdefault(times.side, environment)
        self._check_hardware()
        now = time.monotonic() - self.begin
        self.last, self.seconds = now - self.seconds, now
        self.longest = max(self.longest, self.last)
        over = self.seconds + self.last > self.plan.budget_seconds
        half = not self.looks and self.seconds >= self.plan.budget_seconds / 2
        if (over or half) and self.number >= FEWEST_ROUNDS:
            self.looks.append(Look(rounds=self.number, alpha=ALPHA_END if over else ALPHA_HALF))
            self.ended = self.plan.early and self.judge().speed != "inconclusive"
        self.ended = self.ended or over

    def lose(self, error: LostError) -> None:
        """End because a process was lost."""
        if isinstance(error, OverdueError) and not self.number:
            seconds = self.plan.budget_seconds
            raise ValueError(
                f"a budget of {seconds:g} s is too small: A and B did not both finish a process in that time"
            )
        if not self.number:
            raise ValueError(str(error)) from error
        self.ended, self.failure = True, str(error)

    def judge(self) -> Judgement:
        """Return the judgement at the looks so far."""
        return judge_looks(collect_rounds(self.processes), collect_looks(self.looks), bound=self.plan.bound)

    def judge_so_far(self) -> Judgement:
        """Return the judgement of all rounds so far."""
        return judge_ratios(collect_rounds(self.processes), bound=self.plan.bound)

    def make_record(self) -> AbRecord:
        plan, judgement = self.plan, self.judge()
        dataset = DatasetRecord(source=plan.dataset.name, digest=plan.dataset.digest)
        record = AbRecord(
            workload=Workload(
                lab=plan.lab,
                engine=plan.engine,
                dataset=dataset,
                samples=plan.samples,
                batch_size=BATCH_SIZE,
                warm_ups=WARM_UPS,
                epochs=plan.epochs,
                device=plan.device,
                layout=plan.layout,
                as_shipped=plan.as_shipped,
            ),
            python_a=str(plan.python_a),
            python_b=str(plan.python_b),
            a=self.environments["a"],
            b=self.environments["b"],
            fault_b=plan.fault_b,
            budget_seconds=plan.budget_seconds,
            seconds=self.seconds,
            load=self.load,
            bound=plan.bound,
            alpha=ALPHA,
            looks=self.looks,
            processes=self.processes,
            wall=make_ratio(judgement.wall),
            cpu=make_ratio(judgement.cpu),
            start=judge_start(self.processes, self.looks),
            verdict="inconclusive" if self.failure else judgement.speed,
            finding=self.failure or judgement.finding,
            failure=self.failure,
            calibration=None,
            created=now(),
        )
        return dataclasses.replace(record, conclusion=conclude_ab(record))

    def _check_hardware(self) -> None:
        differing = explain_keys(self.environments["a"], self.environments["b"], HARDWARE_FIELDS)
        if differing:
            what = "; ".join(f"{name} {a!r} and {b!r}" for name, (a, b) in sorted(differing.items()))
            raise ValueError(f"times of A and B cannot be compared: {what}")


def _check_same(record: AbRecord, plan: AbPlan, path: Path) -> AbRecord:
    """Return a record if this plan could have made it."""
    wanted = {
        "python_a": str(plan.python_a),
        "python_b": str(plan.python_b),
        "fault_b": plan.fault_b,
        "budget_seconds": plan.budget_seconds,
        "bound": plan.bound,
        **{name: getattr(plan, name) for name in _PLANNED},
    }
    for name, value in wanted.items():
        recorded = getattr(record.workload if hasattr(record.workload, name) else record, name)
        if recorded != value:
            raise ValueError(f"{path} is of another comparison: {name} is {recorded!r}, not {value!r}")
    if record.workload.dataset.digest != plan.dataset.digest:
        raise ValueError(f"{path} was made with other data ({record.workload.dataset.source})")
    return record
