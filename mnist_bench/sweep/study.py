"""A queue of trials in a database, which any number of processes and machines process together.

The process that creates a study puts all trials in the queue at once, so that the end is known: no process decides
alone that there is one more trial. The database ensures that only one process takes a trial. That process writes a
heartbeat while the trial runs; if the heartbeat stops, another process fails the trial and puts it in the queue again.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mnist_bench.sweep.storage import connect, explain_errors, hide_secrets, load_optuna, quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mnist_bench.sweep.space import Point

__all__ = [
    "HEARTBEAT_SECONDS",
    "Slot",
    "StudyMissingError",
    "join_study",
    "open_study",
    "read_slots",
    "work",
]

HEARTBEAT_SECONDS = 20
"""The time between two heartbeats of a trial; after three missing heartbeats the trial counts as lost."""

_CREATION_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_SHOWN = 10  # places, in a message
_UNTRIED, _RUNNING, _FAILED = "waiting", "running", "failed"


class StudyMissingError(ValueError):
    """The study does not exist."""


class _SurplusError(Exception):
    """A trial from an empty queue: two processes saw the last trial, and this one came second."""


@dataclass
class Slot:
    """One place in the queue, with all attempts at it.

    Attributes:
        number: The position in the queue, from 0.
        state: `complete`, `pruned`, `failed`, `running` or `waiting`.
        attempts: How often the trial was started.
        facts: What the objective recorded in the attempt that counts.
        reports: The figures that the objective reported, by step.
    """

    number: int
    state: str = _UNTRIED
    attempts: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)


def open_study(
    url: str, name: str, identity: dict[str, Any], points: Sequence[Point | None], *, heartbeat: int = HEARTBEAT_SECONDS
) -> Any:
    """Create a study with its queue, or join an existing study of the same identity.

    Args:
        url: The database, as an address of SQLAlchemy.
        name: The name of the study.
        identity: What the study does, as JSON; a study of another identity is not touched.
        points: A point for each trial; for None the sampler chooses the parameters later.
        heartbeat: Seconds between two heartbeats of a running trial.

    Returns:
        The `optuna.Study`.

    Raises:
        ModuleNotFoundError: Optuna or the driver of the database is not installed.
        ValueError: The database cannot be used, or the study has another identity.
    """
    optuna = load_optuna()
    with explain_errors(url):
        storage = connect(url, heartbeat)
        try:
            study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
        except optuna.exceptions.DuplicatedStudyError:
            return _check_same(optuna.load_study(study_name=name, storage=storage), url, identity)
        study.set_user_attr("identity", identity)
        for number, point in enumerate(points):
            study.enqueue_trial(point or {}, user_attrs={"slot": number, "point": point})
        study.set_user_attr("slots", len(points))  # last: it tells other processes that the queue is complete
    return study


def join_study(
    url: str, name: str, *, sampler: Any = None, pruner: Any = None, heartbeat: int = HEARTBEAT_SECONDS
) -> Any:
    """Return the study of that name.

    Args:
        url: The database.
        name: The name of the study.
        sampler: A sampler of Optuna, for the trials without a point.
        pruner: A pruner of Optuna.
        heartbeat: Seconds between two heartbeats, the same in all processes.

    Raises:
        StudyMissingError: The study does not exist.
        ValueError: The database cannot be used.
    """
    optuna = load_optuna()
    with explain_errors(url):
        storage = connect(url, heartbeat)
        try:
            study = optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
        except KeyError as error:
            raise StudyMissingError(f"storage {hide_secrets(url)} has no study {name!r}") from error
        _wait_for_queue(study, url)
    return study


def work(study: Any, objective: Callable[[Any], float], *, pause: float = _PAUSE_SECONDS) -> None:
    """Process a study's queue until no trial waits or runs, here or elsewhere.

    Args:
        study: A study from `join_study`.
        objective: Takes an `optuna.Trial` and returns its value. An exception fails this trial only.
        pause: Seconds between two looks at trials that run elsewhere.
    """
    optuna = load_optuna()
    running: list[int] = []

    def take(trial: Any) -> float:
        if "slot" not in trial.user_attrs:
            raise _SurplusError
        running[:] = [trial.number]
        try:
            return objective(trial)
        except optuna.TrialPruned:
            raise
        except Exception as error:
            with contextlib.suppress(Exception):  # the trial may be lost to another process
                trial.set_user_attr("error", f"{type(error).__name__}: {' '.join(str(error).split())}")
            raise

    clocked: set[int] = set()
    while True:
        with quiet():
            optuna.storages.fail_stale_trials(study)
        trials = study.get_trials(deepcopy=False)
        states = [trial.state for trial in trials]
        if optuna.trial.TrialState.WAITING in states:
            try:
                study.optimize(take, n_trials=1, catch=(Exception,))
            except Exception:
                # If this process was only slow, another process has failed the trial and queued it again.
                if not running or study.get_trials()[running[0]].state != optuna.trial.TrialState.FAIL:
                    raise
        elif optuna.trial.TrialState.RUNNING in states:
            running_trials = [trial for trial in trials if trial.state == optuna.trial.TrialState.RUNNING]
            _start_clocks(study, running_trials, clocked)
            time.sleep(pause)
        else:
            return


def _start_clocks(study: Any, trials: Sequence[Any], clocked: set[int]) -> None:
    """Write one heartbeat for each running trial, once.

    If a worker is killed before the first heartbeat, its trial would run for ever: Optuna does not count a trial
    without any heartbeat as lost.
    """
    for trial in trials:
        if trial.number not in clocked:
            clocked.add(trial.number)
            study._storage.record_heartbeat(trial._trial_id)  # noqa: SLF001 - no public function does this


def read_slots(study: Any) -> list[Slot]:
    """Return the state of every place in a study's queue; a successful attempt counts before any other.

    Raises:
        ValueError: The places that the trials have are not those that the study has.
    """
    trials = study.get_trials(deepcopy=False)
    slots = [Slot(number) for number in range(_count_slots(study, trials))]
    for trial in trials:
        state = trial.state.name.lower()
        state = _FAILED if state == "fail" else state
        number = trial.user_attrs.get("slot")
        if number is None:  # a surplus trial
            continue
        slot = slots[number]
        slot.attempts += state != _UNTRIED
        if slot.state not in ("complete", "pruned"):
            slot.state, slot.facts, slot.reports = state, dict(trial.user_attrs), dict(trial.intermediate_values)
    return slots


def _count_slots(study: Any, trials: Sequence[Any]) -> int:
    """Return the number of places in a study's queue, which the study and its trials must agree on."""
    count = study.user_attrs["slots"]
    numbers = [trial.user_attrs["slot"] for trial in trials if "slot" in trial.user_attrs]
    whole = all(type(number) is int for number in [count, *numbers])
    if not whole or sorted(set(numbers)) != list(range(min(count, len(numbers) + 1))):
        there = ", ".join(map(str, dict.fromkeys(map(repr, numbers[:_SHOWN]))))
        raise ValueError(
            f"study {study.study_name!r} was edited: it has {count!r} places, from 0, and its trials have the places "
            f"{there or 'of none'}{', ...' if len(numbers) > _SHOWN else ''}"
        )
    return int(count)


