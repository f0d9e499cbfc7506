"""Accuracy after the lab's full training: the thresholds, and the distribution beside the stored reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench import baselines, thresholds
from mnist_bench.exports import format_line
from mnist_bench.gate import compare_accuracy
from mnist_bench.labs import LABS
from mnist_bench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.data import Dataset
    from mnist_bench.records import TrainingRecord


@pytest.mark.parametrize("engine", ["epoch", "fused"])
def test_threshold(
    mnist_lab: str, engine: str, mnist_train: Callable[..., TrainingRecord], mnist_hold: Callable[..., None]
) -> None:
    """Test accuracy reaches 0.92 (perceptron) or 0.97 (the others)."""
    mnist_hold(thresholds.check_threshold([mnist_train(mnist_lab, engine)]), engine=engine)


@pytest.mark.parametrize("lab", LABS)
def test_distribution(
    lab: str,
    mnist_dataset: Dataset,
    mnist_train: Callable[..., TrainingRecord],
    mnist_hold: Callable[..., None],
    pytestconfig: pytest.Config,
) -> None:
    """New seeds of the fused engine are no worse than the reference's, in accuracy or loss."""
    reference = baselines.find_reference(
        baselines.find_folder(), mnist_dataset.name, lab, "fused", digest=mnist_dataset.digest
    )
    assert reference is not None, f"no reference for {lab} by fused on {mnist_dataset.name}"
    seeds = range(1671, 1671 + pytestconfig.getoption("--mnist-seeds"))
    records = [mnist_train(lab, "fused", seed=seed) for seed in seeds]
    results = compare_accuracy({lab: records}, {lab: reference}, looks=1)
    # Five seeds cannot rule out a small loss: what must not happen is a REGRESSED.
    for result in results:
        assert result.verdict is not Verdict.REGRESSED, format_line(result)
    mnist_hold(results[0])
