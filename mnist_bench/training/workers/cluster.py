"""Trainings on many machines: each is a task of a cluster of Dask, whose results arrive as they finish.

Dask tries the tasks of a lost worker elsewhere, and a record is taken once, from the first result. What trains on a
machine of the cluster is `station.py`. docs/scale.md says how a cluster is started, and why it is Dask.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.metadata
import logging
import queue
import time
from typing import TYPE_CHECKING, Any

from mnist_bench import __version__
from mnist_bench.records.config import check_answer
from mnist_bench.records.environment import EnvironmentRecord, change_environment, explain_mixture
from mnist_bench.records.serial import convert
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.workers.events import Failed, Finished, Silent
from mnist_bench.training.workers.station import describe_station, train_here
from mnist_bench.training.workers.worker import LOOK_SECONDS, PATIENCE_SECONDS, SILENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.workers.events import Event

__all__ = ["Cluster", "open_cluster"]

_TRIES = 3  # to begin Dask's thread, on a busy machine
_CONNECT_SECONDS = 10.0  # an address that does not answer by then is wrong
_WORKER_SECONDS = 60.0  # for the first worker: a job of a batch system may wait longer, and then it is called again
_ASK_SECONDS = 180.0  # for an answer of all workers: a first import of TensorFlow from a cold disk
_RETRIES = 2  # of a training whose child process was lost, for example for lack of memory


@contextlib.contextmanager
def open_cluster(address: str) -> Iterator[Cluster]:
    """Give the cluster whose scheduler has this address, with at least one worker, all of this version of the package.

    Raises:
        ValueError: Dask is not installed, nobody answers, there is no worker, or a worker cannot do the work.
    """
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise ValueError(f"--cluster needs Dask: pip install 'mnist-bench[cluster]' ({error})") from error
    logging.getLogger("distributed").setLevel(logging.ERROR)  # a lost worker is part of the plan
    try:
        client = _connect(distributed, address)
    except (OSError, ValueError, AssertionError) as error:
        told = f"no scheduler answers at {address!r} within {_CONNECT_SECONDS:.0f} s"
        raise ValueError(f"{told}: {_flatten(error)}") from error
    try:
        try:
            client.wait_for_workers(1, timeout=_WORKER_SECONDS)
        except TimeoutError as error:
            raise ValueError(f"{address}: the cluster has no worker after {_WORKER_SECONDS:.0f} s") from error
        cluster = Cluster(client)
        cluster.check_project()
        yield cluster
    finally:
        with contextlib.suppress(TimeoutError, OSError):
            client.close(timeout=_CONNECT_SECONDS)


def _connect(distributed: Any, address: str) -> Any:
    """Return a client; try again where Dask's own thread does not begin within ten seconds, which Dask asserts."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(AssertionError):
            return _make_client(distributed, address)
    return _make_client(distributed, address)


def _make_client(distributed: Any, address: str) -> Any:
    # Dask holds a lock while its new thread begins. If a client that nobody closed is collected in that thread, it
    # waits for the same lock: for ten seconds, or for ever. Collected here, it waits for nothing.
    gc.collect()
    return distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)


