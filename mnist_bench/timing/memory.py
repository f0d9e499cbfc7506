"""The memory of an import and of a training in a fresh process, and the verdicts on them."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass

from mnist_bench.records.fields import check_digests, check_names, check_range
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.serial import convert
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.stats.intervals import format_signed
from mnist_bench.timing import memory_child
from mnist_bench.training.workers.child import Child
from mnist_bench.training.workers.interpreters import CommandError

__all__ = ["EPOCHS", "MemoryRecord", "judge_memory", "judge_size", "measure_memory"]

EPOCHS = 20
"""Epochs of a measured training: a leak of 1 MB an epoch comes to 20 MB, and the sizes of one process vary by less."""

# The first epochs fill caches and pools of memory, which is no leak.
_WARM_UP = 5
_LARGER = 1.1  # how many times as much memory may be used: unchanged trainings agree to within 1%, whatever the load
_PEAK = 1.05  # the system counts the size and its peak apart, each to within some pages a thread
_GROWTH_MB = 0.5  # how much more an epoch may leave behind, half of the smallest leak that is to be found


@dataclass(frozen=True, kw_only=True)
class MemoryRecord:
    """What one process used, in MB of 10^6 bytes that are resident.

    Attributes:
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
        device: `cpu` or `gpu`; the memory is the CPU's in both cases.
        hardware_key: Memory is compared where this is equal: it depends on the number of threads.
        tensorflow: The version of TensorFlow.
        keras: The version of Keras.
        dataset_digest: SHA-256 of the arrays of the data set.
        import_mb: What the import of TensorFlow and Keras added.
        peak_mb: The peak of the whole process.
        epochs_mb: The size after each epoch.
    """

    lab: str
    engine: str
    device: str
    hardware_key: str
    tensorflow: str
    keras: str
    dataset_digest: str
    import_mb: float
    peak_mb: float
    epochs_mb: list[float]
    kind: str = "memory"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse names that are none, sizes that cannot be, and too few epochs to see a growth."""
        names = ("lab", "engine", "device", "hardware_key", "tensorflow", "keras")
        check_names(**{name: getattr(self, name) for name in names})
        check_digests("dataset_digest", self.dataset_digest)
        check_range("import_mb", self.import_mb, low=0.1, high=1e9)
        check_range("peak_mb, epochs_mb:", self.peak_mb, *self.epochs_mb, low=1, high=1e9)
        if len(self.epochs_mb) < EPOCHS:
            raise ValueError(f"epochs_mb has {len(self.epochs_mb)} figures: at least {EPOCHS} epochs are needed")
        for name, part in (("import_mb,", self.import_mb), ("the largest of epochs_mb,", max(self.epochs_mb))):
            if part > _PEAK * self.peak_mb:
                raise ValueError(f"peak_mb {self.peak_mb!r} is below {name} {part!r}")

    @property
    def growth_mb(self) -> float:
        """What an epoch leaves behind: the median slope between all pairs of epochs after the first (Sen, 1968)."""
        sizes = self.epochs_mb[_WARM_UP:]
        pairs = [(a, b) for b in range(len(sizes)) for a in range(b)]
        return statistics.median((sizes[b] - sizes[a]) / (b - a) for a, b in pairs)


def measure_memory(lab: str, engine: str, *, device: str = "cpu", data: str = "auto", fault: str = "") -> MemoryRecord:
    """Train 20 epochs in a fresh process, and return what the process used.

    Args:
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
        device: `cpu` or `gpu`.
        data: As for `load_dataset`.
        fault: A fault to plant, as `checks.faults.planting.plant` takes it; "" plants none.

    Raises:
        CommandError: The training failed, or the process ended without an answer.
        RecordError: What the process answered is no record.
    """
    options = {"lab": lab, "engine": engine, "device": device, "data": data, "fault": fault}
    with Child(memory_child.MODULE) as child:
        child.send({**options, "epochs": EPOCHS})
        event = child.read()
        if event is None:
            raise CommandError(f"the process whose memory is measured {child.explain_end()}", [])
    if event["event"] == "failed":
        raise CommandError(f"the training whose memory is measured failed: {event['reason']}", [])
    record: MemoryRecord = convert(event.get("value"), MemoryRecord, origin=sys.executable)
    return record


def judge_memory(now: MemoryRecord, before: MemoryRecord) -> list[CheckResult]:
    """Return a verdict each on the import, the peak and the growth of a training.

    Raises:
        ValueError: The records are of different trainings or hardware.
    """
    for name in ("lab", "engine", "device", "hardware_key", "dataset_digest"):
        a, b = getattr(before, name), getattr(now, name)
        if a != b:
            raise ValueError(f"the records differ in their {name}: {a!r} then, {b!r} now")
    case = f"[{now.lab}-{now.engine}]"
    growth, grew = (format_signed(record.growth_mb, 2) for record in (now, before))
    return [
        judge_size("memory/import", now.import_mb, before.import_mb),
        judge_size(f"memory/training{case}", now.peak_mb, before.peak_mb),
        CheckResult(
            name=f"memory/growth{case}",
            verdict=_choose(now.growth_mb - before.growth_mb <= _GROWTH_MB),
            figure=f"{growth} MB an epoch, {grew} in the baseline",
            bound=f"≤ {_GROWTH_MB:g} MB more",
        ),
    ]


def judge_size(
    name: str, now: float, before: float, *, whose: str = "the baseline's", most: float = _LARGER
) -> CheckResult:
    """Return the verdict on a size.

    Args:
        name: The check's name.
        now: The size in MB.
        before: What it is compared with.
        whose: Whose size that is.
        most: How many times as large it may be.
    """
    ratio = now / before
    figure = f"{now:.0f} MB, {ratio:.2f} of {whose} {before:.0f} MB"
    return CheckResult(name=name, verdict=_choose(ratio <= most), figure=figure, bound=f"≤ {most:g} times")


def _choose(holds: bool) -> Verdict:  # noqa: FBT001 - its only argument
    return Verdict.PASS if holds else Verdict.REGRESSED
