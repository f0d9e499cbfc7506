"""The dropout masks: as many zeros as the rate says, and no mask twice."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_bench.training.labs import LABS
from mnist_bench.training.masks import draw_masks


def test_masks_drop_three_in_ten() -> None:
    """A mask is 0, or 1 / (1 - rate), as often as the rate says; no step, layer or epoch repeats another."""
    steps, batch, lab = 6, 64, LABS["dropout"]
    epochs = [draw_masks(lab, steps=steps, batch_size=batch, seed=(1671, epoch)) for epoch in (0, 1)]
    masks = np.stack([layer for epoch in epochs for layer in epoch])
    assert masks.shape == (4, steps, batch, 128)
    assert set(np.unique(masks)) == {np.float32(0), np.float32(1) / np.float32(0.7)}
    kept = masks > 0
    sizes = {"all": kept.size, "units": kept.size // 128}
    assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.21 / sizes["all"])
    assert (np.abs(kept.mean(axis=(0, 1, 2)) - 0.7) < 5 * np.sqrt(0.21 / sizes["units"])).all()
    flat = kept.reshape(-1, batch * 128)
    # Two independent masks agree in 0.7**2 + 0.3**2 of their places; the same one, or the opposite, in others.
    for number, first in enumerate(flat):
        for second in flat[number + 1 :]:
            assert abs((first == second).mean() - 0.58) < 5 * np.sqrt(0.58 * 0.42 / first.size)
    again = draw_masks(lab, steps=steps, batch_size=batch, seed=(1671, 0))
    assert all(np.array_equal(*pair) for pair in zip(again, epochs[0], strict=True))


@pytest.mark.parametrize("lab", ["perceptron", "mlp"])
def test_without_dropout_there_are_no_masks(lab: str) -> None:
    """A lab without dropout draws nothing."""
    assert draw_masks(LABS[lab], steps=2, batch_size=4, seed=(0, 0)) == []
