"""A stored run of the benchmarks: pytest-benchmark's own JSON with additions of this project, checked when read.

pytest-benchmark reads the same files and ignores the additions: `machine_info.mnist_bench` is the hardware,
`extra_info` describes each benchmark, and the block `mnist_bench` contains the failed tests and the acceptance.
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mnist_bench.records.acceptance import Acceptance
from mnist_bench.records.fields import check_digests, check_moment, check_names, check_range, check_seconds
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.serial import convert, load_headless
from mnist_bench.timing.machine import Machine, make_machine
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "LEAST_ROUNDS",
    "BenchmarkInfo",
    "Notes",
    "Timing",
    "TimingRun",
    "convert_run",
    "load_run",
    "read_time",
]

LEAST_ROUNDS = 3
"""The rounds below which a benchmark says nothing of how times differ: no benchmark of this project has fewer."""

# The largest relative difference of a figure that was rounded; a larger one means that the figure was edited.
_ROUNDING = 1e-9
_LEAST_SECONDS = 1e-12  # far below what a clock can tell
_MOST_RATE = 1e18  # far above what a computer can do
_LONG = 0.1  # seconds of a round in which any clock of the processor time moves
_HALF, _NEAR = 0.5, 1e-6  # of a number of samples that is whole, but for rounding
_GROUPS = {
    "test_steady_epoch": "steady epoch",
    "test_first_epoch": "first epoch",
    "test_evaluation": "evaluation",
    **dict.fromkeys(("test_import", "test_build"), "start-up"),
}


@dataclass(frozen=True, kw_only=True)
class BenchmarkInfo:
    """The information on a benchmark apart from the times, as in `extra_info`.

    Attributes:
        lab: A key of `LABS`; None if the benchmark has no lab.
        engine: A key of `ENGINES`; None if the benchmark has no engine.
        device: `cpu` or `gpu`.
        numerics_key: Trainings with the same key end in the same bits.
        hardware_key: Times with the same key may be compared.
        tensorflow: The version of TensorFlow.
        keras: The version of Keras.
        dataset: `mnist` or `digits`.
        dataset_digest: SHA-256 of the arrays of the data set.
        cpu_seconds: Processor time of all threads of the process, one figure for each round.
        controls: Wall seconds of each control workload, one figure for each round, measured just before the round.
        samples_per_second: Samples a second in the median round; None if the benchmark has no samples.
        gflop_per_second: GFLOP/s of the matrix products in the median round; None if there are none.
        peak_memory_mb: Peak memory of the process during the rounds, all data included.
        others: The share of the usable cores that other processes used, one figure for each round; empty if the system
            does not tell, and in runs that were stored before this was measured.
        counts: Instructions and cycles in user space by name, one figure for each round; empty where the processor
            or the kernel does not count, and in runs that were stored before this was measured.
    """

    lab: str | None
    engine: str | None
    device: str
    numerics_key: str
    hardware_key: str
    tensorflow: str
    keras: str
    dataset: str
    dataset_digest: str
    cpu_seconds: list[float]
    controls: dict[str, list[float]]
    samples_per_second: float | None
    gflop_per_second: float | None
    peak_memory_mb: float | None
    others: list[float] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that are none, and impossible times; the CPU seconds of a short round may be 0."""
        names = ("lab", "engine", "device", "numerics_key", "hardware_key", "tensorflow", "keras", "dataset")
        check_names(**{name: getattr(self, name) for name in names})
        check_digests("dataset_digest", self.dataset_digest)
        check_seconds("cpu_seconds:", *self.cpu_seconds)
        for name, seconds in self.controls.items():
            check_seconds(f"controls: {name}:", *seconds, low=_LEAST_SECONDS)
        for name in ("samples_per_second", "gflop_per_second", "peak_memory_mb"):
            check_range(name, getattr(self, name), high=_MOST_RATE)
        check_range("others:", *self.others, high=1)
        for name, figures in self.counts.items():
            check_range(f"counts: {name}:", *figures, high=_MOST_RATE)