class Cluster:
    """The tasks of one command on a cluster; `open_cluster` gives it."""

    def __init__(self, client: Any) -> None:
        """Take a client that is connected."""
        self._client = client

    def check_project(self) -> None:
        """Refuse workers that lack this package, or have another version.

        Raises:
            ValueError: There is one; the message names the worker.
        """
        # A function of the standard library: a worker without this package would end at the name of one of ours.
        for worker, version in self._ask_all(importlib.metadata.version, "mnist-bench").items():
            if isinstance(version, BaseException):
                missing = isinstance(version, importlib.metadata.PackageNotFoundError)
                told = f"has no mnist-bench: install {__version__}" if missing else f"gives no answer: {version!r}"
                raise ValueError(f"worker {worker} {told}") from version  # noqa: TRY004 - the input is at fault
            if version != __version__:
                raise ValueError(f"worker {worker} has mnist-bench {version}, here it is {__version__}")

    def ask_environment(self, device: str, *, mixed: bool = False) -> EnvironmentRecord:
        """Return the environment of a training on the first worker.

        Args:
            device: As in a configuration.
            mixed: Whether the workers may have different ones.

        Raises:
            ValueError: A worker has none, for example no TensorFlow; or two have different ones.
        """
        found: dict[str, EnvironmentRecord] = {}
        for worker, about in sorted(self._ask_all(_call, describe_station, [device]).items()):
            if isinstance(about, BaseException):
                told = f"worker {worker} cannot train: {type(about).__name__}: {_flatten(about)}"
                raise ValueError(told) from about  # noqa: TRY004 - what the user has started is at fault
            if about["environment"] is None:
                raise ValueError(f"worker {worker} cannot train: {_flatten(about['reason'])}")
            found[worker] = convert(about["environment"], EnvironmentRecord, origin=worker)
        first = next(iter(found))
        for worker, environment in found.items():
            if not mixed and (told := _tell_mixture(found[first], environment)):
                raise ValueError(f"the workers {first} and {worker} differ in {told}: --mixed trains on both")
        return found[first]

    def train(
        self,
        configs: Sequence[TrainingConfig],
        *,
        expected: EnvironmentRecord | None = None,
        find_python: Callable[[], Path] | None = None,
    ) -> Iterator[Event]:
        """Train every configuration and yield the results as they arrive; with the first argument an `Executor`.

        Args:
            configs: What to train.
            expected: The environment that every record must have; None takes all. The threads of a record are compared
                with those of the first record.
            find_python: Finds the interpreter on the worker; None means the worker's own.

        Yields:
            For every configuration one `Finished` or one `Failed`; `Silent` where the cluster has lost all workers.
        """
        asked = [(vars(config), find_python) for config in configs]
        threads: dict[str, Any] = {}
        for task, result in self.run(train_here, asked):
            config = configs[task]
            if result is None:
                yield Silent(task, config, SILENT_SECONDS)
                continue
            event = _read_result(task, config, result)
            if isinstance(event, Finished) and expected is not None:
                there = event.record.environment
                threads = threads or {name: getattr(there, name) for name in ("usable_cores", "intra_op_threads")}
                if told := _tell_mixture(change_environment(expected, **threads), there):
                    reason = f"{config.lab}, seed {config.seed}: a worker differs in {told}: its record is not kept"
                    event = Failed(task, config, reason, bad_input=False, details="")
            yield event

    def run(self, function: Callable[..., Any], tasks: Sequence[Sequence[Any]]) -> Iterator[tuple[int, Any]]:
        """Run a function for each tuple of arguments somewhere on the cluster.

        Args:
            function: Of this package; called with the threads of the worker, and the arguments.
            tasks: The arguments of each task, as `pickle` takes them.

        Yields:
            The index of a task and its result, or the exception that it ended in. Once for each time that there is no
            worker for long: the index of a task that waits, and None.

        Raises:
            ValueError: The cluster has had no worker for too long.
        """
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        numbers: dict[str, int] = {}
        for future in self._client.map(functools.partial(_call, function), tasks, pure=False, retries=_RETRIES):
            numbers[future.key] = len(numbers)
            future.add_done_callback(done.put)
        waiting, alone, told = set(numbers.values()), time.monotonic(), False
        try:
            while waiting:
                with contextlib.suppress(queue.Empty):
                    future = done.get(timeout=LOOK_SECONDS)
                    number = numbers[future.key]
                    if number in waiting:
                        waiting.remove(number)
                        yield number, _read_future(future)
                    future.release()
                    alone, told = time.monotonic(), False
                if self._client.nthreads():
                    alone, told = time.monotonic(), False
                silence = time.monotonic() - alone
                if silence > PATIENCE_SECONDS:
                    raise ValueError(f"the cluster has had no worker for {silence:.0f} s: start some, and use --resume")
                if silence > SILENT_SECONDS and not told:
                    told = True
                    yield min(waiting), None
        finally:
            # Also when the caller stops early or is interrupted: the cluster goes on with nothing of ours.
            with contextlib.suppress(Exception):
                self._client.cancel([future for future in self._client.futures if future in numbers], force=True)

    def _ask_all(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Return what a function returns on each worker, or the exception that it raises, by the worker's address."""
        futures = {
            worker: self._client.submit(function, *arguments, workers=[worker], pure=False)
            for worker in self._client.nthreads()
        }
        return {worker: _read_future(future, _ASK_SECONDS) for worker, future in futures.items()}


def _tell_mixture(first: EnvironmentRecord, other: EnvironmentRecord) -> str:
    differ = explain_mixture(first, other)
    return "; ".join(f"{name} ({ours!r}, {theirs!r})" for name, (ours, theirs) in differ.items())


def _call(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Call a function of `station` on a worker, with the worker's threads."""
    import distributed

    return function(distributed.get_worker().state.nthreads, *arguments)


def _read_future(future: Any, patience: float = PATIENCE_SECONDS) -> Any:
    """Return the result of a future, or the exception that it ended in."""
    try:
        return future.result(timeout=patience)
    except Exception as error:  # noqa: BLE001 - whatever it is, the task has no result
        return error


def _read_result(task: int, config: TrainingConfig, result: Any) -> Event:
    who = f"{config.lab}, seed {config.seed}"
    if isinstance(result, BaseException):
        return Failed(task, config, f"{who}: {_describe(result)}", bad_input=False, details=repr(result))
    if "record" not in result:
        return Failed(task, config, result["reason"], result["bad_input"], result["details"])
    try:
        record: TrainingRecord = convert(result["record"], TrainingRecord, origin="worker")
        check_answer(config, record.config)
    except ValueError as error:
        return Failed(task, config, f"{who}: {_flatten(error)}", bad_input=False, details=repr(result))
    return Finished(task, record)


def _describe(error: BaseException) -> str:
    name = type(error).__name__
    told = {"KilledWorker": "every worker that tried it was lost", "CancelledError": "the scheduler was lost"}
    told["FutureCancelledError"] = told["CancelledError"]
    return told.get(name, _flatten(error) if name == "LostError" else f"{name}: {_flatten(error)}")


def _flatten(text: object) -> str:
    return " ".join(str(text).split()) or type(text).__name__
