"""A tensor's movement taken apart: a multiple of the expected movement, a decay of the tensor, a limit, and a rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.records.readings import Reading

if TYPE_CHECKING:
    import numpy.typing as npt

    from mnist_bench.training.oracle import Expected, Tensor, Tensors

    Array = npt.NDArray[np.float64]

__all__ = ["read_movements"]

# Movements that a limit has cut are equal apart from the rounding of the stored weights.
_EQUAL = 1e-3
_FEW = 4  # as many equal largest movements are no chance


def read_movements(trained: Tensors, expected: Expected, initial: Tensors, learning_rate: float) -> list[Reading]:
    """Return a reading of each tensor: how it has moved, compared with the oracle's movement.

    Args:
        trained: The weights after the steps.
        expected: The oracle's weights after the same steps.
        initial: The weights before the steps.
        learning_rate: The learning rate of the steps.
    """
    quads = zip(trained, expected.weights, initial, expected.tolerances, strict=True)
    return [
        _read(_name(place), expected.step, _flat(weight), _flat(target), _flat(start), noise=noise, rate=learning_rate)
        for place, (weight, target, start, noise) in enumerate(quads)
    ]


def _name(place: int) -> str:
    return f"{('kernel', 'bias')[place % 2]} {place // 2 + 1}"


def _flat(tensor: Tensor) -> Array:
    return np.asarray(tensor, np.float64).ravel()


def _read(what: str, steps: int, trained: Array, target: Array, start: Array, *, noise: float, rate: float) -> Reading:
    moved, wanted = trained - start, target - start
    if not np.isfinite(moved).all():
        return Reading(what=what, steps=steps, factor=None, noise=noise)
    length = float(np.linalg.norm(wanted))
    factor = float(moved @ wanted) / length**2
    decay, decay_rest = _fit_decay(moved, wanted, start) if start.any() else (None, None)
    sizes = np.abs(moved[moved != 0])
    return Reading(
        what=what,
        steps=steps,
        factor=factor,
        rest=float(np.linalg.norm(moved - factor * wanted)) / length,
        noise=noise,
        decay=None if decay is None else decay / steps,
        decay_rest=None if decay_rest is None else decay_rest / length,
        evenness=float(sizes.std() / sizes.mean()) if sizes.size else None,
        limit=_find_limit(sizes, np.abs(wanted), rate),
    )


def _fit_decay(moved: Array, wanted: Array, start: Array) -> tuple[float, float]:
    """Fit moved = factor * wanted - decay * start; return the decay, and the norm of what is left."""
    columns = np.stack([wanted, -start], axis=1)
    fit, *_ = np.linalg.lstsq(columns, moved, rcond=None)
    return float(fit[1]), float(np.linalg.norm(moved - columns @ fit))


def _find_limit(sizes: Array, wanted: Array, rate: float) -> float | None:
    """Return the largest movement per learning rate, where several share it and the expected one is larger."""
    if not sizes.size:
        return None
    top = float(sizes.max())
    shared = int((sizes > top * (1 - _EQUAL)).sum())
    return top / rate if shared >= _FEW and float(wanted.max()) > top * (1 + 10 * _EQUAL) else None
