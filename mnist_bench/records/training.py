"""What a training was, did and cost; and the record of one that left the test set alone."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import COMPANY_FLAG, DatasetRecord, EnvironmentRecord
from mnist_bench.records.fields import check_digests, check_names, check_range, check_seconds, check_time
from mnist_bench.records.files import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "MOST_LOSS",
    "History",
    "LayerRecord",
    "Predictions",
    "Seconds",
    "TrainingRecord",
    "ValidationRecord",
    "check_epochs",
    "check_seeds",
    "check_trainings",
    "find_collision",
    "finite_or_none",
]

MOST_PARAMETERS = 10**12
MOST_LOSS = 3.5e38  # the largest number of float32


@dataclass(frozen=True, kw_only=True)
class LayerRecord:
    """One row of the layer table: the layer's class, its output width and its parameters."""

    kind: str
    units: int
    parameters: int
    trainable: int
    activation: str | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be."""
        check_range("units, parameters, trainable:", self.units, self.parameters, self.trainable, high=MOST_PARAMETERS)


@dataclass(frozen=True, kw_only=True)
class History:
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
        lengths = {name: len(column) for name, column in vars(self).items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"columns of different lengths: {lengths}")
        for name, column in vars(self).items():
            if name.endswith("seconds"):
                check_seconds(name, *column)
            else:
                check_range(name, *column, high=1 if name.endswith("accuracy") else MOST_LOSS)


@dataclass(frozen=True, kw_only=True)
class Seconds:
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
        for name, seconds in vars(self).items():
            check_seconds(name, seconds)


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What the final weights make of the test set, apart from what Keras reports.

    Attributes:
        digest: SHA-256 of Keras's class probabilities, (images, classes) float32.
        class_sizes: The images of each class.
        class_errors: The images of each class whose most probable class is another one.
        exact_loss: The loss of the same weights in float64, by NumPy; None if it is not finite.
        exact_accuracy: The accuracy likewise.
    """

    digest: str
    class_sizes: list[int]
    class_errors: list[int]
    exact_loss: float | None
    exact_accuracy: float

    def __post_init__(self) -> None:
        """Refuse a digest that is none, more errors than images, and figures outside their range."""
        check_digests("predictions", self.digest)
        check_range("class_sizes", *self.class_sizes)
        check_range("class_errors", *self.class_errors)
        pairs = zip(self.class_errors, self.class_sizes, strict=True)
        if not self.class_sizes or any(errors > size for errors, size in pairs):
            raise ValueError(f"class_errors {self.class_errors} of class_sizes {self.class_sizes}")
        check_range("exact_loss", self.exact_loss, high=MOST_LOSS)
        check_range("exact_accuracy", self.exact_accuracy, high=1)

    @property
    def accuracy(self) -> float:
        """The share of the images that Keras's probabilities put into their class."""
        return 1 - sum(self.class_errors) / max(sum(self.class_sizes), 1)


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What one training was, where it ran, and everything it did that could have regressed.

    Attributes:
        predictions: None in the records of earlier versions of this package.
        company: Seeds that were trained in one program, this one included. With more than one, the seconds of an epoch
            are the seed's share of the company's, and the flag `company` of the environment keeps the bits from being
            compared with those of another number.
    """

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
    predictions: Predictions | None = None
    company: int = 1
    kind: str = "training"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse names, digests and a time that are none, and figures outside their range."""
        check_names(lab=self.config.lab, engine=self.config.engine)
        flag = self.environment.flags.get(COMPANY_FLAG, "1")
        if flag != str(self.company):
            raise ValueError(f"company {self.company!r} does not agree with that of the environment's flags, {flag!r}")
        check_range("test_accuracy", self.test_accuracy, high=1)
        check_range("test_loss", self.test_loss, high=MOST_LOSS)
        check_digests("initial_digest", self.initial_digest)
        check_digests("final_digest", self.final_digest)
        check_epochs(self.config, self.history)
        check_time("created", self.created)

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


@dataclass(frozen=True, kw_only=True)
class ValidationRecord:
    """What one training was and did, without the test set. Its kind keeps it from passing for a full record."""

    config: TrainingConfig
    environment: EnvironmentRecord
    dataset: DatasetRecord
    parameters: int
    history: History
    final_digest: str
    created: str
    kind: str = "validation"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse names, a digest and a time that are none, and a history of other epochs."""
        check_names(lab=self.config.lab, engine=self.config.engine)
        check_digests("final_digest", self.final_digest)
        check_epochs(self.config, self.history)
        check_time("created", self.created)

    @property
    def val_accuracy(self) -> float:
        """Validation accuracy after the last epoch."""
        return self.history.val_accuracy[-1]

    @property
    def seconds(self) -> float:
        """Seconds of training, all epochs, validation not counted; the first may hold compilation."""
        return sum(self.history.seconds)


def finite_or_none(figure: float) -> float | None:
    """Return the figure, or None if it is not finite: JSON has no NaN."""
    return float(figure) if math.isfinite(figure) else None


def find_collision(seeds: Iterable[int], digests: Iterable[str]) -> tuple[int, int] | None:
    """Return the first two seeds that have one digest, or None; a seed that occurs twice is no collision."""
    first: dict[str, int] = {}
    for seed, digest in zip(seeds, digests, strict=True):
        if first.setdefault(digest, seed) != seed:
            return first[digest], seed
    return None


def check_seeds(
    what: str, seeds: Sequence[int], *, initial: Sequence[str] = (), final: Sequence[str] = (), told: str = ""
) -> None:
    """Refuse seeds that start from, or end in, the same weights: they are one training, and counted twice.

    Args:
        what: What was trained, for the message.
        seeds: The seeds; a seed may occur twice.
        initial: The digests of their initial weights; nothing where they are not known.
        final: The digests of their final weights; nothing where they are not known.
        told: Where the seeds are from, for the message.

    Raises:
        ValueError: Two seeds have the same digest; the message names both.
    """
    for event, digests in (("start from", initial), ("end in", final)):
        found = find_collision(seeds, digests) if digests else None
        if found:
            raise ValueError(
                f"{what}: the seeds {found[0]} and {found[1]}{told} {event} the same weights: "
                "the seed had no effect, and they count once"
            )


def check_trainings(what: str, records: Sequence[TrainingRecord]) -> None:
    """Refuse trainings of different seeds that start from, or end in, the same weights.

    Raises:
        ValueError: As `check_seeds`.
    """
    check_seeds(
        what,
        [record.config.seed for record in records],
        initial=[record.initial_digest for record in records],
        final=[record.final_digest for record in records],
    )


def check_epochs(config: TrainingConfig, history: History) -> None:
    """Refuse a history of other epochs than were configured.

    Raises:
        ValueError: There are more, or fewer, or none.
    """
    if not history.loss:
        raise ValueError("a training has at least one epoch")
    if config.epochs != len(history.loss):
        raise ValueError(f"{config.epochs} epochs configured, {len(history.loss)} in the history")
