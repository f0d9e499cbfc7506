"""Amounts that are those of no step are told as such, and a broken order is not."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_bench.checks.layers.amounts import UNKNOWN, UNSEEN, decode_steps, find_broken, step_amounts

AMOUNTS = step_amounts(240, 32)


def move(factor: float = 1.0) -> np.ndarray:
    """Return the movements of three epochs, each in an order of its own, times a factor."""
    rng = np.random.default_rng(0)
    return np.stack([factor * AMOUNTS[np.arange(240) // 32][rng.permutation(240)] for _ in range(3)])


def find(moves: np.ndarray) -> object:
    """Return what is broken."""
    return find_broken(moves, decode_steps(moves, AMOUNTS), AMOUNTS, 32)


def test_sound_amounts_are_decoded() -> None:
    """Each sample has its step."""
    steps = decode_steps(move(), AMOUNTS)
    assert steps.min() >= 0
    assert find(move()) is None
    assert find(move(1 + 1e-6)) is None  # float32 rounds


@pytest.mark.parametrize("factor", [0.5, 0.999, 1.0001, 1.05, 2.0])
def test_a_factor_is_read(factor: float) -> None:
    """Every update is too long: the factor is read from the first step's samples."""
    broken = find(move(factor))
    assert broken is not None
    assert broken.factor == pytest.approx(factor)
    assert (broken.samples, broken.due) == (32, 32)


def test_a_broken_order_is_no_broken_amount() -> None:
    """Samples left out, trained twice or drawn with replacement: the amounts are those of steps."""
    rng = np.random.default_rng(0)
    moves = move()
    moves[0, :10] = 0
    moves[1, :10] += AMOUNTS[3]
    assert find(moves) is None
    drawn = np.zeros((1, 240))
    np.add.at(drawn[0], rng.integers(0, 240, 240), AMOUNTS[np.arange(240) // 32])
    assert (decode_steps(drawn, AMOUNTS) == UNKNOWN).any()
    assert find(drawn) is None


def test_no_movement_and_no_number_are_told() -> None:
    """Nothing moved, or what moved is not finite."""
    still, lost = find(np.zeros((3, 240))), find(np.full((3, 240), np.nan))
    assert still is not None
    assert lost is not None
    assert (still.factor, still.samples) == (0.0, None)
    assert lost.factor is None
    assert (decode_steps(np.zeros((1, 240)), AMOUNTS) == UNSEEN).all()
    assert (decode_steps(np.full((1, 240), np.nan), AMOUNTS) == UNKNOWN).all()


def test_a_bias_that_does_not_move_is_told() -> None:
    """Then all steps move their samples by the first step's amount, and cannot be told apart."""
    moves = np.full((1, 240), AMOUNTS[0])
    moves[0, 224:] *= 2  # the partial batch
    broken = find(moves)
    assert broken is not None
    assert (broken.what, broken.samples) == ("bias", 224)


def test_a_step_without_any_sample_is_a_wrong_amount() -> None:
    """Every sample moved, and none by the amount of the last whole step: the learning rate fell."""
    moves = move()
    rate = 0.99 ** np.arange(8)
    for step, amount in enumerate(AMOUNTS):
        moves[np.isclose(moves, amount)] = amount * rate[step]
    broken = find(moves)
    assert broken is not None
    assert broken.factor == pytest.approx(1)
