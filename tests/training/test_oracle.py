"""The oracle against finite differences, SciPy and float32; its tolerance against planted errors.

Run with `--log-cli-level=INFO` to see the figures of docs/oracle.md.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special
from threadpoolctl import threadpool_limits

from mnist_bench.training import oracle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Tensors: TypeAlias = list[np.ndarray]
    Batches: TypeAlias = list[tuple[np.ndarray, np.ndarray]]

RATE = 0.1  # the lab's learning rate
SIZES = {"perceptron": (784, 10), "mlp": (784, 128, 128, 10), "dropout": (784, 128, 128, 10)}
STEPS = {"perceptron": 60, "mlp": 10, "dropout": 10}
# Seeds with which no unit comes near its kink within these steps: about half of all; the oracle says which.
CASES = [("perceptron", 0), ("mlp", 4), ("dropout", 0), ("mlp", 11)]

LOG = logging.getLogger(__name__)


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread: the matrices are small, and on a busy machine threads that wait cost most."""
    with threadpool_limits(1):
        yield


def make_weights(rng: np.random.Generator, sizes: Sequence[int]) -> Tensors:
    """Draw what Keras starts from: glorot_uniform kernels and zero biases, float32."""
    weights = []
    for inputs, outputs in pairwise(sizes):
        limit = np.sqrt(6 / (inputs + outputs))
        weights += [rng.uniform(-limit, limit, (inputs, outputs)), np.zeros(outputs)]
    return [weight.astype(np.float32) for weight in weights]


def make_batches(rng: np.random.Generator, steps: int) -> Batches:
    """Draw batches like MNIST's: sparse grey values in [0, 1], a blank margin, a pattern for each class."""
    patterns = rng.random((10, 784)) < 0.25
    patterns[:, :100] = False
    batches = []
    for labels in rng.integers(0, 10, (steps, 128)):
        lit = patterns[labels] & (rng.random((128, 784)) < 0.6)
        x = np.where(lit, rng.integers(0, 256, lit.shape), 0) / 255
        batches.append((x.astype(np.float32), np.eye(10, dtype=np.float32)[labels]))
    return batches


def make_masks(rng: np.random.Generator, sizes: Sequence[int], steps: int, batch: int = 128) -> list[Tensors]:
    """Draw the scaled masks of the lab's dropout, rate 0.3, as float32 holds them."""
    keep = np.float32(1 - 0.3)
    return [
        [(rng.random((batch, width)) < keep).astype(np.float32) / keep for width in sizes[1:-1]] for _ in range(steps)
    ]


@functools.cache
def make_run(lab: str, seed: int) -> tuple[Tensors, Batches, list[Tensors] | None]:
    """Draw initial weights, batches and masks of one of the lab's models."""
    rng = np.random.default_rng(seed)
    weights, batches = make_weights(rng, SIZES[lab]), make_batches(rng, STEPS[lab])
    return weights, batches, make_masks(rng, SIZES[lab], STEPS[lab]) if lab == "dropout" else None


@functools.cache
def make_references(lab: str, seed: int) -> list[oracle.Expected]:
    """Follow such a run with the oracle."""
    weights, batches, masks = make_run(lab, seed)
    return list(oracle.follow(weights, batches, RATE, masks))


