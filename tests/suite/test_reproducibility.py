"""Reproducibility: the same seed, the same bits."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_bench.checks.layers import reproducibility
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import digest_arrays
from mnist_bench.training import backend
from mnist_bench.training.backend import read_versions
from mnist_bench.training.labs import LABS, build_model
from mnist_bench.training.runner import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.training.data.dataset import Dataset


@pytest.mark.usefixtures("prompt_fit")
def test_bits_in_every_place(mnist_dataset: Dataset, mnist_source: str, mnist_hold: Callable[..., None]) -> None:
    """A seed gives the same bits twice in one process and in a fresh one; another seed gives others."""
    # All labs and engines share the fresh process: its import of TensorFlow takes longer than their epochs.
    with reproducibility.FreshProcess() as fresh:
        for engine, lab in itertools.product(["epoch", "fused"], LABS):
            config = TrainingConfig(lab=lab, engine=engine, epochs=1, data=mnist_source)
            mnist_hold(reproducibility.check_bits(config, mnist_dataset, fresh), engine=engine)


def test_fit_engines_end_in_the_same_bits(mnist_lab: str, tiny: Dataset) -> None:
    """Eager, graph and epoch are one arithmetic, and tf.data's autotuner has no part in it.

    But run eagerly, Keras 2 draws other dropout masks.
    """
    records = {}
    for engine, piped in (("eager", nullcontext), ("graph", nullcontext), ("epoch", backend.without_autotuner)):
        with piped():
            records[engine] = train(TrainingConfig(lab=mnist_lab, engine=engine, epochs=2), dataset=tiny)
    if mnist_lab == "dropout" and read_versions()["keras"].startswith("2."):
        assert records.pop("eager").final_digest != records["graph"].final_digest
    first, *rest = records.values()
    for record in rest:
        assert record.final_digest == first.final_digest
        assert record.history.accuracy == first.history.accuracy
        assert record.history.val_accuracy == first.history.val_accuracy
        # Of the losses Keras reports a mean over steps, which it adds up in another order.
        assert record.history.loss == pytest.approx(first.history.loss, rel=1e-6)
        assert record.history.val_loss == pytest.approx(first.history.val_loss, rel=1e-6)


def test_op_determinism_is_on(mnist_hold: Callable[..., None]) -> None:
    """After it was asked for, op determinism is on."""
    mnist_hold(reproducibility.check_determinism())


def test_the_sheets_own_seed_does_not_seed_keras_3() -> None:
    """`np.random.seed(1671)`, the lab sheet's line, leaves Keras 3's initial weights to chance."""
    if read_versions()["keras"].startswith("2."):
        pytest.skip("about Keras 3; in Keras 2, too, it seeds nothing but NumPy")

    def build() -> str:
        np.random.seed(1671)  # noqa: NPY002 - the sheet's own line
        return digest_arrays(build_model(LABS["mlp"]).get_weights())

    backend.seed_everything(1)
    assert len({build() for _ in range(3)}) == 3
