"""Reproducibility: the same seed, the same bits."""

from __future__ import annotations

import itertools
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_bench.checks.layers import reproducibility
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import NUMERICS_FIELDS, digest_arrays, explain_keys
from mnist_bench.training import backend
from mnist_bench.training.backend import read_versions
from mnist_bench.training.fingerprint import collect_environment
from mnist_bench.training.labs import LABS, build_model
from mnist_bench.training.runner import train
from mnist_bench.training.workers.pool import Finished, train_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.training.data.dataset import Dataset


@pytest.mark.usefixtures("prompt_fit")
def test_bits_in_every_place(mnist_dataset: Dataset, mnist_source: str, mnist_hold: Callable[..., None]) -> None:
    """A seed gives the same bits twice in one process and in a fresh one; another seed gives others."""
    # All labs and engines share the fresh process: its import of TensorFlow takes longer than their epochs.
    engines = ["epoch", "fused"]
    results = list(reproducibility.check_reproducible(list(LABS), engines, mnist_dataset, mnist_source))
    for (engine, _), result in zip(itertools.product(engines, LABS), results, strict=True):
        mnist_hold(result, engine=engine)


@pytest.fixture
def _all_cores() -> Iterator[None]:
    """Let new processes use all the cores that the whole run may use, whatever share this test process has."""
    share = os.sched_getaffinity(0)
    cores = share | os.sched_getaffinity(os.getppid())
    if len(cores) == 1:
        pytest.skip("it takes two cores")
    os.sched_setaffinity(0, cores)
    yield
    os.sched_setaffinity(0, share)


@pytest.mark.usefixtures("_all_cores")
def test_threads_are_in_the_numerics_key(mnist_source: str) -> None:
    """One core and two may end in different bits, so they have different keys; two single cores have one of each."""
    config = TrainingConfig(lab="mlp", engine="epoch", epochs=1, data=mnist_source, device="cpu")
    first, second = (event.record for event in train_all([config, config], jobs=2) if isinstance(event, Finished))
    assert first.environment.usable_cores == second.environment.usable_cores
    assert first.environment.numerics_key == second.environment.numerics_key
    assert first.final_digest == second.final_digest
    backend.set_determinism(on=True)
    wide = collect_environment(device="cpu", xla=False)  # of this process, which has the cores of both
    assert set(explain_keys(wide, first.environment, NUMERICS_FIELDS)) == {"threads"}
    assert wide.numerics_key != first.environment.numerics_key


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
    first, *others = records.values()
    for other in others:
        assert other.final_digest == first.final_digest
        assert other.history.accuracy == first.history.accuracy
        assert other.history.val_accuracy == first.history.val_accuracy
        # Of the losses Keras reports a mean over steps, which it adds up in another order.
        assert other.history.loss == pytest.approx(first.history.loss, rel=1e-6)
        assert other.history.val_loss == pytest.approx(first.history.val_loss, rel=1e-6)


def test_op_determinism_is_on(mnist_hold: Callable[..., None]) -> None:
    """After it was asked for, op determinism is on."""
    mnist_hold(reproducibility.check_determinism())


def test_missing_determinism_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the call does nothing, that is an error and not silence."""
    monkeypatch.setattr(backend, "is_deterministic", lambda: False)
    with pytest.raises(RuntimeError, match="was turned on but is not"):
        backend.set_determinism(on=True)


def test_the_sheets_own_seed_does_not_seed_keras_3() -> None:
    """`np.random.seed(1671)`, the lab sheet's line, leaves Keras 3's initial weights to chance."""
    if read_versions()["keras"].startswith("2."):
        pytest.skip("about Keras 3; in Keras 2, too, it seeds nothing but NumPy")

    def build() -> str:
        np.random.seed(1671)  # noqa: NPY002 - the sheet's own line
        return digest_arrays(build_model(LABS["mlp"]).get_weights())

    backend.seed_everything(1)
    assert len({build() for _ in range(3)}) == 3