def make_small(seed: int, sizes: Sequence[int], batch: int = 7) -> tuple[Tensors, np.ndarray, np.ndarray, Tensors]:
    """Draw a small network with biases, a batch and masks, all float64."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=shape) for pair in pairwise(sizes) for shape in (pair, pair[1:])]
    x, y = rng.random((batch, sizes[0])), np.eye(sizes[-1])[rng.integers(0, sizes[-1], batch)]
    return weights, x, y, make_masks(rng, sizes, 1, batch)[0]


def train_in_float32(
    weights: Tensors,
    batches: Batches,
    masks: list[Tensors] | None,
    faults: Mapping[tuple[int, int], float] | None = None,
) -> Iterator[Tensors]:
    """Train in float32, written apart from the oracle; `faults` multiply gradients: (step from 0, tensor)."""
    one = np.float32(1)
    for number, (x, y) in enumerate(batches):
        values, count = [x], len(weights) // 2
        scales = masks[number] if masks else [one] * (count - 1)
        for level in range(count):
            z = values[-1] @ weights[2 * level] + weights[2 * level + 1]
            values.append(np.where(z > 0, z, np.float32(0)) * scales[level] if level < count - 1 else z)
        power = np.exp(z - z.max(axis=1, keepdims=True))
        delta = (power / power.sum(axis=1, keepdims=True) - y) * np.float32(1 / len(x))
        found: Tensors = []
        for level in range(count - 1, -1, -1):
            found += [delta.sum(axis=0), values[level].T @ delta]
            if level:
                back = delta @ weights[2 * level].T
                delta = np.where(values[level] > 0, back, np.float32(0)) * scales[level - 1]
        factors = [np.float32((faults or {}).get((number, place), 1)) for place in range(len(weights))]
        triples = zip(weights, found[::-1], factors, strict=True)
        weights = [weight - np.float32(RATE) * (slope * factor) for weight, slope, factor in triples]
        assert {weight.dtype for weight in weights} == {np.dtype(np.float32)}
        yield weights


def differentiate(weights: Tensors, x: np.ndarray, y: np.ndarray, masks: Tensors) -> Tensors:
    """Differentiate the loss by central differences."""
    result, step = [], 1e-5
    for tensor in weights:
        slope = np.empty_like(tensor)
        for place in np.ndindex(tensor.shape):
            kept, losses = tensor[place], []
            for value in (kept + step, kept - step):
                tensor[place] = value
                losses.append(oracle.loss(weights, x, y, masks))
            tensor[place] = kept
            slope[place] = (losses[0] - losses[1]) / (2 * step)
        result.append(slope)
    return result


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    hidden=st.lists(st.integers(1, 5), max_size=3),
    outer=st.tuples(st.integers(1, 5), st.integers(2, 4)),
    dropout=st.booleans(),
)
def test_gradients_are_those_of_finite_differences(
    *, seed: int, hidden: list[int], outer: tuple[int, int], dropout: bool
) -> None:
    """Every element of every gradient is the slope of the loss, for any widths, with and without masks."""
    weights, x, y, masks = make_small(seed, [outer[0], *hidden, outer[1]])
    masks = masks if dropout else []
    value = x
    for level, scale in enumerate(masks or [1.0] * len(hidden)):
        z = value @ weights[2 * level] + weights[2 * level + 1]
        assume(np.abs(z).min() > 1e-3)  # a difference across a kink is no derivative
        value = np.maximum(z, 0) * scale
    exact = oracle.gradients(weights, x, y, masks)
    scale = np.sqrt(sum(np.sum(slope**2) for slope in exact))
    for found, slope in zip(exact, differentiate(weights, x, y, masks), strict=True):
        assert np.linalg.norm(found - slope) <= 1e-7 * np.linalg.norm(slope) + 1e-9 * scale


def test_forward_and_loss_are_those_of_scipy() -> None:
    """SciPy's softmax and log-softmax of the same logits give the same probabilities and loss."""
    weights, x, y, _ = make_small(0, (6, 5, 4))
    logits, probabilities = oracle.forward(weights, x)
    np.testing.assert_allclose(logits, np.maximum(x @ weights[0] + weights[1], 0) @ weights[2] + weights[3])
    np.testing.assert_allclose(probabilities, special.softmax(logits, axis=1), rtol=1e-12)
    assert oracle.loss(weights, x, y) == pytest.approx(-np.mean((y * special.log_softmax(logits, axis=1)).sum(1)))


def test_huge_logits_neither_overflow_nor_clip() -> None:
    """A wrong label at a distance of 20000 costs 20000, with a gradient of 1: nothing is clipped."""
    weights = [np.array([[1e4, -1e4]]), np.zeros(2)]
    x = np.ones((1, 1))
    right, wrong = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert oracle.loss(weights, x, right) == 0
    assert oracle.loss(weights, x, wrong) == 2e4
    np.testing.assert_array_equal(oracle.gradients(weights, x, wrong)[1], [1, -1])


def test_a_partial_batch_is_averaged_over_its_own_size() -> None:
    """Loss and gradients of a batch of any size are the means over its examples."""
    weights, x, y, masks = make_small(1, (6, 5, 4), batch=5)
    rows = [(x[[i]], y[[i]], [mask[[i]] for mask in masks]) for i in range(5)]
    assert oracle.loss(weights, x, y, masks) == pytest.approx(np.mean([oracle.loss(weights, *r) for r in rows]))
    single = [oracle.gradients(weights, *row) for row in rows]
    for whole, *parts in zip(oracle.gradients(weights, x, y, masks), *single, strict=True):
        np.testing.assert_allclose(whole, np.mean(parts, axis=0), rtol=1e-12, atol=1e-15)


def test_a_mask_drops_units_and_rescales_the_rest() -> None:
    """A mask of 0 or 1/(1-p) is a network without those units, whose other units weigh 1/(1-p)."""
    weights, x, y, _ = make_small(2, (6, 5, 4))
    kept, scale = np.array([0, 2, 3]), 1 / (1 - 0.3)
    mask = np.zeros((len(x), 5))
    mask[:, kept] = scale
    smaller = [weights[0][:, kept], weights[1][kept], weights[2][kept] * scale, weights[3]]
    np.testing.assert_allclose(oracle.forward(weights, x, [mask])[0], oracle.forward(smaller, x)[0])
    slopes, expected = oracle.gradients(weights, x, y, [mask]), oracle.gradients(smaller, x, y)
    np.testing.assert_allclose(slopes[0][:, kept], expected[0])
    np.testing.assert_allclose(slopes[2][kept], expected[2] * scale)
    assert not slopes[0][:, [1, 4]].any()
    assert not slopes[2][[1, 4]].any()


