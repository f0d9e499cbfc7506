"""The stored baselines: where they lie, how they are read, accepted and superseded. None is overwritten."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.records import ProbeRecord, check_comparable
from mnist_bench.records import files
from mnist_bench.records.acceptance import Acceptance
from mnist_bench.records.environment import VERSION_FIELDS, EnvironmentRecord, refuse_fault
from mnist_bench.records.fields import check_digests, check_names, check_range
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.serial import list_json, load, save
from mnist_bench.records.training import MOST_LOSS, check_seeds, check_trainings
from mnist_bench.training.labs import find_departures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import TrainingRecord

__all__ = [
    "FORMS",
    "KEPT_EPOCHS",
    "AccuracyBaseline",
    "Reference",
    "accept_accuracy",
    "accept_probe",
    "accuracy_path",
    "cut_reference",
    "find_folder",
    "find_probe",
    "find_reference",
    "find_reference_probe",
    "list_baselines",
    "plan_accuracy",
    "probe_path",
    "shorten_digest",
]

KEPT_EPOCHS = (1, 5, 20)
"""The epochs after which a reference keeps the training loss: early ones vary least between seeds."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The results of one engine over seeds, one figure a seed.

    Attributes:
        engine: The engine that trained.
        epochs: Epochs of each training.
        seeds: The seeds, each once.
        test_accuracy: Test accuracy of each seed.
        test_loss: Test loss of each seed.
        environment: Where the first seed was trained.
        acceptance: Who made the results a baseline, when and why.
        initial_digests: The first characters of the digest of each seed's initial weights; empty in a reference that
            was accepted before this field.
        final_digests: The same of the final weights.
        epoch_losses: Training loss of each seed after some epochs, by the number of the epoch, from 1; empty in a
            reference that was accepted before this field, as is the next.
        class_errors: Test images of each class that each seed puts into another class.
    """

    engine: str
    epochs: int
    seeds: list[int]
    test_accuracy: list[float]
    test_loss: list[float]
    environment: EnvironmentRecord
    acceptance: Acceptance
    initial_digests: list[str] = field(default_factory=list)
    final_digests: list[str] = field(default_factory=list)
    epoch_losses: dict[str, list[float]] = field(default_factory=dict)
    class_errors: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, seeds that occur twice or collide, and figures out of range."""
        lengths = {name: len(getattr(self, name)) for name in ("seeds", "test_accuracy", "test_loss")}
        if len(set(lengths.values())) != 1 or not self.seeds:
            raise ValueError(f"columns are empty or differ in length: {lengths}")
        seen: set[int] = set()
        for seed, accuracy, loss in zip(self.seeds, self.test_accuracy, self.test_loss, strict=True):
            if seed in seen:
                raise ValueError(f"seeds: {seed} occurs twice")
            seen.add(seed)
            check_range(f"test_accuracy of seed {seed}:", accuracy, high=1)
            check_range(f"test_loss of seed {seed}:", loss, high=MOST_LOSS)
        further = {name: getattr(self, name) for name in ("initial_digests", "final_digests", "class_errors")}
        for name, column in {**further, **{f"epoch_losses of {it}": v for it, v in self.epoch_losses.items()}}.items():
            if len(column) not in (0, len(self.seeds)):
                raise ValueError(f"{name}: {len(column)} of {len(self.seeds)} seeds")
        for losses in self.epoch_losses.values():
            check_range("epoch_losses", *losses, high=MOST_LOSS)
        for errors in self.class_errors:
            check_range("class_errors", *errors)
        check_seeds(self.engine, self.seeds, initial=self.initial_digests, final=self.final_digests)
        check_names(engine=self.engine)
        if self.epochs < 1:
            raise ValueError(f"epochs: {self.epochs} is less than 1")


