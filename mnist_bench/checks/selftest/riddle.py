"""A fault that is planted for a class: what a training with it reports, which check saw it first, and the answer."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from mnist_bench.checks.faults.registry import CLOCKED, FAULTS
from mnist_bench.checks.known import load_known
from mnist_bench.checks.names import FAST_CHECKS
from mnist_bench.checks.selftest.run import list_faults, run_faults
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import FAULT_VARIABLE
from mnist_bench.training.workers.events import Finished
from mnist_bench.training.workers.pool import train_all

if TYPE_CHECKING:
    from mnist_bench.checks.selftest.records import Outcome
    from mnist_bench.records.training import TrainingRecord

__all__ = ["draw_riddle", "find_answer", "format_answer", "train_with"]

_ENGINE = "graph"
_OF_KERAS = {"shuffle-frozen"}  # Keras 3 does the same by itself, so that nothing would be left to see


def draw_riddle(number: int) -> str:
    """Return a fault with its strength, as it is planted: always the same one for a number.

    Only faults that the fast checks should see are drawn, so that there is an answer.
    """
    seen = [it for it in FAULTS.values() if not it.unseen and it.family != CLOCKED and _ENGINE in it.engines]
    named = [it.name for it in seen if it.name not in _OF_KERAS]
    return random.Random(number).choice(list_faults(_ENGINE, named))  # noqa: S311 - a riddle is no secret


def train_with(riddle: str, *, epochs: int = 5, seed: int = 1671, data: str = "digits") -> TrainingRecord:
    """Return the record of the MLP trained in another process, with a fault planted; "" plants none.

    Raises:
        RuntimeError: The training does not finish.
    """
    config = TrainingConfig(lab="mlp", engine=_ENGINE, seed=seed, epochs=epochs, data=data, device="cpu")
    try:
        if riddle:
            os.environ[FAULT_VARIABLE] = riddle
        *_, last = train_all([config], jobs=1)
    finally:
        os.environ.pop(FAULT_VARIABLE, None)
    if isinstance(last, Finished):
        return last.record
    raise RuntimeError(f"the training did not finish: {last}")


def find_answer(riddle: str, *, data: str = "digits") -> Outcome:
    """Return what the fast checks say of a fault; checks of the list of known regressions are left out."""
    failing = [f"{known.check}[{_ENGINE}]" for known in load_known() if _ENGINE in known.engines]
    (outcome,) = run_faults([riddle], engine=_ENGINE, source=data, failing=failing, jobs=1)
    return outcome


def format_answer(outcome: Outcome, guess: str) -> str:
    """Return the answer, and whether the guess is the check that saw the fault first, or one of the others that did.

    Raises:
        ValueError: The guess is no check.
    """
    if guess not in FAST_CHECKS:
        raise ValueError(f"{guess!r} is no check: choose from {', '.join(FAST_CHECKS)}")
    fault = FAULTS[outcome.fault]
    first = (outcome.first or "no check").partition("[")[0]
    others = {name.partition("[")[0] for name in outcome.seen_by}
    said = "right" if guess == first else "right as well: it was not the first" if guess in others else "wrong"
    lines = [
        f"Your guess, {guess}, is {said}.",
        f"Planted was {outcome.fault}: {fault.imitates}, at strength {outcome.strength:g}.",
        f"Seen first by {first}" + (f", after {outcome.first_seconds:.1f} s." if outcome.first_seconds else "."),
    ]
    if outcome.sentence:
        lines.append(f"The likeliest cause that was named: {outcome.sentence}.")
    return "\n".join(lines)
