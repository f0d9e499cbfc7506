"""The stages of a user's own model: digests and a few values, layer by layer and weight by weight."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.checks.layers.probes import sample_values
from mnist_bench.checks.layers.tracers import trace_order
from mnist_bench.checks.records import Stage
from mnist_bench.own.arithmetic.steps import Stepper, make_task, measure
from mnist_bench.own.checking.chance import draw_outputs
from mnist_bench.own.file import load_model
from mnist_bench.own.layers import describe_rows, list_rows, list_weights
from mnist_bench.own.model import make_model
from mnist_bench.own.records import OwnProbe
from mnist_bench.own.trainer import fit_model, prepare_process
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.environment import digest_arrays
from mnist_bench.training.backend import load_keras, uses_xla
from mnist_bench.training.fingerprint import collect_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from mnist_bench.own.arithmetic.steps import Task
    from mnist_bench.own.file import Loaded
    from mnist_bench.own.layers import Row
    from mnist_bench.own.records import OwnConfig

    Array = npt.NDArray[Any]

__all__ = ["FOLLOWED", "ROWS", "probe"]

FOLLOWED = (1, 2, 5)
"""The epochs whose weights are probed."""

ROWS = 2048
"""Samples of these epochs at the most, so that a probe takes seconds."""


def probe(config: OwnConfig) -> OwnProbe:
    """Probe every stage of the model's training.

    Raises:
        ModelFileError: The file cannot be used.
        DeviceError: The device cannot be used.
        ImportError: TensorFlow is not installed, or cannot be imported.
        KerasError: Keras raised an error.
    """
    device = prepare_process(config)
    loaded = load_model(config.model)
    model = make_model(loaded, config.seed)
    rows = list_rows(model)
    initial = dict(_name_initial(rows))
    stepper = Stepper(make_model(loaded, FIRST_SEED))
    task = make_task(loaded, stepper.weights)
    # What a recurrent layer drops shows in its outputs, which depend on its weights.
    _assign(rows, task)
    random = {f"masks: {name}": [it] for name, it in draw_outputs(rows, config.seed).items()}
    stages = {
        **initial,
        "data order": [trace_order("graph", seed=config.seed).steps],
        **random,
        **dict(_name_groups(measure(stepper, task))),
        **dict(_probe_epochs(loaded, config.seed, task)),
    }
    return OwnProbe(
        config=config,
        environment=collect_environment(device=device, xla=uses_xla(model)),
        data_digest=loaded.data.digest,
        layers=describe_rows(rows),
        stages=[Stage(name=name, digest=digest_arrays(it), values=_sample(it)) for name, it in stages.items()],
    )


def _name_initial(rows: Sequence[Row]) -> Iterator[tuple[str, list[Array]]]:
    """Yield the weights of each layer; counters, which versions of Keras keep in different ways, compute nothing."""
    for row in rows:
        if arrays := [array for weight in row.weights if (array := weight.read()).dtype.kind == "f"]:
            yield f"initial weights: {row.name}", arrays


def _name_groups(groups: dict[str, dict[str, Array]]) -> Iterator[tuple[str, list[Array]]]:
    """Yield the stages that begin at given weights; weights move by one step here, since more follow below."""
    for group, tensors in groups.items():
        for name, tensor in tensors.items():
            if not name.endswith(" steps"):
                yield ("loss" if name == "loss" and group == "forward" else f"{group}: {name}"), [tensor]


def _probe_epochs(loaded: Loaded, seed: int, task: Task) -> Iterator[tuple[str, list[Array]]]:
    """Yield the weights after some epochs of a seeded training from given weights, with the random layers."""
    model = make_model(loaded, seed)
    weights = list_weights(rows := list_rows(model))
    _assign(rows, task)
    kept: dict[int, list[Array]] = {}

    class Keeper(load_keras().callbacks.Callback):  # type: ignore[misc] # Keras is untyped
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del logs
            if epoch + 1 in FOLLOWED:
                kept[epoch + 1] = [weight.read() for weight in weights]

    fit_model(model, loaded, rows=ROWS, epochs=max(FOLLOWED), callbacks=[Keeper()])
    for epoch, values in kept.items():
        yield f"weights after epoch {epoch}", values


def _assign(rows: Sequence[Row], task: Task) -> None:
    """Set the weights of a model to the given ones."""
    for weight, value in zip(list_weights(rows), task.values, strict=True):
        weight.variable.assign(value)


def _sample(arrays: Sequence[Array]) -> list[float]:
    """Return a few values; those that are not finite, which a record cannot hold, are left to the digest."""
    if not sum(array.size for array in arrays):
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a cast of what is not finite
        return [value if np.isfinite(value) else 0.0 for value in sample_values(arrays)]
