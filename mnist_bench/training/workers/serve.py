"""Trainings in this process, asked for by another: the child's side of the pool.

Each line of standard input is a `TrainingConfig`. The answer is a line for each event, `finished` or `failed` last.
`{"company": [...], "size": 8}` has several trained in one program; their events have the `number` of the training.
`{"room": ..., "most": 1000, "workers": 1}` asks how many seeds one program should train here,
`{"environment": "cpu"}` for the fingerprint of this process on a device.
A request with `gated` waits after each epoch but the last for a line with the cores of the next one, `{"cores": [0]}`,
and its events have the seconds since that line was read: so two processes can be kept in step.
With `as_shipped` false, tf.data's autotuner is off: no bit depends on it, and no epoch waits for its thread.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.workers.child import open_events, pin_all_threads, pin_by_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.training.fusion import EpochFigures
    from mnist_bench.training.workers.child import Tell

__all__ = ["MODULE", "main", "read_config"]

MODULE = "training.workers.serve"  # as `Child` starts it


def main() -> None:
    """Serve requests from standard input until it ends."""
    pin_by_option()
    lines = iter(sys.stdin)
    with open_events() as tell:
        for line in lines:
            _answer(json.loads(line), lines, tell)


def read_config(fields: dict[str, Any]) -> TrainingConfig:
    """Return the configuration that came as JSON, which has no tuples."""
    hidden = fields["hidden"]
    return TrainingConfig(**{**fields, "hidden": None if hidden is None else tuple(hidden)})


def _answer(request: dict[str, Any], lines: Iterator[str], tell: Tell) -> None:
    """Do what one request asks for, and tell its events."""
    if "room" in request:
        _answer_room(request, tell)
    elif "environment" in request:
        _answer_environment(request["environment"], tell)
    elif "company" in request:
        _answer_company(request, tell)
    else:
        _answer_training(request, lines, tell)


def _answer_training(request: dict[str, Any], lines: Iterator[str], tell: Tell) -> None:
    from mnist_bench.training.backend import without_autotuner
    from mnist_bench.training.runner import train

    gated, as_shipped = request.pop("gated", False), request.pop("as_shipped", True)
    if not (found := _prepare([request], tell)):
        return
    (config,), dataset = found
    tell(event="started", dataset=dataset.name)
    on_epoch = _make_gate(config.epochs or 0, lines, tell) if gated else functools.partial(_tell_epoch, tell)
    with _tell_failure(tell), contextlib.nullcontext() if as_shipped else without_autotuner():
        record = train(config, dataset=dataset, on_epoch=on_epoch)
        tell(event="finished", record=record)


def _answer_company(request: dict[str, Any], tell: Tell) -> None:
    from mnist_bench.training.company import train_company

    if not (found := _prepare(request["company"], tell)):
        return
    configs, dataset = found
    for number in range(len(configs)):
        tell(event="started", number=number, dataset=dataset.name)

    def tell_epoch(epoch: int, figures: list[EpochFigures]) -> None:
        for number, own in enumerate(figures):
            _tell_epoch(tell, epoch, own, number=number)

    with _tell_failure(tell):
        records = train_company(configs, size=request["size"], dataset=dataset, on_epoch=tell_epoch)
        for number, record in enumerate(records):
            tell(event="finished", number=number, record=record)


def _answer_room(request: dict[str, Any], tell: Tell) -> None:
    from mnist_bench.training.company import choose_size

    if found := _prepare([request["room"]], tell):
        (config,), dataset = found
        with _tell_failure(tell):
            seeds = choose_size(config, dataset, most=request["most"], workers=request["workers"])
            tell(event="room", seeds=seeds)


def _answer_environment(device: str, tell: Tell) -> None:
    from mnist_bench.training.backend import choose_device
    from mnist_bench.training.fingerprint import collect_environment

    with _tell_failure(tell):
        tell(event="environment", environment=collect_environment(device=choose_device(device), xla=False))


def _prepare(requests: list[dict[str, Any]], tell: Tell) -> tuple[list[TrainingConfig], Any] | None:
    """Return the configurations and their data; tell why, and return None, where they cannot be trained."""
    from mnist_bench.training.runner import check_config

    try:
        configs = [check_config(read_config(request)) for request in requests]
        return configs, _load_dataset(configs[0].data)
    except ValueError as error:
        tell(event="failed", reason=str(error), bad_input=True, details=traceback.format_exc())
        return None


@contextlib.contextmanager
def _tell_failure(tell: Tell) -> Iterator[None]:
    """Tell of any error why the training failed."""
    from mnist_bench.training.backend import DeviceError, KerasError, explain_error

    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
        bad_input = isinstance(error, DeviceError)
        # TensorFlow and Keras that cannot be imported are an environment that cannot be measured, not a bad request.
        reason = str(error) if isinstance(error, (DeviceError, ImportError)) else explain_error(error)
        by_keras = isinstance(error, KerasError)
        tell(event="failed", reason=reason, bad_input=bad_input, by_keras=by_keras, details=traceback.format_exc())


def _tell_epoch(tell: Tell, epoch: int, figures: EpochFigures, **further: float) -> None:
    tell(event="epoch", epoch=epoch, figures=figures, **further)


def _make_gate(epochs: int, lines: Iterator[str], tell: Tell) -> Callable[[int, EpochFigures], None]:
    """Return a callback that ends an epoch, and begins the next one when the parent says so."""
    begun: list[float] = []

    def gate(epoch: int, figures: EpochFigures) -> None:
        ended = time.perf_counter(), time.process_time()
        # The first epoch began with the process: it traces and compiles, and is not timed.
        wall, cpu = (end - begin for end, begin in zip(ended, begun or ended, strict=True))
        _tell_epoch(tell, epoch, figures, wall=wall, cpu=cpu)
        if epoch + 1 < epochs and (cores := json.loads(next(lines))["cores"]):
            pin_all_threads(cores)
        begun[:] = time.perf_counter(), time.process_time()

    return gate


@functools.lru_cache(maxsize=1)
def _load_dataset(source: str) -> Any:
    """Load a data set once for all the trainings of this worker."""
    from mnist_bench.training.data.dataset import load_dataset

    return load_dataset(source)