@dataclass(frozen=True, kw_only=True)
class Stats:
    """The times of a benchmark in seconds; `data` is empty if the run was saved without the rounds."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    min: float
    max: float
    median: float
    rounds: int
    data: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse times that are not positive, and a summary that does not match the rounds."""
        check_seconds("time:", self.min, self.median, self.max, *self.data, low=_LEAST_SECONDS)
        if not self.data:
            return
        if self.rounds != len(self.data):
            raise ValueError(f"rounds is {self.rounds}, but data has {len(self.data)}")
        for name, stored, expected in (
            ("min", self.min, min(self.data)),
            ("max", self.max, max(self.data)),
            ("median", self.median, statistics.median(self.data)),
        ):
            if not math.isclose(stored, expected, rel_tol=_ROUNDING):
                raise ValueError(f"{name} is {stored!r}, but the {name} of data is {expected!r}")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One benchmark of a run; `group` is the mark of its kind, such as `steady epoch`, which its name has, too."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    fullname: str
    stats: Stats
    extra_info: BenchmarkInfo
    params: dict[str, Any] | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and information that is not of the benchmark in the name."""
        _check_case(self.fullname, self.params or {}, self.extra_info)
        info = self.extra_info
        lengths = {"cpu_seconds": len(info.cpu_seconds)}
        lengths |= {name: len(column) for name, column in info.controls.items()}
        lengths |= {name: len(column) for name, column in info.counts.items()}
        lengths |= {"others": len(info.others)} if info.others else {}
        for name, length in lengths.items():
            if length != self.stats.rounds:
                raise ValueError(f"{name} has {length} figures for {self.stats.rounds} rounds")
        named = _GROUPS.get(self.fullname.rpartition("::")[2].partition("[")[0], self.group)
        if self.group != named:
            raise ValueError(f"{self.fullname}: group is {self.group!r}, not {named!r}")
        _check_work(self.fullname, self.stats, info)


def _check_work(fullname: str, stats: Stats, info: BenchmarkInfo) -> None:
    """Refuse a rate that is not one of whole samples, and rounds of a tenth of a second without processor time."""
    samples = stats.median * (info.samples_per_second or 0)
    whole = samples > _HALF and abs(samples - round(samples)) < _NEAR * samples
    if info.samples_per_second is not None and not whole:
        rate = info.samples_per_second
        raise ValueError(f"{fullname}: samples_per_second {rate!r} makes {samples:g} samples in {stats.median!r} s")
    if stats.min > _LONG and not any(info.cpu_seconds):
        raise ValueError(f"{fullname}: cpu_seconds are all 0, in rounds of {stats.min!r} s and more")


def _check_case(fullname: str, params: dict[str, Any], info: BenchmarkInfo) -> None:
    """Refuse a benchmark whose name or parameters say another lab, engine or device than its information."""
    case = f"[{info.lab}-{info.engine}-{info.device}]" if info.lab else ""
    named = fullname.partition("[")[2].partition("-")[0]  # a benchmark of another kind may have other parameters
    if not fullname.endswith(case) or (not case and named in LABS):
        raise ValueError(f"{fullname}: extra_info is of {case or 'no lab'}")
    for name in ("lab", "engine", "device"):
        if name in params and params[name] != getattr(info, name):
            raise ValueError(
                f"{fullname}: params.{name} is {params[name]!r}, and {getattr(info, name)!r} in extra_info"
            )


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What this project adds to a run.

    Attributes:
        failed: The node ids of the tests that failed or could not run.
        acceptance: Who accepted the run as a baseline, when and why; None if nobody has.
    """

    failed: list[str]
    acceptance: Acceptance | None = None
    kind: str = "timings"
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit of the working tree."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    id: str
    dirty: bool