@dataclass(frozen=True, kw_only=True)
class AccuracyBaseline:
    """Every reference that a lab has had on a data set; the last reference of an engine is in force.

    Attributes:
        lab: A key of `LABS`.
        dataset: `mnist` or `digits`.
        dataset_digest: SHA-256 of the data set's arrays.
        references: In the order of acceptance; an earlier reference of the same engine is superseded, and kept.
    """

    lab: str
    dataset: str
    dataset_digest: str
    references: list[Reference]
    kind: str = "accuracy-baseline"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse names that are none, and a baseline that holds nothing to compare with."""
        check_names(lab=self.lab, dataset=self.dataset)
        check_digests("dataset_digest", self.dataset_digest)
        if not self.references:
            raise ValueError("references: the list is empty")


FORMS: tuple[type[AccuracyBaseline | ProbeRecord], ...] = (AccuracyBaseline, ProbeRecord)
"""What a file of the baselines may hold."""


def cut_reference(reference: Reference, count: int) -> Reference:
    """Return a reference of the first `count` seeds, with all that is known of them."""
    columns = ("seeds", "test_accuracy", "test_loss", "initial_digests", "final_digests", "class_errors")
    return dataclasses.replace(
        reference,
        epoch_losses={epoch: losses[:count] for epoch, losses in reference.epoch_losses.items()},
        **{name: getattr(reference, name)[:count] for name in columns},
    )


def shorten_digest(digest: str) -> str:
    """Return as much of a digest as a reference keeps: 64 bits tell a thousand seeds apart."""
    return digest[:16]


def find_folder() -> Path:
    """Return the folder of the baselines that come with the package: the checkout's, or the wheel's copy."""
    checkout = files.PACKAGE.parent / "baselines"
    return checkout if checkout.is_dir() else files.PACKAGE / "shipped_baselines"


def accuracy_path(folder: Path, dataset: str, lab: str) -> Path:
    """Return the path of a lab's accuracy baseline."""
    return files.place_in(folder, "accuracy", dataset, f"{lab}.json")


def probe_path(folder: Path, record: ProbeRecord) -> Path:
    """Return the path of the probe baseline with which a probe may be compared bit by bit."""
    config, key = record.config, record.environment.numerics_key
    return files.place_in(folder, "digests", record.dataset.source, str(config.case), f"{key}.json")


def find_reference(folder: Path, dataset: str, lab: str, engine: str, *, digest: str) -> Reference | None:
    """Return the reference in force for a lab, an engine and a data set, or None.

    Raises:
        RecordError: The baseline is invalid.
        ValueError: The baseline is of another lab or other data than its path says.
    """
    path = accuracy_path(folder, dataset, lab)
    if not files.is_taken(path):
        return None
    baseline = load(path, AccuracyBaseline)
    _check_fields(path, baseline, {"lab": lab, "dataset": dataset, "dataset_digest": digest})
    fitting = [reference for reference in baseline.references if reference.engine == engine]
    return fitting[-1] if fitting else None


def find_probe(folder: Path, record: ProbeRecord) -> ProbeRecord | None:
    """Return the probe baseline for this probe's lab, engine, data and numerics key, or None.

    Raises:
        RecordError: The baseline is invalid.
        ValueError: The baseline is of another training, or another numerics key, than its path says.
    """
    path = probe_path(folder, record)
    if not files.is_taken(path):
        return None
    baseline = load(path, ProbeRecord)
    _check_fields(path, baseline.config, {"engine": record.config.engine})
    _check_fields(path, baseline.environment, {"numerics_key": record.environment.numerics_key})
    try:
        check_comparable(baseline, record)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return baseline


def find_reference_probe(folder: Path, record: ProbeRecord, reference: Reference) -> ProbeRecord | None:
    """Return a probe baseline by the TensorFlow and Keras of a reference, on whatever machine; None without one.

    What a seed draws depends on these two, not on the machine: so this probe says which random numbers the
    reference's seeds stand for.

    Raises:
        RecordError: A baseline is invalid.
    """
    for path in list_json(probe_path(folder, record).parent):
        probe = load(path, ProbeRecord)
        names = ("tensorflow", "keras")
        if all(getattr(probe.environment, name) == getattr(reference.environment, name) for name in names):
            return probe
    return None


def list_baselines(folder: Path) -> Iterator[Path]:
    """Yield every baseline file of a folder, sorted."""
    for kind in ("accuracy", "digests"):
        yield from list_json(folder / kind, "**/*.json")


def plan_accuracy(
    records: Sequence[TrainingRecord], folder: Path, acceptance: Acceptance
) -> tuple[Path, AccuracyBaseline]:
    """Return the baseline that `accept_accuracy` would write, and its path; write nothing.

    Raises:
        RecordError: The present baseline is invalid.
        ValueError: The records do not belong together, a training diverged, or the present baseline is of another lab
            or other data.
    """
    first = records[0]
    lab, dataset = first.config.lab, first.dataset
    reference = _make_reference(records, acceptance)
    path = accuracy_path(folder, dataset.source, lab)
    new = AccuracyBaseline(lab=lab, dataset=dataset.source, dataset_digest=dataset.digest, references=[reference])
    if not files.is_taken(path):
        return path, new
    old = load(path, AccuracyBaseline)
    _check_fields(path, old, {name: getattr(new, name) for name in ("lab", "dataset", "dataset_digest")})
    return path, dataclasses.replace(old, references=[*old.references, reference])


