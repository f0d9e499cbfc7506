"""A configuration becomes a record, the same one for the same seed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.serial import decode, dump_json
from mnist_bench.records.training import LayerRecord, TrainingRecord
from mnist_bench.training import backend, runner
from mnist_bench.training.data import dataset as dataset_module
from mnist_bench.training.engines import EngineError
from mnist_bench.training.labs import LABS, build_model
from mnist_bench.training.runner import check_config, describe_layers, set_up, train

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset, Prepared
    from mnist_bench.training.fusion import EpochFigures

CONFIG = TrainingConfig(lab="perceptron", epochs=3, batch_size=64)


@pytest.fixture(scope="module")
def seen() -> list[tuple[int, EpochFigures]]:
    """The arguments that the callback of `trained` was called with."""
    return []


@pytest.fixture(scope="module")
def trained(tiny: Dataset, seen: list[tuple[int, EpochFigures]]) -> TrainingRecord:
    """A training of three epochs."""
    return train(CONFIG, dataset=tiny, on_epoch=lambda number, figures: seen.append((number, figures)))


@pytest.mark.parametrize("lab", LABS)
def test_epochs_are_filled_in(lab: str) -> None:
    """A missing number of epochs becomes the lab's, and nothing else changes."""
    config = TrainingConfig(lab=lab)
    assert check_config(config) == dataclasses.replace(config, epochs=LABS[lab].epochs)
    assert check_config(CONFIG) == CONFIG


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lab", "cnn", "unknown lab 'cnn': choose from perceptron, mlp, dropout"),
        ("engine", "jit", "unknown engine 'jit': choose from eager, graph, xla, epoch, fused"),
        ("epochs", 0, "epochs 0 is not allowed: it must be from 1 to 1,000,000"),
        ("epochs", -3, "epochs -3 is not allowed: it must be from 1 to 1,000,000"),
        ("epochs", 10**30, f"epochs {10**30} is not allowed: it must be from 1 to 1,000,000"),
        ("batch_size", 0, "batch_size 0 is not allowed: it must be from 1 to 1,000,000"),
        ("seed", -1, "seed -1 is not allowed: it must be in 0 to 4294967295"),
        ("seed", 2**32, "seed 4294967296 is not allowed: it must be in 0 to 4294967295"),
        ("learning_rate", 0.0, "learning_rate 0.0 is not allowed: it must be positive"),
        ("hidden", (64, 0), "hidden 0 is not allowed: it must be from 1 to 1,000,000"),
        ("dropout", 1.0, r"dropout 1.0 is not allowed: it must be in [0, 1)"),
        ("dropout", float("nan"), r"dropout nan is not allowed: it must be in [0, 1)"),
        ("optimizer", "sdg", "unknown optimizer 'sdg': choose from sgd, rmsprop, adam, adagrad, adamax, nadam"),
        ("learning_rate", float("nan"), "learning_rate nan is not allowed: it must be positive"),
        ("learning_rate", float("inf"), "learning_rate inf is not allowed: it must be positive"),
        ("validation_split", 0.0, "validation_split 0.0 is not allowed: it must be in (0, 1)"),
        ("validation_split", 1.0, "validation_split 1.0 is not allowed: it must be in (0, 1)"),
        ("validation_split", float("nan"), "validation_split nan is not allowed: it must be in (0, 1)"),
        ("device", "tpu", "unknown device 'tpu': choose from auto, cpu, gpu"),
    ],
)
def test_what_is_not_allowed_is_named(field: str, value: Any, message: str) -> None:
    """The message names the field, its value and what is allowed; `train` checks this first."""
    config = dataclasses.replace(CONFIG, **{field: value})
    for check in (check_config, train):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared in full
            check(config)
        assert str(caught.value) == message


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_ends_of_the_seeds_are_allowed(seed: int) -> None:
    """The smallest and largest seeds of NumPy can be used."""
    config = dataclasses.replace(CONFIG, seed=seed)
    assert check_config(config) == config
    backend.seed_everything(seed)