@dataclass(frozen=True, kw_only=True)
class MachineInfo:
    """The part of pytest-benchmark's machine information that is used here."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    mnist_bench: Machine
    system: str
    python_implementation: str
    python_version: str

    def __post_init__(self) -> None:
        """Refuse what is no name: the three become that of a folder."""
        names = ("system", "python_implementation", "python_version")
        check_names(**{name: getattr(self, name) for name in names})
        if self.system != self.mnist_bench.system:
            raise ValueError(f"system is {self.system!r}, and {self.mnist_bench.system!r} in mnist_bench")


@dataclass(frozen=True, kw_only=True)
class TimingRun:
    """One run of the benchmarks."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    machine_info: MachineInfo
    commit_info: Commit
    benchmarks: list[Timing]
    datetime: str
    mnist_bench: Notes

    def __post_init__(self) -> None:
        """Refuse a run without benchmarks or with one twice, at no time, and of several versions, data or machines."""
        read_time(self.datetime)
        if not self.benchmarks:
            raise ValueError("benchmarks: the list is empty")
        names = [timing.fullname for timing in self.benchmarks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"benchmarks: {twice[0]} appears twice")
        for name in ("tensorflow", "keras", "dataset", "dataset_digest"):
            values = {getattr(timing.extra_info, name) for timing in self.benchmarks}
            if len(values) > 1:
                raise ValueError(f"benchmarks differ in {name}: {sorted(values)}")
        first: dict[bool, int] = {}
        for place, timing in enumerate(self.benchmarks):
            # A benchmark on the GPU has another key than one on the CPU of the same machine.
            other = first.setdefault(timing.fullname.endswith("-gpu]"), place)
            keys = [self.benchmarks[number].extra_info.hardware_key for number in (other, place)]
            if keys[0] != keys[1]:
                raise ValueError(
                    f"hardware_key of benchmarks[{other}] is {keys[0]!r}, of benchmarks[{place}] {keys[1]!r}"
                )
        self._check_machine()

    def _check_machine(self) -> None:
        """Refuse benchmarks of another machine than the run's. A GPU may have another name in TensorFlow."""
        key = make_machine({**vars(self.machine), "device": "cpu", "gpu_names": []}).hardware_key
        for timing in self.benchmarks:
            info = timing.extra_info
            if info.device == "cpu" and info.hardware_key != key:
                told = f"hardware_key is {info.hardware_key!r}, and {key!r} in machine_info"
                raise ValueError(f"{timing.fullname}: {told}")
            if info.device == "gpu" and not self.machine.gpu_names:
                raise ValueError(f"{timing.fullname}: timed on a GPU, and machine_info has none")

    @property
    def machine(self) -> Machine:
        """The hardware of the run."""
        return self.machine_info.mnist_bench

    @property
    def tensorflow(self) -> str:
        """The version of TensorFlow."""
        return self.benchmarks[0].extra_info.tensorflow

    @property
    def dataset(self) -> tuple[str, str]:
        """The data set's name and digest."""
        return self.benchmarks[0].extra_info.dataset, self.dataset_digest

    @property
    def dataset_digest(self) -> str:
        """The digest of the data set."""
        return self.benchmarks[0].extra_info.dataset_digest


def read_time(text: str) -> dt.datetime:
    """Return the time that pytest-benchmark wrote; without a zone it is UTC.

    Raises:
        ValueError: The text is no time; or as `check_moment`.
    """
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"datetime: {text[:80]!r} is no time, such as 2026-01-31T12:00:00+00:00") from error
    when = when if when.tzinfo else when.replace(tzinfo=dt.timezone.utc)
    check_moment("datetime:", when)
    return when


def load_run(path: Path) -> TimingRun:
    """Read a run that pytest-benchmark saved.

    Raises:
        RecordError: The file cannot be read, is not a run of this project's benchmarks, or contains an impossible
            figure; the message names the file and the field.
    """
    run: TimingRun = load_headless(path, TimingRun)
    return run


def convert_run(run: dict[str, Any], origin: str) -> TimingRun:
    """Check a run in memory, in the form in which pytest-benchmark would save the run.

    Raises:
        RecordError: As `load_run`.
    """
    converted: TimingRun = convert(run, TimingRun, origin=origin)
    return converted
