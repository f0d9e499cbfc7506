"""The fused engine's optimizers: Keras's own steps in any network, compiled only once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training import fused, optimizers, oracle
from mnist_bench.training.backend import seed_everything, set_determinism
from mnist_bench.training.engines import ENGINES, compile_model, train_model
from mnist_bench.training.fused import FusedTrainer, _compile_epoch, forget_programs
from mnist_bench.training.labs import build_model, configure_lab

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Prepared

    Weights = list[np.ndarray]

pytestmark = pytest.mark.usefixtures("float32")

EPOCHS, BATCH = 2, 64


def train_in_order(prepared: Prepared, config: TrainingConfig) -> tuple[Weights, Weights]:
    """Return a model's weights before and after two epochs in the order in which the data lies."""
    set_determinism(on=True)
    seed_everything(config.seed)
    model = build_model(configure_lab(config))
    initial = model.get_weights()
    compile_model(model, ENGINES[config.engine], config, samples=len(prepared.x_train))
    train_model(model, prepared, config, epochs=EPOCHS, shuffle=False)
    return initial, model.get_weights()


def follow_in_float64(initial: Weights, prepared: Prepared, optimizer: str, rate: float) -> Weights:
    """Return the weights after the same steps in float64, by the textbook's form of each optimizer."""
    weights = [weight.astype(np.float64) for weight in initial]
    means = [np.zeros_like(weight) for weight in weights]
    squares = [np.zeros_like(weight) for weight in weights]
    step = 0
    for _ in range(EPOCHS):
        for start in range(0, len(prepared.x_train), BATCH):
            part = slice(start, min(start + BATCH, len(prepared.x_train)))
            gradients = oracle.gradients(weights, prepared.x_train[part], prepared.y_train[part])
            step += 1
            if optimizer == "rmsprop":
                squares = [0.9 * s + 0.1 * g**2 for s, g in zip(squares, gradients, strict=True)]
                moves = [g / np.sqrt(s + 1e-7) for s, g in zip(squares, gradients, strict=True)]
            else:
                means = [0.9 * m + 0.1 * g for m, g in zip(means, gradients, strict=True)]
                squares = [0.999 * s + 0.001 * g**2 for s, g in zip(squares, gradients, strict=True)]
                correction = np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                moves = [correction * m / (np.sqrt(s) + 1e-7) for m, s in zip(means, squares, strict=True)]
            weights = [w - rate * move for w, move in zip(weights, moves, strict=True)]
    return weights


def measure_distance(weights: Weights, expected: Weights, initial: Weights) -> float:
    """Return the distance of two ends as a share of the way from the beginning, the largest over the tensors."""
    pairs = zip(weights, expected, initial, strict=True)
    return float(max(np.linalg.norm(a - b) / np.linalg.norm(b - c) for a, b, c in pairs))


@pytest.mark.parametrize("optimizer", sorted(set(optimizers.UPDATES) - {"sgd"}))
def test_fused_takes_kerass_steps(prepared: Prepared, optimizer: str) -> None:
    """After two epochs, the state kept between them, fused and `fit` are in the same place: so is float64.

    The state lives across epochs: begun anew in the second, it would end elsewhere, as the next test shows. Plain
    gradient descent, which has none, is followed in the tests of arithmetic.
    """
    config = TrainingConfig(lab="mlp", optimizer=optimizer, learning_rate=0.001, batch_size=BATCH, hidden=(24, 16))
    initial, fitted = train_in_order(prepared, config)
    same, trained = train_in_order(prepared, dataclasses.replace(config, engine="fused"))
    assert all(np.array_equal(*pair) for pair in zip(initial, same, strict=True))
    assert measure_distance(trained, fitted, initial) < 1e-3
    followed = follow_in_float64(initial, prepared, optimizer, config.learning_rate)
    assert measure_distance(trained, followed, initial) < 1e-3


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_a_state_that_is_lost_between_epochs_shows(prepared: Prepared, optimizer: str) -> None:
    """A trainer that forgets its state ends by far more than the tolerance away."""
    order = np.arange(len(prepared.x_train), dtype=np.int32)
    pixels = prepared.pixels[: len(order)]
    initial = [np.zeros((784, 10), np.float32), np.zeros(10, np.float32)]

    def train(*, forget: bool) -> Weights:
        trainer = FusedTrainer(pixels, prepared.y_train, dropout=0.0, batch_size=BATCH, optimizer=optimizer)
        weights = initial
        for epoch in range(EPOCHS):
            weights, *_ = trainer.train_epoch(weights, order, learning_rate=0.001, seed=(0, epoch))
            if forget:
                trainer._state = None
        return [np.asarray(weight) for weight in weights]

    assert measure_distance(train(forget=True), train(forget=False), initial) > 0.05


def test_learning_rate_and_dropout_rate_need_no_new_program(prepared: Prepared) -> None:
    """Trainings that differ in nothing else share one compiled epoch, and still differ in what they learn."""
    order = np.arange(len(prepared.x_train), dtype=np.int32)
    pixels = prepared.pixels[: len(order)]
    rng = np.random.default_rng(0)
    initial = [rng.normal(0, 0.1, shape).astype(np.float32) for shape in ((784, 12), (12,), (12, 10), (10,))]
    ends, traces = [], []
    for dropout, rate in ((0.1, 0.1), (0.5, 0.1), (0.1, 0.3)):
        trainer = FusedTrainer(pixels, prepared.y_train, dropout=dropout, batch_size=BATCH)
        weights, *_ = trainer.train_epoch(initial, order, learning_rate=rate, seed=(0, 0))
        ends.append(weights[0].numpy().tobytes())
        traces.append(trainer._epoch.experimental_get_tracing_count())
    assert len(set(ends)) == 3
    assert len(set(traces)) == 1


def test_a_program_is_compiled_anew_under_other_modes() -> None:
    """A program compiled without determinism must not serve where determinism is asked for."""
    first, same, *rest = (
        _compile_epoch(dropout=True, batch_size=7, optimizer="sgd", modes=modes)
        for modes in ((True, True), (True, True), (False, True), (True, False))
    )
    assert first is same
    assert len({first, *rest}) == 3
    forget_programs()
    assert _compile_epoch(dropout=True, batch_size=7, optimizer="sgd", modes=(True, True)) is not first


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_a_wrong_constant_would_show(prepared: Prepared, optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other constants than Keras's the ends are further apart than the tolerance."""
    monkeypatch.setattr(optimizers, "_RHO", 0.8)
    monkeypatch.setattr(optimizers, "_BETA_1", 0.8)
    # Past the cache, whose programs have the right constants and serve the other tests.
    monkeypatch.setattr(fused, "_compile_epoch", _compile_epoch.__wrapped__)
    config = TrainingConfig(
        lab="perceptron", engine="fused", optimizer=optimizer, learning_rate=0.001, batch_size=BATCH
    )
    initial, trained = train_in_order(prepared, config)
    followed = follow_in_float64(initial, prepared, optimizer, config.learning_rate)
    assert measure_distance(trained, followed, initial) > 1e-2
