"""Amounts that are those of no step are told as such, and a broken order is not."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_bench.checks.layers.amounts import (
    UNKNOWN,
    UNSEEN,
    count_visits,
    decode_steps,
    find_broken,
    step_amounts,
)

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


def test_one_step_of_another_amount_is_no_missing_sample() -> None:
    """The samples of a step moved together: by too much, or not at all."""
    for factor in (1.02, 0.0):
        moves = move()
        moves[1] = np.where(np.isclose(moves[1], AMOUNTS[3]), factor * moves[1], moves[1])
        broken = find(moves)
        assert broken is not None
        assert broken.factor == pytest.approx(1)
        assert (broken.samples, broken.due) == (32, 32)


def test_steps_that_move_no_row_are_no_missing_samples() -> None:
    """Half of the steps are lost, and the bias still moved."""
    moves = move()
    moves[np.isin(moves, AMOUNTS[:7:2])] = 0
    assert find(moves) is not None


def test_a_lost_batch_is_no_broken_amount() -> None:
    """The last step is left out, as where a partial batch is dropped."""
    moves = np.where(move() == AMOUNTS[-1], 0, move())
    assert find(moves) is None
    assert (decode_steps(moves, AMOUNTS) == UNSEEN).sum() == 3 * 16


def visit(rows: np.ndarray) -> np.ndarray:
    """Return the movements, (1, 300), of an epoch that trains these rows in this order, of 240 and 60 of validation."""
    amounts = step_amounts(len(rows), 32)
    moves = np.zeros((1, 300))
    np.add.at(moves[0], rows, amounts[np.arange(len(rows)) // 32])
    return moves


@pytest.mark.parametrize(
    ("rows", "visits"),
    [
        (np.arange(240), 240),
        (np.arange(235), 235),  # rows are lost
        (np.arange(240 + 4), 244),  # samples of validation are trained
        (np.r_[np.arange(240), 7, 30, 90], 243),  # rows are there twice
        (np.r_[np.arange(5, 240), 7, 30, 90, 101, 150], 240),  # rows take the place of others
    ],
)
def test_the_visits_are_counted(rows: np.ndarray, visits: int) -> None:
    """The size of the last batch tells how many samples an epoch trains, and every step is read."""
    moves = visit(np.random.default_rng(1).permutation(rows))
    assert count_visits(moves, 240, 32) == visits
    steps = decode_steps(moves, step_amounts(visits, 32))
    twice = len(rows) - len(set(rows.tolist()))
    assert int((steps == UNKNOWN).sum()) == twice
    assert find_broken(moves[:, :240], steps[:, :240], step_amounts(visits, 32), 32) is None


def test_wrong_amounts_are_visits_of_nothing() -> None:
    """Then the number is the one that is due, and the amounts are told to be those of no step."""
    for factor in (0.9, 1.05, 2.0):
        moves = np.pad(move(factor), ((0, 0), (0, 60)))
        assert count_visits(moves, 240, 32) == 240


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
