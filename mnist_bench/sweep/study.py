"""A queue of trials in a database, worked off by any number of processes and machines.

Whoever creates a study puts all its trials in the queue at once, so that its end is known: no process decides
alone that there is one more to try. A trial is taken by one process only, as the database sees to; its process
writes a heartbeat while it runs. Where that stops, another process fails the trial and queues it again.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mnist_bench.sweep.storage import connect, explain_errors, hide_password, load_optuna, quiet

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
"""Between two signs of life; after three without one a trial counts as lost."""

_CREATION_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_UNTRIED, _RUNNING, _FAILED = "waiting", "running", "failed"


class StudyMissingError(ValueError):
    """There is no study of that name."""


class _SurplusError(Exception):
    """A trial that was taken from an empty queue, by the second of two processes that saw its last one."""


@dataclass
class Slot:
    """One place in the queue, whatever attempts were made at it.

    Attributes:
        number: From 0, in the order of the queue.
        state: `complete`, `pruned`, `failed`, `running` or `waiting`.
        attempts: How often it was begun.
        facts: What its objective wrote down, of the attempt that counts.
        reports: The figures that it reported by step.
    """

    number: int
    state: str = _UNTRIED
    attempts: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)


def open_study(
    url: str, name: str, identity: dict[str, Any], points: Sequence[Point | None], *, heartbeat: int = HEARTBEAT_SECONDS
) -> Any:
    """Create a study with its queue, or join the one of the same identity that is there.

    Args:
        url: The database, as SQLAlchemy has it.
        name: The study's name in it.
        identity: What the study is, as JSON: a study of another identity is left alone.
        points: A trial each; the parameters of None are chosen by the sampler when its turn comes.
        heartbeat: Seconds between two signs of life of a running trial.

    Returns:
        The `optuna.Study`.

    Raises:
        ModuleNotFoundError: Optuna is not installed, or the database's driver.
        ValueError: The database cannot be used, or its study is another one.
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
        study.set_user_attr("slots", len(points))  # last: from now on the others can rely on the queue
    return study


def join_study(
    url: str, name: str, *, sampler: Any = None, pruner: Any = None, heartbeat: int = HEARTBEAT_SECONDS
) -> Any:
    """Return the study of that name.

    Args:
        url: The database.
        name: The study's name in it.
        sampler: Optuna's, for the trials without a point.
        pruner: Optuna's.
        heartbeat: As the others have it.

    Raises:
        StudyMissingError: There is none.
        ValueError: The database cannot be used.
    """
    optuna = load_optuna()
    with explain_errors(url):
        storage = connect(url, heartbeat)
        try:
            study = optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
        except KeyError as error:
            raise StudyMissingError(f"storage {hide_password(url)}: no study {name!r} there") from error
        _wait_for_queue(study, url)
    return study


def work(study: Any, objective: Callable[[Any], float], *, pause: float = _PAUSE_SECONDS) -> None:
    """Work off a study's queue until no trial waits and none runs, here or elsewhere.

    Args:
        study: As `join_study` returns it.
        objective: Takes an `optuna.Trial` and returns its value. What it raises fails the trial, and no other.
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
                # A process that was only slow finds its trial failed by another, which has queued it again.
                if not running or study.get_trials()[running[0]].state != optuna.trial.TrialState.FAIL:
                    raise
        elif optuna.trial.TrialState.RUNNING in states:
            _start_clocks(study, [it for it in trials if it.state == optuna.trial.TrialState.RUNNING], clocked)
            time.sleep(pause)
        else:
            return


def _start_clocks(study: Any, trials: Sequence[Any], clocked: set[int]) -> None:
    """Give each running trial one sign of life, once.

    A worker that is killed before its trial's first heartbeat would leave one that runs for ever: without any
    heartbeat Optuna takes none for lost.
    """
    for trial in trials:
        if trial.number not in clocked:
            clocked.add(trial.number)
            study._storage.record_heartbeat(trial._trial_id)  # noqa: SLF001 - there is no public way


def read_slots(study: Any) -> list[Slot]:
    """Return the state of every place in a study's queue, an attempt that ended well before any other."""
    slots = [Slot(number) for number in range(study.user_attrs["slots"])]
    for trial in study.get_trials(deepcopy=False):
        state = trial.state.name.lower()
        state = _FAILED if state == "fail" else state
        number = trial.user_attrs.get("slot")
        if number is None:  # a surplus one
            continue
        slot = slots[number]
        slot.attempts += state != _UNTRIED
        if slot.state not in ("complete", "pruned"):
            slot.state, slot.facts, slot.reports = state, dict(trial.user_attrs), dict(trial.intermediate_values)
    return slots


def _check_same(study: Any, url: str, identity: dict[str, Any]) -> Any:
    """Return the study if it is the one that was meant."""
    _wait_for_queue(study, url)
    there = study.user_attrs["identity"]
    for name, meant in identity.items():
        if there.get(name) != meant:
            raise ValueError(
                f"storage {hide_password(url)}: study {study.study_name!r} is another one: its {name} is"
                f" {there.get(name)!r}, not {meant!r}; --study takes another name"
            )
    # Writes what is there already: a database that cannot be written is found out now, not by the workers.
    study.set_user_attr("identity", identity)
    return study


def _wait_for_queue(study: Any, url: str) -> None:
    """Wait until whoever creates the study has put its trials in the queue."""
    end = time.monotonic() + (_CREATION_SECONDS if "identity" in study.user_attrs or not study.trials else 0)
    while "slots" not in study.user_attrs:
        if time.monotonic() > end:
            raise ValueError(
                f"storage {hide_password(url)}: study {study.study_name!r} was not made by this program,"
                " or not to its end; --study takes another name"
            )
        time.sleep(_PAUSE_SECONDS)
