"""The three models are the lab sheet's, built without a warning."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.backend import seed_everything
from mnist_bench.training.labs import LABS, build_model, check_lab, configure_lab, count_flops, find_departures


@pytest.mark.parametrize(
    ("name", "epochs", "threshold", "parameters"),
    [("perceptron", 200, 0.92, 7_850), ("mlp", 20, 0.97, 118_282), ("dropout", 20, 0.97, 118_282)],
)
def test_the_labs_are_the_sheets(name: str, epochs: int, threshold: float, parameters: int) -> None:
    """Epochs, threshold and size are those of the lab sheet, whose own run passes."""
    lab = LABS[name]
    assert (lab.name, lab.epochs, lab.threshold, lab.parameters) == (name, epochs, threshold, parameters)
    assert lab.sheet_accuracy >= lab.threshold


@pytest.mark.parametrize("name", LABS)
def test_activations_and_rates_are_the_sheets(name: str) -> None:
    """Hidden layers end in relu and, in the dropout lab, drop 30%; the last ends in softmax. Keras counts as we do."""
    model = build_model(LABS[name])
    assert model.count_params() == LABS[name].parameters
    kinds = [layer.activation.__name__ for layer in model.layers if type(layer).__name__ == "Activation"]
    assert kinds == ["relu"] * len(LABS[name].hidden) + ["softmax"]
    rates = [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"]
    assert rates == [0.3] * (2 if name == "dropout" else 0)


@pytest.mark.parametrize("name", LABS)
def test_initial_weights_are_centred(name: str) -> None:
    """Weights are float32, kernels have mean 0 and reach their limits; tests/suite checks variance and biases."""
    seed_everything(1671)
    weights = build_model(LABS[name]).get_weights()
    assert {weight.dtype for weight in weights} == {np.dtype(np.float32)}
    for kernel in weights[::2]:
        limit = np.sqrt(6 / sum(kernel.shape))
        assert 0.98 * limit < np.abs(kernel).max()
        # The mean of n uniform draws has the standard deviation limit / sqrt(3 n).
        assert abs(kernel.mean()) < 5 * limit / np.sqrt(3 * kernel.size)


def test_the_seed_decides_the_weights() -> None:
    """The same seed gives the same bits in one process, and another seed others."""

    def draw(seed: int) -> bytes:
        seed_everything(seed)
        return b"".join(weight.tobytes() for weight in build_model(LABS["mlp"]).get_weights())

    assert draw(1671) == draw(1671)
    assert draw(1671) != draw(1672)


def test_a_model_gives_probabilities() -> None:
    """Outputs are float32 in 0 to 1 and sum to 1."""
    model = build_model(LABS["dropout"], inputs=5)
    outputs = np.asarray(model(np.ones((3, 5), np.float32)))
    assert (outputs.shape, outputs.dtype) == ((3, 10), np.float32)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)


def test_an_unknown_lab_is_named() -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match="unknown lab 'cnn': choose from perceptron, mlp, dropout"):
        check_lab("cnn")


def test_flops_are_those_of_the_matrix_products() -> None:
    """An MLP's training sample has 507,392, of which 236,032 forward; a perceptron's layer needs no input gradient."""
    assert count_flops(LABS["mlp"], 1) == 507_392
    assert count_flops(LABS["mlp"], 10_000, training=False) == 2_360_320_000
    assert count_flops(LABS["perceptron"], 1) == 2 * count_flops(LABS["perceptron"], 1, training=False) == 4 * 7_840


@pytest.mark.parametrize("lab", LABS)
def test_a_plain_configuration_means_the_lab(lab: str) -> None:
    """Nothing departs, even where the lab's own values are given; parameters are counted as Keras does."""
    own = LABS[lab]
    said = TrainingConfig(lab=lab, hidden=own.hidden, dropout=own.dropout, epochs=own.epochs)
    for config in (TrainingConfig(lab=lab), said):
        assert configure_lab(config) == own
        assert find_departures(config) == {}


def test_a_departed_configuration_is_another_model_and_is_known_for_it() -> None:
    """Every field that changes the training is found, with the lab's value; a seed or engine is none."""
    config = TrainingConfig(lab="dropout", engine="fused", seed=3, hidden=(64, 32), dropout=0.5, optimizer="adam")
    lab = configure_lab(config)
    assert (lab.hidden, lab.dropout, lab.parameters) == ((64, 32), 0.5, 785 * 64 + 65 * 32 + 33 * 10)
    assert build_model(lab).count_params() == lab.parameters
    assert find_departures(config) == {
        "hidden": ((64, 32), (128, 128)),
        "dropout": (0.5, 0.3),
        "optimizer": ("adam", "sgd"),
    }
    assert list(find_departures(TrainingConfig(lab="mlp", epochs=1, batch_size=1, learning_rate=1))) == [
        "epochs",
        "batch_size",
        "learning_rate",
    ]
    assert config.model == "dropout, hidden 64x32, dropout 0.5, adam"