def test_a_record_says_what_was_done(trained: TrainingRecord, tiny: Dataset) -> None:
    """Configuration, data, environment, layers and time are in the record."""
    assert trained.config == CONFIG
    assert (trained.dataset.source, trained.dataset.digest) == ("tiny", tiny.digest)
    assert trained.parameters == LABS["perceptron"].parameters
    assert trained.layers == [
        LayerRecord(kind="Dense", units=10, parameters=7850, trainable=7850),
        LayerRecord(kind="Activation", units=10, parameters=0, trainable=0, activation="softmax"),
    ]
    environment = trained.environment
    assert (environment.op_determinism, environment.xla) == (True, False)
    age = dt.datetime.now(dt.timezone.utc) - dt.datetime.fromisoformat(trained.created)
    assert dt.timedelta(seconds=-1) < age < dt.timedelta(minutes=10)
    assert decode(dump_json(trained), TrainingRecord, origin="memory") == trained


def test_a_history_has_an_entry_an_epoch(trained: TrainingRecord, seen: list[tuple[int, EpochFigures]]) -> None:
    """Every column has an entry for each epoch, as told to the callback."""
    assert [number for number, _ in seen] == [0, 1, 2]
    for name in trained.history.__dataclass_fields__:
        assert getattr(trained.history, name) == [getattr(figures, name) for _, figures in seen]


def test_it_learns(trained: TrainingRecord) -> None:
    """The loss falls, and unseen images are told apart."""
    losses = [loss for loss in trained.history.val_loss if loss is not None]
    assert losses == sorted(losses, reverse=True)
    assert trained.test_accuracy > 0.9
    assert trained.test_loss is not None
    assert trained.test_loss < 1
    assert trained.initial_digest != trained.final_digest


def test_predictions_are_counted_by_class_and_evaluated_in_float64(trained: TrainingRecord, tiny: Dataset) -> None:
    """The errors are those that Keras's accuracy counts, and the loss of the same weights in float64 is Keras's."""
    predictions = trained.predictions
    assert predictions is not None
    assert predictions.class_sizes == np.bincount(tiny.y_test, minlength=10).tolist()
    count = len(tiny.y_test)
    assert 1 - sum(predictions.class_errors) / count == pytest.approx(trained.test_accuracy, abs=0.5 / count)
    assert predictions.exact_accuracy == pytest.approx(trained.test_accuracy, abs=0.5 / count)
    assert predictions.exact_loss == pytest.approx(trained.test_loss, rel=1e-6)


def test_seconds_are_those_of_each_phase(trained: TrainingRecord) -> None:
    """The first epoch stands apart, the others give their median, and validation is not counted."""
    seconds, history = trained.seconds, trained.history
    assert seconds.first_epoch == history.seconds[0]
    assert seconds.epoch == statistics.median(history.seconds[1:])
    assert min(seconds.build, seconds.evaluate, *history.seconds, *history.val_seconds) > 0
    assert seconds.imports == backend.import_seconds() > 0


def test_the_same_seed_gives_the_same_bits_in_one_process(trained: TrainingRecord, tiny: Dataset) -> None:
    """A seed's digests and figures repeat, whatever was trained in between; another seed has others."""
    reseeded = train(dataclasses.replace(CONFIG, seed=1672), dataset=tiny)
    again = train(CONFIG, dataset=tiny)
    assert trained.initial_digest == again.initial_digest != reseeded.initial_digest
    assert trained.final_digest == again.final_digest != reseeded.final_digest
    assert (trained.test_loss, trained.test_accuracy) == (again.test_loss, again.test_accuracy)
    assert trained.history.val_loss == again.history.val_loss != reseeded.history.val_loss


def test_the_fused_engine_starts_where_keras_does(trained: TrainingRecord, tiny: Dataset) -> None:
    """Training starts from Keras's weights, in the engine's own order; the record says XLA."""
    record = train(dataclasses.replace(CONFIG, engine="fused"), dataset=tiny)
    assert record.initial_digest == trained.initial_digest
    assert record.final_digest != trained.final_digest
    assert (record.environment.xla, record.environment.op_determinism) == (True, True)


def test_one_epoch_has_no_steady_seconds(tiny: Dataset) -> None:
    """After a single epoch there is no median of later epochs."""
    record = train(TrainingConfig(lab="perceptron", engine="graph", epochs=1), dataset=tiny)
    assert len(record.history.loss) == 1
    assert record.seconds.epoch is None
    assert record.seconds.first_epoch == record.history.seconds[0]


