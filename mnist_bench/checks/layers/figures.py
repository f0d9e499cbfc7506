"""The figures that a training reports, loss and accuracy, compared with the float64 oracle's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.checks.layers.arithmetic import make_images
from mnist_bench.checks.layers.tracers import make_prepared
from mnist_bench.records.config import FIRST_SEED, Case, TrainingConfig
from mnist_bench.records.readings import Reading
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training import oracle
from mnist_bench.training.backend import blame_keras, seed_everything, set_determinism, without_tf32
from mnist_bench.training.engines import check_engine, compile_model, train_model
from mnist_bench.training.labs import LABS, build_model

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Prepared
    from mnist_bench.training.fusion import EpochFigures
    from mnist_bench.training.oracle import Tensors

__all__ = ["check_figures"]

# Neither number is a multiple of the batch, which is 32 in Keras's evaluation, too: a mean over batches would weigh the
# last one too much. A quarter is held, which floating point splits where it should.
_TRAINED, _HELD = 240, 80
_BATCH = 32
_RATE = 1e-50  # 0 in float32, so that the weights stay: a configuration's must be positive
_BLANK = 8  # samples whose classes are equally probable, so that the first class counts

# A mean of some hundred losses in float32 has relative errors of 1e-6; a sample that is counted twice moves the mean by
# 1e-3 of itself, and a share of hits by 1 / 240.
_ROUNDING = 1e-5


@without_tf32()
def check_figures(lab: str, engine: str) -> CheckResult:
    """Check that loss and accuracy, of training, validation and test, are the oracle's means over the samples.

    The weights stay, so that the mean over an epoch's batches is of one network.
    """
    readings = [
        Reading(what=name, steps=0, factor=_divide(got, want), rest=abs(got - want), noise=_ROUNDING)
        for name, (got, want) in _measure(lab, engine).items()
    ]
    wrong = [it for it in readings if it.factor is None or not abs(it.factor - 1) <= it.noise]
    worst = max(readings, key=lambda it: abs(it.factor - 1) if it.factor is not None else np.inf)
    error = None if worst.factor is None else abs(worst.factor - 1)
    off = "not finite" if error is None else f"off by {error:.1e}"
    names = ", ".join(it.what for it in wrong)
    return CheckResult(
        name=f"arithmetic/figures[{Case(lab, engine)}]",
        verdict=Verdict.REGRESSED if wrong else Verdict.PASS,
        figure=f"{names or worst.what} {off}",
        bound=f"≤ {_ROUNDING:g} of the oracle's figure",
        evidence="means over all samples, the last batch partial, compared with the float64 oracle's",
        readings=wrong,
        value=error,
    )


def _divide(got: float, want: float) -> float | None:
    return got / want if np.isfinite(got) else None


def _measure(lab: str, engine: str) -> dict[str, tuple[float, float]]:
    """Return each figure that is reported, and the oracle's."""
    set_determinism(on=check_engine(engine).deterministic)
    seed_everything(FIRST_SEED)
    model = build_model(LABS[lab])
    config = TrainingConfig(lab=lab, engine=engine, batch_size=_BATCH, learning_rate=_RATE)
    weights = model.get_weights()
    prepared = _make_samples(weights)
    compile_model(model, check_engine(engine), config, samples=_TRAINED)
    seen: list[EpochFigures] = []
    train_model(model, prepared, config, epochs=1, shuffle=False, on_epoch=lambda _, figures: seen.append(figures))
    with blame_keras("evaluate"):
        test = dict(zip(("loss", "accuracy"), model.evaluate(prepared.x_test, prepared.y_test, verbose=0), strict=True))
    reported = {f"validation {name}": getattr(seen[0], f"val_{name}") for name in test}
    reported |= {f"test {name}": float(value) for name, value in test.items()}
    if not LABS[lab].dropout:  # the masks of the training are not known here
        reported |= {f"training {name}": getattr(seen[0], name) for name in test}
    sets = {
        "training": (prepared.x_train, prepared.y_train),
        "validation": (prepared.x_validation, prepared.y_validation),
        "test": (prepared.x_test, prepared.y_test),
    }
    wanted = {
        f"{name} {figure}": compute(weights, *samples)
        for name, samples in sets.items()
        for figure, compute in (("loss", oracle.loss), ("accuracy", oracle.accuracy))
    }
    return {name: (value, wanted[name]) for name, value in reported.items()}


def _make_samples(weights: Tensors) -> Prepared:
    """Make samples of which the first half of each set has the label that the network gives, and so counts as a hit."""
    images = make_images(_TRAINED + 2 * _HELD, FIRST_SEED).pixels.copy()
    starts = (0, _TRAINED, _TRAINED + _HELD)
    for start in starts:
        images[start : start + _BLANK] = 0
    given = oracle.forward(weights, images / 255)[0].argmax(axis=1)
    labels = np.where(np.arange(len(images)) % 2, given, (given + 1) % 10)
    for start, count in zip(starts, (_TRAINED, _HELD, _HELD), strict=True):
        labels[start : start + count // 2] = given[start : start + count // 2]
    prepared = make_prepared(images[:-_HELD], labels[:-_HELD], validation=_HELD)
    apart = make_prepared(images[-_HELD:], labels[-_HELD:], validation=0)
    return dataclasses.replace(prepared, x_test=apart.x_train, y_test=apart.y_train)
