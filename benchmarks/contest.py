"""The contest: contenders in turn, round by round, after the referee has let them in."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from referee import RefusedError
from results import Entry, Epoch, Proof
from teams import AbsentError, LostError, Team

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contenders import Contender
    from referee import Referee

__all__ = ["race"]


def race(
    contenders: Sequence[Contender],
    referee: Referee,
    *,
    rounds: int,
    seconds_budget: float,
    tell: Callable[[str], None],
) -> list[Entry]:
    """Race the contenders on one lab.

    Args:
        contenders: Who takes part.
        referee: Knows the task, and what an epoch of it must give.
        rounds: Timed epochs of each.
        seconds_budget: No round but the first begins later than this.
        tell: Called with a line of progress.

    Returns:
        What became of each.
    """
    lab = referee.task.lab.name
    with contextlib.ExitStack() as stack:
        starters = [_Starter(contender, referee, stack) for contender in contenders]
        for starter in starters:
            starter.enter()
            tell(f"{lab}: {starter.contender.name}: {starter.note or 'ready'}")
        for number, starter in _take_turns(starters, rounds, seconds_budget):
            starter.run(number)
            if len(starter.epochs) > number:
                tell(f"{lab}: round {number + 1}: {starter.contender.name}: {starter.epochs[-1].seconds:.4f} s")
    return [starter.make_entry() for starter in starters]


class _Starter:
    """One contender on its way through the contest; once it has a note, it is out."""

    def __init__(self, contender: Contender, referee: Referee, stack: contextlib.ExitStack) -> None:
        self.contender, self.epochs, self.note = contender, list[Epoch](), ""
        self._referee, self._stack = referee, stack
        self._team: Team | None = None
        self._proof: Proof | None = None
        self._failed = False

    def enter(self) -> None:
        """Start its processes, have the referee check a first epoch, and warm up with a shuffled one."""
        with self._leave_on_error():
            task = self._referee.task
            if task.lab.dropout and not self.contender.drops:
                raise AbsentError("has no dropout")
            team = Team(self.contender, task.lab.name, task.config.data)
            self._stack.callback(team.close)
            first, warm = team.train_untimed(shuffle=False), team.train_untimed(shuffle=True)
            if self.contender.trains:
                self._proof = self._referee.check_first(*first)
                self._referee.check_warm(warm[1])
            self._team = team

    def run(self, number: int) -> None:
        """Train a timed epoch, unless it is out or has had enough rounds."""
        most = self.contender.most_rounds
        if self._team is None or self.note or (most is not None and number >= most):
            return
        with self._leave_on_error():
            self.epochs.append(self._team.train_timed(follow=most is None))

    def make_entry(self) -> Entry:
        """Return what became of it."""
        return Entry(
            lab=self._referee.task.lab.name,
            contender=self.contender.name,
            epochs=self.epochs,
            proof=self._proof,
            note=self.note,
            failed=self._failed,
        )

    @contextlib.contextmanager
    def _leave_on_error(self) -> Iterator[None]:
        """One that fails leaves; the others go on."""
        try:
            yield
        except (AbsentError, LostError, RefusedError) as error:
            self.note, self._failed = str(error), not isinstance(error, AbsentError)


def _take_turns(starters: Sequence[_Starter], rounds: int, seconds_budget: float) -> Iterator[tuple[int, _Starter]]:
    """Yield who is next: each round turns the order around, so that none always follows the same one."""
    begin = time.monotonic()
    for number in range(rounds):
        if number and time.monotonic() - begin > seconds_budget:
            return
        for starter in starters[:: -1 if number % 2 else 1]:
            yield number, starter
