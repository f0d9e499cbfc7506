"""The stored runs of the benchmarks: which are due, which are the baseline, and how a run becomes it."""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.serial import load, save
from mnist_bench.timing.records import load_run, refuse_strangers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records.acceptance import Acceptance
    from mnist_bench.timing.records import Machine, TimingRun

__all__ = [
    "Manifest",
    "accept_runs",
    "expected_names",
    "find_references",
    "list_runs",
    "load_manifest",
    "write_manifest",
]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Which benchmarks are due, by their full names, each list in alphabetical order.

    Attributes:
        cpu: Those of every machine.
        gpu: Those of a machine with a GPU, too.
    """

    cpu: list[str]
    gpu: list[str]
    kind: str = "timing-manifest"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a manifest by which nothing is due."""
        if not self.cpu:
            raise ValueError("cpu: no benchmark is due")


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder of runs.

    Raises:
        RecordError: It is not there, or not valid: the message names it and the field.
    """
    return load(folder / "manifest.json", Manifest)


def expected_names(manifest: Manifest, machine: Machine) -> list[str]:
    """Return the benchmarks that are due on a machine."""
    return manifest.cpu + (manifest.gpu if machine.gpu_names else [])


def write_manifest(names: Iterable[str], folder: Path) -> Path:
    """Make these benchmarks the ones that are due.

    Args:
        names: Full names; those whose case ends in `gpu` are due where there is a GPU.
        folder: The stored runs.

    Returns:
        The manifest's path.

    Raises:
        ValueError: None of them is for every machine.
    """
    names = sorted(set(names))
    gpu = [name for name in names if name.endswith("-gpu]")]
    cpu = [name for name in names if name not in gpu]
    path = folder / "manifest.json"
    # Its earlier state is in git, and the change is there to be reviewed.
    save(Manifest(cpu=cpu, gpu=gpu), path, overwrite=True)
    return path


def list_runs(folder: Path) -> Iterator[Path]:
    """Yield the runs of a folder as pytest-benchmark numbers them, sorted."""
    yield from sorted(folder.glob("*/[0-9][0-9][0-9][0-9]_*.json"))


def find_references(folder: Path, run: TimingRun) -> list[TimingRun]:
    """Return the runs that are the baseline of a run: those that were accepted together, and last.

    Of the accepted runs on the same data those of the same hardware come first, among these those of the same
    TensorFlow, then those of a newer one.

    Raises:
        RecordError: A stored run is not valid.
    """
    runs = [it for it in map(load_run, list_runs(folder)) if it.dataset_digest == run.dataset_digest]
    accepted = [(it, it.mnist_bench.acceptance) for it in runs if it.mnist_bench.acceptance is not None]

    def rank(it: TimingRun, acceptance: Acceptance) -> tuple[Any, ...]:
        key, version = it.machine.hardware_key, it.tensorflow
        return (
            key == run.machine.hardware_key,
            version == run.tensorflow,
            Version(version),
            acceptance.when,
            key,
        )

    best = max((rank(*pair) for pair in accepted), default=None)
    return [pair[0] for pair in accepted if rank(*pair) == best]


def accept_runs(paths: Sequence[Path], folder: Path, *, why: str, force: bool = False) -> list[Path]:
    """Store runs as the baseline of their hardware and TensorFlow; earlier ones are kept.

    Args:
        paths: Runs of one machine and one TensorFlow, with their rounds; several processes show more than one.
        folder: The stored runs.
        why: The reason, for whoever reviews the files.
        force: Whether to accept against the rules; the files then say which.

    Returns:
        The paths of the new files.

    Raises:
        RecordError: A run is not valid.
        ValueError: The runs do not belong together, a test failed, something that is due is missing, rounds
            are missing, no reason is given, or, without force, the working tree was dirty.
    """
    runs = [load_run(path) for path in paths]
    refuse_strangers(runs)
    for path, run in zip(paths, runs, strict=True):
        _refuse_failed(run)
        _refuse_incomplete(path, run, load_manifest(folder))
    broken = ["the working tree was dirty"] if any(run.commit_info.dirty for run in runs) else []
    if broken and not force:
        raise ValueError(f"{paths[0]}: {broken[0]}: --force accepts it, and the file says so")
    acceptance = make_acceptance(why, broken)
    return [_store(path, run, folder, acceptance) for path, run in zip(paths, runs, strict=True)]


def _refuse_failed(run: TimingRun) -> None:
    """Refuse a run in which a test failed."""
    failed = run.mnist_bench.failed
    if failed:
        raise ValueError(f"{len(failed)} tests of the run failed, the first {failed[0]}: it can be no baseline")


def _refuse_incomplete(path: Path, run: TimingRun, manifest: Manifest) -> None:
    """Refuse a run that lacks something that is due, or its rounds."""
    lacking = sorted(set(expected_names(manifest, run.machine)) - {timing.fullname for timing in run.benchmarks})
    if lacking:
        raise ValueError(f"{path}: {len(lacking)} benchmarks of the manifest are missing, the first {lacking[0]}")
    if not all(timing.stats.data for timing in run.benchmarks):
        raise ValueError(f"{path}: saved without its rounds: --benchmark-save-data or --benchmark-json keeps them")


def _store(path: Path, run: TimingRun, folder: Path, acceptance: Acceptance) -> Path:
    """Write a run with its acceptance under the next number, all that pytest-benchmark wrote kept."""
    content = json.loads(path.read_bytes())
    content["mnist_bench"]["acceptance"] = dataclasses.asdict(acceptance)
    info = run.machine_info
    python = ".".join(info.python_version.split(".")[:2])
    # The folder that pytest-benchmark itself looks in; there is no TensorFlow for 32 bits.
    place = folder / f"{info.system}-{info.python_implementation}-{python}-64bit"
    keras = run.benchmarks[0].extra_info.keras
    name = f"{run.machine.hardware_key}_tf{run.tensorflow}_keras{keras}.json"
    numbers = (int(it.name[:4]) for it in place.glob("[0-9][0-9][0-9][0-9]_*.json"))
    for number in itertools.count(max(numbers, default=0) + 1):
        target = place / f"{number:04}_{name}"
        try:
            save(content, target)
        except FileExistsError:
            continue  # another accepted one at the same time
        return target
    raise AssertionError  # itertools.count has no end
