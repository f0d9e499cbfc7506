"""A database of studies, through Optuna: connected, made safe for many processes, with errors in one line."""

from __future__ import annotations

import contextlib
import re
import time
import urllib.parse
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RETRIES", "connect", "explain_errors", "hide_secrets", "load_optuna", "quiet"]

_SCHEME = re.compile(r"^[\w+.-]*:?/+")
_SECRET = re.compile(r"[?&;][^=&;]*(?:pass|pwd|secret|token|key)[^=&;]*=([^&;]*)", re.IGNORECASE)

RETRIES = 3
"""How often a lost trial is tried again: a trial that kills its worker every time must end."""


def load_optuna() -> Any:
    """Import Optuna, and let it log errors only.

    Raises:
        ModuleNotFoundError: Optuna is not installed; the message says how to install it.
    """
    try:
        import optuna
    except ImportError as error:
        raise ModuleNotFoundError(f"{error}: a sweep needs Optuna: pip install 'mnist-bench[sweep]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def connect(url: str, heartbeat: int) -> Any:
    """Connect to the database, and make the tables if there are none."""
    import sqlalchemy

    optuna = load_optuna()
    address = sqlalchemy.make_url(url)
    if address.drivername == "postgresql":
        # For the bare name SQLAlchemy would choose the older driver.
        address = address.set(drivername="postgresql+psycopg")
    seconds = {"timeout": 60} if address.drivername.startswith("sqlite") else {}
    if address.drivername == "postgresql+psycopg":
        seconds = {"connect_timeout": 10}
    options: dict[str, Any] = {
        "heartbeat_interval": heartbeat,
        "grace_period": 3 * heartbeat,
        # A connection lasts for one query: none stays open, or is used after a restart of the server.
        "engine_kwargs": {"connect_args": seconds, "poolclass": sqlalchemy.pool.NullPool},
    }
    with quiet():
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
        options["heartbeat_stale_trial_callback"] = retry
        try:
            storage = optuna.storages.RDBStorage(address.render_as_string(hide_password=False), **options)
        except sqlalchemy.exc.SQLAlchemyError:
            # If two processes make the tables of a new database at the same time, one fails.
            time.sleep(1)
            storage = optuna.storages.RDBStorage(address.render_as_string(hide_password=False), **options)
    if address.drivername.startswith("sqlite"):
        _lock_from_the_start(storage.engine)
    return storage


def _lock_from_the_start(engine: Any) -> None:
    """Have each transaction of SQLite take its lock before the first read.

    Optuna takes a trial by reading and then writing the trial's state, under a row lock that SQLite does not have: now
    and then two processes took the same trial.
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
    """Turn the errors of a database into one line that names the database, without its password."""
    import sqlalchemy

    optuna = load_optuna()
    faults = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError)
    try:
        yield
    except ImportError as error:  # Optuna's own message names neither the storage nor the driver
        hint = "a PostgreSQL storage needs its driver: pip install 'mnist-bench[postgresql]'"
        raise ModuleNotFoundError(f"storage {hide_secrets(url)}: {hide_secrets(url, str(error))}: {hint}") from error
    except faults as error:
        cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        first = str(cause).strip().splitlines()[0]
        raise ValueError(f"storage {hide_secrets(url)} cannot be used: {hide_secrets(url, first)}") from error


def hide_secrets(url: str, text: str | None = None) -> str:
    """Return a database's address, quoted, or a text about the database, without what the address keeps secret.

    The address may be one that nothing can parse: the password is what stands before the last @, after a colon.
    """
    before, _, _ = url.rpartition("@")
    credentials = _SCHEME.sub("", before, count=1)
    secrets = [credentials.partition(":")[2], *_SECRET.findall(url)]
    shown = repr(url) if text is None else text
    # Longest first, as one secret may hold another.
    for secret in sorted({*secrets, *map(urllib.parse.unquote, secrets)} - {""}, key=len, reverse=True):
        shown = shown.replace(secret, "***")
    return shown


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress Optuna's warning that its heartbeats are experimental: our tests show whether they work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", load_optuna().exceptions.ExperimentalWarning)
        yield
