"""The stored runs of the benchmarks: the manifest, the baseline of a run, and the acceptance of new baselines."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.fields import UNKNOWN_COMMIT
from mnist_bench.records.files import SCHEMA_VERSION, is_taken, place_in
from mnist_bench.records.serial import load, save
from mnist_bench.records.strict import RecordError
from mnist_bench.timing.records import LEAST_ROUNDS, load_run
from mnist_bench.timing.runs import refuse_strangers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records.acceptance import Acceptance
    from mnist_bench.timing.machine import Machine
    from mnist_bench.timing.records import TimingRun

__all__ = [
    "Manifest",
    "accept_runs",
    "expected_names",
    "find_references",
    "list_given_runs",
    "list_runs",
    "load_manifest",
    "write_manifest",
]


_NUMBERED = re.compile(r"([0-9]{4,})_")  # the name of a stored run: pytest-benchmark pads the number to four digits
_NAME = re.compile(r"[^\s:]+\.py::\S.*")  # of a test, as `pytest --collect-only -q` prints it


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The full names of the benchmarks that are due, each list in alphabetical order.

    Attributes:
        cpu: The benchmarks that are due on every machine.
        gpu: The benchmarks that are also due on a machine with a GPU.
    """

    cpu: list[str]
    gpu: list[str]
    kind: str = "timing-manifest"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a manifest without benchmarks, and what is no name of a test."""
        if not self.cpu:
            raise ValueError("cpu: no benchmark is due")
        for name in (*self.cpu, *self.gpu):
            if not (_NAME.fullmatch(name) and name.isprintable()):
                raise ValueError(f"{name!r} is no name of a benchmark, such as benchmarks/test_epochs.py::test_epoch")


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder of runs.

    Raises:
        RecordError: The manifest is missing or not valid; the message names the file and the field.
    """
    path = folder / "manifest.json"
    if folder.is_dir() and not is_taken(path):
        raise RecordError(f"{folder}: no folder of stored runs: it has no manifest.json (mnist-bench timings manifest)")
    return load(path, Manifest)


def expected_names(manifest: Manifest, machine: Machine) -> list[str]:
    """Return the benchmarks that are due on a machine."""
    return manifest.cpu + (manifest.gpu if machine.gpu_names else [])


def write_manifest(names: Iterable[str], folder: Path) -> Path:
    """Write a manifest in which exactly these benchmarks are due.

    Args:
        names: Lines of `pytest --collect-only -q`, of which those that name no test are left out; a benchmark whose
            case ends in `gpu` is due on a machine with a GPU.
        folder: The folder of the stored runs.

    Returns:
        The path of the manifest.

    Raises:
        ValueError: No benchmark is due on every machine.
        RecordError: Another file has the manifest's name.
    """
    names = sorted({name for name in map(str.strip, names) if _NAME.fullmatch(name) and name.isprintable()})
    if not names:
        raise ValueError("no benchmark is named, such as benchmarks/test_epochs.py::test_epoch")
    gpu = [name for name in names if name.endswith("-gpu]")]
    cpu = [name for name in names if name not in gpu]
    path = folder / "manifest.json"
    if is_taken(path):
        load_manifest(folder)  # what is no manifest is not ours to replace
    # The earlier manifest is in git, where the change can be reviewed.
    save(Manifest(cpu=cpu, gpu=gpu), path, overwrite=True)
    return path


def list_runs(folder: Path) -> Iterator[Path]:
    """Yield the numbered runs that pytest-benchmark stored in the folders of machines in a folder, sorted."""
    yield from _sort_runs(folder.glob("*/*.json"))


def list_given_runs(place: Path) -> list[Path]:
    """Return the runs that a user names: a file, a folder of machines' folders, or the folder of one machine.

    Raises:
        ValueError: The folder has no stored run.
    """
    if not place.is_dir():
        return [place]
    runs = [*list_runs(place), *_sort_runs(place.glob("*.json"))]
    if not runs:
        raise ValueError(f"{place}: no stored runs (NNNN_NAME.json), here or in the folder of a machine; or name files")
    return runs


