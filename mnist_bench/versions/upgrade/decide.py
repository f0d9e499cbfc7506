"""Two environments, measured side by side, the cheapest first, until every question is decided or the time is over."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.checks.elsewhere import ask_environment
from mnist_bench.records.acceptance import now
from mnist_bench.records.config import FIRST_SEED, Case, TrainingConfig
from mnist_bench.records.files import PACKAGE, check_folder
from mnist_bench.records.serial import load, save
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.ratios import BOUND
from mnist_bench.stats.sequential import ACCURACY_MARGIN, LOOKS, PAIR_LOOKS
from mnist_bench.timing.ab.process import find_cores
from mnist_bench.training.data.dataset import Dataset
from mnist_bench.training.fingerprint import read_commit
from mnist_bench.training.labs import LABS
from mnist_bench.training.runner import check_config
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.bits import compare_bits, share_case_streams
from mnist_bench.versions.comparison import Compared, compare_versions
from mnist_bench.versions.figures import FigureRules
from mnist_bench.versions.measurement import MeasurementSetup, measure
from mnist_bench.versions.plan import MeasurementPlan
from mnist_bench.versions.records import Failure, Planned, VersionRecord, add_training, seeds_by_case, update_record
from mnist_bench.versions.releases import describe_version
from mnist_bench.versions.upgrade.rounds import LostSideError, OverdueError, train_round
from mnist_bench.versions.upgrade.sides import Side
from mnist_bench.versions.upgrade.times import TimesRecord

if TYPE_CHECKING:
    from mnist_bench.records.environment import EnvironmentRecord

__all__ = ["BUDGET_SECONDS", "GROUP_LOOKS", "Decided", "UpgradePlan", "choose_engine", "decide"]

BUDGET_SECONDS = 600.0
LEAST_SECONDS = 60.0  # the checks alone take about as long
GROUP_LOOKS = (*LOOKS, 40)
"""The looks where the two sides draw other random numbers: as many looks as of pairs, at more seeds."""

_NAMES = ("base", "new")
_LOST_LOSSES = ((3, 0), (3, 7))  # Keras versions that cannot run an epoch in one call: see `engines.check_steps`


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
    return _Run(sides, plan, tell).decide()


def choose_engine(keras: Sequence[str]) -> str:
    """Return the engine by which all these versions of Keras can be trained, and their seconds compared."""
    minors = [tuple(map(int, version.split(".")[:2])) for version in keras]
    return "graph" if any(_LOST_LOSSES[0] <= minor < _LOST_LOSSES[1] for minor in minors) else "epoch"


@dataclass
class _Run:
    """A comparison in progress."""

    sides: tuple[Side, Side]
    plan: UpgradePlan
    tell: Callable[[str], None]
    begin: float = 0.0
    cores: tuple[int, int] | None = field(default_factory=find_cores)
    records: list[VersionRecord] = field(default_factory=list)
    times: TimesRecord | None = None
    engine: str = ""
    round_seconds: dict[str, float] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)

    def decide(self) -> Decided:
        if self.plan.budget_seconds < LEAST_SECONDS and not self.plan.only_bits:
            given = self.plan.budget_seconds
            raise ValueError(f"a budget of {given:g} s is too small: the checks alone take a minute; 10m is usual")
        self.begin = time.monotonic()
        check_folder(self.plan.folder)
        self._enter()
        self._measure()
        if not self.plan.only_bits and all(record.status == "measured" for record in self.records):
            self._train()
        compared = self._compare()
        first, second = self.records
        return Decided(compared, (first, second), self.times, self._elapsed(), self.round_seconds)

    def _elapsed(self) -> float:
        return time.monotonic() - self.begin

    def _left(self) -> float:
        return self.plan.budget_seconds - self._elapsed()

    def _compare(self) -> Compared:
        rounds = self.times.rounds if self.times else []
        return compare_versions(self.records[0], self.records[1], self.plan.rules, rounds)

    # The cheap part: fingerprint, checks and probes of both sides, a core each.

    def _enter(self) -> None:
        """Load or begin the records of both sides, and choose the engine."""
        with ThreadPoolExecutor(2) as pool:
            environments = list(pool.map(self._ask, range(2)))
        self.engine = self.plan.engine or choose_engine([environment.keras for environment in environments])
        for place, environment in enumerate(environments):
            path = self._path(place)
            if path.exists():
                self.records.append(load(path, VersionRecord))
                continue
            install = self.sides[place].install
            version = describe_version(_NAMES[place], environment)
            record = VersionRecord(version=version, install=install, created=now(), commit=read_commit(PACKAGE))
            self.records.append(record)
        path = self.plan.folder / "times.json"
        if path.exists():
            self.times = load(path, TimesRecord)

    def _ask(self, place: int) -> EnvironmentRecord:
        try:
            return ask_environment(self.sides[place].python, cores=self._share(place))
        except CommandError as error:
            raise ValueError(f"{self.sides[place].text}: {error}") from error

    def _measure(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(self._measure_side, place) for place in range(2)]:
                future.result()
        self._settle_plan()
        for lab in self.plan.labs:
            bits = compare_bits(self._case(lab), *self.records)
            self.tell(f"{lab}: {bits.reason or 'every stage has the same bits'}")

    def _settle_plan(self) -> None:
        """Say in both records what is due: what this comparison plans, whatever a version is measured by elsewhere."""
        bits, common = self.plan.only_bits, max(min(map(self._count, self.plan.labs)), 1)
        planned = Planned(
            labs=list(self.plan.labs),
            checked=[] if bits else [self.engine],
            probed=[self.engine],
            trained=[] if bits else [self.engine],
            # A seed that only some of the labs need is not due.
            seeds=list(range(FIRST_SEED, FIRST_SEED + common)),
            whole=False,
        )
        for place, record in enumerate(self.records):
            self._keep(place, dataclasses.replace(record, planned=planned))

    def _measure_side(self, place: int) -> None:
        plan = MeasurementPlan(
            layers=("install", "probes") if self.plan.only_bits else ("install", "checks", "probes"),
            labs=self.plan.labs,
            seeds=1,
            checked=(self.engine,),
            probed=(self.engine,),
            trained=self.engine,
        )
        setup = MeasurementSetup(
            folder=self.plan.folder / ".work" / _NAMES[place],
            dataset=self.plan.dataset,
            source=self.plan.source,
            jobs=1,
            tell=partial(self._tell_side, place),
            python=self.sides[place].python,
            cores=self._share(place),
        )
        for record in measure(self.records[place], plan, setup):
            self._keep(place, record)

    def _share(self, place: int) -> list[int] | None:
        return [self.cores[place]] if self.cores else None

    def _tell_side(self, place: int, line: str) -> None:
        self.tell(f"{_NAMES[place]}: {line}")

    def _path(self, place: int) -> Path:
        return self.plan.folder / f"{_NAMES[place]}.json"

    def _keep(self, place: int, record: VersionRecord) -> None:
        self.records[place] = record
        save(record, self._path(place), overwrite=True, folded=True)

    # The dear part: full trainings, a seed on both sides at a time.

    def _train(self) -> None:
        """Train one seed of each lab; then more seeds of those labs that are not decided."""
        number = 0
        while labs := self._list_open():
            for lab in labs:
                self._train_next(lab, swap=number % 2 == 1)
            number += 1

    def _list_open(self) -> list[str]:
        """Return the labs that need another seed: those with none, and those that moved and are not decided."""
        # The shortest training first, so that a spent budget leaves the fewest labs open.
        labs = sorted((lab for lab in self.plan.labs if lab not in self.given_up), key=lambda lab: LABS[lab].epochs)
        new = [lab for lab in labs if not self._count(lab)]
        if new:
            return new
        moved = [lab for lab in labs if compare_bits(self._case(lab), *self.records).moved]
        between = [lab for lab in moved if self._count(lab) not in self._looks(lab)]
        at_look = [lab for lab in moved if lab not in between]
        return between or (self._list_undecided(at_look) if at_look else [])

    def _list_undecided(self, labs: Sequence[str]) -> list[str]:
        """Return the labs about which a look leaves something open, and which have a further look."""
        compared = self._compare()
        undecided = []
        for lab in labs:
            own = [result for result in compared.results if result.case == str(self._case(lab))]
            words = sorted({result.layer for result in own if result.verdict is Verdict.INCONCLUSIVE})
            worse = [result for result in own if result.verdict is Verdict.REGRESSED]
            seeds = self._count(lab)
            for result in worse:
                self.tell(f"{lab}: {result.check}: {result.figure}")
            if worse or not words:
                self.tell(f"{lab}: decided after {seeds} seeds")
            elif seeds < self._looks(lab)[-1]:
                undecided.append(lab)
        return undecided

    def _case(self, lab: str) -> Case:
        return Case(lab, self.engine)

    def _looks(self, lab: str) -> tuple[int, ...]:
        return PAIR_LOOKS if share_case_streams(self.records[0], self.records[1], self._case(lab)) else GROUP_LOOKS

    def _count(self, lab: str) -> int:
        """Return how many seeds of a lab both sides have."""
        sides = [seeds_by_case(record).get(self._case(lab)) for record in self.records]
        return min(len(side.seeds) if side else 0 for side in sides)

    def _train_next(self, lab: str, *, swap: bool) -> None:
        """Train the next seed of a lab on both sides, if the time allows."""
        expected = self.round_seconds.get(lab, 0.0)
        if expected > self._left():
            self.given_up.add(lab)
            self.tell(
                f"{lab}: the time is over: {expected:.0f} s are needed for the next seed, {self._left():.0f} left"
            )
            return
        seed = FIRST_SEED + self._count(lab)
        config = TrainingConfig(lab=lab, engine=self.engine, seed=seed, data=self.plan.source, device="cpu")
        begin = time.monotonic()
        pythons = self.sides[0].python, self.sides[1].python
        try:
            done = train_round(pythons, check_config(config), self.cores, limit=max(self._left(), 1.0), swap=swap)
        except OverdueError:
            self.given_up.add(lab)
            self.tell(f"{lab}: the time is over before seed {seed} has ended")
            return
        except LostSideError as error:
            self.given_up.add(lab)
            failure = Failure(layer="accuracy", what=str(self._case(lab)), reason=str(error), lines=error.lines)
            self._tell_side(error.side, f"{lab}, seed {seed} failed: {error}")
            record = self.records[error.side]
            self._keep(error.side, update_record(record, failures=[*record.failures, failure]))
            return
        self.round_seconds[lab] = time.monotonic() - begin
        for place, training in enumerate(done.trainings):
            self.records[place] = add_training(self.records[place], training)
        self._settle_plan()
        if done.times:
            a, b = (training.environment for training in done.trainings)
            times = self.times or TimesRecord(a=a, b=b)
            self.times = dataclasses.replace(times, rounds=[*times.rounds, done.times])
            save(self.times, self.plan.folder / "times.json", overwrite=True, folded=True)
        old, new = (training.test_accuracy for training in done.trainings)
        self.tell(f"{lab}, seed {seed}: accuracy {old:.4f} and {new:.4f}, {self.round_seconds[lab]:.0f} s")
