"""Every engine trains the lab to the oracle's weights, and reports its epochs as they were."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.checks.layers import tracers
from mnist_bench.records.config import TrainingConfig
from mnist_bench.training import engines, oracle
from mnist_bench.training.backend import load_keras, seed_everything, set_determinism
from mnist_bench.training.engines import (
    ENGINES,
    check_engine,
    compile_model,
    train_epochs,
    train_model,
)
from mnist_bench.training.fusion import EpochFigures
from mnist_bench.training.labs import LABS, build_model
from mnist_bench.training.masks import draw_masks

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset, Prepared

    Weights = list[np.ndarray]

pytestmark = pytest.mark.usefixtures("float32")

# 480 of the tiny set's 600 images are for training: 7 steps of 64, and a last one of 32.
BATCH, STEPS = 64, 8
# With these weights no unit comes near its kink in these steps; the oracle says so.
KINK_FREE_SEED = 0


def train_unshuffled(
    prepared: Prepared, config: TrainingConfig, weights: Weights
) -> tuple[Weights, list[EpochFigures]]:
    """Train a lab for one epoch from these weights; return the final weights and the figures of the epoch."""
    engine = ENGINES[config.engine]
    set_determinism(on=engine.deterministic)
    seed_everything(config.seed)
    model = build_model(LABS[config.lab])
    compile_model(model, engine, config, samples=len(prepared.x_train))
    model.set_weights(weights)
    figures: list[EpochFigures] = []
    train_model(model, prepared, config, epochs=1, shuffle=False, on_epoch=figures.insert)
    return model.get_weights(), figures


def make_weights(lab: str, seed: int = KINK_FREE_SEED) -> Weights:
    """Draw initial weights as Keras does, the same for every version of Keras."""
    rng = np.random.default_rng(seed)
    weights = []
    for inputs, outputs in pairwise((784, *LABS[lab].hidden, 10)):
        limit = np.sqrt(6 / (inputs + outputs))
        weights += [rng.uniform(-limit, limit, (inputs, outputs)), np.zeros(outputs)]
    return [weight.astype(np.float32) for weight in weights]


def make_batches(prepared: Prepared) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut the training data into an epoch's batches, in the order of the data."""
    starts = range(0, len(prepared.x_train), BATCH)
    return [(prepared.x_train[at : at + BATCH], prepared.y_train[at : at + BATCH]) for at in starts]


@pytest.fixture(scope="module")
def followed(prepared: Prepared) -> tuple[list[oracle.Expected], float, float]:
    """The oracle's way through an unshuffled epoch of the mlp, and the means of loss and accuracy on that way."""
    initial, batches = make_weights("mlp"), make_batches(prepared)
    references = list(oracle.follow(initial, batches, 0.1))
    before = [initial, *(reference.weights for reference in references[:-1])]
    steps = [(weights, x, y) for weights, (x, y) in zip(before, batches, strict=True)]
    sizes = [len(x) for x, _ in batches]
    loss = np.average([oracle.loss(*step) for step in steps], weights=sizes)
    accuracy = np.average([oracle.accuracy(*step) for step in steps], weights=sizes)
    return references, float(loss), float(accuracy)


# Eager and XLA have the `fit` and the callback of graph; their weights are followed in the tests of arithmetic.
@pytest.mark.parametrize("engine", ["graph", "epoch", "fused"])
def test_an_epoch_in_a_given_order_follows_the_oracle(
    prepared: Prepared, followed: tuple[list[oracle.Expected], float, float], engine: str
) -> None:
    """After one unshuffled epoch the weights are where float64 says, as near as float32's rounding lets them be.

    The oracle derives the tolerance of each tensor from the roundings of all operations (docs/oracle.md): about
    1e-5 of the distance that a kernel has moved, 1e-6 for a bias. An epoch's figures are means over its samples,
    each taken before the step that learns from it.
    """
    references, loss, accuracy = followed
    initial, reference = make_weights("mlp"), references[-1]
    assert reference.step == STEPS
    assert max(reference.tolerances) < 3e-5
    config = TrainingConfig(lab="mlp", engine=engine, batch_size=BATCH)
    weights, (figures,) = train_unshuffled(prepared, config, initial)
    assert oracle.excess(weights, reference, initial) <= 1
    validation = reference.weights, prepared.x_validation, prepared.y_validation
    assert figures.loss == pytest.approx(loss, rel=1e-5)
    assert figures.accuracy == pytest.approx(accuracy, rel=1e-6)
    assert figures.val_loss == pytest.approx(oracle.loss(*validation), rel=1e-5)
    assert figures.val_accuracy == pytest.approx(oracle.accuracy(*validation), rel=1e-6)