def _check_same(study: Any, url: str, identity: dict[str, Any]) -> Any:
    """Return the study if it has this identity."""
    _wait_for_queue(study, url)
    stored = study.user_attrs["identity"]
    for name, meant in identity.items():
        if stored.get(name) != meant:
            raise ValueError(
                f"storage {hide_secrets(url)}: study {study.study_name!r} is of another sweep: {name} is"
                f" {stored.get(name)!r}, not {meant!r}; choose another name with --study"
            )
    # Writes the same value again: a database that cannot be written fails now, and not in the workers.
    study.set_user_attr("identity", identity)
    return study


def _wait_for_queue(study: Any, url: str) -> None:
    """Wait until the process that creates the study has put all trials in the queue."""
    end = time.monotonic() + (_CREATION_SECONDS if "identity" in study.user_attrs or not study.trials else 0)
    while "slots" not in study.user_attrs:
        if time.monotonic() > end:
            raise ValueError(
                f"storage {hide_secrets(url)}: study {study.study_name!r} was not made by this program,"
                " or its creation did not finish; choose another name with --study"
            )
        time.sleep(_PAUSE_SECONDS)
    identity = study.user_attrs.get("identity")
    if not (isinstance(identity, dict) and isinstance(identity.get("what"), str)):
        raise ValueError(f"study {study.study_name!r} was edited: its identity is {str(identity)[:80]!r}")  # noqa: TRY004 - bad input
    _count_slots(study, study.get_trials(deepcopy=False))
