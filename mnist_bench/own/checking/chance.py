"""What a model's random layers do: the share that they drop, the scale, a new draw in each step, none in evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.own.file import load_model
from mnist_bench.own.layers import list_parts, list_rows
from mnist_bench.own.model import make_model
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.backend import load_tensorflow, seed_everything

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from mnist_bench.own.layers import Row
    from mnist_bench.own.records import ModelFile

    Array = npt.NDArray[Any]

__all__ = ["Draw", "check_random_layers", "draw_outputs", "list_random", "measure_draws"]

_SAMPLES, _WIDTH = 64, 64  # of what a layer is called with: 4,096 entries in each channel
_TIMES = 4  # of a sequence: the state begins at 0, so that the first time drops none of it
_DEVIATIONS = 4.5  # a binomial share leaves these once in 150,000 times
_ROUNDING = 1e-5

# The rank of the input that a layer needs; any rank is right for the others.
_RANKS = {"SpatialDropout1D": 3, "SpatialDropout2D": 4, "SpatialDropout3D": 5}
_KINDS = ("Dropout", *_RANKS, "GaussianDropout", "GaussianNoise", "AlphaDropout")


@dataclass(frozen=True)
class Draw:
    """What one random layer did.

    Attributes:
        name: The layer's row, and its class where the row is another one.
        faults: What is not as it should be, in words; empty if all is.
    """

    name: str
    faults: list[str]


def list_random(rows: Sequence[Row]) -> list[tuple[str, Any]]:
    """Return the layers that drop or disturb at random, also inside others, with the names of their rows."""
    found = []
    for row in rows:
        for part in list_parts(row.layer):
            kind = type(part).__name__
            if _drops_state(part) or (
                kind in _KINDS and (getattr(part, "rate", None) or getattr(part, "stddev", None))
            ):
                found.append((row.name if part is row.layer else f"{row.name} ({kind})", part))
    return found


def draw_outputs(rows: Sequence[Row], seed: int) -> dict[str, Array]:
    """Return what each random layer makes of ones in training, in the order of the rows."""
    seed_everything(seed)
    outputs: dict[str, Array] = {}
    for name, part in list_random(rows):
        again = sum(it.startswith(name) for it in outputs)
        label = f"{name} {again + 1}" if again else name
        outputs[label] = _call(part, training=True)
    return outputs


def measure_draws(rows: Sequence[Row], seed: int) -> list[Draw]:
    """Check every random layer by itself, on ones."""
    seed_everything(seed)
    return [Draw(name, list(_find_faults(part))) for name, part in list_random(rows)]


def check_random_layers(model: ModelFile, name: str) -> CheckResult:
    """Check that each random layer drops its rate, scales, draws anew in each step, and does nothing in evaluation."""
    draws = measure_draws(list_rows(make_model(load_model(model), FIRST_SEED)), FIRST_SEED)
    faulty = [draw for draw in draws if draw.faults]
    told = f"{len(draws)} random layers as they should be" if draws else "the model has no random layers of Keras's"
    return CheckResult(
        name=name,
        verdict=Verdict.REGRESSED if faulty else Verdict.PASS,
        figure=f"{faulty[0].name}: {'; '.join(faulty[0].faults)}" if faulty else told,
        bound="its rate, its scale, a new draw in each step, none in evaluation",
        evidence=", ".join(draw.name for draw in draws),
    )


def _drops_state(part: Any) -> bool:
    """Return whether a layer is a recurrent one that drops parts of its input or of its state."""
    cell = getattr(part, "cell", None)
    amounts = [getattr(cell, name, 0) for name in ("dropout", "recurrent_dropout")]
    return any(amounts) and len(getattr(getattr(cell, "kernel", None), "shape", ())) == 2  # noqa: PLR2004 - a matrix


def _call(part: Any, *, training: bool) -> Array:
    # A fixed shape of noise, which fits the model's own inputs alone, is told by the layer.
    shape = [_SAMPLES, *[2] * (_RANKS.get(type(part).__name__, 2) - 2), _WIDTH]
    if _drops_state(part):
        shape = [_SAMPLES, _TIMES, int(part.cell.kernel.shape[0])]
    dtype = getattr(part, "compute_dtype", None) or "float32"
    outputs = part(load_tensorflow().ones(shape, dtype), training=training)
    # A recurrent layer may return its states in addition.
    return np.asarray(outputs[0] if isinstance(outputs, (tuple, list)) else outputs).astype(np.float64)


def _find_faults(part: Any) -> list[str]:
    try:
        first, second, off = _call(part, training=True), _call(part, training=True), _call(part, training=False)
    except (ValueError, TypeError):  # a noise shape of the user's own
        return []
    faults = []
    if _drops_state(part):
        if not np.array_equal(off, _call(part, training=False)):
            faults.append("evaluation: two calls differ")
    elif np.abs(off - 1).max() > 0:
        faults.append(f"evaluation: an input of 1 becomes {off.flat[np.abs(off - 1).argmax()]:.6g}")
    if np.array_equal(first, second):
        faults.append("two steps draw the same")
    return [*faults, *_CHECKS.get(type(part).__name__, _check_nothing)(part, first)]


def _check_dropped(part: Any, drawn: Array) -> list[str]:
    """Check the share of zeros, and that what is kept is scaled by 1 / (1 - rate)."""
    rate = float(part.rate)
    # A spatial layer drops whole channels of a sample.
    masks = drawn.reshape(_SAMPLES, -1, _WIDTH)[:, 0]
    share, error = float((masks == 0).mean()), _DEVIATIONS * math.sqrt(rate * (1 - rate) / masks.size)
    faults = [f"drops {share:.4f}, not {rate:g} ± {error:.4f}"] if abs(share - rate) > error else []
    kept = drawn[drawn != 0]
    rounding = _ROUNDING if drawn.dtype == np.float64 and part.compute_dtype != "float16" else 1e-2
    if kept.size and np.abs(kept * (1 - rate) - 1).max() > rounding:
        faults.append(f"scales by {kept.mean():.4f}, not {1 / (1 - rate):.4f}")
    return faults


def _check_noise(deviation: Callable[[Any], float]) -> Callable[[Any, Array], list[str]]:
    """Return a check of the mean, which stays 1, and of the standard deviation."""

    def check(part: Any, drawn: Array) -> list[str]:
        wanted, error = deviation(part), _DEVIATIONS / math.sqrt(drawn.size)
        mean, spread = float(drawn.mean()) - 1, float(drawn.std())
        faults = [f"moves the mean by {mean:.4f}"] if abs(mean) > wanted * error else []
        # The standard deviation of a sample of n has a relative error of 1 / sqrt(2 n).
        if abs(spread / wanted - 1) > error:
            faults.append(f"has standard deviation {spread:.4f}, not {wanted:.4f}")
        return faults

    return check


def _check_nothing(_part: Any, _drawn: Array) -> list[str]:
    return []


_CHECKS: dict[str, Callable[[Any, Array], list[str]]] = {
    "Dropout": _check_dropped,
    **dict.fromkeys(_RANKS, _check_dropped),
    "GaussianDropout": _check_noise(lambda part: math.sqrt(part.rate / (1 - part.rate))),
    "GaussianNoise": _check_noise(lambda part: float(part.stddev)),
    "AlphaDropout": _check_nothing,  # keeps mean and variance of what has mean 0 and variance 1, as ones have not
}
