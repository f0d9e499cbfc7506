"""Two environments, measured side by side, the cheapest first, until every question is decided or the time is over."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import EnvironmentRecord
from mnist_bench.stats.ratios import BOUND
from mnist_bench.stats.sequential import ACCURACY_MARGIN, PAIR_LOOKS
from mnist_bench.timing.ab.process import find_cores
from mnist_bench.training.data.dataset import Dataset
from mnist_bench.training.labs import LABS
from mnist_bench.training.runner import check_config
from mnist_bench.versions.bits import compare_bits, share_case_streams
from mnist_bench.versions.comparison import Compared, compare_versions
from mnist_bench.versions.figures import FigureRules
from mnist_bench.versions.measurement import MeasurementSetup, measure
from mnist_bench.versions.plan import MeasurementPlan, choose_engine
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.upgrade.answer import name_lab
from mnist_bench.versions.upgrade.kept import NAMES, Kept
from mnist_bench.versions.upgrade.looks import (
    BUDGET_SECONDS,
    NO_CLOCK,
    Budget,
    Looks,
    ask_environments,
    check_budget,
    on_both,
)
from mnist_bench.versions.upgrade.rounds import make_lab_task, train_round
from mnist_bench.versions.upgrade.sides import Side
from mnist_bench.versions.upgrade.times import RoundTimes, TimesRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.upgrade.rounds import LostSideError

__all__ = ["Decided", "UpgradePlan", "decide"]

_MOST_WAITS = 100  # epochs, after each of which `fit` waits for tf.data's autotuner


@dataclass(frozen=True, kw_only=True)
class UpgradePlan:
    """What to compare, and how.

    Attributes:
        labs: Keys of `LABS`.
        engine: A key of `ENGINES`; None for `epoch`, or `graph` where a side cannot train by `epoch`.
        margin: The largest loss of accuracy that does not matter.
        bound: The largest growth of the seconds that does not matter, as a share.
        budget_seconds: For checks and trainings; a round that is not expected to end in time is not begun.
        only_bits: Whether the bits of each stage are all that is compared.
        dataset: The data, loaded.
        source: The same data, for other processes to load.
        folder: For records and raw records.
    """

    labs: Sequence[str] = tuple(LABS)
    engine: str | None = None
    margin: float = ACCURACY_MARGIN
    bound: float = BOUND
    budget_seconds: float = BUDGET_SECONDS
    only_bits: bool = False
    dataset: Dataset
    source: str
    folder: Path

    @property
    def rules(self) -> FigureRules:
        """The rules of all looks."""
        return FigureRules(margin=self.margin, looks=len(PAIR_LOOKS), bound=self.bound)


@dataclass(frozen=True)
class Decided:
    """What a comparison came to.

    Attributes:
        compared: The verdicts.
        records: The records of the base and of the new environment.
        times: The seconds of the trainings that ran together.
        seconds: How long the comparison took.
        round_seconds: How long one more seed of each lab takes on both sides.
    """

    compared: Compared
    records: tuple[VersionRecord, VersionRecord]
    times: TimesRecord | None
    seconds: float
    round_seconds: dict[str, float]


def decide(sides: tuple[Side, Side], plan: UpgradePlan, tell: Callable[[str], None]) -> Decided:
    """Measure both sides until it is decided whether the second is worse.

    Args:
        sides: The base, and the environment that may be worse.
        plan: What to compare.
        tell: Called with each line of progress.

    Raises:
        OSError: The folder cannot be written.
        ValueError: The budget is too small, a record of the folder is of other environments or data, or an
            interpreter gives no answer.
    """
    if not plan.only_bits:
        check_budget(plan.budget_seconds)
    budget, cores = Budget(plan.budget_seconds), find_cores()
    environments = ask_environments(sides, cores)
    engine = plan.engine or choose_engine(*(environment.keras for environment in environments))
    kept = Kept(plan.folder, plan.labs, engine, plan.only_bits)
    kept.begin(environments, [side.install for side in sides])
    run = _Run(sides, environments, plan, tell, kept, cores)
    run.measure()
    looks = Looks(run, budget, tell)
    if not plan.only_bits and all(record.status == "measured" for record in kept.records):
        looks.run()
    compared = run.compare()
    if not plan.only_bits:
        rounds, trained = kept.times.rounds if kept.times else [], any(record.accuracy for record in kept.records)
        compared.notes.extend(note_times(compared, rounds, trained=trained))
    return Decided(compared, (kept.records[0], kept.records[1]), kept.times, budget.elapsed(), looks.round_seconds)


def note_times(compared: Compared, rounds: Sequence[RoundTimes], *, trained: bool) -> Iterator[str]:
    """Yield why no time is judged, where none is.

    Args:
        compared: The verdicts.
        rounds: The seconds of the trainings that ran together.
        trained: Whether there are trainings.
    """
    if worked := [case for clock, case in compared.decisions if clock == "work"]:
        for case in worked:
            if ("time", case) not in compared.decisions:
                yield (
                    f"of {name_lab(case)} the processor time is judged, and no call of fit as shipped, whose epochs "
                    f"would wait for tf.data's autotuner: --only time --lab {case.lab} --engine {case.engine}"
                )
        return
    if not rounds:
        if trained:
            yield NO_CLOCK
        return
    seconds = [sum(sum(getattr(each, side)) for each in rounds) for side in ("cpu_a", "cpu_b")]
    ratio = seconds[1] / seconds[0] if seconds[0] else 0.0
    yield (
        f"no time is judged, {'which takes three pairs' if compared.moved else 'as the bits needed few trainings'}: "
        f"their processor time is {ratio:.2f} times as long; "
        "--only time compares the clock"
    )


@dataclass
class _Run:
    """A comparison in progress: a `Trial` of the labs."""

    sides: tuple[Side, Side]
    environments: Sequence[EnvironmentRecord]
    plan: UpgradePlan
    tell: Callable[[str], None]
    kept: Kept
    cores: tuple[int, int] | None

    def compare(self, *, last: bool = True) -> Compared:
        rounds = self.kept.times.rounds if self.kept.times else []
        rules = dataclasses.replace(self.plan.rules, last=last)
        return compare_versions(self.kept.records[0], self.kept.records[1], rules, rounds)

    # The cheap part: checks and probes of both sides, a core each.

    def measure(self) -> None:
        on_both(self.measure_side)
        self.kept.settle_plan()
        for lab in self.plan.labs:
            bits = compare_bits(self.kept.case(lab), *self.kept.records)
            self.tell(f"{lab}: {bits.reason or 'every stage has the same bits'}")

    def measure_side(self, place: int) -> None:
        plan = MeasurementPlan(
            layers=("install", "probes") if self.plan.only_bits else ("install", "checks", "probes"),
            labs=self.plan.labs,
            seeds=1,
            checked=(self.kept.engine,),
            probed=(self.kept.engine,),
            trained=self.kept.engine,
        )
        setup = MeasurementSetup(
            folder=self.plan.folder / ".work" / NAMES[place],
            dataset=self.plan.dataset,
            source=self.plan.source,
            jobs=1,
            tell=lambda line: self.tell(f"{NAMES[place]}: {line}"),
            python=self.sides[place].python,
            cores=[self.cores[place]] if self.cores else None,
            environment=self.environments[place],
        )
        for record in measure(self.kept.records[place], plan, setup):
            self.kept.keep(place, record)

    # The dear part: full trainings, a seed on both sides at a time.

    def list_names(self) -> list[str]:
        return sorted(self.plan.labs, key=lambda lab: LABS[lab].epochs)

    def count(self, name: str) -> int:
        return self.kept.count(name)

    def is_moved(self, name: str) -> bool:
        return compare_bits(self.kept.case(name), *self.kept.records).moved

    def is_paired(self, name: str) -> bool:
        return share_case_streams(self.kept.records[0], self.kept.records[1], self.kept.case(name))

    def judge(self) -> Mapping[str, Sequence[CheckResult]]:
        results = self.compare(last=False).results
        cases = {lab: str(self.kept.case(lab)) for lab in self.plan.labs}
        return {lab: [result for result in results if result.case == case] for lab, case in cases.items()}

    def train_seed(self, name: str, seed: int, *, limit: float, swap: bool) -> str:
        config = TrainingConfig(lab=name, engine=self.kept.engine, seed=seed, data=self.plan.source, device="cpu")
        pythons = self.sides[0].python, self.sides[1].python
        # Where no stage moved, one training is expected to show that the ends are the same, and no time is judged. The
        # waiting of hundreds of epochs would take the time that accuracy and loss need.
        settled = check_config(config)
        as_shipped = self.is_moved(name) and (settled.epochs or 0) <= _MOST_WAITS
        task = make_lab_task(settled, as_shipped=as_shipped)
        done = train_round(pythons, task, self.cores, limit=limit, swap=swap)
        self.kept.add_round(done)
        old, new = (training.test_accuracy for training in done.trainings)
        return f"accuracy {old:.4f} and {new:.4f}"

    def add_failure(self, name: str, seed: int, error: LostSideError) -> None:  # noqa: ARG002 - the reason has it
        self.kept.add_failure(name, error)
