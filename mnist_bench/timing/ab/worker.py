"""The measuring side of A against B: trains one lab in this interpreter, one epoch for each request.

The interpreter needs NumPy and TensorFlow 2.8 or newer, and not this package. The first line of the input is an
`AbTask`; the answer is `ready` when the training is warmed up. Each further line is a `Step`, which asks for one epoch;
the answer is the seconds of that epoch. The process ends when the input ends.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_bench.training.workers.child import open_events, pin_all_threads, pin_by_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.training.data.dataset import Dataset, Prepared
    from mnist_bench.training.fusion import EpochFigures
    from mnist_bench.training.workers.child import Tell

__all__ = ["MODULE", "AbTask", "Step", "load_arrays", "main", "measure", "save_arrays"]

MODULE = "timing.ab.worker"  # as `Child` starts it

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_ENDLESS = 1_000_000  # epochs: the parent decides when to stop


@dataclass(frozen=True, kw_only=True)
class AbTask:
    """What to time.

    Attributes:
        lab: A key of `mnist_bench.LABS`.
        engine: A key of `mnist_bench.training.engines.ENGINES`.
        batch_size: Samples a step.
        device: `auto`, `cpu` or `gpu`.
        folder: The folder in which `save_arrays` wrote the data.
        warm_ups: The first epochs, which are not timed.
        as_shipped: Whether tf.data's autotuner stays on, as in Keras.
        fault: A fault to plant, as `checks.faults.planting.plant` takes it.
    """

    lab: str
    engine: str
    batch_size: int
    device: str
    folder: str
    warm_ups: int
    as_shipped: bool = False
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A request for one epoch, on these cores; None does not change the cores."""

    cores: list[int] | None = None


class _EnoughError(Exception):
    """The parent wants no more epochs; the exception ends Keras's `fit`."""


def save_arrays(dataset: Dataset, folder: Path, *, samples: int, validation: int) -> None:
    """Write the first images of a data set for the workers, as arrays that load quickly.

    Args:
        dataset: The data set.
        folder: The folder to write to.
        samples: Images to train on.
        validation: The next images, to validate on, and as many test images: few, as neither is timed.
    """
    import numpy as np

    for name in _ARRAYS:
        count = samples + validation if name.endswith("train") else validation
        np.save(folder / f"{name}.npy", getattr(dataset, name)[:count])


def load_arrays(folder: Path) -> Prepared:
    """Read the arrays that `save_arrays` wrote, and prepare the data as the lab does."""
    import numpy as np

    from mnist_bench.training.data.dataset import Dataset, prepare

    arrays = {name: np.load(folder / f"{name}.npy") for name in _ARRAYS}
    validation = len(arrays["x_test"])
    dataset = Dataset(name="part", origin=str(folder), digest="", **arrays)
    # Half an image less, so that rounding cannot move the split.
    return prepare(dataset, (validation - 0.5) / len(arrays["x_train"]))


def measure(task: AbTask, steps: Iterator[Step], tell: Tell) -> None:
    """Train as long as there are steps, and tell the seconds of each epoch.

    Args:
        task: What to time.
        steps: One for each epoch; no clock runs while the process waits for the next step.
        tell: Writes an event: first `ready` with the environment, the task, and the seconds of the import and of the
            first epoch, then an `epoch` for each step, with its number from 0.

    Raises:
        ValueError: The task is not allowed, or the device cannot be used.
        RuntimeError: The model is not the lab's.
    """
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training import backend
    from mnist_bench.training.engines import check_engine, compile_model, train_model
    from mnist_bench.training.fingerprint import collect_environment
    from mnist_bench.training.labs import build_model, check_lab

    lab, engine = check_lab(task.lab), check_engine(task.engine)
    import numpy  # noqa: F401, ICN001 - loaded on both sides before the import is timed: a fault's module needs it

    if task.fault:
        from mnist_bench.checks.faults.planting import plant

        plant(task.fault)
    imported = backend.import_seconds()
    prepared = load_arrays(Path(task.folder))
    config = TrainingConfig(lab=lab.name, engine=engine.name, batch_size=task.batch_size)
    device = backend.choose_device(task.device)
    backend.set_determinism(on=engine.deterministic)
    backend.seed_everything(config.seed)
    model = build_model(lab)
    if model.count_params() != lab.parameters:
        raise RuntimeError(f"the model has {model.count_params():,} parameters, the lab's {lab.parameters:,}")
    compile_model(model, engine, config, samples=len(prepared.x_train))
    environment = collect_environment(device=device, xla=engine.xla)
    start = {"import": imported}

    def answer(epoch: int, figures: EpochFigures) -> None:
        start.setdefault("first epoch", figures.seconds)
        if epoch == task.warm_ups - 1:
            tell(event="ready", environment=environment, task=vars(task), start=start)
        elif epoch >= task.warm_ups:
            tell(event="epoch", number=epoch - task.warm_ups, wall=figures.seconds, cpu=figures.cpu_seconds)
        if epoch >= task.warm_ups - 1:
            _wait_for_step(steps)

    # With the autotuner, an epoch lasts until its thread next wakes: too coarse a clock for a change of a tenth.
    pipelines = contextlib.nullcontext() if task.as_shipped else backend.without_autotuner()
    with contextlib.suppress(_EnoughError), pipelines:
        train_model(model, prepared, config, epochs=_ENDLESS, on_epoch=answer)


def _wait_for_step(steps: Iterator[Step]) -> None:
    step = next(steps, None)
    if step is None:
        raise _EnoughError
    if step.cores is not None:
        pin_all_threads(step.cores)


def main() -> None:
    """Serve one task from standard input until the input ends."""
    pin_by_option()
    with open_events() as tell:
        try:
            task = AbTask(**json.loads(sys.stdin.readline()))
            measure(task, (Step(**json.loads(line)) for line in sys.stdin), tell)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
            from mnist_bench.training.backend import explain_error

            reason: Any = str(error) if isinstance(error, ValueError) else explain_error(error)
            tell(event="failed", reason=" ".join(reason.split()), details=traceback.format_exc())
