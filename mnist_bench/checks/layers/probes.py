"""A probe of each stage of training, a digest and a few values: together the probes tell which stage changed.

The stages are independent: each starts from given weights, images and labels, so that a changed initialiser, for
example, shows in the first stage only. The exceptions are the last stages, the weights after whole epochs, which depend
on all stages but the first.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.checks.layers import tracers
from mnist_bench.checks.names import PROBE_EPOCHS, PROBED_EPOCHS
from mnist_bench.checks.records import ProbeRecord, Stage
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.environment import DatasetRecord, digest_arrays
from mnist_bench.training.backend import (
    blame_keras,
    choose_device,
    seed_everything,
    set_determinism,
    without_autotuner,
)
from mnist_bench.training.data.dataset import prepare
from mnist_bench.training.engines import check_engine, compile_model, predict, train_model
from mnist_bench.training.fingerprint import collect_environment
from mnist_bench.training.labs import build_model, configure_lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.data.dataset import Dataset, Prepared
    from mnist_bench.training.labs import Lab

    Floats = npt.NDArray[np.float32]

__all__ = ["probe", "sample_values"]

_BATCH = 128
_EVALUATED = 1000


def probe(config: TrainingConfig, dataset: Dataset) -> ProbeRecord:
    """Probe every stage of a training.

    Args:
        config: Which lab, engine and seed, and how many epochs to probe; None means `PROBE_EPOCHS`.
        dataset: The data.
    """
    lab, engine = configure_lab(config), check_engine(config.engine)
    device = choose_device(config.device)
    set_determinism(on=config.deterministic and engine.deterministic)
    config = dataclasses.replace(config, epochs=config.epochs or PROBE_EPOCHS)
    prepared = prepare(dataset, config.validation_split)
    stages = [
        Stage(name=name, digest=digest_arrays(arrays), values=sample_values(arrays))
        for name, arrays in _probe_stages(lab, config, prepared)
    ]
    return ProbeRecord(
        config=config,
        environment=collect_environment(device=device, xla=engine.xla),
        dataset=DatasetRecord(source=dataset.name, digest=dataset.digest),
        stages=stages,
    )


def _probe_stages(
    lab: Lab, config: TrainingConfig, prepared: Prepared
) -> Iterator[tuple[str, Sequence[npt.NDArray[Any]]]]:
    """Yield the name and the arrays of each stage, in the order of training."""
    seed_everything(config.seed)
    yield "initial weights", build_model(lab).get_weights()
    yield "data order", [tracers.trace_order(config.engine, seed=config.seed).steps]
    if lab.dropout:
        yield "dropout mask", [tracers.trace_masks(config.engine, seed=config.seed, steps=4).kept]
    # From here on without dropout, whose masks are a stage of their own.
    plain = dataclasses.replace(lab, dropout=0.0)
    given = _given_weights(plain)
    yield "forward", [predict(_compiled(plain, config, prepared, given), config, prepared.pixels[:_BATCH])]
    batch = _first(prepared, _BATCH)
    gradient_config = dataclasses.replace(config, learning_rate=1.0, optimizer="sgd")
    loss, after = _one_step(plain, gradient_config, batch, given)
    yield "loss", [np.array([loss], np.float32)]
    yield "gradient", [before - now for before, now in zip(given, after, strict=True)]
    yield "update", _one_step(plain, config, batch, given)[1]
    model = _compiled(plain, config, prepared, given)
    with blame_keras("evaluate"):
        figures = model.evaluate(prepared.x_test[:_EVALUATED], prepared.y_test[:_EVALUATED], verbose=0)
    yield "evaluation", [np.array(figures, np.float32)]
    yield from _probe_epochs(lab, config, prepared, given)


def _probe_epochs(
    lab: Lab, config: TrainingConfig, prepared: Prepared, given: list[Floats]
) -> Iterator[tuple[str, list[Floats]]]:
    """Yield the weights after the 1st, 2nd, 5th … and last epoch of a seeded training from the given weights."""
    epochs = config.epochs or 1
    model = _compiled(lab, config, prepared, given)
    kept: dict[int, list[Floats]] = {}

    def keep(epoch: int, _figures: Any) -> None:
        if epoch + 1 in PROBED_EPOCHS or epoch + 1 == epochs:
            kept[epoch + 1] = [np.array(weight) for weight in model.get_weights()]

    with without_autotuner():  # no bit depends on the autotuner, and `fit` would wait for its thread after each epoch
        train_model(model, prepared, config, epochs=epochs, on_epoch=keep)
    for epoch, weights in kept.items():
        yield f"weights after epoch {epoch}", weights


def _compiled(lab: Lab, config: TrainingConfig, prepared: Prepared, weights: list[Floats]) -> Any:
    """Return the lab's model, seeded, compiled for the engine, with these weights."""
    seed_everything(config.seed)
    model = build_model(lab)
    compile_model(model, check_engine(config.engine), config, samples=len(prepared.x_train))
    model.set_weights(weights)
    return model


def _one_step(lab: Lab, config: TrainingConfig, batch: Prepared, given: list[Floats]) -> tuple[float, list[Floats]]:
    """Return the loss of one step on one batch from the given weights, and the weights after it."""
    model = _compiled(lab, config, batch, given)
    losses: list[float] = []
    train_model(model, batch, config, epochs=1, shuffle=False, on_epoch=lambda _, figures: losses.append(figures.loss))
    return losses[0], model.get_weights()


def _first(prepared: Prepared, count: int) -> Prepared:
    """Return the first `count` images for training, and as many again for validation."""
    labels = prepared.y_fit[: 2 * count].argmax(axis=1)
    return tracers.make_prepared(prepared.pixels[: 2 * count], labels, validation=count)


def _given_weights(lab: Lab) -> list[Floats]:
    """Return weights that depend on nothing under test, spread as glorot uniform spreads them."""
    rng = np.random.RandomState(FIRST_SEED)  # its stream is frozen: the weights never change
    weights: list[Floats] = []
    for shape in (w.shape for w in build_model(lab).get_weights()):
        limit = (6 / sum(shape)) ** 0.5 if len(shape) > 1 else 0.1
        weights.append(rng.uniform(-limit, limit, shape).astype(np.float32))
    return weights


def sample_values(arrays: Sequence[npt.NDArray[Any]]) -> list[float]:
    """Return up to 16 values from all over the arrays."""
    flat = np.concatenate([np.ravel(array).astype(np.float64) for array in arrays])
    return [float(flat[place]) for place in np.linspace(0, len(flat) - 1, min(16, len(flat))).astype(int)]
