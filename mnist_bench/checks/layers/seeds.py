"""The initial weights of many seeds: no two are alike, and no two layers of one seed are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.environment import digest_arrays
from mnist_bench.records.training import find_collision
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.backend import seed_everything
from mnist_bench.training.labs import build_model, check_lab

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

__all__ = ["SEEDS", "check_seeds"]

SEEDS = (*range(FIRST_SEED, FIRST_SEED + 8), *(FIRST_SEED + 2**bit for bit in range(3, 32, 2)))
"""Neighbours, as they are trained, and seeds that differ in one bit, which a generator may drop."""

# The correlation of n independent draws has a standard deviation of 1 / sqrt(n); 6 of these are left once in 500
# million times, and there are 253 pairs.
_DEVIATIONS = 6.0


def check_seeds(name: str) -> CheckResult:
    """Check that the initial weights of seeds differ and are not correlated, nor those of a seed's layers."""
    kernels = {seed: _draw_kernels(name, seed) for seed in SEEDS}
    collision = find_collision(kernels, [digest_arrays(drawn) for drawn in kernels.values()])
    seeds = _correlate_rows(np.stack([np.concatenate([kernel.ravel() for kernel in it]) for it in kernels.values()]))
    layers = max(map(_correlate_layers, kernels.values()))
    told = f"the seeds {collision[0]} and {collision[1]} are alike" if collision else "no two seeds alike"
    return CheckResult(
        name=f"structure/seeds[{name}]",
        verdict=Verdict.PASS if not collision and max(seeds, layers) <= _DEVIATIONS else Verdict.REGRESSED,
        figure=f"{told}; correlation of seeds {seeds:.1f} sd, of layers {layers:.1f} sd",
        bound=f"none of {len(SEEDS)} seeds alike, ≤ {_DEVIATIONS:g} sd",
        evidence="the kernels after each seed is set, of neighbouring seeds and of seeds that differ in one bit",
    )


def _draw_kernels(name: str, seed: int) -> list[Floats]:
    seed_everything(seed)
    return [np.array(weight) for weight in build_model(check_lab(name)).get_weights() if weight.ndim > 1]


def _correlate_rows(rows: Floats) -> float:
    """Return the largest correlation of two rows, (rows, values), in standard deviations."""
    # Weights that are all 0 are not correlated; they are alike, which is told.
    scaled = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    products = np.abs(scaled @ scaled.T)[~np.eye(len(rows), dtype=bool)]
    return float(products.max() * np.sqrt(rows.shape[1]))


def _correlate_layers(kernels: list[Floats]) -> float:
    """Return the largest correlation of two kernels' first values, as many as the smaller one has, in their order."""
    pairs = itertools.combinations([kernel.ravel() for kernel in kernels], 2)
    return max((_correlate_rows(np.stack([a[: b.size], b[: a.size]])) for a, b in pairs), default=0.0)
