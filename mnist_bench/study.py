"""A queue of trials in a database, worked off by any number of processes and machines: Optuna behind one door.

Whoever creates a study puts all its trials in the queue at once, so that its end is known: no process decides
alone that there is one more to try. A trial is taken by one process only, as the database sees to; its process
writes a heartbeat while it runs. Where that stops, another process fails the trial and queues it again.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.space import Point

__all__ = [
    "HEARTBEAT_SECONDS",
    "RETRIES",
    "Slot",
    "StudyMissingError",
    "join_study",
    "open_study",
    "read_slots",
    "work",
]

HEARTBEAT_SECONDS = 20
"""Between two signs of life; after three without one a trial counts as lost."""

RETRIES = 3
"""How often a lost trial is tried again: one that kills its worker each time must end."""

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
    with _explain_errors(url):
        storage = _connect(url, heartbeat)
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
    with _explain_errors(url):
        storage = _connect(url, heartbeat)
        try:
            study = optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
        except KeyError as error:
            raise StudyMissingError(f"storage {_hide(url)}: no study {name!r} there") from error
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
        with _quiet():
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


def load_optuna() -> Any:
    """Import Optuna, quiet.

    Raises:
        ModuleNotFoundError: It is not installed; the message says how to install it.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}: a sweep needs Optuna: pip install 'mnist-bench[sweep]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _connect(url: str, heartbeat: int) -> Any:
    """Connect to the database, whose tables are made where there are none."""
    import sqlalchemy

    optuna = load_optuna()
    address = sqlalchemy.make_url(url)
    if address.drivername == "postgresql":
        # SQLAlchemy's own choice for the bare name is the driver before this one.
        address = address.set(drivername="postgresql+psycopg")
    seconds = {"timeout": 60} if address.drivername.startswith("sqlite") else {}
    if address.drivername == "postgresql+psycopg":
        seconds = {"connect_timeout": 10}
    options: dict[str, Any] = {
        "heartbeat_interval": heartbeat,
        "grace_period": 3 * heartbeat,
        # A connection lives as long as its question: none is left open, or used after a server's restart.
        "engine_kwargs": {"connect_args": seconds, "poolclass": sqlalchemy.pool.NullPool},
    }
    with _quiet():
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
        options["heartbeat_stale_trial_callback"] = retry
        try:
            storage = optuna.storages.RDBStorage(address.render_as_string(hide_password=False), **options)
        except sqlalchemy.exc.SQLAlchemyError:
            # Of two processes that make the tables of a new database at once, one fails.
            time.sleep(1)
            storage = optuna.storages.RDBStorage(address.render_as_string(hide_password=False), **options)
    if address.drivername.startswith("sqlite"):
        _lock_from_the_start(storage.engine)
    return storage


def _lock_from_the_start(engine: Any) -> None:
    """Have each transaction of SQLite take its lock before it reads.

    Optuna takes a trial by reading its state and then writing it, under a row lock that SQLite does not have: two
    processes took the same trial now and then.
    """
    import sqlalchemy

    def leave_transactions_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sqlalchemy.event.listen(engine, "connect", leave_transactions_to_us)
    sqlalchemy.event.listen(engine, "begin", begin)


def _check_same(study: Any, url: str, identity: dict[str, Any]) -> Any:
    """Return the study if it is the one that was meant."""
    _wait_for_queue(study, url)
    there = study.user_attrs["identity"]
    for name, meant in identity.items():
        if there.get(name) != meant:
            raise ValueError(
                f"storage {_hide(url)}: study {study.study_name!r} is another one: its {name} is"
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
                f"storage {_hide(url)}: study {study.study_name!r} was not made by this program, or not to its end;"
                " --study takes another name"
            )
        time.sleep(_PAUSE_SECONDS)


@contextlib.contextmanager
def _explain_errors(url: str) -> Iterator[None]:
    """Turn what a database can fail with into one line that names it, without its password."""
    import sqlalchemy

    optuna = load_optuna()
    faults = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError)
    try:
        yield
    except ModuleNotFoundError as error:
        hint = "a PostgreSQL storage needs its driver: pip install 'mnist-bench[postgresql]'"
        raise ModuleNotFoundError(f"storage {_hide(url)}: {error}: {hint}") from error
    except faults as error:
        cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        first = str(cause).strip().splitlines()[0]
        raise ValueError(f"storage {_hide(url)}: cannot be used: {first}") from error


def _hide(url: str) -> str:
    """Return a database's address without its password."""
    import sqlalchemy

    try:
        return repr(sqlalchemy.make_url(url).render_as_string(hide_password=True))
    except sqlalchemy.exc.ArgumentError:
        return repr(url)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let Optuna not warn that its heartbeats are experimental: the tests say whether they work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", load_optuna().exceptions.ExperimentalWarning)
        yield
