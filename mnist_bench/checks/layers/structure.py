"""What a lab's model must be before training: layers, parameters, initial weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.checks.names import format_size
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.backend import seed_everything
from mnist_bench.training.labs import CLASSES, LAB_ARITHMETIC, PIXELS, SET_BY, build_model, check_lab
from mnist_bench.training.runner import describe_layers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.training.labs import Lab

__all__ = ["check_environment", "check_initial_weights", "check_layers", "expected_layers"]

# The variance of n uniform draws lies within this many of its own standard deviations.
_DEVIATIONS = 5.0


def expected_layers(lab: Lab) -> list[tuple[str, int, int, str | None]]:
    """Return the rows of the lab sheet's model summary: each layer's kind, units, parameters and activation."""
    rows: list[tuple[str, int, int, str | None]] = []
    inputs = PIXELS
    for width, activation in [*((width, "relu") for width in lab.hidden), (CLASSES, "softmax")]:
        rows += [("Dense", width, (inputs + 1) * width, None), ("Activation", width, 0, activation)]
        if lab.dropout and activation == "relu":
            rows.append(("Dropout", width, 0, None))
        inputs = width
    return rows


def check_layers(name: str) -> CheckResult:
    """Check each layer's kind, width, parameters and activation, the total, and that all of it is trainable."""
    lab = check_lab(name)
    model = build_model(lab)
    layers = describe_layers(model)
    rows = [(layer.kind, layer.units, layer.parameters, layer.activation) for layer in layers]
    total, trainable = model.count_params(), sum(layer.trainable for layer in layers)
    holds = rows == expected_layers(lab) and total == trainable == lab.parameters
    return CheckResult(
        name=f"structure/layers[{name}]",
        verdict=Verdict.PASS if holds else Verdict.REGRESSED,
        figure=format_size(total, trainable, len(rows)),
        bound=f"{lab.parameters:,}, all trainable, {len(expected_layers(lab))} layers",
        evidence=f"layers: {rows}",
    )


def check_environment(environment: EnvironmentRecord, data: str) -> CheckResult:
    """Check that the models compute with the lab's backend and precision, and name what is under test.

    With another backend or precision all other checks would fail, and none would say why.

    Args:
        environment: Where the models are.
        data: The name of the data set, for people.
    """
    found = {name: getattr(environment, name) for name in LAB_ARITHMETIC}
    holds = found == LAB_ARITHMETIC
    return CheckResult(
        name="structure/environment",
        verdict=Verdict.PASS if holds else Verdict.INCONCLUSIVE,
        figure=f"TensorFlow {environment.tensorflow}, Keras {environment.keras}, {_join(found)}, data: {data}",
        bound=_join(LAB_ARITHMETIC),
        evidence="" if holds else f"{SET_BY}; nothing else was checked",
    )


def _join(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def check_initial_weights(name: str, *, seed: int = FIRST_SEED) -> CheckResult:
    """Check that kernels are glorot uniform (Glorot and Bengio, 2010, equation 16) and biases zero.

    Uniform on ± sqrt(6 / (inputs + outputs)), whose variance is limit² / 3.
    """
    seed_everything(seed)
    worst, outside, biases = 0.0, 0, 0
    for weight in build_model(check_lab(name)).get_weights():
        if weight.ndim == 1:
            biases += int(np.count_nonzero(weight))
            continue
        limit = math.sqrt(6 / sum(weight.shape))
        outside += int((np.abs(weight) > limit * (1 + 1e-6)).sum())
        worst = max(worst, _variance_error(weight / limit))
    return CheckResult(
        name=f"structure/initial-weights[{name}]",
        verdict=Verdict.PASS if worst <= _DEVIATIONS and not outside and not biases else Verdict.REGRESSED,
        figure=f"variance off by {worst:.1f} sd; {outside} weights outside the limit, {biases} biases not 0",
        bound=f"≤ {_DEVIATIONS:g} sd, 0 and 0",
        evidence="glorot uniform kernels, zero biases",
    )


def _variance_error(unit: Any) -> float:
    """Return how far the mean square of n draws from uniform(-1, 1) is from 1/3, in standard deviations.

    The square of such a draw has variance 1/5 - 1/9 = 4/45.
    """
    return abs(float(np.mean(np.square(unit, dtype=np.float64))) - 1 / 3) / math.sqrt(4 / 45 / unit.size)
