"""The fused engine's parts: its orders, its masks, its epoch and its evaluation."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.training import oracle
from mnist_bench.training.fused import Evaluator, FusedTrainer, epoch_orders
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Prepared

    Weights = list[np.ndarray]

pytestmark = pytest.mark.usefixtures("float32")


def make_weights(*sizes: int, seed: int = 0) -> Weights:
    """Draw kernels and biases."""
    rng = np.random.default_rng(seed)
    pairs = [(rng.normal(0, 0.1, shape), rng.normal(0, 0.1, shape[1])) for shape in pairwise(sizes)]
    return [weight.astype(np.float32) for pair in pairs for weight in pair]


def make_images(samples: int, inputs: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Draw small images as uint8, and one-hot labels."""
    rng = np.random.default_rng(1)
    labels = np.eye(10, dtype=np.float32)[rng.integers(0, 10, samples)]
    return rng.integers(0, 256, (samples, inputs), np.uint8), labels


def test_orders_are_permutations_and_new_in_every_epoch() -> None:
    """Each epoch visits every sample once, in an order of its own, which the seed repeats."""
    orders = list(islice(epoch_orders(1000, 1671), 4))
    for order in orders:
        assert order.dtype == np.int32
        assert sorted(order) == list(range(1000))
    assert len({order.tobytes() for order in orders}) == 4
    again = list(islice(epoch_orders(1000, 1671), 4))
    assert [order.tobytes() for order in again] == [order.tobytes() for order in orders]
    assert next(epoch_orders(1000, 1672)).tobytes() != orders[0].tobytes()


@pytest.mark.parametrize("samples", [64, 60, 5], ids=["whole", "remainder", "less-than-one"])
def test_an_epoch_takes_the_samples_in_their_order(samples: int) -> None:
    """Batches are cut from the given order, the last one smaller, and each moves the weights as it should."""
    images, labels = make_images(samples)
    weights = make_weights(12, 7, 10)
    order = np.random.default_rng(2).permutation(samples).astype(np.int32)
    trainer = FusedTrainer(images, labels, dropout=0.0, batch_size=16)
    trained, loss, hits = trainer.train_epoch(weights, order, learning_rate=0.5, seed=(0, 0))
    x, parts = images / 255, np.split(order, range(16, samples, 16))
    batches = [(x[part], labels[part]) for part in parts]
    ends = [reference.weights for reference in oracle.follow(weights, batches, 0.5)]
    for got, expected in zip(trained, ends[-1], strict=True):
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-4, atol=1e-6)
    before = zip([weights, *ends[:-1]], batches, parts, strict=True)
    losses = [
        (oracle.loss(weights, *batch), oracle.accuracy(weights, *batch), len(part)) for weights, batch, part in before
    ]
    sizes = [size for *_, size in losses]
    assert loss == pytest.approx(np.average([figures[0] for figures in losses], weights=sizes), rel=1e-5)
    assert hits == pytest.approx(np.average([figures[1] for figures in losses], weights=sizes))


@pytest.mark.parametrize("samples", [1000, 2300, 30], ids=["chunk", "remainder", "less-than-a-chunk"])
def test_evaluates_every_sample(samples: int) -> None:
    """Loss and accuracy are those over the whole set, whatever chunks it is cut into."""
    images, labels = make_images(samples)
    weights = make_weights(12, 10)
    loss, hits = Evaluator(images, labels).evaluate(weights)
    assert loss == pytest.approx(oracle.loss(weights, images / 255, labels), rel=1e-5)
    assert hits == pytest.approx(oracle.accuracy(weights, images / 255, labels))


def test_a_saturated_output_has_a_finite_loss() -> None:
    """A logit of a thousand gives the right loss, neither infinite nor clipped."""
    images, labels = make_images(10)
    weights = [np.zeros((12, 10), np.float32), np.zeros(10, np.float32)]
    weights[1][0] = 1000
    loss, _ = Evaluator(images, labels).evaluate(weights)
    assert loss == pytest.approx(1000 * (1 - labels[:, 0].mean()), rel=1e-6)


def test_learns_as_well_as_fit(prepared: Prepared) -> None:
    """Three epochs from the same weights, each engine with its own shuffles, end at the same validation loss.

    The seeds are the pairs of a t-test: the difference of the means is within 5 standard errors.
    """
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.backend import seed_everything, set_determinism
    from mnist_bench.training.engines import ENGINES, compile_model, train_model
    from mnist_bench.training.labs import build_model

    set_determinism(on=True)
    config, split = TrainingConfig(lab="perceptron", engine="epoch"), len(prepared.x_train)
    model = build_model(LABS["perceptron"])
    compile_model(model, ENGINES["epoch"], config, samples=split)
    trainer = FusedTrainer(prepared.pixels[:split], prepared.y_train, dropout=0.0, batch_size=128)

    def fit(weights: Weights) -> Weights:
        model.set_weights(weights)
        train_model(model, prepared, config, epochs=3)
        ends: Weights = model.get_weights()
        return ends

    def fuse(weights: Any, seed: int) -> Any:
        for epoch, order in enumerate(islice(epoch_orders(split, seed), 3)):
            weights, *_ = trainer.train_epoch(weights, order, learning_rate=0.1, seed=(seed, epoch))
        return [weight.numpy() for weight in weights]

    differences = []
    for seed in range(6):
        seed_everything(seed)
        initial = make_weights(784, 10, seed=seed)
        losses = [
            oracle.loss(weights, prepared.x_test, prepared.y_test) for weights in (fit(initial), fuse(initial, seed))
        ]
        assert max(losses) < 0.5 * oracle.loss(initial, prepared.x_test, prepared.y_test)
        differences.append(losses[1] - losses[0])
    assert abs(np.mean(differences)) < 5 * np.std(differences, ddof=1) / np.sqrt(len(differences))
