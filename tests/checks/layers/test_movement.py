"""A movement is taken apart into the parts that were put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_bench.checks.layers.movement import read_movements
from mnist_bench.training.oracle import Expected

if TYPE_CHECKING:
    from mnist_bench.records.readings import Reading

RATE = 0.1
RNG = np.random.default_rng(0)
START = [RNG.normal(size=(40, 30)), np.zeros(30)]
MOVED = [1e-3 * RNG.normal(size=(40, 30)), 1e-3 * RNG.normal(size=30)]


def read(kernel: np.ndarray, bias: np.ndarray) -> tuple[Reading, Reading]:
    """Return the readings of a kernel and a bias that have moved so, instead of by MOVED."""
    expected = Expected(2, [start + moved for start, moved in zip(START, MOVED, strict=True)], [1e-5, 2e-5], np.inf)
    first, second = read_movements([START[0] + kernel, START[1] + bias], expected, START, RATE)
    return first, second


def test_a_sound_movement_has_factor_one() -> None:
    """Nothing is left, and the noise is what the oracle allows."""
    kernel, bias = read(*MOVED)
    assert (kernel.what, bias.what, kernel.steps, kernel.noise, bias.noise) == ("kernel 1", "bias 1", 2, 1e-5, 2e-5)
    for it in (kernel, bias):
        assert it.factor == pytest.approx(1)
        assert it.rest == pytest.approx(0, abs=1e-9)
        assert it.limit is None
    assert kernel.decay == pytest.approx(0, abs=1e-9)
    assert bias.decay is None


def test_a_factor_and_a_decay_are_told_apart() -> None:
    """Each step takes a share of the weights, and moves them by 1.5 times the expected movement."""
    kernel, bias = read(1.5 * MOVED[0] - 2 * 3e-4 * START[0], 0.5 * MOVED[1])
    assert kernel.decay == pytest.approx(3e-4)
    assert kernel.decay_rest == pytest.approx(0, abs=1e-9)
    assert (kernel.rest or 0) > 0.1
    assert bias.factor == pytest.approx(0.5)


def test_a_limit_is_seen() -> None:
    """Elements that are cut share the largest movement."""
    kernel, bias = read(np.clip(MOVED[0], -5e-4, 5e-4), MOVED[1])
    assert kernel.limit == pytest.approx(5e-4 / RATE)
    assert bias.limit is None


def test_equal_movements_are_even() -> None:
    """A sign in the place of a gradient moves all by one size."""
    kernel, bias = read(1e-3 * np.sign(MOVED[0]), 0 * MOVED[1])
    assert kernel.evenness == pytest.approx(0, abs=1e-9)
    assert (bias.factor, bias.evenness, bias.limit) == (0, None, None)


def test_what_is_not_finite_has_no_factor() -> None:
    """NaN has no factor, and JSON no NaN."""
    kernel, _ = read(np.nan * MOVED[0], MOVED[1])
    assert (kernel.factor, kernel.rest) == (None, None)
