"""A model is compared with itself in float64 and with differences of its loss: planted faults are named by layer."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.own.arithmetic.checks import check_differences, check_double
from mnist_bench.own.arithmetic.steps import GROUPS
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.backend import load_keras, load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.own.records import ModelFile, OwnConfig
    from mnist_bench.records.verdicts import CheckResult

pytestmark = pytest.mark.slow  # each test compiles its model in both precisions

CONV = """
def build():
    model = keras.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.ReLU(),
        layers.Conv2D(4, 3, activation="tanh"), layers.Dropout(0.5), layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""
CONV_DATA = """
def data():
    rng = np.random.RandomState(0)
    x, y = rng.normal(size=(96, 8, 8, 1)), rng.randint(0, 3, 96)
    return (x[:64], y[:64]), (x[64:], y[64:])
"""
LSTM = """
def build():
    model = keras.Sequential([
        layers.Input((6,)), layers.Embedding(9, 5, mask_zero=True), layers.LSTM(4, recurrent_dropout=0.3),
        layers.Dense(1),
    ])
    model.compile(optimizer="rmsprop", loss=keras.losses.BinaryCrossentropy(from_logits=True), metrics=["mae"])
    return model
"""
LSTM_DATA = """
def data():
    rng = np.random.RandomState(0)
    x, y = rng.randint(0, 9, (96, 6)), rng.randint(0, 2, 96)
    return (x[:64], y[:64]), (x[64:], y[64:])
"""


def check_all(model: ModelFile) -> dict[str, CheckResult]:
    """Return the checks of the arithmetic by their names."""
    results = {group: check_double(model, group, group) for group in GROUPS}
    return {**results, "differences": check_differences(model, "differences")}


def find_broken(model: ModelFile) -> dict[str, str]:
    """Return the figures of the checks that are not green."""
    return {name: it.figure for name, it in check_all(model).items() if it.verdict is not Verdict.PASS}


@pytest.fixture
def conv(configure_model: Callable[..., OwnConfig]) -> ModelFile:
    """A file with two convolutions, a normalisation of batches and dropout."""
    return configure_model(build=CONV, data=CONV_DATA).model


@pytest.fixture
def lstm(configure_model: Callable[..., OwnConfig]) -> ModelFile:
    """A file with an embedding and an LSTM that drops its state at random."""
    return configure_model(build=LSTM, data=LSTM_DATA).model


@pytest.mark.parametrize("name", ["conv", "lstm"])
def test_clean_models_follow_their_doubles(request: pytest.FixtureRequest, name: str) -> None:
    """Every check is green; after the comparisons models are built in float32 again."""
    assert find_broken(request.getfixturevalue(name)) == {}
    keras = load_keras()
    assert keras.backend.floatx() == "float32"
    assert keras.mixed_precision.global_policy().name == "float32"


@contextmanager
def gradient_of(operation: str, change: Callable[[Any], Any], *, single: bool = False) -> Iterator[None]:
    """Change the gradients that TensorFlow has registered for an operation; `single`: those in float32 alone."""
    ops = importlib.import_module("tensorflow.python.framework.ops")
    entry = ops.gradient_registry._registry[operation]
    original = entry["type"]

    def changed(op: Any, *gradients: Any) -> Any:
        inputs, kernel = original(op, *gradients)
        planted = not single or kernel.dtype == load_tensorflow().float32
        return (inputs, change(kernel)) if planted else (inputs, kernel)

    entry["type"] = changed
    try:
        yield
    finally:
        entry["type"] = original


def test_a_wrong_gradient_of_a_convolution_is_found_by_differences(conv: ModelFile) -> None:
    """Both precisions share the fault: the double does not see it, differences name layer and weight."""
    with gradient_of("Conv2D", lambda gradient: gradient * 1.01):
        broken = find_broken(conv)
    assert list(broken) == ["differences"]
    assert broken["differences"] == "4 Conv2D kernel: the gradient is 1.01 of the slope"


def test_a_wrong_gradient_in_float32_is_named_by_layer(conv: ModelFile) -> None:
    """The double names the weight that is nearest to the output."""
    with gradient_of("Conv2D", lambda gradient: gradient * 1.001, single=True):
        broken = find_broken(conv)
    assert broken["gradient"].startswith("4 Conv2D kernel: ")
    assert "forward" not in broken
    assert "differences" not in broken


