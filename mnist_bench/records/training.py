"""The frozen records of a training and their JSON: the only thing that crosses from measuring to judging."""

from __future__ import annotations

import hashlib
import html
import inspect
import math
from typing import TYPE_CHECKING, Any

import msgspec

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.files import write_atomically
from mnist_bench.records.serial import SCHEMA_VERSION, Record, RecordError, decode, dump_json, load

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "SCHEMA_VERSION",
    "DatasetRecord",
    "EnvironmentRecord",
    "Gpu",
    "History",
    "LayerRecord",
    "RecordError",
    "Seconds",
    "TrainingConfig",
    "TrainingRecord",
    "check_epochs",
    "decode_record",
    "dump_json",
    "encode_record",
    "load_record",
    "make_schema",
    "save_record",
]


class Gpu(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One GPU that TensorFlow sees."""

    name: str
    compute_capability: str
    driver: str | None


class EnvironmentRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a machine and its software that can move a figure.

    Attributes:
        instruction_set: The widest vector instructions of the CPU, such as `avx2` or `avx512`.
        cores: Cores of the machine.
        usable_cores: Cores that this process may run on (its affinity).
        intra_op_threads: As TensorFlow reports it; 0 means that TensorFlow chooses.
        onednn: The value of TF_ENABLE_ONEDNN_OPTS, or `default`.
        flags: Other variables that change arithmetic and were set, such as XLA_FLAGS.
        xla: Whether the training step was compiled by XLA.
        numerics_key: Digest of what must be equal before the bits of two trainings are compared.
        hardware_key: Digest of what must be equal before the seconds of two trainings are compared.
    """

    python: str
    system: str
    machine: str
    tensorflow: str
    keras: str
    numpy: str
    backend: str
    precision: str
    cpu: str
    instruction_set: str
    cores: int
    usable_cores: int
    intra_op_threads: int
    inter_op_threads: int
    onednn: str
    flags: dict[str, str]
    xla: bool
    op_determinism: bool
    device: str
    gpus: list[Gpu]
    project: str
    commit: str | None
    numerics_key: str
    hardware_key: str


class DatasetRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which data was used: its source (`mnist` or `digits`) and the SHA-256 of its four arrays."""

    source: str
    digest: str


class LayerRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the layer table: the layer's class, its output width and its parameters."""

    kind: str
    units: int
    parameters: int
    trainable: int
    activation: str | None = None


class History(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure an epoch in each list. A loss that is not finite stands as None.

    `loss` and `accuracy` are running means over the epoch's batches, taken while the weights move,
    as Keras reports them. `seconds` is the training part of the epoch, `val_seconds` its validation.
    """

    loss: list[float | None]
    accuracy: list[float]
    val_loss: list[float | None]
    val_accuracy: list[float]
    seconds: list[float]
    val_seconds: list[float]

    def __post_init__(self) -> None:
        """Refuse columns of different lengths and figures outside their range."""
        lengths = {name: len(getattr(self, name)) for name in self.__struct_fields__}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"columns of different lengths: {lengths}")
        for name in self.__struct_fields__:
            _check_range(name, getattr(self, name), high=1 if name.endswith("accuracy") else math.inf)


class Seconds(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wall-clock seconds of each phase.

    `first_epoch` holds tracing and compilation; `epoch` is the median of the epochs after it, training
    part only, and None where there was one epoch. `imports` is the import of TensorFlow in this process.
    """

    imports: float
    build: float
    first_epoch: float
    epoch: float | None
    evaluate: float

    def __post_init__(self) -> None:
        """Refuse a negative duration."""
        for name in self.__struct_fields__:
            _check_range(name, [getattr(self, name)])


class TrainingRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one training was, where it ran, and everything it did that could have regressed."""

    config: TrainingConfig
    environment: EnvironmentRecord
    dataset: DatasetRecord
    layers: list[LayerRecord]
    history: History
    test_loss: float | None
    test_accuracy: float
    initial_digest: str
    final_digest: str
    seconds: Seconds
    created: str
    kind: str = "training"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse figures outside their range."""
        _check_range("test_accuracy", [self.test_accuracy], high=1)
        _check_range("test_loss", [self.test_loss])
        check_epochs(self.config, self.history)

    @property
    def parameters(self) -> int:
        """The number of parameters of the model."""
        return sum(layer.parameters for layer in self.layers)

    def __repr__(self) -> str:
        """One line that says what was trained and what came of it."""
        config = self.config
        return (
            f"<TrainingRecord {config.model} by {config.engine}, seed {config.seed}, {config.epochs} epochs"
            f" on {self.dataset.source}: test accuracy {self.test_accuracy:.4f}, loss {self._loss}>"
        )

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        config, environment = self.config, self.environment
        rows = {
            "lab": f"{config.model}, {self.parameters:,} parameters",
            "training": f"{config.engine}, seed {config.seed}, {config.epochs} epochs",
            "data": self.dataset.source,
            "test accuracy": f"{self.test_accuracy:.4f}",
            "test loss": self._loss,
            "seconds an epoch": "-" if self.seconds.epoch is None else f"{self.seconds.epoch:.3f}",
            "software": f"TensorFlow {environment.tensorflow}, Keras {environment.keras}",
            "final weights": self.final_digest[:12],
        }
        # Escaped, because a record may have come from anywhere.
        cells = (f"<th style='text-align:left'>{k}</th><td>{html.escape(v)}</td>" for k, v in rows.items())
        return f"<table><tr>{'</tr><tr>'.join(cells)}</tr></table>"

    @property
    def _loss(self) -> str:
        return "not finite" if self.test_loss is None else f"{self.test_loss:.4f}"


def encode_record(record: TrainingRecord) -> str:
    """Return the record as JSON text that `decode_record` reads back to an equal record."""
    return dump_json(record)


def decode_record(text: str | bytes, *, origin: str) -> TrainingRecord:
    """Read a record from JSON text.

    Args:
        text: The JSON.
        origin: Where it came from, for the message of an error.

    Raises:
        RecordError: The text is no JSON, has another schema or kind, lacks a field, holds one too
            many, or one of a wrong type or value.
    """
    return decode(text, TrainingRecord, kind="training", origin=origin)


def load_record(path: Path) -> TrainingRecord:
    """Read the record that stands in the file `path`.

    Raises:
        RecordError: The file cannot be read, or holds no valid record.
    """
    return load(path, TrainingRecord, kind="training")


def save_record(record: TrainingRecord, path: Path) -> None:
    """Write the record to a new file, atomically.

    Raises:
        FileExistsError: The file exists: nothing is overwritten.
    """
    write_atomically(path, encode_record(record).encode())


def make_schema() -> dict[str, Any]:
    """Return the JSON Schema of a training record, which docs/record.schema.json publishes."""
    schema = msgspec.json.schema(TrainingRecord)
    for definition in schema["$defs"].values():
        # Python 3.13 takes the indentation out of a docstring, those before it do not.
        definition["description"] = inspect.cleandoc(definition["description"])
    record = schema["$defs"]["TrainingRecord"]
    # `decode_record` asks for these two, which say how to read the rest, although they have defaults.
    record["required"] += ["kind", "schema_version"]
    record["properties"] |= {"kind": {"const": "training"}, "schema_version": {"const": SCHEMA_VERSION}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def digest_arrays(arrays: Any) -> str:
    """Return the SHA-256 (hex) over the C-order bytes of the arrays, one after the other."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def check_epochs(config: TrainingConfig, history: History) -> None:
    """Refuse a history of other epochs than were configured.

    Raises:
        ValueError: There are more, or fewer.
    """
    if config.epochs != len(history.loss):
        raise ValueError(f"{config.epochs} epochs configured, {len(history.loss)} in the history")


def _check_range(name: str, figures: list[float | None], *, high: float = math.inf) -> None:
    for figure in figures:
        if figure is not None and not (0 <= figure <= high and math.isfinite(figure)):
            raise ValueError(f"{name} {figure!r} is outside 0 to {high}")
