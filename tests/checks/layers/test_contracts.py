"""Each contract is REGRESSED on an order or on masks that break the contract."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_bench.checks.layers import contracts, tracers
from mnist_bench.records.readings import Reading
from mnist_bench.records.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

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
    elif fault == "an epoch runs backwards":
        steps[2] = steps[0].max() - steps[0]
    elif fault == "sample left out":
        steps[1, 7] = tracers.UNSEEN
    elif fault == "sample repeated":
        steps[1, 7] = tracers.UNKNOWN
    elif fault == "partial batch dropped":
        steps[steps == 7] = tracers.UNSEEN
    elif fault == "an epoch missing":
        steps, validation, labels = steps[:2], validation[:2], labels[:2]
    elif fault == "validation leaks":
        validation[2, 3] = 4
    elif fault == "label of another":
        labels[0, [5, 6]] = labels[0, [6, 5]]
    return dataclasses.replace(order, steps=steps, validation=validation, labels=labels)


@pytest.mark.parametrize(
    ("fault", "contract"),
    [
        ("frozen shuffle", "new-order"),
        ("an epoch runs backwards", "new-order"),
        ("sample left out", "every-sample-once"),
        ("sample left out", "validation-apart"),
        ("sample repeated", "every-sample-once"),
        ("sample repeated", "mean-loss"),
        ("partial batch dropped", "every-sample-once"),
        ("an epoch missing", "every-sample-once"),
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
    steps = visits.sum() / 3 / contracts._LAB_BATCH  # also of a smaller last batch, of which a visit weighs more
    monkeypatch.setattr(tracers, "trace_groups", lambda *_, **__: (visits, steps))
    verdict = contracts.check_contract("full-epoch", "epoch").verdict
    assert verdict is (Verdict.REGRESSED if fault else Verdict.PASS)


@pytest.mark.parametrize(
    ("moved", "told"),
    [
        # One weight moves by itself, or four steps move the bias alone.
        (lambda visits: visits + 142.2 * (np.arange(len(visits)) == 0), "48142.2, 48000.0, 48000.0, 48000.0"),
        (lambda visits: visits * (1 - 4 / 375), "47488.0, 47488.0, 47488.0, 48000.0"),
    ],
)
def test_movements_that_no_visit_explains_are_no_samples(
    moved: Callable[[np.ndarray], np.ndarray], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit moves three rows and the bias: where these disagree, the samples are not accused."""
    visits = np.bincount(tracers.group_samples(contracts._FULL, contracts._BASE).ravel()).astype(float)
    monkeypatch.setattr(tracers, "trace_groups", lambda *_, **__: (moved(visits), 375.0))
    result = contracts.check_contract("full-epoch", "epoch")
    assert result.verdict is Verdict.UNREADABLE
    assert result.figure.endswith(f"count {told} visits, not one number")


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


# What each contract says when every update is 1.05 times as long as it should be: data and order cannot be read.
UNREADABLE = {
    *("every-sample-once", "full-epoch", "order-by-seed", "new-order", "whole-shuffle"),
    *("dropout-share", "dropout-new-mask", "dropout-scale"),
}


