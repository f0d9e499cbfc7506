"""A stored run of the benchmarks: pytest-benchmark's own JSON with what this project adds, read without trust.

pytest-benchmark reads the same files and looks past the additions: `machine_info.mnist_bench` is the hardware,
`extra_info` of each benchmark its figures, and the block `mnist_bench` says what failed and who accepted the run.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mnist_bench.records.acceptance import Acceptance
from mnist_bench.records.environment import HARDWARE_FIELDS, Gpu, make_key
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.serial import convert, load_json
from mnist_bench.training.fingerprint import collect_machine, find_gpu_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "Figures",
    "Machine",
    "Notes",
    "Timing",
    "TimingRun",
    "collect_hardware",
    "convert_run",
    "explain_hardware",
    "load_run",
    "pick_fastest",
    "refuse_strangers",
]

# What separates a figure that was rounded on its way from one that was edited.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The hardware of a run, and its key; the fields are those of `environment.HARDWARE_FIELDS`."""

    hardware_key: str
    system: str
    machine: str
    cpu: str
    instruction_set: str
    cores: int
    usable_cores: int
    device: str
    gpu_names: list[str]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is known of a benchmark beside its times, as `extra_info` holds it.

    Attributes:
        lab: A key of `LABS`; None where the benchmark is of none.
        engine: A key of `ENGINES`; None where it is of none.
        device: `cpu` or `gpu`.
        numerics_key: Says which trainings end in the same bits.
        hardware_key: Says which times may be compared.
        tensorflow: Its version.
        keras: Its version.
        dataset: `mnist` or `digits`.
        dataset_digest: SHA-256 of its arrays.
        cpu_seconds: Of all threads of the process, one figure a round.
        controls: Wall seconds of each control workload, one figure a round, measured just before it.
        samples_per_second: Of the median round; None where no samples are worked on.
        gflop_per_second: Of the matrix products in the median round; None where there are none.
        peak_memory_mb: The most that the process held during the rounds, all data included.
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

    def __post_init__(self) -> None:
        """Refuse a control that took no time, and CPU seconds below 0; a short round may have none."""
        if not all(seconds >= 0 for seconds in self.cpu_seconds):
            raise ValueError("cpu_seconds holds a negative time")
        for name, seconds in self.controls.items():
            if not all(second > 0 for second in seconds):
                raise ValueError(f"controls: {name} holds a time that is not positive")


@dataclass(frozen=True, kw_only=True)
class Stats:
    """The times of a benchmark in seconds; `data` is empty where the run was saved without its rounds."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    min: float
    max: float
    median: float
    rounds: int
    data: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse times that are not positive, and a summary that is not that of the rounds."""
        if not all(0 < seconds < math.inf for seconds in (self.min, self.median, self.max, *self.data)):
            raise ValueError("a time is not positive and finite")
        if not self.data:
            return
        if self.rounds != len(self.data):
            raise ValueError(f"rounds is {self.rounds}, and data holds {len(self.data)}")
        for name, is_there, is_due in (
            ("min", self.min, min(self.data)),
            ("max", self.max, max(self.data)),
            ("median", self.median, statistics.median(self.data)),
        ):
            if not math.isclose(is_there, is_due, rel_tol=_ROUNDING):
                raise ValueError(f"{name} is {is_there!r}, and that of data is {is_due!r}")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One benchmark of a run."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    fullname: str
    stats: Stats
    extra_info: Figures

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        for name, column in (("cpu_seconds", self.extra_info.cpu_seconds), *self.extra_info.controls.items()):
            if len(column) != self.stats.rounds:
                raise ValueError(f"{name} holds {len(column)} figures for {self.stats.rounds} rounds")


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What the suite itself says of a run.

    Attributes:
        failed: The tests that failed or could not run, by node id.
        acceptance: Who made the run a baseline; None before.
    """

    failed: list[str]
    acceptance: Acceptance | None = None
    kind: str = "timings"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse what another version wrote."""
        if (self.kind, self.schema_version) != ("timings", SCHEMA_VERSION):
            raise ValueError(
                f"kind and schema_version are {self.kind!r}, {self.schema_version!r}; "
                f"this version reads 'timings', {SCHEMA_VERSION}"
            )


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit of the working tree."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    id: str
    dirty: bool