def _sort_runs(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that have the name of a stored run, folder by folder in the order of their numbers."""
    numbered = {path: int(found[1]) for path in paths if (found := _NUMBERED.match(path.name))}
    return sorted(numbered, key=lambda path: (path.parent, numbered[path], path.name))


def find_references(folder: Path, run: TimingRun) -> list[TimingRun]:
    """Return the baseline of a run: the runs that were accepted together, and last.

    Of the accepted runs on the same data, those on the same hardware come first, then those of the same TensorFlow,
    then those of the newest TensorFlow.

    Raises:
        RecordError: A stored run is not valid.
    """
    stored = [other for other in map(load_run, list_runs(folder)) if other.dataset == run.dataset]
    accepted = [(other, other.mnist_bench.acceptance) for other in stored if other.mnist_bench.acceptance is not None]

    def rank(other: TimingRun, acceptance: Acceptance) -> tuple[Any, ...]:
        key, version = other.machine.hardware_key, other.tensorflow
        return (
            other.machine.is_like(run.machine),
            key == run.machine.hardware_key,
            version == run.tensorflow,
            Version(version),
            acceptance.when,
            key,
        )

    best = max((rank(*pair) for pair in accepted), default=None)
    return [pair[0] for pair in accepted if rank(*pair) == best]


def accept_runs(paths: Sequence[Path], folder: Path, *, why: str, force: bool = False) -> list[Path]:
    """Store runs as the baseline for this hardware and TensorFlow; earlier runs are kept.

    Args:
        paths: Runs of one machine and one TensorFlow, with the rounds; several runs show how processes differ.
        folder: The folder of the stored runs.
        why: The reason, for the review of the files.
        force: Whether to accept runs that break a rule; the files then name the rule.

    Returns:
        The paths of the new files.

    Raises:
        RecordError: A run is not valid.
        ValueError: The runs do not belong together, a test failed, a benchmark that is due is missing, rounds
            are missing or too few, a run is given twice, no reason is given, or, without `force`, the working tree
            was dirty.
    """
    runs = [load_run(path) for path in paths]
    refuse_strangers(runs)
    for path, run in zip(paths, runs, strict=True):
        _refuse_failed(run)
        _refuse_incomplete(path, run, load_manifest(folder))
    broken = ["the working tree was dirty"] if any(run.commit_info.dirty for run in runs) else []
    if any(run.commit_info.id == UNKNOWN_COMMIT for run in runs):  # as pytest-benchmark writes it, too
        broken.append("git does not say whether the working tree was clean")
    if broken and not force:
        raise ValueError(f"{paths[0]}: {'; '.join(broken)}: --force accepts the run, and the file says so")
    acceptance = make_acceptance(why, broken)
    return [_store(path, run, folder, acceptance) for path, run in zip(paths, runs, strict=True)]


def _refuse_failed(run: TimingRun) -> None:
    """Refuse a run in which a test failed."""
    failed = run.mnist_bench.failed
    if failed:
        raise ValueError(f"{len(failed)} tests of the run failed, the first {failed[0]}: the run cannot be a baseline")


def _refuse_incomplete(path: Path, run: TimingRun, manifest: Manifest) -> None:
    """Refuse a run without a benchmark that is due, or without the rounds."""
    devices = {timing.extra_info.device for timing in run.benchmarks if timing.extra_info.lab}
    due = expected_names(manifest, run.machine)
    if run.machine.gpu_names and devices:
        # A GPU's benchmarks may be stored without the CPU's of the same machine, which take several times as long.
        left_out = tuple(f"-{device}]" for device in {"cpu", "gpu"} - devices)
        due = [name for name in due if not name.endswith(left_out)] if left_out else due
    lacking = sorted(set(due) - {timing.fullname for timing in run.benchmarks})
    if lacking:
        raise ValueError(f"{path}: {len(lacking)} benchmarks of the manifest are missing, the first {lacking[0]}")
    if not all(timing.stats.data for timing in run.benchmarks):
        raise ValueError(f"{path}: saved without the rounds: use --benchmark-save-data or --benchmark-json")
    few = [timing for timing in run.benchmarks if timing.stats.rounds < LEAST_ROUNDS]
    if few:
        raise ValueError(
            f"{path}: {few[0].fullname} has {few[0].stats.rounds} rounds: at least {LEAST_ROUNDS} are needed"
        )


def _store(path: Path, run: TimingRun, folder: Path, acceptance: Acceptance) -> Path:
    """Write a run with the acceptance under the next number, and keep everything that pytest-benchmark wrote."""
    content = json.loads(path.read_bytes())
    content["mnist_bench"]["acceptance"] = dataclasses.asdict(acceptance)
    info = run.machine_info
    python = ".".join(info.python_version.split(".")[:2])
    # pytest-benchmark looks in this folder; there is no TensorFlow for 32 bits.
    place = place_in(folder, f"{info.system}-{info.python_implementation}-{python}-64bit")
    keras = run.benchmarks[0].extra_info.keras
    name = f"{run.machine.hardware_key}_tf{run.tensorflow}_keras{keras}.json"
    numbers = (int(stored.name.partition("_")[0]) for stored in _sort_runs(place.glob("*.json")))
    for number in itertools.count(max(numbers, default=0) + 1):
        target = place_in(place, f"{number:04}_{name}")
        try:
            save(content, target)
        except FileExistsError:
            continue  # another process accepted a run at the same time
        return target
    raise AssertionError  # itertools.count has no end
