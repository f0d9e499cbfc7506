"""A database of studies, reached through Optuna: connected, made fit for many processes, its faults in one line."""

from __future__ import annotations

import contextlib
import time
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RETRIES", "connect", "explain_errors", "hide_password", "load_optuna", "quiet"]

RETRIES = 3
"""How often a lost trial is tried again: one that kills its worker each time must end."""


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


def connect(url: str, heartbeat: int) -> Any:
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
    with quiet():
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


@contextlib.contextmanager
def explain_errors(url: str) -> Iterator[None]:
    """Turn what a database can fail with into one line that names it, without its password."""
    import sqlalchemy

    optuna = load_optuna()
    faults = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError)
    try:
        yield
    except ModuleNotFoundError as error:
        hint = "a PostgreSQL storage needs its driver: pip install 'mnist-bench[postgresql]'"
        raise ModuleNotFoundError(f"storage {hide_password(url)}: {error}: {hint}") from error
    except faults as error:
        cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        first = str(cause).strip().splitlines()[0]
        raise ValueError(f"storage {hide_password(url)}: cannot be used: {first}") from error


def hide_password(url: str) -> str:
    """Return a database's address without its password."""
    import sqlalchemy

    try:
        return repr(sqlalchemy.make_url(url).render_as_string(hide_password=True))
    except sqlalchemy.exc.ArgumentError:
        return repr(url)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let Optuna not warn that its heartbeats are experimental: the tests say whether they work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", load_optuna().exceptions.ExperimentalWarning)
        yield