@pytest.fixture
def longer(order: tracers.OrderTrace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the tracer find that each update is 1.05 times what the gradient asks for."""
    reading = Reading(what="first step", steps=1, factor=1.05, noise=1e-5, samples=32, due=32)
    broken = dataclasses.replace(order, steps=np.full_like(order.steps, tracers.UNKNOWN), broken=reading)
    monkeypatch.setattr(contracts, "_order", lambda *_: broken)


@pytest.mark.usefixtures("longer")
@pytest.mark.parametrize("name", sorted(UNREADABLE))
def test_wrong_amounts_do_not_accuse_the_data(name: str) -> None:
    """A contract that can read nothing says so, and names the stage that is broken."""
    result = contracts.check_contract(name, "epoch")
    assert result.verdict is Verdict.UNREADABLE
    assert "each update is 1.05 times what the gradient asks for" in result.figure
    assert result.readings[0].factor == 1.05
    assert not result.holds


@pytest.mark.usefixtures("longer")
def test_wrong_amounts_are_one_contracts_business() -> None:
    """The mean gradient of a batch is what a step must move by; labels and validation can still be read."""
    result = contracts.check_contract("mean-loss", "epoch")
    assert result.verdict is Verdict.REGRESSED
    assert "each update is 1.05 times" in result.figure
    for name in ("labels-aligned", "validation-apart"):
        assert contracts.check_contract(name, "epoch").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        ({"factor": None}, "not finite"),
        ({"factor": 0.0}, "no step moved a weight"),
        ({"factor": 1.9}, "the amounts by which samples moved are those of no step"),
        ({"factor": 0.97, "samples": 33}, "the first step trains 33 samples instead of 32"),
        ({"factor": 1.0, "samples": 32}, "later steps do not"),
        ({"what": "bias", "factor": 0.0, "samples": 224}, "224 samples moved by the first step's amount: the bias"),
    ],
)
def test_amounts_are_told_in_words(reading: dict[str, object], words: str) -> None:
    """Each reading has its sentence."""
    fields = {"what": "first step", "steps": 1, "noise": 1e-5, "due": 32} | reading
    assert words in contracts.explain_amounts(Reading(**fields))


def test_a_shuffle_within_a_window_is_found(order: tracers.OrderTrace, monkeypatch: pytest.MonkeyPatch) -> None:
    """New in each epoch and for each seed, and still bound to the place where a sample is stored."""
    rng = np.random.default_rng(0)
    windowed = np.stack([np.argsort(np.argsort(np.arange(240) + 64 * rng.random(240))) // 32 for _ in range(3)])
    monkeypatch.setattr(contracts, "_order", lambda *_: order)
    monkeypatch.setattr(contracts, "_first_epoch", lambda *_: order.steps[1])
    assert contracts.check_contract("whole-shuffle", "epoch").verdict is Verdict.PASS
    monkeypatch.setattr(contracts, "_order", lambda *_: dataclasses.replace(order, steps=windowed))
    assert contracts.check_contract("whole-shuffle", "epoch").verdict is Verdict.REGRESSED


def test_neighbours_that_stay_together_are_found(order: tracers.OrderTrace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sample has its fair place; only its neighbour has it, too."""
    rng = np.random.default_rng(0)
    pairs = np.stack([np.argsort(np.argsort(np.repeat(rng.random(120), 2))) // 32 for _ in range(3)])
    monkeypatch.setattr(contracts, "_order", lambda *_: dataclasses.replace(order, steps=pairs))
    monkeypatch.setattr(contracts, "_first_epoch", lambda *_: order.steps[1])
    result = contracts.check_contract("whole-shuffle", "epoch")
    assert result.verdict is Verdict.REGRESSED
    assert "of 239 neighbours in the data are trained in the same step" in result.figure


def test_whole_shuffles_keep_few_neighbours_together() -> None:
    """None of ten thousand whole shuffles is accused; their neighbours share a step once in eight."""
    rng, steps = np.random.default_rng(0), np.arange(240) // 32
    shuffled = rng.permuted(np.tile(steps, (10_000, 1)), axis=1)
    together = (shuffled[:, 1:] == shuffled[:, :-1]).sum(axis=1)
    assert together.max() <= contracts._find_most_neighbours()
    assert together.mean() == pytest.approx(239 / 8, rel=0.01)


@pytest.mark.parametrize("name", ["dropout-scale", "dropout-evaluation"])
def test_dropout_is_not_accused_of_another_stage(
    name: str, sound: tracers.MaskTrace, order: tracers.OrderTrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the network without dropout is wrong, too, nothing can be said about dropout."""
    trained = [[w + 0.1 for w in weights] for weights in sound.trained]
    broken = dataclasses.replace(sound, trained=trained, val_losses=[2 * loss for loss in sound.val_losses])
    monkeypatch.setattr(contracts, "_order", lambda *_: order)
    monkeypatch.setattr(contracts, "_masks", lambda _engine: broken)
    monkeypatch.setattr(contracts, "_no_masks", lambda _engine: broken)
    assert contracts.check_contract(name, "fused").verdict is Verdict.UNREADABLE
    monkeypatch.setattr(contracts, "_measure_step" if name == "dropout-scale" else "_measure_losses", _fails_once())
    assert contracts.check_contract(name, "fused").verdict is Verdict.REGRESSED


def _fails_once() -> object:
    """Return a measure that is wrong with dropout and right without."""
    answers = iter([1.0, 0.0])
    return lambda *_: next(answers)


def test_one_mask_for_a_batch_is_found(
    sound: tracers.MaskTrace, order: tracers.OrderTrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that is dropped for all samples of a step at once is dropped by a mask that repeats."""
    monkeypatch.setattr(contracts, "_order", lambda *_: order)
    monkeypatch.setattr(contracts, "_masks", lambda _engine: sound)
    for engine in ("fused", "graph"):
        assert contracts.check_contract("dropout-new-mask", engine).verdict is Verdict.PASS
    monkeypatch.setattr(tracers, "draw_batch", lambda _engine: np.tile(sound.kept[0, 0], (4, 1)))
    assert contracts.check_contract("dropout-new-mask", "graph").verdict is Verdict.REGRESSED