def test_fused_dropout_follows_the_oracle(prepared: Prepared) -> None:
    """With its own masks, the fused engine's epoch of the dropout lab is the oracle's, too."""
    initial, batches = make_weights("dropout"), make_batches(prepared)
    config = TrainingConfig(lab="dropout", engine="fused", batch_size=BATCH)
    drawn = draw_masks(LABS["dropout"], steps=STEPS, batch_size=BATCH, seed=(config.seed, 0))
    masks = [[layer[step][: len(x)] for layer in drawn] for step, (x, _) in enumerate(batches)]
    *_, reference = oracle.follow(initial, batches, 0.1, masks)
    weights, (figures,) = train_unshuffled(prepared, config, initial)
    assert oracle.excess(weights, reference, initial) <= 1
    # Dropout is for training only.
    loss = oracle.loss(reference.weights, prepared.x_validation, prepared.y_validation)
    assert figures.val_loss == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("engine", ["epoch", "fused"])
def test_the_callback_sees_the_weights_of_its_epoch(prepared: Prepared, engine: str) -> None:
    """After each epoch the model holds that epoch's weights, its seconds are positive, and it can be rewound."""
    config = TrainingConfig(lab="perceptron", engine=engine)
    set_determinism(on=ENGINES[engine].deterministic)
    seed_everything(0)
    model = build_model(LABS["perceptron"])
    compile_model(model, ENGINES[engine], config, samples=len(prepared.x_train))
    initial = model.get_weights()
    seen: list[tuple[int, float, EpochFigures]] = []

    def rewind(number: int, figures: EpochFigures) -> None:
        weights = model.get_weights()
        seen.append((number, oracle.loss(weights, prepared.x_validation, prepared.y_validation), figures))
        model.set_weights(initial)

    train_model(model, prepared, config, epochs=2, shuffle=False, on_epoch=rewind)
    assert [number for number, _, _ in seen] == [0, 1]
    for _, loss, figures in seen:
        assert figures.val_loss == pytest.approx(loss, rel=1e-5)
        assert figures.seconds > 0
        assert figures.val_seconds > 0
    # The second epoch went the same way, from the weights that the callback had set.
    assert seen[0][1] == seen[1][1]
    assert [weight.tobytes() for weight in model.get_weights()] == [weight.tobytes() for weight in initial]


@pytest.mark.parametrize("engine", ["graph", "fused"])
def test_without_validation_samples_there_are_no_validation_figures(tiny: Dataset, engine: str) -> None:
    """Epoch by epoch: the model learns, the training part is timed, and the figures of the validation are NaN."""
    config = TrainingConfig(lab="perceptron", engine=engine)
    unvalidated = tracers.make_prepared(tiny.x_train.reshape(len(tiny.x_train), -1), tiny.y_train, validation=0)
    seed_everything(0)
    model = build_model(LABS["perceptron"])
    compile_model(model, ENGINES[engine], config, samples=len(unvalidated.x_train))
    epochs = train_epochs(model, unvalidated, config)
    first, second = next(epochs), next(epochs)
    assert second.loss < first.loss
    assert second.seconds > 0
    assert math.isnan(second.val_loss)
    assert math.isnan(second.val_accuracy)


