"""The loop of looks: seeds are trained on both sides until every model is decided, or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from mnist_bench.checks.elsewhere import ask_environment
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.sequential import GROUP_LOOKS, PAIR_LOOKS
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.upgrade.kept import NAMES
from mnist_bench.versions.upgrade.rounds import LostSideError, OverdueError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.upgrade.sides import Side

__all__ = [
    "BUDGET_SECONDS",
    "NO_CLOCK",
    "Budget",
    "Looks",
    "Trial",
    "ask_environments",
    "check_budget",
    "on_both",
]

BUDGET_SECONDS = 600.0
LEAST_SECONDS = 60.0  # the checks alone take about as long
NO_CLOCK = "no time is judged: that needs two cores, and a system that can pin processes to cores"
"""The note of a comparison whose trainings did not run on a core each."""

T = TypeVar("T")


class Trial(Protocol):
    """What is trained on both sides, and how it is judged: the labs, or a model of the user's own."""

    def list_names(self) -> list[str]:
        """Return the names of the models, that with the shortest training first."""

    def count(self, name: str) -> int:
        """Return how many seeds of a model both sides have."""

    def is_moved(self, name: str) -> bool:
        """Return whether the bits of a model are not the same on both sides."""

    def is_paired(self, name: str) -> bool:
        """Return whether both sides draw the same random numbers from a seed."""

    def judge(self) -> Mapping[str, Sequence[CheckResult]]:
        """Return what more trainings of each model could decide, by its name, judged by those that there are."""

    def train_seed(self, name: str, seed: int, *, limit: float, swap: bool) -> str:
        """Train a seed of a model on both sides, keep both trainings, and return their figures in a few words.

        Raises:
            LostSideError: A side gives no training.
            OverdueError: It takes longer than the limit.
        """

    def add_failure(self, name: str, seed: int, error: LostSideError) -> None:
        """Keep that a side gave no training."""


@dataclass
class Budget:
    """The time that a comparison may take, which begins now."""

    seconds: float
    begin: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108 - tests replace the clock

    def elapsed(self) -> float:
        """Return the seconds that have passed."""
        return time.monotonic() - self.begin

    def left(self) -> float:
        """Return the seconds that are left."""
        return max(self.seconds - self.elapsed(), 0.0)


def check_budget(seconds: float) -> None:
    """Refuse a budget in which nothing could be trained.

    Raises:
        ValueError: It is too small.
    """
    if seconds < LEAST_SECONDS:
        raise ValueError(f"a budget of {seconds:g} s is too small: the checks alone take a minute; 10m is usual")


def on_both(do: Callable[[int], T]) -> list[T]:
    """Return what a function returns for the base, 0, and for the new side, 1, called for both at the same time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(do, range(2)))


def ask_environments(sides: tuple[Side, Side], cores: tuple[int, int] | None) -> list[EnvironmentRecord]:
    """Return the fingerprints of both sides, each asked on a core of its own.

    Raises:
        ValueError: An interpreter gives no answer.
    """

    def ask(place: int) -> EnvironmentRecord:
        try:
            return ask_environment(sides[place].python, cores=[cores[place]] if cores else None)
        except CommandError as error:
            raise ValueError(f"{sides[place].text}: {error}") from error

    return on_both(ask)


@dataclass
class Looks:
    """A loop in progress.

    Attributes:
        trial: What is trained and judged.
        budget: The time; a round that is not expected to end in time is not begun.
        tell: Called with each line of progress.
        round_seconds: How long one more seed of each model takes on both sides.
        given_up: The models for which no time is left, or of which a side gave no training.
    """

    trial: Trial
    budget: Budget
    tell: Callable[[str], None]
    round_seconds: dict[str, float] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Train one seed of each model; then more seeds of those that are not decided."""
        number = 0
        while names := self._list_open():
            for name in names:
                self._train_next(name, swap=number % 2 == 1)
            number += 1

    def _list_open(self) -> list[str]:
        """Return the models that need another seed: those with none, and those that moved and are not decided."""
        # The shortest training first, so that a spent budget leaves the fewest models open.
        names = [name for name in self.trial.list_names() if name not in self.given_up]
        new = [name for name in names if not self.trial.count(name)]
        if new:
            return new
        moved = [name for name in names if self.trial.is_moved(name)]
        between = [name for name in moved if self.trial.count(name) not in self._list_looks(name)]
        at_look = [name for name in moved if name not in between]
        return between or (self._list_undecided(at_look) if at_look else [])

    def _list_undecided(self, names: Sequence[str]) -> list[str]:
        """Return the models about which a look leaves something open, and which have a further look."""
        judged = self.trial.judge()
        undecided = []
        for name in names:
            own = judged.get(name, [])
            worse = [result for result in own if result.verdict is Verdict.REGRESSED]
            seeds = self.trial.count(name)
            for result in worse:
                self.tell(f"{name}: {result.check}: {result.figure}")
            # A lab that is slower may be as good as it was: its figures are decided all the same.
            slower = any(result.layer == "time" for result in worse)
            figures = [result for result in own if result.layer != "time"] if slower else own
            ended = any(result.verdict is Verdict.REGRESSED for result in figures)
            if ended or all(result.verdict is not Verdict.INCONCLUSIVE for result in figures):
                self.tell(f"{name}: decided after {seeds} seeds")
            elif seeds < self._list_looks(name)[-1]:
                undecided.append(name)
        return undecided

    def _list_looks(self, name: str) -> tuple[int, ...]:
        return PAIR_LOOKS if self.trial.is_paired(name) else GROUP_LOOKS

    def _train_next(self, name: str, *, swap: bool) -> None:
        """Train the next seed of a model on both sides, if the time allows."""
        expected, left = self.round_seconds.get(name, 0.0), self.budget.left()
        seed = FIRST_SEED + self.trial.count(name)
        if expected > left or not left:
            self.given_up.add(name)
            self.tell(
                f"{name}: the time is over before seed {seed}, which takes {expected:.0f} s; {left:.0f} s are left"
            )
            return
        begin = time.monotonic()
        try:
            figures = self.trial.train_seed(name, seed, limit=left, swap=swap)
        except OverdueError:
            self.given_up.add(name)
            self.tell(f"{name}: the time is over before seed {seed} has ended")
            return
        except LostSideError as error:
            self.given_up.add(name)
            self.tell(f"{NAMES[error.side]}: {name}, seed {seed} failed: {error}")
            self.trial.add_failure(name, seed, error)
            return
        self.round_seconds[name] = time.monotonic() - begin
        self.tell(f"{name}, seed {seed}: {figures}, {self.round_seconds[name]:.0f} s")