def accept_accuracy(records: Sequence[TrainingRecord], folder: Path, acceptance: Acceptance) -> Path:
    """Make training records the reference in force for their lab and engine; the earlier reference is kept.

    Args:
        records: Records of one lab, engine and data set, of different seeds, trained in full.
        folder: The folder of the baselines.
        acceptance: Who, when and why.

    Returns:
        The baseline's path.

    Raises:
        RecordError: As `plan_accuracy`.
        ValueError: As `plan_accuracy`.
    """
    path, baseline = plan_accuracy(records, folder, acceptance)
    # Nothing is lost: the new file holds the earlier references, too.
    save(baseline, path, overwrite=True, folded=True)
    return path


def accept_probe(record: ProbeRecord, folder: Path, acceptance: Acceptance | None = None) -> Path:
    """Make a probe the baseline for its numerics key; an earlier baseline is kept next to the new one, numbered.

    Args:
        record: The probe.
        folder: The folder of the baselines.
        acceptance: Who, when and why; None takes what the record says.

    Returns:
        The baseline's path.

    Raises:
        ValueError: The probe was made under a planted fault.
    """
    refuse_fault(record.environment, f"the probe of {record.config.case}")
    path = probe_path(folder, record)
    if path.exists():
        files.supersede(path)
    save(dataclasses.replace(record, acceptance=acceptance or record.acceptance), path, overwrite=True)
    return path


def _make_reference(records: Sequence[TrainingRecord], acceptance: Acceptance) -> Reference:
    """Return the reference that records make, if they belong together."""
    first = records[0]
    for record in records:
        refuse_fault(record.environment, f"{record.config.case}, seed {record.config.seed}:")
        for name, expected, value in (
            ("lab", first.config.lab, record.config.lab),
            ("engine", first.config.engine, record.config.engine),
            ("epochs", first.config.epochs, record.config.epochs),
            ("dataset", first.dataset, record.dataset),
            ("numerics key", first.environment.numerics_key, record.environment.numerics_key),
            *((name, getattr(first.environment, name), getattr(record.environment, name)) for name in VERSION_FIELDS),
            *_pair_settings(first.config, record.config),
        ):
            if value != expected:
                raise ValueError(f"records of one reference differ in their {name}: {expected!r} and {value!r}")
    check_trainings(str(first.config.case), records)
    losses = [record.test_loss for record in records if record.test_loss is not None]
    if len(losses) != len(records):
        seed = next(record.config.seed for record in records if record.test_loss is None)
        raise ValueError(f"{first.config.lab}: the training of seed {seed} diverged and cannot be a reference")
    predicted = all(record.predictions for record in records)
    return Reference(
        engine=first.config.engine,
        epochs=len(first.history.loss),
        seeds=[record.config.seed for record in records],
        test_accuracy=[record.test_accuracy for record in records],
        test_loss=losses,
        environment=first.environment,
        acceptance=acceptance,
        initial_digests=[shorten_digest(record.initial_digest) for record in records],
        final_digests=[shorten_digest(record.final_digest) for record in records],
        epoch_losses={str(epoch): losses for epoch in KEPT_EPOCHS if (losses := _list_losses(records, epoch))},
        class_errors=[it.predictions.class_errors for it in records if it.predictions] if predicted else [],
    )


def _list_losses(records: Sequence[TrainingRecord], epoch: int) -> list[float]:
    """Return the training loss of each record after an epoch, rounded to float32's digits; [] if one has none."""
    losses = [it.history.loss[epoch - 1] for it in records if len(it.history.loss) >= epoch]
    finite = [float(f"{loss:.7g}") for loss in losses if loss is not None]
    return finite if len(finite) == len(records) else []


def _pair_settings(first: TrainingConfig, other: TrainingConfig) -> Iterator[tuple[str, Any, Any]]:
    """Yield each setting in which one of two trainings departs from the lab, with the values of both."""
    old, new = find_departures(first), find_departures(other)
    for name, (_, sheet) in {**old, **new}.items():
        yield name, *(found[name][0] if name in found else sheet for found in (old, new))


def _check_fields(path: Path, record: object, wanted: Mapping[str, str]) -> None:
    """Refuse a record that is not what its path says."""
    for name, value in wanted.items():
        if getattr(record, name) != value:
            raise ValueError(f"{path}: {name} is {getattr(record, name)!r}, expected {value!r}")