@pytest.mark.parametrize("engine", ENGINES)
def test_models_are_compiled_as_the_engine_says(engine: str) -> None:
    """Eager, XLA and steps per execution are set by the engine, never left to Keras."""
    chosen, config = ENGINES[engine], TrainingConfig(lab="perceptron", engine=engine, learning_rate=0.25)
    set_determinism(on=chosen.deterministic)
    model = build_model(LABS["perceptron"])
    compile_model(model, chosen, config, samples=48_000)
    assert bool(model.run_eagerly) is (engine == "eager")
    jit_compile = model.jit_compile if hasattr(model, "jit_compile") else model._jit_compile  # Keras 2.8
    assert bool(jit_compile) is (engine == "xla")
    steps: Any = getattr(model, "steps_per_execution", None) or model._steps_per_execution
    assert int(steps.numpy() if hasattr(steps, "numpy") else steps) == (375 if engine == "epoch" else 1)
    assert type(model.optimizer).__name__ == "SGD"
    assert math.isclose(float(np.asarray(model.optimizer.learning_rate)), 0.25)


def test_xla_that_keras_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Keras falls back without XLA, the training does not go on under the name of XLA."""
    config = TrainingConfig(lab="perceptron", engine="xla")
    set_determinism(on=False)
    model = build_model(LABS["perceptron"])
    compile_ = model.compile

    def refuse(**options: Any) -> None:
        compile_(**options | {"jit_compile": False})

    monkeypatch.setattr(model, "compile", refuse)
    with pytest.raises(RuntimeError, match="engine xla: asked for jit_compile=True, but Keras set it to False"):
        compile_model(model, ENGINES["xla"], config, samples=100)


@pytest.mark.parametrize("keras", ["3.0.5", "3.6.0"])
def test_epoch_refuses_a_keras_that_reports_wrong_losses(monkeypatch: pytest.MonkeyPatch, keras: str) -> None:
    """The message names the engine to use instead."""
    message = f"engine epoch: Keras {keras} reports wrong losses .* use engine graph"
    with pytest.raises(ValueError, match=message):
        compile_under(monkeypatch, keras, "epoch")


@pytest.mark.parametrize(
    ("keras", "engine"), [("2.15.0", "epoch"), ("3.7.0", "epoch"), ("3.6.0", "graph"), ("3.6.0", "fused")]
)
def test_no_other_keras_and_engine_is_refused(monkeypatch: pytest.MonkeyPatch, keras: str, engine: str) -> None:
    """Other versions and other engines are compiled."""
    compile_under(monkeypatch, keras, engine)


def compile_under(monkeypatch: pytest.MonkeyPatch, keras: str, engine: str) -> None:
    """Compile the perceptron for 1,000 samples where Keras says that it is of that version."""
    monkeypatch.setattr(engines, "read_keras_version", lambda: keras)
    config = TrainingConfig(lab="perceptron", engine=engine)
    compile_model(build_model(LABS["perceptron"]), ENGINES[engine], config, samples=1000)


def test_fused_refuses_two_dropout_rates(prepared: Prepared) -> None:
    """A model that the fused engine cannot train is an error."""
    layers = load_keras().layers
    stack = [layers.Input((784,)), layers.Dropout(0.1), layers.Dense(10), layers.Dropout(0.2), layers.Softmax()]
    model = load_keras().Sequential(stack)
    config = TrainingConfig(lab="dropout", engine="fused")
    with pytest.raises(ValueError, match=r"one dropout rate for all layers, not \[0.1, 0.2\]"):
        train_model(model, prepared, config, epochs=1)


def test_figures_have_the_columns_of_a_history() -> None:
    """An engine reports the columns that a record keeps, and the seconds of processor time."""
    from mnist_bench.records.training import History

    figures = EpochFigures(loss=1, accuracy=0, val_loss=1, val_accuracy=0, seconds=1, val_seconds=1, cpu_seconds=1)
    assert tuple(asdict(figures)) == (*History.__dataclass_fields__, "cpu_seconds")


def test_an_unknown_engine_is_named() -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match="unknown engine 'jit': choose from eager, graph, xla, epoch, fused"):
        check_engine("jit")
