"""Two environments, measured side by side, the cheapest first, until every question is decided or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.checks.elsewhere import ask_environment
from mnist_bench.records.config import FIRST_SEED, TrainingConfig
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.ratios import BOUND
from mnist_bench.stats.sequential import ACCURACY_MARGIN, LOOKS, PAIR_LOOKS
from mnist_bench.timing.ab.process import find_cores
from mnist_bench.training.data.dataset import Dataset
from mnist_bench.training.engines import loses_losses
from mnist_bench.training.labs import LABS
from mnist_bench.training.runner import check_config
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.bits import compare_bits, share_case_streams
from mnist_bench.versions.comparison import Compared, compare_versions
from mnist_bench.versions.figures import FigureRules
from mnist_bench.versions.measurement import MeasurementSetup, measure
from mnist_bench.versions.plan import MeasurementPlan
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.upgrade.kept import NAMES, Kept
from mnist_bench.versions.upgrade.rounds import LostSideError, OverdueError, train_round
from mnist_bench.versions.upgrade.sides import Side
from mnist_bench.versions.upgrade.times import TimesRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.records.environment import EnvironmentRecord

__all__ = ["BUDGET_SECONDS", "GROUP_LOOKS", "Decided", "UpgradePlan", "choose_engine", "decide"]

BUDGET_SECONDS = 600.0
LEAST_SECONDS = 60.0  # the checks alone take about as long
GROUP_LOOKS = (*LOOKS, 40)
"""The looks where the two sides draw other random numbers: as many looks as of pairs, at more seeds."""


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
    if plan.budget_seconds < LEAST_SECONDS and not plan.only_bits:
        given = plan.budget_seconds
        raise ValueError(f"a budget of {given:g} s is too small: the checks alone take a minute; 10m is usual")
    begin, cores = time.monotonic(), find_cores()
    with ThreadPoolExecutor(2) as pool:
        environments = list(pool.map(_ask, sides, [[core] for core in cores] if cores else [None, None]))
    engine = plan.engine or choose_engine([environment.keras for environment in environments])
    kept = Kept(plan.folder, plan.labs, engine, plan.only_bits)
    kept.begin(environments, [side.install for side in sides])
    run = _Run(sides, plan, tell, kept, begin, cores)
    run.measure()
    if not plan.only_bits and all(record.status == "measured" for record in kept.records):
        run.train()
    compared = run.compare()
    compared.notes.extend(_note_times(compared, kept.times, plan))
    return Decided(compared, (kept.records[0], kept.records[1]), kept.times, run.elapsed(), run.round_seconds)


def _ask(side: Side, cores: list[int] | None) -> EnvironmentRecord:
    try:
        return ask_environment(side.python, cores=cores)
    except CommandError as error:
        raise ValueError(f"{side.text}: {error}") from error


def _note_times(compared: Compared, times: TimesRecord | None, plan: UpgradePlan) -> Iterator[str]:
    """Yield why no time is judged, where none is."""
    if plan.only_bits or any(clock == "work" for clock, _ in compared.decisions):
        return
    if times is None:
        yield "no time is judged: that needs two cores, and a system that can pin processes to cores"
        return
    seconds = [sum(sum(getattr(each, side)) for each in times.rounds) for side in ("cpu_a", "cpu_b")]
    ratio = seconds[1] / seconds[0] if seconds[0] else 0.0
    yield (
        f"no time is judged, as the bits needed few trainings: their processor time is {ratio:.2f} times as long; "
        "--only time compares the clock"
    )


def choose_engine(keras: Sequence[str]) -> str:
    """Return the engine by which all these versions of Keras can be trained, and their seconds compared."""
    return "graph" if any(map(loses_losses, keras)) else "epoch"


@dataclass
class _Run:
    """A comparison in progress."""

    sides: tuple[Side, Side]
    plan: UpgradePlan
    tell: Callable[[str], None]
    kept: Kept
    begin: float
    cores: tuple[int, int] | None
    round_seconds: dict[str, float] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)

    def elapsed(self) -> float:
        return time.monotonic() - self.begin

    def left(self) -> float:
        return self.plan.budget_seconds - self.elapsed()

    def compare(self) -> Compared:
        rounds = self.kept.times.rounds if self.kept.times else []
        return compare_versions(self.kept.records[0], self.kept.records[1], self.plan.rules, rounds)

    def share(self, place: int) -> list[int] | None:
        return [self.cores[place]] if self.cores else None

    # The cheap part: checks and probes of both sides, a core each.

    def measure(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(self.measure_side, place) for place in range(2)]:
                future.result()
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
            cores=self.share(place),
        )
        for record in measure(self.kept.records[place], plan, setup):
            self.kept.keep(place, record)

    # The dear part: full trainings, a seed on both sides at a time.

    def train(self) -> None:
        """Train one seed of each lab; then more seeds of those labs that are not decided."""
        number = 0
        while labs := self.list_open():
            for lab in labs:
                self.train_next(lab, swap=number % 2 == 1)
            number += 1

    def list_open(self) -> list[str]:
        """Return the labs that need another seed: those with none, and those that moved and are not decided."""
        # The shortest training first, so that a spent budget leaves the fewest labs open.
        labs = sorted((lab for lab in self.plan.labs if lab not in self.given_up), key=lambda lab: LABS[lab].epochs)
        new = [lab for lab in labs if not self.kept.count(lab)]
        if new:
            return new
        moved = [lab for lab in labs if compare_bits(self.kept.case(lab), *self.kept.records).moved]
        between = [lab for lab in moved if self.kept.count(lab) not in self.list_looks(lab)]
        at_look = [lab for lab in moved if lab not in between]
        return between or (self.list_undecided(at_look) if at_look else [])

    def list_undecided(self, labs: Sequence[str]) -> list[str]:
        """Return the labs about which a look leaves something open, and which have a further look."""
        compared = self.compare()
        undecided = []
        for lab in labs:
            own = [result for result in compared.results if result.case == str(self.kept.case(lab))]
            worse = [result for result in own if result.verdict is Verdict.REGRESSED]
            seeds = self.kept.count(lab)
            for result in worse:
                self.tell(f"{lab}: {result.check}: {result.figure}")
            if worse or all(result.verdict is not Verdict.INCONCLUSIVE for result in own):
                self.tell(f"{lab}: decided after {seeds} seeds")
            elif seeds < self.list_looks(lab)[-1]:
                undecided.append(lab)
        return undecided

    def list_looks(self, lab: str) -> tuple[int, ...]:
        paired = share_case_streams(self.kept.records[0], self.kept.records[1], self.kept.case(lab))
        return PAIR_LOOKS if paired else GROUP_LOOKS

    def train_next(self, lab: str, *, swap: bool) -> None:
        """Train the next seed of a lab on both sides, if the time allows."""
        expected, left = self.round_seconds.get(lab, 0.0), max(self.left(), 0.0)
        seed = FIRST_SEED + self.kept.count(lab)
        if expected > left or not left:
            self.given_up.add(lab)
            self.tell(
                f"{lab}: the time is over before seed {seed}, which takes {expected:.0f} s; {left:.0f} s are left"
            )
            return
        config = TrainingConfig(lab=lab, engine=self.kept.engine, seed=seed, data=self.plan.source, device="cpu")
        begin = time.monotonic()
        pythons = self.sides[0].python, self.sides[1].python
        try:
            done = train_round(pythons, check_config(config), self.cores, limit=left, swap=swap)
        except OverdueError:
            self.given_up.add(lab)
            self.tell(f"{lab}: the time is over before seed {seed} has ended")
            return
        except LostSideError as error:
            self.given_up.add(lab)
            self.tell(f"{NAMES[error.side]}: {lab}, seed {seed} failed: {error}")
            self.kept.add_failure(lab, error)
            return
        self.round_seconds[lab] = time.monotonic() - begin
        self.kept.add_round(done)
        old, new = (training.test_accuracy for training in done.trainings)
        self.tell(f"{lab}, seed {seed}: accuracy {old:.4f} and {new:.4f}, {self.round_seconds[lab]:.0f} s")