@dataclass(frozen=True, kw_only=True)
class MachineInfo:
    """Of pytest-benchmark's machine information what is used here."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    mnist_bench: Machine
    system: str
    python_implementation: str
    python_version: str


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
        """Refuse a run that measured nothing, or something twice, or by several versions or data sets."""
        if not self.benchmarks:
            raise ValueError("benchmarks: there are none")
        names = [timing.fullname for timing in self.benchmarks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"benchmarks: {twice[0]} is there twice")
        for name in ("tensorflow", "dataset_digest"):
            values = {getattr(timing.extra_info, name) for timing in self.benchmarks}
            if len(values) > 1:
                raise ValueError(f"benchmarks differ in {name}: {sorted(values)}")

    @property
    def machine(self) -> Machine:
        """The hardware."""
        return self.machine_info.mnist_bench

    @property
    def tensorflow(self) -> str:
        """TensorFlow's version."""
        return self.benchmarks[0].extra_info.tensorflow

    @property
    def dataset_digest(self) -> str:
        """The digest of the data."""
        return self.benchmarks[0].extra_info.dataset_digest


def load_run(path: Path) -> TimingRun:
    """Read a run that pytest-benchmark saved.

    Raises:
        RecordError: The file cannot be read, is no run of this project's benchmarks, or holds a figure that
            cannot be: the message names the file and the field.
    """
    run: TimingRun = load_json(path, TimingRun)
    return run


def convert_run(run: dict[str, Any], origin: str) -> TimingRun:
    """Check a run that is in memory, as pytest-benchmark would save it.

    Raises:
        RecordError: As `load_run`.
    """
    converted: TimingRun = convert(run, TimingRun, origin=origin)
    return converted


def refuse_strangers(runs: Sequence[TimingRun]) -> None:
    """Refuse runs that do not belong together.

    Raises:
        ValueError: They differ in TensorFlow, data or hardware.
    """
    for name, values in (
        ("tensorflow", {run.tensorflow for run in runs}),
        ("dataset_digest", {run.dataset_digest for run in runs}),
        ("hardware key", {run.machine.hardware_key for run in runs}),
    ):
        if len(values) > 1:
            raise ValueError(f"the runs do not belong together, they differ in their {name}: {sorted(values)}")


def pick_fastest(runs: Sequence[TimingRun]) -> TimingRun:
    """Make one run of several: each benchmark as the run has it in which its median was smallest.

    What else a machine does adds time and takes none away, so the fastest run is nearest to the work itself (Chen and
    Revels, Robust benchmarking in noisy environments, 2016): a spell of the machine is in one run, a regression in
    all. A test that failed in any of them has failed.

    Raises:
        ValueError: There is none, one is there twice, or they do not belong together.
    """
    if not runs:
        raise ValueError("there is no run")
    if any(a == b for a, b in itertools.combinations(runs, 2)):
        raise ValueError("the same run was given twice")
    refuse_strangers(runs)
    fastest: dict[str, Timing] = {}
    for timing in (it for run in runs for it in run.benchmarks):
        best = fastest.setdefault(timing.fullname, timing)
        if timing.stats.median < best.stats.median:
            fastest[timing.fullname] = timing
    failed = sorted({name for run in runs for name in run.mnist_bench.failed})
    return dataclasses.replace(runs[0], benchmarks=list(fastest.values()), mnist_bench=Notes(failed=failed))


def collect_hardware() -> Machine:
    """Collect the hardware that this process sees without TensorFlow, its GPUs by NVIDIA's driver."""
    names = find_gpu_names()
    fields = {
        **collect_machine(),
        "device": "gpu" if names else "cpu",
        "gpus": [Gpu(name=name, compute_capability="", driver=None) for name in names],
    }
    key = make_key(fields, HARDWARE_FIELDS)
    del fields["gpus"]
    return Machine(hardware_key=key, gpu_names=names, **fields)


def explain_hardware(there: Machine, here: Machine) -> str:
    """Return in words in which fields of the hardware key two machines differ."""
    pairs = {name: (getattr(there, name), getattr(here, name)) for name in HARDWARE_FIELDS}
    return ", ".join(f"{name} {a!r} there, {b!r} here" for name, (a, b) in pairs.items() if a != b)
