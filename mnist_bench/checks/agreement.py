"""Whether the parts of a record agree: what was asked for, where and on what it ran, its layers and its seconds.

A broken Keras may leave such a record, so that it can be written and read: those who judge it ask here.
"""

from __future__ import annotations

import math
import re
import statistics
from typing import TYPE_CHECKING

from mnist_bench.checks.names import ENGINE_NAMES, ENGINES_WITH_XLA, ENGINES_WITHOUT_DETERMINISM
from mnist_bench.training.labs import CLASSES, PIXELS, configure_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.environment import DatasetRecord, EnvironmentRecord
    from mnist_bench.records.training import Predictions, TrainingRecord

__all__ = [
    "explain_data",
    "explain_process",
    "explain_test_set",
    "explain_versions",
    "explain_where",
    "find_contradictions",
]

_SOURCES = ("mnist", "digits")  # any other text is a path, and `auto` may be either
_SAME_SECONDS = 1e-6
_TWO, _LAST_KERAS_2, _FIRST_PYTHON = 2, (2, 15), (3, 10)


def find_contradictions(record: TrainingRecord) -> Iterator[str]:
    """Yield what of a training contradicts the rest of its record: nothing of most.

    Raises:
        ValueError: The lab is unknown.
    """
    yield from explain_where(record.config, record.environment, record.dataset)
    yield from explain_test_set(record.dataset, record.predictions)
    if not 0 < record.config.validation_split < 1:
        yield f"validation_split {record.config.validation_split:g} leaves nothing to validate on, or to train on"
    yield from _explain_layers(record)
    yield from _explain_seconds(record)
    if record.company > 1 and record.config.engine != "fused":
        yield f"{record.company} seeds were trained in one program, which the engine {record.config.engine} cannot"


def explain_where(config: TrainingConfig, environment: EnvironmentRecord, dataset: DatasetRecord) -> Iterator[str]:
    """Yield in what environment and data are not those that a configuration asks for. An unknown engine may do all."""
    if config.engine in ENGINE_NAMES:
        if environment.xla != (config.engine in ENGINES_WITH_XLA):
            yield f"the engine {config.engine} ran {'with' if environment.xla else 'without'} XLA"
        deterministic = config.deterministic and config.engine not in ENGINES_WITHOUT_DETERMINISM
        yield from explain_process(config.device, environment, deterministic=deterministic)
    if {config.data, dataset.source} <= {*_SOURCES} and config.data != dataset.source:
        yield f"data {config.data!r} was asked for, and these are {dataset.source!r}"
    yield from explain_data(dataset)
    yield from explain_versions(environment)


def explain_data(dataset: DatasetRecord) -> Iterator[str]:
    """Yield that data are called MNIST and are not, or are MNIST under another name."""
    from mnist_bench.training.data.mnist import DIGEST  # with what downloads it, of which a measured process has none

    if (dataset.source == "mnist") != (dataset.digest == DIGEST):
        yield f"the data are called {dataset.source}, and their digest is {dataset.digest[:8]}, MNIST's is {DIGEST[:8]}"


def explain_versions(environment: EnvironmentRecord) -> Iterator[str]:
    """Yield which versions cannot have been in one process. What is no release number may be anything."""
    tensorflow, keras, python = (_read_minor(getattr(environment, name)) for name in ("tensorflow", "keras", "python"))
    if tensorflow and keras and not _go_together(tensorflow, keras):
        yield f"Keras {environment.keras} does not go with TensorFlow {environment.tensorflow}"
    if python and python < _FIRST_PYTHON:
        yield f"Python {environment.python} cannot run this package, which needs {'.'.join(map(str, _FIRST_PYTHON))}"


def _go_together(tensorflow: tuple[int, int], keras: tuple[int, int]) -> bool:
    """Return whether a Keras can be `tf.keras`: up to TensorFlow 2.15 that of the same number, then 3 or tf_keras."""
    if tensorflow[0] != _TWO or keras == tensorflow:
        return True
    # On TensorFlow 2.15, Keras 3 was installed by hand.
    return keras[0] > _TWO and tensorflow >= _LAST_KERAS_2


def _read_minor(version: str) -> tuple[int, int] | None:
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?!\d)", version, re.ASCII)
    return (int(found[1]), int(found[2])) if found else None


def explain_test_set(dataset: DatasetRecord, predictions: Predictions | None) -> Iterator[str]:
    """Yield that predictions are of another test set than that of the data, whose classes are known."""
    from mnist_bench.training.data import digits, mnist  # as above

    sizes = {known.DIGEST: known.TEST_CLASS_SIZES for known in (mnist, digits)}.get(dataset.digest)
    if predictions and sizes and predictions.class_sizes != sizes:
        yield f"class_sizes {predictions.class_sizes} are not those of {dataset.source}, {sizes}"


def explain_process(device: str, environment: EnvironmentRecord, *, deterministic: bool) -> Iterator[str]:
    """Yield in what a process is not as it was asked for: op determinism and the device."""
    if environment.op_determinism != deterministic:
        asked, was = ("on" if it else "off" for it in (deterministic, environment.op_determinism))
        yield f"op determinism was to be {asked}, and it was {was}"
    if environment.device == "gpu" and not environment.gpus:
        yield "it ran on a GPU, and there is none"
    if device not in ("auto", environment.device):
        yield f"the device {device!r} was asked for, and it ran on {environment.device!r}"


def _explain_layers(record: TrainingRecord) -> Iterator[str]:
    """Yield in what the layers are not those of the lab: units, parameters and those that are trained, and kinds."""
    inputs, wanted = PIXELS, []
    for units in (*configure_lab(record.config).hidden, CLASSES):
        wanted.append((units, (inputs + 1) * units))
        inputs = units
    weighted = [layer for layer in record.layers if layer.parameters or layer.trainable]
    found = [(layer.units, layer.parameters) for layer in weighted]
    if found != wanted:
        yield f"layers of {_list_layers(found)}, and the lab's are of {_list_layers(wanted)}"
    elif other := next((layer for layer in weighted if layer.kind != "Dense"), None):
        yield f"a layer with weights is {other.kind}, and the lab's are Dense"
    elif configure_lab(record.config).dropout == 0 and any(layer.kind == "Dropout" for layer in record.layers):
        yield "there is a layer Dropout, and the lab has none"
    elif record.layers[-1].activation not in (None, "softmax"):
        yield f"the last layer is {record.layers[-1].activation}, and the lab's is softmax"
    elif other := next((layer for layer in weighted if layer.trainable != layer.parameters), None):
        yield f"{other.trainable:,} of the {other.parameters:,} parameters of a layer are trained"


def _list_layers(layers: list[tuple[int, int]]) -> str:
    return ", ".join(f"{units:,} units with {parameters:,} parameters" for units, parameters in layers) or "no weights"


def _explain_seconds(record: TrainingRecord) -> Iterator[str]:
    """Yield that an epoch took no time, or that its seconds do not follow from those of all epochs."""
    first, *steady = record.history.seconds
    if not min(record.history.seconds) > 0:
        yield "an epoch took 0 seconds"
    median = statistics.median(steady) if steady else None
    pairs = {"first_epoch": (record.seconds.first_epoch, first), "epoch": (record.seconds.epoch, median)}
    for name, (value, wanted) in pairs.items():
        known = value is not None and wanted is not None
        if not (math.isclose(value or 0, wanted or 0, rel_tol=_SAME_SECONDS) if known else value is wanted):
            yield f"seconds.{name} is {value}, and {wanted} follows from the history"
