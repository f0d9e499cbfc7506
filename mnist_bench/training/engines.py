"""The engines, which train a lab: four call Keras's own `fit` and nothing else; the fused epoch is ours."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mnist_bench.training.backend import blame_keras, load_keras, read_keras_version, synchronise, uses_xla
from mnist_bench.training.executions import loses_losses
from mnist_bench.training.fused import predict_fused
from mnist_bench.training.fusion import Company, EpochFigures
from mnist_bench.training.optimizers import OPTIMIZERS, UPDATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy.typing as npt

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.data.dataset import Prepared

__all__ = [
    "ENGINES",
    "Engine",
    "EngineError",
    "OnEpoch",
    "check_engine",
    "check_optimizer",
    "check_steps",
    "compile_model",
    "dropout_of",
    "loses_losses",
    "predict",
    "train_epochs",
    "train_model",
]


class EngineError(ValueError):
    """An engine does not work with this version of Keras."""


OnEpoch: TypeAlias = "Callable[[int, EpochFigures], None]"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One way to train.

    Attributes:
        name: The key in `ENGINES`.
        description: One line for people.
        eager: Whether Keras runs each layer from Python, as the lab sheet does.
        xla: Whether XLA compiles the step.
        whole_epoch: Whether one call into TensorFlow runs all steps of an epoch.
        fit: Whether Keras's own `fit` trains.
        deterministic: Whether op determinism may be on; Keras 3 does not train with XLA while it is.
        lanes: Seeds in one program; the last is the one that is asked for. Only checks that are to judge a company ask
            for more than one: `train_company` trains all of a company's seeds.
    """

    name: str
    description: str
    eager: bool = False
    xla: bool = False
    whole_epoch: bool = False
    fit: bool = True
    deterministic: bool = True
    lanes: int = 1


ENGINES = {
    engine.name: engine
    for engine in (
        Engine(name="eager", description="fit with run_eagerly=True, as in the lab sheet", eager=True),
        Engine(name="graph", description="fit, one compiled graph call a step"),
        Engine(name="xla", description="fit, each step compiled by XLA", xla=True, deterministic=False),
        Engine(name="epoch", description="fit with steps_per_execution of one epoch", whole_epoch=True),
        Engine(
            name="fused",
            description="a whole epoch in one XLA program, data on the device",
            xla=True,
            whole_epoch=True,
            fit=False,
        ),
    )
}


def check_optimizer(name: str, engine: str) -> None:
    """Refuse an optimizer that is unknown, or that the engine does not have.

    Raises:
        ValueError: The message lists the optimizers to choose from.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}: choose from {', '.join(OPTIMIZERS)}")
    if not check_engine(engine).fit and name not in UPDATES:
        raise ValueError(f"engine {engine} has no optimizer {name!r}: choose from {', '.join(UPDATES)}")


def check_engine(name: str) -> Engine:
    """Return the engine of that name.

    Raises:
        ValueError: The engine is unknown; the message lists the engines to choose from.
    """
    if name not in ENGINES:
        raise ValueError(f"unknown engine {name!r}: choose from {', '.join(ENGINES)}")
    return ENGINES[name]


def compile_model(model: Any, engine: Engine, config: TrainingConfig, *, samples: int) -> None:
    """Compile a Keras model for an engine, with the lab's loss and metric, and the configuration's optimizer.

    Args:
        model: The built model.
        engine: The engine that will train the model.
        config: Gives the optimizer, the learning rate and the batch size.
        samples: Training samples of an epoch, which determine the steps of an execution.

    Raises:
        EngineError: This version of Keras cannot run so many steps in one execution.
        KerasError: Keras raised an error.
        RuntimeError: Keras did not follow the setting of XLA.
    """
    # With the fused engine Keras only evaluates the test set, which needs no long execution.
    steps = math.ceil(samples / config.batch_size) if engine.whole_epoch and engine.fit else 1
    check_steps(engine, steps)
    xla = engine.xla and engine.fit  # the fused engine compiles its own program; Keras only evaluates the test set
    with blame_keras("compile"):
        optimizer = getattr(load_keras().optimizers, OPTIMIZERS[config.optimizer])
        model.compile(
            loss="categorical_crossentropy",
            optimizer=optimizer(learning_rate=config.learning_rate),
            metrics=["accuracy"],
            run_eagerly=engine.eager,
            # Always explicit: the default of Keras 3, "auto", depends on the device and on op determinism.
            jit_compile=xla,
            steps_per_execution=steps,
        )
    # Where Keras 3 finds XLA unsuitable, it goes on without, with no more than a warning.
    if uses_xla(model) is not xla:
        raise RuntimeError(f"engine {engine.name}: asked for jit_compile={xla}, but Keras set it to {not xla}")


def check_steps(engine: Engine, steps: int) -> None:
    """Refuse executions of several steps in the versions of Keras that lose the losses of such steps.

    Keras 3.0 to 3.6 unroll each step of an execution (`multi_step_on_iterator`). TensorFlow allows at most 32 steps
    (GET_NEXT_CALL_ERROR_THRESHOLD in iterator_ops.py). If their number does not divide the batches of an epoch, or of
    the validation set, the last execution ends in an error that Keras swallows together with its losses. Seen in
    3.6.0: the weights are right, the training loss is a mean over some of the batches, and the validation loss is
    missing.

    Raises:
        EngineError: This version of Keras is one of those.
    """
    version = read_keras_version()
    if steps > 1 and loses_losses(version):
        raise EngineError(
            f"engine {engine.name}: Keras {version} reports wrong losses when one call runs several steps "
            "(fixed in 3.7); use engine graph, which ends in the same bits"
        )


def train_model(
    model: Any,
    prepared: Prepared,
    config: TrainingConfig,
    *,
    epochs: int,
    shuffle: bool = True,
    on_epoch: OnEpoch | None = None,
) -> None:
    """Train a model in place with the engine that the config names.

    Args:
        model: A built Keras model, compiled by `compile_model` for that engine.
        prepared: The data; `fit` uses the float32 and one-hot arrays, the fused engine the pixels.
        config: Gives the engine, the seed, the batch size, the optimizer and the learning rate.
        epochs: Epochs to train.
        shuffle: Whether the samples are visited in a random order.
        on_epoch: Called after each epoch with its number, from 0, and its figures; the model holds the weights of
            that moment.
    """
    if check_engine(config.engine).fit:
        _fit(model, prepared, config, epochs=epochs, shuffle=shuffle, on_epoch=on_epoch)
        return
    trained = _fuse(model, prepared, config, shuffle=shuffle, validate=on_epoch is not None)
    for epoch, figures in zip(range(epochs), trained, strict=False):
        if on_epoch:
            on_epoch(epoch, figures)


def train_epochs(model: Any, prepared: Prepared, config: TrainingConfig) -> Iterator[EpochFigures]:
    """Return an iterator that trains the model by one epoch, as `train_model` does, each time it is advanced.

    Keras's `fit` is called once for each epoch. The fused engine moves the data to the device before this returns.

    Args:
        model: As in `train_model`.
        prepared: As in `train_model`.
        config: As in `train_model`.
    """
    if check_engine(config.engine).fit:
        return _fit_repeatedly(model, prepared, config)
    return _fuse(model, prepared, config, shuffle=True, validate=True)


def predict(model: Any, config: TrainingConfig, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the class probabilities, (n, 10), of uint8 pixels, (n, inputs), by the engine's own arithmetic."""
    if check_engine(config.engine).fit:
        x = pixels.astype(np.float32) / np.float32(255)
        return np.asarray(model.predict(x, batch_size=len(x), verbose=0))
    return predict_fused(model.get_weights(), pixels)