def test_a_wrong_convolution_in_float32_is_named_by_layer(conv: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forward pass parts at the first layer of that kind."""
    nn = importlib.import_module("keras.src.backend.tensorflow.nn")
    original = nn.conv

    def wrong(*arguments: Any, **named: Any) -> Any:
        output = original(*arguments, **named)
        return output * (1.0001 if output.dtype == load_tensorflow().float32 else 1)

    monkeypatch.setattr(nn, "conv", wrong)
    result = check_double(conv, "forward", "forward")
    assert result.verdict is Verdict.REGRESSED
    assert result.figure.startswith("1 Conv2D: ")


def test_a_wrong_recurrent_gradient_is_named_by_layer_and_weight(
    lstm: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An LSTM whose recurrent kernel gets 1.01 of its gradient in both precisions."""
    tf, module = load_tensorflow(), importlib.import_module("keras.src.layers.rnn.lstm")
    original = module.ops

    class Ops:
        """Keras's operations, of which the product with a recurrent kernel, of 4 rows, has another gradient."""

        def __getattr__(self, name: str) -> Any:
            """Return Keras's own."""
            return getattr(original, name)

        @staticmethod
        def matmul(a: Any, b: Any) -> Any:
            """Return the product; the gradient of a recurrent kernel is too large."""
            kernel = tf.convert_to_tensor(b)
            recurrent = kernel.shape[0] == 4
            return original.matmul(a, kernel * 1.01 - tf.stop_gradient(kernel * 0.01) if recurrent else kernel)

    monkeypatch.setattr(module, "ops", Ops())
    assert find_broken(lstm) == {"differences": "2 LSTM recurrent_kernel: the gradient is 1.01 of the slope"}


def test_a_wrong_moving_average_in_float32_is_named(conv: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update of the normalisation's mean parts, and nothing before."""
    keras = load_keras()
    original = keras.layers.BatchNormalization.__init__

    def start(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.momentum = 0.99 if keras.backend.floatx() == "float64" else 0.98

    monkeypatch.setattr(keras.layers.BatchNormalization, "__init__", start)
    broken = find_broken(conv)
    assert list(broken) == ["update"]
    assert broken["update"].startswith("2 BatchNormalization moving_mean: ")


MIXED = """
def build():
    model = keras.Sequential([layers.Input((6,)), layers.Dense(5, dtype="mixed_float16"), layers.Dense(3)])
    model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
"""
FIXED = MIXED.replace("mixed_float16", "float32")
CASTS = MIXED.replace('layers.Dense(5, dtype="mixed_float16")', "Casts(), layers.Dense(5)").replace(
    "def build",
    "class Casts(layers.Layer):\n    def call(self, x):\n        return tf.add(x, tf.zeros((1, 6), tf.float32))\n\n"
    "def build",
)
RANDOM = MIXED.replace('layers.Dense(5, dtype="mixed_float16")', "Noise()").replace(
    "def build",
    "class Noise(layers.Layer):\n    def call(self, x):\n        return x + tf.random.normal((1, 6), dtype=x.dtype)\n\n"
    "def build",
)


@pytest.mark.parametrize(
    ("build", "verdict", "told"),
    [
        (MIXED, Verdict.UNREADABLE, "1 Dense computes in half precision"),
        (FIXED, Verdict.INCONCLUSIVE, "keep float32 in the double: 1 Dense"),
        (CASTS, Verdict.UNREADABLE, "float64"),
        (RANDOM, Verdict.INCONCLUSIVE, "draws random numbers that cannot be switched off"),
    ],
    ids=["mixed", "fixed", "casts", "random"],
)
def test_a_model_without_a_double_is_not_accused(
    configure_model: Callable[..., OwnConfig], build: str, verdict: Verdict, told: str
) -> None:
    """What cannot be compared is said, with the reason."""
    result = check_double(configure_model(build=build).model, "gradient", "gradient")
    assert (result.verdict, told in f"{result.figure} {result.evidence}") == (verdict, True), result
