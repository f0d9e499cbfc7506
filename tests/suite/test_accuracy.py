"""Accuracy after the lab's full training: the thresholds, and the distribution against the stored reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks import baselines
from mnist_bench.checks.accuracy import check_threshold, compare_accuracy, is_decided, plan_looks
from mnist_bench.checks.layers.probes import probe
from mnist_bench.checks.suite import check_bits
from mnist_bench.records.config import FIRST_SEED, TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset

pytestmark = pytest.mark.usefixtures("prompt_fit")


@pytest.mark.parametrize("engine", ["epoch", "fused"])
def test_threshold(
    mnist_lab: str, engine: str, mnist_train: Callable[..., TrainingRecord], mnist_hold: Callable[..., None]
) -> None:
    """Test accuracy reaches 0.92 (perceptron) or 0.97 (the others)."""
    mnist_hold(check_threshold([mnist_train(mnist_lab, engine)]), engine=engine)


def test_distribution(
    mnist_lab: str,
    mnist_dataset: Dataset,
    mnist_source: str,
    mnist_train: Callable[..., TrainingRecord],
    mnist_hold: Callable[..., None],
    pytestconfig: pytest.Config,
) -> None:
    """New seeds of the fused engine are no worse than the reference's, in accuracy and loss, look by look.

    The sharpest test comes first, as in `mnist-bench check`: the same bits as the baseline's need no statistics.
    """
    now = probe(TrainingConfig(lab=mnist_lab, engine="fused", data=mnist_source), mnist_dataset)
    identical, _ = check_bits(baselines.find_folder(), now)
    if identical is not None:
        mnist_hold(identical, engine="fused")
        return
    reference = baselines.find_reference(
        baselines.find_folder(), mnist_dataset.name, mnist_lab, "fused", digest=mnist_dataset.digest
    )
    assert reference is not None, f"no reference for {mnist_lab} by fused on {mnist_dataset.name}"
    looks = plan_looks(pytestconfig.getoption("--mnist-seeds"))
    for look in looks:
        records = [mnist_train(mnist_lab, "fused", seed=seed) for seed in range(FIRST_SEED, FIRST_SEED + look)]
        results = compare_accuracy({mnist_lab: records}, {mnist_lab: reference}, looks=len(looks))
        if is_decided(results):
            break
    for result in results:
        mnist_hold(result, engine="fused")