def _fit(
    model: Any,
    prepared: Prepared,
    config: TrainingConfig,
    *,
    epochs: int,
    shuffle: bool,
    on_epoch: OnEpoch | None,
) -> None:
    ours: list[Exception] = []
    with blame_keras("fit", ours):
        model.fit(
            prepared.x_fit,
            prepared.y_fit,
            batch_size=config.batch_size,
            epochs=epochs,
            verbose=0,
            validation_split=prepared.validation_split,
            shuffle=shuffle,
            callbacks=[_make_clock(on_epoch, ours, validated=len(prepared.x_validation) > 0)] if on_epoch else [],
        )


def _fit_repeatedly(model: Any, prepared: Prepared, config: TrainingConfig) -> Iterator[EpochFigures]:
    trained: list[EpochFigures] = []
    while True:
        _fit(model, prepared, config, epochs=1, shuffle=True, on_epoch=lambda _, figures: trained.append(figures))
        yield trained.pop()


def _make_clock(on_epoch: OnEpoch, raised: list[Exception], *, validated: bool) -> Any:
    """Return a Keras callback that times the training part of each epoch apart from the validation, if there is one.

    What `on_epoch` raises, such as a pruned trial, is also put into `raised`.
    """

    class Clock(load_keras().callbacks.Callback):  # type: ignore[misc] # Keras is untyped
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            self._cpu_begin, self._begin = time.process_time(), time.perf_counter()

        def on_test_begin(self, logs: Any = None) -> None:
            del logs
            synchronise(self.model)
            self._trained, self._cpu_trained = time.perf_counter(), time.process_time()

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            if not validated:
                self.on_test_begin()
            end = time.perf_counter()
            figures = {name: float((logs or {})[name]) for name in (_FIT_LOGS if validated else _FIT_LOGS[:2])}
            epoch_figures = EpochFigures(
                **{"val_loss": math.nan, "val_accuracy": math.nan, **figures},
                seconds=self._trained - self._begin,
                val_seconds=end - self._trained,
                cpu_seconds=self._cpu_trained - self._cpu_begin,
            )
            try:
                on_epoch(epoch, epoch_figures)
            except Exception as error:
                raised.append(error)
                raise

    return Clock()


_FIT_LOGS = ("loss", "accuracy", "val_loss", "val_accuracy")


def _fuse(
    model: Any, prepared: Prepared, config: TrainingConfig, *, shuffle: bool, validate: bool
) -> Iterator[EpochFigures]:
    """Move the data to the device, and return an iterator that trains an epoch each time it is advanced."""
    others = range(config.seed + 1, config.seed + check_engine(config.engine).lanes)
    configs = [*(dataclasses.replace(config, seed=seed) for seed in others), config]
    company = Company(prepared, configs, dropout=dropout_of(model), shuffle=shuffle, validate=validate)
    return (_fuse_epoch(model, company) for _ in itertools.count())


def _fuse_epoch(model: Any, company: Company) -> EpochFigures:
    # The weights come from the model, as for `fit`: a callback may have changed them.
    weights, figures = company.train_epoch(company.spread(model.get_weights()))
    model.set_weights(company.split(weights)[-1])
    return figures[-1]


def dropout_of(model: Any) -> float:
    """Return the dropout rate of the model's hidden layers, 0 without dropout."""
    rates = {float(layer.rate) for layer in model.layers if type(layer).__name__ == "Dropout"}
    if len(rates) > 1:
        raise ValueError(f"the fused engine needs one dropout rate for all layers, not {sorted(rates)}")
    return rates.pop() if rates else 0.0
