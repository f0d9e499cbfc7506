"""Each contract is REGRESSED on an order or on masks that break the contract."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mnist_bench.checks.layers import contracts, tracers
from mnist_bench.records.verdicts import Verdict

pytestmark = pytest.mark.usefixtures("prompt_fit")


@pytest.fixture(scope="module")
def order() -> tracers.OrderTrace:
    """A sound order, without an engine: every epoch its own permutation."""
    rng = np.random.default_rng(0)
    batch = np.arange(240) // 32
    steps = np.stack([batch[rng.permutation(240)] for _ in range(3)])
    labels = np.tile(np.arange(240) % 10, (3, 1))
    return tracers.OrderTrace(steps, np.full((3, 60), tracers.UNSEEN), labels)


def _break(order: tracers.OrderTrace, fault: str) -> tracers.OrderTrace:
    """Return a copy of the order with this fault."""
    steps, validation, labels = order.steps.copy(), order.validation.copy(), order.labels.copy()
    if fault == "frozen shuffle":
        steps[:] = steps[0]
    elif fault == "sample left out":
        steps[1, 7] = tracers.UNSEEN
    elif fault == "sample repeated":
        steps[1, 7] = tracers.UNKNOWN
    elif fault == "partial batch dropped":
        steps[steps == 7] = tracers.UNSEEN
    elif fault == "validation leaks":
        validation[2, 3] = 4
    elif fault == "label of another":
        labels[0, [5, 6]] = labels[0, [6, 5]]
    return dataclasses.replace(order, steps=steps, validation=validation, labels=labels)


@pytest.mark.parametrize(
    ("fault", "contract"),
    [
        ("frozen shuffle", "new-order"),
        ("sample left out", "every-sample-once"),
        ("sample left out", "validation-apart"),
        ("sample repeated", "every-sample-once"),
        ("sample repeated", "mean-loss"),
        ("partial batch dropped", "every-sample-once"),
        ("validation leaks", "validation-apart"),
        ("label of another", "labels-aligned"),
    ],
)
def test_fault_in_the_order_is_found(
    fault: str, contract: str, order: tracers.OrderTrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contract on the data passes on a sound order and is REGRESSED on a broken one."""
    monkeypatch.setattr(contracts, "_order", lambda *_: order)
    assert contracts.check_contract(contract, "epoch").verdict is Verdict.PASS
    monkeypatch.setattr(contracts, "_order", lambda *_: _break(order, fault))
    assert contracts.check_contract(contract, "epoch").verdict is Verdict.REGRESSED


def test_order_that_ignores_the_seed_is_found(order: tracers.OrderTrace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same order under two seeds is REGRESSED."""
    monkeypatch.setattr(contracts, "_order", lambda *_: order)
    monkeypatch.setattr(contracts, "_first_epoch", lambda *_: order.steps[0])
    assert contracts.check_contract("order-by-seed", "epoch").verdict is Verdict.REGRESSED


@pytest.mark.parametrize("fault", [None, "left out", "twice", "another in its place"])
def test_fault_in_a_full_epoch_is_found(fault: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample of 48,000 that is left out, trained twice or replaced by another shows in the visits of its groups."""
    groups = tracers.group_samples(contracts._FULL, contracts._BASE)
    visits = np.bincount(groups.ravel()).astype(float)
    if fault in ("left out", "another in its place"):
        visits[groups[7]] -= 1
    if fault in ("twice", "another in its place"):
        visits[groups[9]] += 1
    monkeypatch.setattr(tracers, "trace_groups", lambda *_, **__: visits)
    verdict = contracts.check_contract("full-epoch", "epoch").verdict
    assert verdict is (Verdict.REGRESSED if fault else Verdict.PASS)


@pytest.fixture(scope="module")
def sound() -> tracers.MaskTrace:
    """What the fused engine's dropout did."""
    return contracts._masks("fused")


@pytest.mark.parametrize(
    ("fault", "contract"),
    [
        ("frozen mask", "dropout-new-mask"),
        ("one mask for both layers", "dropout-new-mask"),
        ("rate 0.4", "dropout-share"),
        ("not scaled", "dropout-scale"),
        ("on in evaluation", "dropout-evaluation"),
    ],
)
def test_fault_in_dropout_is_found(
    fault: str, contract: str, sound: tracers.MaskTrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contract on dropout passes on the fused engine's trace and is REGRESSED on a broken copy of it."""
    monkeypatch.setattr(contracts, "_masks", lambda _engine: sound)
    assert contracts.check_contract(contract, "fused").verdict is Verdict.PASS
    kept, losses, trained = sound.kept.copy(), list(sound.val_losses), sound.trained
    if fault == "frozen mask":
        kept[1] = kept[0]
    elif fault == "one mask for both layers":
        kept[:, 1] = kept[:, 0]
    elif fault == "rate 0.4":
        kept &= np.random.default_rng(0).random(kept.shape) > 0.15
    elif fault == "not scaled":
        trained = [[w0 + 0.7 * (w - w0) for w, w0 in zip(ws, sound.initial, strict=True)] for ws in trained]
    elif fault == "on in evaluation":
        losses[2] *= 1.01
    broken = dataclasses.replace(sound, kept=kept, val_losses=losses, trained=trained)
    monkeypatch.setattr(contracts, "_masks", lambda _engine: broken)
    assert contracts.check_contract(contract, "fused").verdict is Verdict.REGRESSED
