"""One training, from a configuration to the record: the only place where data, labs and engines meet."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mnist_bench.records.acceptance import now
from mnist_bench.records.config import MOST, TrainingConfig
from mnist_bench.records.environment import DatasetRecord, digest_arrays
from mnist_bench.records.training import (
    History,
    LayerRecord,
    Predictions,
    Seconds,
    TrainingRecord,
    ValidationRecord,
    finite_or_none,
)
from mnist_bench.training import backend, oracle
from mnist_bench.training.data.dataset import Dataset, Prepared, load_dataset, prepare
from mnist_bench.training.engines import EngineError, check_engine, check_optimizer, compile_model, train_model
from mnist_bench.training.fingerprint import collect_environment, read_arithmetic
from mnist_bench.training.labs import build_model, check_lab, configure_lab, explain_arithmetic

if TYPE_CHECKING:
    from mnist_bench.training.engines import OnEpoch
    from mnist_bench.training.fusion import EpochFigures

__all__ = [
    "Setting",
    "Trainee",
    "build_trainee",
    "check_config",
    "describe_layers",
    "describe_training",
    "make_record",
    "set_up",
    "train",
    "train_untested",
]


def check_config(config: TrainingConfig) -> TrainingConfig:
    """Return the configuration with the number of epochs filled in.

    Raises:
        ValueError: A field has a value that is not allowed; the message says which values are.
    """
    lab = check_lab(config.lab)
    check_optimizer(config.optimizer, config.engine)
    epochs = lab.epochs if config.epochs is None else config.epochs
    widths = [("hidden", width) for width in config.hidden or ()]
    for name, value in [("epochs", epochs), ("batch_size", config.batch_size), *widths]:
        if not 1 <= value <= MOST:
            raise ValueError(f"{name} {value!r} is not allowed: it must be from 1 to {MOST:,}")
    # NumPy's legacy generator, which Keras seeds too, takes 32 bits.
    if not 0 <= config.seed < 2**32:
        raise ValueError(f"seed {config.seed!r} is not allowed: it must be in 0 to {2**32 - 1}")
    if not (config.learning_rate > 0 and math.isfinite(config.learning_rate)):
        raise ValueError(f"learning_rate {config.learning_rate!r} is not allowed: it must be positive")
    if config.dropout is not None and not 0 <= config.dropout < 1:
        raise ValueError(f"dropout {config.dropout!r} is not allowed: it must be in [0, 1)")
    if not 0 < config.validation_split < 1:
        raise ValueError(f"validation_split {config.validation_split!r} is not allowed: it must be in (0, 1)")
    if config.device not in ("auto", "cpu", "gpu"):
        raise ValueError(f"unknown device {config.device!r}: choose from auto, cpu, gpu")
    return dataclasses.replace(config, epochs=epochs)


def train(config: TrainingConfig, *, dataset: Dataset | None = None, on_epoch: OnEpoch | None = None) -> TrainingRecord:
    """Train one lab in this process and return the record.

    The random seeds of the process are set, and TensorFlow's op determinism is turned on or off for the rest of the
    process, as the configuration and the engine ask.

    Args:
        config: What to train.
        dataset: The data, if loaded already; None loads the configuration's source.
        on_epoch: Called after each epoch with the number, from 0, and the `EpochFigures`.

    Returns:
        The record; its configuration has the number of epochs filled in.

    Raises:
        ValueError: The configuration is not allowed, or its data or device cannot be used.
        ImportError: TensorFlow is not installed, or cannot be imported.
        KerasError: Keras raised an error.
    """
    return make_record(_train(config, dataset, on_epoch))


def train_untested(
    config: TrainingConfig, *, dataset: Dataset | None = None, on_epoch: OnEpoch | None = None
) -> ValidationRecord:
    """Train as `train` does, without the test set: for trainings among which validation chooses.

    Args:
        config: As for `train`.
        dataset: As for `train`.
        on_epoch: As for `train`.

    Returns:
        A record of another kind, which cannot pass for the record of a tested training.

    Raises:
        ValueError: As `train`.
        ImportError: As `train`.
        KerasError: As `train`.
    """
    trained = _train(config, dataset, on_epoch)
    return ValidationRecord(**trained.facts, parameters=int(trained.built.model.count_params()))


@dataclass(frozen=True)
class Setting:
    """What is ready before a training begins: the configuration with its epochs, the data and the device."""

    config: TrainingConfig
    dataset: Dataset
    prepared: Prepared
    device: str


@dataclass(frozen=True)
class Trainee:
    """A compiled model, the weights that it begins with, and the seconds that both took."""

    config: TrainingConfig
    model: Any
    weights: list[npt.NDArray[np.float32]]
    seconds: float


@dataclass(frozen=True)
class _Trained:
    """A model after the training, and the fields that both kinds of record have (`facts`)."""

    built: Trainee
    prepared: Prepared
    facts: dict[str, Any]
    company: int


def _train(config: TrainingConfig, dataset: Dataset | None, on_epoch: OnEpoch | None) -> _Trained:
    setting = set_up(config, dataset)
    built = build_trainee(setting, setting.config)
    epochs: list[EpochFigures] = []

    def collect(number: int, figures: EpochFigures) -> None:
        epochs.append(figures)
        if on_epoch:
            on_epoch(number, figures)

    train_model(built.model, setting.prepared, built.config, epochs=built.config.epochs or 0, on_epoch=collect)
    return describe_training(setting, built, epochs, company=check_engine(config.engine).lanes)


def set_up(config: TrainingConfig, dataset: Dataset | None) -> Setting:
    """Load the data, and have TensorFlow ready on the device; the arguments are those of `train`.

    Raises:
        EngineError: The engine has an arithmetic of its own, the lab's, and Keras is set to another one.
    """
    config = check_config(config)
    engine = check_engine(config.engine)
    dataset = load_dataset(config.data) if dataset is None else dataset
    prepared = _prepare_once(dataset, config.validation_split)
    backend.load_tensorflow()  # before any clock
    if not engine.fit and (told := explain_arithmetic(**read_arithmetic())):
        raise EngineError(f"engine {engine.name}: {told}")
    device = backend.choose_device(config.device)
    backend.set_determinism(on=config.deterministic and engine.deterministic)
    return Setting(config, dataset, prepared, device)


@functools.lru_cache(maxsize=1)
def _prepare_once(dataset: Dataset, validation_split: float) -> Prepared:
    """Return the prepared data, which the next training of the process takes again, if it has the same data."""
    prepared = prepare(dataset, validation_split)
    for array in vars(prepared).values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False  # a training that changed an array would change all later trainings
    return prepared


def build_trainee(setting: Setting, config: TrainingConfig) -> Trainee:
    """Build and compile a model, which begins with the weights of the configuration's seed."""
    backend.seed_everything(config.seed)
    start = time.perf_counter()
    model = build_model(configure_lab(config))
    compile_model(model, check_engine(config.engine), config, samples=len(setting.prepared.x_train))
    seconds = time.perf_counter() - start
    return Trainee(config, model, model.get_weights(), seconds)