def test_the_gradients_of_the_logits_sum_to_zero() -> None:
    """The same added to all logits changes nothing, so the last gradients sum to 0 over the classes."""
    weights, x, y, masks = make_small(3, (6, 5, 5, 4))
    *_, kernel, bias = oracle.gradients(weights, x, y, masks)
    np.testing.assert_allclose(kernel.sum(axis=1), 0, atol=1e-15)
    assert abs(bias.sum()) < 1e-15


def test_follow_repeats_sgd_steps() -> None:
    """Each step subtracts the learning rate times the gradient."""
    weights, x, y, masks = make_small(4, (6, 5, 4))
    references = list(oracle.follow(weights, [(x, y)] * 3, RATE, [masks] * 3))
    assert [reference.step for reference in references] == [1, 2, 3]
    for reference in references:
        slopes = oracle.gradients(weights, x, y, masks)
        weights = [weight - RATE * slope for weight, slope in zip(weights, slopes, strict=True)]
        for found, expected in zip(reference.weights, weights, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_float32_comes_in_and_float64_goes_out() -> None:
    """Single precision input is widened before any arithmetic."""
    weights, x, y, masks = make_small(5, (6, 5, 4))
    weights, masks = ([tensor.astype(np.float32) for tensor in group] for group in (weights, masks))
    x, y = x.astype(np.float32), y.astype(np.float32)
    narrow = oracle.gradients(weights, x, y, masks)
    weights, masks = ([tensor.astype(np.float64) for tensor in group] for group in (weights, masks))
    wide = oracle.gradients(weights, x.astype(np.float64), y.astype(np.float64), masks)
    for slope, wide_slope in zip(narrow, wide, strict=True):
        assert slope.dtype == np.float64
        np.testing.assert_array_equal(slope, wide_slope)


def test_accuracy_is_the_share_of_right_answers() -> None:
    """Three of four inputs have their largest logit at the label."""
    x = np.eye(4)
    labels = x[[0, 1, 2, 0]]
    assert oracle.accuracy([np.eye(4), np.zeros(4)], x, labels) == 0.75


@pytest.mark.parametrize(("lab", "seed"), CASES)
def test_float32_stays_within_the_tolerance_and_near_it(lab: str, seed: int) -> None:
    """After every step a correct float32 run uses between a thirtieth and a third of the tolerance."""
    weights, batches, masks = make_run(lab, seed)
    runs = zip(train_in_float32(weights, batches, masks), make_references(lab, seed), strict=True)
    for found, reference in runs:
        used = oracle.excess(found, reference, weights)
        assert 1 / 30 < used < 1 / 3, reference.step
        if reference.step in {1, 3, 10, 30, 60}:
            largest = max(oracle.relative_departures(found, reference.weights, weights))
            LOG.info(
                "%s seed %d step %d: departure %.1e, tolerance %.1e, excess %.3f",
                *(lab, seed, reference.step, largest, max(reference.tolerances), used),
            )


@pytest.mark.parametrize(
    ("fault", "steps", "least"),
    [(1e-3, range(10), 20), (1e-4, range(10), 2), (1e-3, [9], 2)],
    ids=["1e-3 in all steps", "1e-4 in all steps", "1e-3 in the last step"],
)
@pytest.mark.parametrize(("lab", "seed"), CASES[:3])
def test_a_planted_gradient_error_is_found(
    lab: str, seed: int, fault: float, steps: Sequence[int], least: float
) -> None:
    """A small relative error of any single tensor's gradient exceeds the tolerance after ten steps."""
    weights, batches, masks = make_run(lab, seed)
    reference = make_references(lab, seed)[9]
    for place in range(len(weights)):
        faults = {(step, place): 1 + fault for step in steps}
        *_, found = train_in_float32(weights, batches[:10], masks[:10] if masks else None, faults)
        used = oracle.excess(found, reference, weights)
        LOG.info("%s seed %d tensor %d, %.0e in %d steps: excess %.1f", lab, seed, place, fault, len(steps), used)
        assert used > least, place


def test_tolerance_of_a_hidden_kernel_is_that_of_storing_it() -> None:
    """The tolerance is 4 u sqrt(steps) |W| / |W - W_0|, within a quarter: other roundings add little."""
    initial, *_ = make_run("mlp", 4)
    for reference in make_references("mlp", 4):
        for place in (0, 2):
            after = reference.weights[place]
            simple = oracle.CONFIDENCE * oracle.ROUNDOFF * np.sqrt(reference.step) * np.linalg.norm(after)
            moved = np.linalg.norm(after - initial[place])
            assert reference.tolerances[place] * moved == pytest.approx(simple, rel=0.25)


def test_noise_bounds_a_sum_that_drifts() -> None:
    """Positive terms added one by one in float32 err by a tenth of the bound or more, never by more than the bound."""
    terms = np.random.default_rng(0).uniform(1, 2, (200, 1000)).astype(np.float32)
    left = oracle._Noisy(terms.astype(np.float64), np.zeros((200, 1000)))
    right = oracle._Noisy(np.ones((1000, 1)), np.zeros((1000, 1)))
    exact = oracle._product(left, right)
    errors = np.cumsum(terms, axis=1, dtype=np.float32)[:, -1:] - exact.value
    assert 0.1 < np.sqrt(np.mean(errors**2 / exact.variance)) < 1


def test_noise_of_the_weights_reaches_the_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without roundings, the noise predicted for each gradient is that of networks with noisy weights."""
    monkeypatch.setattr(oracle, "ROUNDOFF", 0.0)
    weights, x, y, masks = make_small(13, (6, 5, 4), batch=1)
    masks = [np.full_like(masks[0], 1 / 0.7)]
    predicted, _ = oracle._gradient_noise(weights, [np.full(weight.shape, 1e-12) for weight in weights], x, y, masks)
    rng = np.random.default_rng(0)
    noisy = ([weight + 1e-6 * rng.normal(size=weight.shape) for weight in weights] for _ in range(400))
    runs = zip(*(oracle.gradients(weights, x, y, masks) for weights in noisy), strict=True)
    for variance, found in zip(predicted, runs, strict=True):
        assert np.sqrt(variance.sum() / np.var(found, axis=0).sum()) == pytest.approx(1, abs=0.1)


def test_excess_is_that_of_the_worst_tensor() -> None:
    """A tensor at three times its tolerance decides, whatever the other tensors do."""
    initial = [np.zeros((1, 1)), np.zeros(1)]
    reference = oracle.Expected(1, [np.ones((1, 1)), np.ones(1)], [1e-6, 1e-5], np.inf)
    found = [reference.weights[0] + 3e-6, reference.weights[1]]
    assert oracle.excess(found, reference, initial) == pytest.approx(3)


def test_a_unit_at_its_kink_ends_certainty() -> None:
    """A pre-activation of 1e-9 may have either sign in float32, and the jump is beyond any tolerance."""
    weights, x, y, _ = make_small(6, (6, 5, 4))
    weights[1][0] -= (x @ weights[0] + weights[1])[0, 0] - 1e-9
    far = (0 * x, y)  # the biases alone decide, and none is near 0
    reference, later = oracle.follow(weights, [(x, y), far], RATE)
    assert reference.clearance < 0.1
    assert later.clearance == reference.clearance
    weights[1][0] -= 2e-9
    (jumped,) = oracle.follow(weights, [(x, y)], RATE)
    jump = max(oracle.relative_departures(jumped.weights, reference.weights, weights))
    assert jump > 100 * max(reference.tolerances)
    with pytest.raises(ValueError, match="relu may have flipped by step 1"):
        oracle.excess(jumped.weights, reference, weights)


def test_a_dropped_unit_at_its_kink_does_not_matter() -> None:
    """Certainty survives a dropped unit at its kink, and a unit that is exactly 0 because its inputs are."""
    weights, x, y, _ = make_small(6, (6, 5, 4))
    weights[1][0] -= (x @ weights[0] + weights[1])[0, 0] - 1e-9
    mask = np.ones((len(x), 5))
    mask[0, 0] = 0
    (reference,) = oracle.follow(weights, [(x, y)], RATE, [[mask]])
    assert reference.certain
    (blank,) = oracle.follow([weights[0], np.zeros(5), *weights[2:]], [(np.vstack([0 * x[:1], x[1:]]), y)], RATE)
    assert blank.certain


def test_wrong_input_is_refused() -> None:
    """Too few masks, a tensor that has not moved, a missing tensor and NaN are never a pass."""
    weights, x, y, _ = make_small(7, (6, 5, 4))
    with pytest.raises(ValueError, match="zip"):
        list(oracle.follow(weights, [(x, y)] * 2, RATE, [()]))
    with pytest.raises(ValueError, match="tensor 0 has not moved"):
        list(oracle.follow(weights, [(x, y)], 0.0))
    (reference,) = oracle.follow(weights, [(x, y)], RATE)
    assert oracle.excess(reference.weights, reference, weights) == 0
    with pytest.raises(ValueError, match="zip"):
        oracle.excess(reference.weights[:-1], reference, weights)
    assert np.isnan(oracle.excess([np.nan * weight for weight in weights], reference, weights))
    assert not dataclasses.replace(reference, clearance=np.nan).certain
