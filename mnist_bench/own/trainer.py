"""One training of a user's own model by Keras's own `fit`, from a request to the record."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.data import take
from mnist_bench.own.figures import count_classes, describe_metrics, read_evaluation
from mnist_bench.own.file import load_model
from mnist_bench.own.model import list_arrays, make_model
from mnist_bench.own.records import OwnTraining
from mnist_bench.records.acceptance import now
from mnist_bench.records.environment import digest_arrays
from mnist_bench.records.training import finite_or_none
from mnist_bench.timing.clock import read_peak_memory, reset_peak_memory
from mnist_bench.training import backend
from mnist_bench.training.engines import EngineError, loses_losses
from mnist_bench.training.fingerprint import collect_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mnist_bench.own.file import Loaded
    from mnist_bench.own.records import OwnConfig

__all__ = ["fit_model", "prepare_process", "train"]


def train(config: OwnConfig) -> OwnTraining:
    """Train the file's model in this process and return the record.

    Args:
        config: What to train.

    Raises:
        ModelFileError: The file cannot be used.
        DeviceError: The device cannot be used.
        EngineError: This version of Keras loses losses of the model's steps.
        ImportError: TensorFlow is not installed, or cannot be imported.
        KerasError: Keras raised an error.
    """
    device = prepare_process(config)
    loaded = load_model(config.model)
    reset_peak_memory()
    begin = time.perf_counter()
    model = make_model(loaded, config.seed)
    built = time.perf_counter() - begin
    initial = digest_arrays(model.get_weights())
    clock = fit_model(model, loaded)
    figures, predictions = _test(model, loaded)
    sizes, errors = count_classes(model, predictions, loaded.data.y_test)
    peak = read_peak_memory()
    return OwnTraining(
        config=config,
        environment=collect_environment(device=device, xla=backend.uses_xla(model)),
        data_digest=loaded.data.digest,
        parameters=sum(math.prod(weight.shape) for weight in model.weights),
        initial_digest=initial,
        final_digest=digest_arrays(model.get_weights()),
        history=_make_history(clock.logs),
        metrics=describe_metrics(list(figures), loaded),
        figures=[finite_or_none(figure) for figure in figures.values()],
        predictions_digest=digest_arrays(predictions),
        class_sizes=sizes,
        class_errors=errors,
        wall=clock.wall,
        cpu=clock.cpu,
        build_seconds=built,
        peak_memory=None if peak is None else round(peak * 1e6),
        created=now(),
    )


def prepare_process(config: OwnConfig) -> str:
    """Choose the device and op determinism that a request asks for; return the device."""
    device = backend.choose_device(config.device)
    backend.set_determinism(on=config.deterministic)
    return device


def fit_model(model: Any, loaded: Loaded, *, rows: int | None = None, **changed: Any) -> Any:
    """Train a model in place as its file asks for, and return a clock: `wall`, `cpu` and `logs`, a value an epoch.

    Args:
        model: The compiled model.
        loaded: Its file.
        rows: Train with so many of the first samples only; None means all.
        changed: Arguments of `fit` that replace the file's; `callbacks` are added to the file's.

    Raises:
        EngineError: This version of Keras loses losses of the model's steps.
        KerasError: Keras, or what the file has it call, raised an error.
    """
    steps, version = int(getattr(model, "steps_per_execution", None) or 1), backend.read_keras_version()
    if steps > 1 and loses_losses(version):
        raise EngineError(f"steps_per_execution={steps}: Keras {version} reports wrong losses (fixed in 3.7)")
    clock = _make_clock()
    given = loaded.fit_arguments()
    arguments = {**given, **changed}
    arguments["callbacks"] = [*given.get("callbacks", []), *changed.get("callbacks", []), clock]
    x, y = take((loaded.data.x, loaded.data.y), slice(rows))
    if "sample_weight" in given:
        arguments["sample_weight"] = given["sample_weight"][:rows]
    with backend.blame_keras("fit"):
        model.fit(x, y, verbose=0, **arguments)
    return clock


def _make_clock() -> Any:
    """Return a Keras callback that times the training part of each epoch, and keeps what Keras reports."""

    class Clock(backend.load_keras().callbacks.Callback):  # type: ignore[misc] # Keras is untyped
        def __init__(self) -> None:
            super().__init__()
            self.wall: list[float] = []
            self.cpu: list[float] = []
            self.logs: list[dict[str, Any]] = []
            self._trained: tuple[float, float] | None = None
            self._fitting = False

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            self._trained = None
            self._begin = time.perf_counter(), time.process_time()

        def on_test_begin(self, logs: Any = None) -> None:
            del logs
            backend.synchronise(self.model)
            self._trained = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            del epoch
            if self._trained is None:
                self.on_test_begin()
            assert self._trained is not None  # noqa: S101
            wall, cpu = (end - begin for end, begin in zip(self._trained, self._begin, strict=True))
            self.wall.append(wall)
            self.cpu.append(cpu)
            self.logs.append(dict(logs or {}))

    return Clock()


def _make_history(logs: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    """Return the reported numbers by name; None in an epoch without, as where validation is not done in each."""
    names = dict.fromkeys(name for epoch in logs for name, value in epoch.items() if not np.ndim(value))
    return {name: [finite_or_none(float(epoch.get(name, math.nan))) for epoch in logs] for name in names}


def _test(model: Any, loaded: Loaded) -> tuple[dict[str, float], list[Any]]:
    """Return the figures on the test data, and the predictions."""
    data = loaded.data
    size = loaded.fit_arguments()["batch_size"]
    with backend.blame_keras("evaluate"):
        reported = model.evaluate(data.x_test, data.y_test, batch_size=size, return_dict=True, verbose=0)
    with backend.blame_keras("predict"):
        predictions = list_arrays(model.predict(data.x_test, batch_size=size, verbose=0))
    return read_evaluation(reported, loaded), list(predictions)