def test_the_layer_table_is_the_models_summary() -> None:
    """Each layer of the dropout lab has its row; dropout's random state is no parameter."""
    layers = describe_layers(build_model(LABS["dropout"]))
    kinds = [layer.kind for layer in layers]
    assert kinds == ["Dense", "Activation", "Dropout", "Dense", "Activation", "Dropout", "Dense", "Activation"]
    assert [layer.units for layer in layers] == [128] * 6 + [10, 10]
    sizes = [100480, 0, 0, 16512, 0, 0, 1290, 0]
    assert [layer.parameters for layer in layers] == [layer.trainable for layer in layers] == sizes
    activations = [None, "relu", None, None, "relu", None, None, "softmax"]
    assert [layer.activation for layer in layers] == activations


@pytest.mark.parametrize(
    ("engine", "asked", "on"),
    [("graph", True, True), ("graph", False, False), ("fused", True, True), ("xla", True, False)],
)
def test_determinism_is_set_before_training(
    tiny: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    asked: bool,  # noqa: FBT001 - parametrised
    on: bool,  # noqa: FBT001 - parametrised
) -> None:
    """Determinism is on where the configuration asks for it and the engine allows it, else off."""

    def stop(*, on: bool) -> None:
        raise RuntimeError(f"determinism {on}")

    monkeypatch.setattr(backend, "set_determinism", stop)
    config = TrainingConfig(lab="perceptron", engine=engine, deterministic=asked)
    with pytest.raises(RuntimeError, match=f"determinism {on}"):
        train(config, dataset=tiny)


def test_an_arithmetic_that_the_engine_does_not_have_is_named(tiny: Dataset) -> None:
    """The fused epoch is float32 whatever Keras is set to: TensorFlow's own error would not say what was set where."""
    policies = backend.load_keras().mixed_precision
    policies.set_global_policy("float16")
    try:
        with pytest.raises(EngineError, match=r"engine fused: precision float16, not the lab's float32: set by KERAS_"):
            train(TrainingConfig(lab="perceptron", engine="fused", epochs=1), dataset=tiny)
    finally:
        policies.set_global_policy("float32")


@pytest.mark.parametrize("engine", ["graph", "fused"])
def test_a_training_that_diverges_has_a_record(tiny: Dataset, engine: str) -> None:
    """A loss that is no number is None, so the record can be written."""
    config = TrainingConfig(lab="perceptron", engine=engine, epochs=2, learning_rate=1e38)
    record = train(config, dataset=tiny)
    assert record.history.val_loss[-1] is None
    assert record.test_loss is None
    assert decode(dump_json(record), TrainingRecord, origin="memory") == record


def test_trainings_of_the_same_data_prepare_it_once(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another split, and another data set, is prepared anew; no training can write what the next one takes."""
    asked: list[tuple[str, float]] = []

    def prepare(dataset: Dataset, split: float) -> Prepared:
        asked.append((dataset.name, split))
        return dataset_module.prepare(dataset, split)

    monkeypatch.setattr(runner, "prepare", prepare)
    runner._prepare_once.cache_clear()
    narrow = dataclasses.replace(CONFIG, validation_split=0.1)
    other = dataclasses.replace(tiny, name="other")
    first, again = set_up(CONFIG, tiny).prepared, set_up(dataclasses.replace(CONFIG, seed=5), tiny).prepared
    assert again is first
    assert len(set_up(narrow, tiny).prepared.x_validation) == 60
    assert set_up(narrow, other).dataset.name == "other"
    assert asked == [("tiny", 0.2), ("tiny", 0.1), ("other", 0.1)]
    arrays = [array for array in vars(first).values() if isinstance(array, np.ndarray)]
    assert [array.flags.writeable for array in arrays] == [False] * 9


def test_loads_the_data_that_the_configuration_names(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a data set given, it is loaded; a bad split is an error."""
    asked = []
    monkeypatch.setattr("mnist_bench.training.runner.load_dataset", lambda source: asked.append(source) or tiny)
    config = TrainingConfig(lab="perceptron", epochs=1, data="somewhere", validation_split=0.9999)
    with pytest.raises(ValueError, match="leaves one side of 600 images empty"):
        train(config)
    assert asked == ["somewhere"]