def describe_training(setting: Setting, built: Trainee, epochs: list[EpochFigures], *, company: int) -> _Trained:
    """Return what is known at the end of the training, whether or not the test set is used."""
    facts = {
        "config": built.config,
        "environment": collect_environment(
            device=setting.device, xla=check_engine(built.config.engine).xla, company=company
        ),
        "dataset": DatasetRecord(source=setting.dataset.name, digest=setting.dataset.digest),
        "history": _make_history(epochs),
        "final_digest": digest_arrays(built.model.get_weights()),
        "created": now(),
    }
    return _Trained(built, setting.prepared, facts, company)


def make_record(trained: _Trained) -> TrainingRecord:
    """Return the record of a training, with the figures of the test set."""
    built, prepared, history = trained.built, trained.prepared, trained.facts["history"]
    begin = time.perf_counter()
    with backend.blame_keras("evaluate"):
        test_loss, test_accuracy = built.model.evaluate(prepared.x_test, prepared.y_test, verbose=0)
    evaluated = time.perf_counter()
    steady = history.seconds[1:]
    return TrainingRecord(
        **trained.facts,
        layers=describe_layers(built.model),
        test_loss=finite_or_none(test_loss),
        test_accuracy=float(test_accuracy),
        initial_digest=digest_arrays(built.weights),
        seconds=Seconds(
            imports=backend.import_seconds(),
            build=built.seconds,
            first_epoch=history.seconds[0],
            epoch=statistics.median(steady) if steady else None,
            evaluate=evaluated - begin,
        ),
        predictions=_describe_predictions(built.model, prepared),
        company=trained.company,
    )


def describe_layers(model: Any) -> list[LayerRecord]:
    """Return the layer table of a built Sequential model, as the model's summary shows."""
    return [
        LayerRecord(
            kind=type(layer).__name__,
            units=int(layer.output.shape[-1]),
            parameters=int(layer.count_params()),
            trainable=sum(math.prod(weight.shape) for weight in layer.trainable_weights),
            activation=layer.activation.__name__ if type(layer).__name__ == "Activation" else None,
        )
        for layer in model.layers
    ]


def _make_history(epochs: list[EpochFigures]) -> History:
    columns = {name: [getattr(figures, name) for figures in epochs] for name in History.__dataclass_fields__}
    for name in ("loss", "val_loss"):
        columns[name] = [finite_or_none(loss) for loss in columns[name]]
    return History(**columns)


def _describe_predictions(model: Any, prepared: Prepared) -> Predictions:
    x, y = prepared.x_test, prepared.y_test
    with backend.blame_keras("predict"):
        probabilities = np.asarray(model.predict(x, batch_size=len(x), verbose=0))
    wrong = probabilities.argmax(axis=1) != y.argmax(axis=1)
    weights = model.get_weights()
    return Predictions(
        digest=digest_arrays([probabilities]),
        class_sizes=y.sum(axis=0).astype(int).tolist(),
        class_errors=y[wrong].sum(axis=0).astype(int).tolist(),
        exact_loss=finite_or_none(oracle.loss(weights, x, y)),
        exact_accuracy=oracle.accuracy(weights, x, y),
    )
