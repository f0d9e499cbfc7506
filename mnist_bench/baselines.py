"""The stored baselines: where they lie, how they are read, accepted and superseded, and never overwritten."""

from __future__ import annotations

import datetime as dt
import getpass
import math
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mnist_bench.files import write_atomically
from mnist_bench.proberecords import ProbeRecord, load_probe
from mnist_bench.records import EnvironmentRecord
from mnist_bench.serial import SCHEMA_VERSION, Record, dump_json, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.records import TrainingRecord

__all__ = [
    "Acceptance",
    "AccuracyBaseline",
    "Reference",
    "accept_accuracy",
    "accept_probe",
    "accuracy_path",
    "find_folder",
    "find_probe",
    "find_reference",
    "list_baselines",
    "load_accuracy",
    "probe_path",
]


class Acceptance(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who accepted a baseline, when, why, and whether against the rules."""

    who: str
    when: str
    why: str
    forced: list[str]


class Reference(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The distribution of one engine's results over seeds, one figure a seed.

    Attributes:
        engine: The engine that trained.
        epochs: Epochs of each training.
        seeds: The seeds, each once.
        test_accuracy: Their accuracies on the test set.
        test_loss: Their losses on it.
        environment: Where the first of them was trained.
        acceptance: Who made it a baseline.
    """

    engine: str
    epochs: int
    seeds: list[int]
    test_accuracy: list[float]
    test_loss: list[float]
    environment: EnvironmentRecord
    acceptance: Acceptance

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, a seed that is there twice, and figures out of range."""
        lengths = {len(self.seeds), len(self.test_accuracy), len(self.test_loss)}
        if len(lengths) != 1 or lengths == {0}:
            raise ValueError(f"seeds, accuracies and losses must be as many, and not none: {sorted(lengths)}")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed is there twice")
        if not all(0 <= accuracy <= 1 for accuracy in self.test_accuracy):
            raise ValueError("a test_accuracy is outside 0 to 1")
        if not all(math.isfinite(loss) and loss >= 0 for loss in self.test_loss):
            raise ValueError("a test_loss is negative or not finite")


class AccuracyBaseline(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every reference that a lab ever had on a data set: the last one of an engine is in force.

    Attributes:
        lab: A key of `LABS`.
        dataset: `mnist` or `digits`.
        dataset_digest: SHA-256 of its arrays.
        references: In the order in which they were accepted; an earlier one is superseded, and kept.
    """

    lab: str
    dataset: str
    dataset_digest: str
    references: list[Reference]
    kind: str = "accuracy-baseline"
    schema_version: int = SCHEMA_VERSION


def find_folder() -> Path:
    """Return the folder of the baselines that come with the package: the checkout's, or the wheel's copy."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "baselines"
    return checkout if checkout.is_dir() else package / "shipped_baselines"


def accuracy_path(folder: Path, dataset: str, lab: str) -> Path:
    """Return where a lab's accuracy baseline lies."""
    return folder / "accuracy" / dataset / f"{lab}.json"


def probe_path(folder: Path, record: ProbeRecord) -> Path:
    """Return where the probe baseline lies that a probe may be compared with bit by bit."""
    config, key = record.config, record.environment.numerics_key
    return folder / "digests" / record.dataset.source / f"{config.lab}-{config.engine}" / f"{key}.json"


def load_accuracy(path: Path) -> AccuracyBaseline:
    """Read an accuracy baseline.

    Raises:
        RecordError: The file cannot be read or is not valid: the message names it and the field.
    """
    return load(path, AccuracyBaseline, kind="accuracy-baseline")


def find_reference(folder: Path, dataset: str, lab: str, engine: str, *, digest: str) -> Reference | None:
    """Return the reference in force for a lab, an engine and a data set, or None where there is none.

    Raises:
        RecordError: The baseline is there but not valid.
        ValueError: It is of another lab or other data than its place says.
    """
    path = accuracy_path(folder, dataset, lab)
    if not path.exists():
        return None
    baseline = load_accuracy(path)
    if (baseline.lab, baseline.dataset) != (lab, dataset):
        raise ValueError(f"{path}: is of {baseline.lab} on {baseline.dataset}, not of {lab} on {dataset}")
    if baseline.dataset_digest != digest:
        raise ValueError(
            f"{path}: its data has the digest {baseline.dataset_digest[:12]}, ours {digest[:12]}"
        )
    fitting = [reference for reference in baseline.references if reference.engine == engine]
    return fitting[-1] if fitting else None


def find_probe(folder: Path, record: ProbeRecord) -> ProbeRecord | None:
    """Return the probe baseline for this probe's lab, engine, data and numerics key, or None.

    Raises:
        RecordError: It is there but not valid.
    """
    path = probe_path(folder, record)
    return load_probe(path) if path.exists() else None


def list_baselines(folder: Path) -> Iterator[Path]:
    """Yield every baseline file of a folder, sorted."""
    for kind in ("accuracy", "digests"):
        yield from sorted((folder / kind).rglob("*.json"))


def make_acceptance(why: str, forced: Sequence[str] = ()) -> Acceptance:
    """Return an acceptance by this user on this machine, now."""
    who = f"{getpass.getuser()}@{platform.node()}"
    when = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
    return Acceptance(who=who, when=when, why=why, forced=list(forced))


def accept_accuracy(records: Sequence[TrainingRecord], folder: Path, acceptance: Acceptance) -> Path:
    """Make training records the reference in force for their lab and engine; the earlier one is kept.

    Args:
        records: Records of one lab, engine and data set, of different seeds, trained in full.
        folder: The baselines.
        acceptance: Who, when and why.

    Returns:
        The baseline's path.

    Raises:
        ValueError: The records do not belong together, or one of them diverged.
    """
    first = records[0]
    for record in records:
        for name, mine, its in (
            ("lab", first.config.lab, record.config.lab),
            ("engine", first.config.engine, record.config.engine),
            ("epochs", first.config.epochs, record.config.epochs),
            ("dataset", first.dataset, record.dataset),
            ("numerics key", first.environment.numerics_key, record.environment.numerics_key),
        ):
            if mine != its:
                raise ValueError(f"records of one reference differ in their {name}: {mine!r} and {its!r}")
    if any(record.test_loss is None for record in records):
        raise ValueError("a training diverged: its loss is not finite, and cannot be part of a reference")
    reference = Reference(
        engine=first.config.engine,
        epochs=first.config.epochs or 0,
        seeds=[record.config.seed for record in records],
        test_accuracy=[record.test_accuracy for record in records],
        test_loss=[record.test_loss or 0.0 for record in records],
        environment=first.environment,
        acceptance=acceptance,
    )
    path = accuracy_path(folder, first.dataset.source, first.config.lab)
    if path.exists():
        baseline = load_accuracy(path)
        baseline = msgspec.structs.replace(baseline, references=[*baseline.references, reference])
    else:
        baseline = AccuracyBaseline(
            lab=first.config.lab,
            dataset=first.dataset.source,
            dataset_digest=first.dataset.digest,
            references=[reference],
        )
    # Nothing is lost: what was there stands in the new file, too.
    write_atomically(path, dump_json(baseline).encode(), overwrite=True)
    return path


def accept_probe(record: ProbeRecord, folder: Path) -> Path:
    """Make a probe the baseline for its numerics key; an earlier one is kept beside it, numbered.

    Returns:
        The baseline's path.
    """
    path = probe_path(folder, record)
    if path.exists():
        number = 1 + len(list(path.parent.glob(f"{path.stem}.superseded-*")))
        write_atomically(path.with_name(f"{path.stem}.superseded-{number}"), path.read_bytes())
    write_atomically(path, dump_json(record).encode(), overwrite=True)
    return path
