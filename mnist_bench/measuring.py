"""What is measured of one version, layer by layer, each in the version's own interpreter."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mnist_bench.campaign import plan_campaign, run_campaign
from mnist_bench.installs import CommandError, describe_environment, find_project, make_environment, run_command
from mnist_bench.labs import LABS
from mnist_bench.proberecords import load_probe
from mnist_bench.records import DatasetRecord, EnvironmentRecord, TrainingConfig
from mnist_bench.runner import check_config
from mnist_bench.verdicts import CheckResult
from mnist_bench.versionrecords import Failure, VersionRecord, add_training, make_times, put
from mnist_bench.workers import Failed, Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mnist_bench.data import Dataset
    from mnist_bench.records import TrainingRecord

__all__ = ["LAYERS", "NOT_TIMED", "Bench", "Wanted", "check_wanted", "find_missing", "measure"]

LAYERS = ("install", "import", "checks", "probes", "accuracy", "times")
# Times want a quiet machine and one process at a time, so they are measured when they are asked for.
NOT_TIMED = LAYERS[:-1]
FIRST_SEED = 1671
# Nothing is measured of a version that does not come through these.
_NEEDED = ("install", "import")

_IMPORTS = 3  # fresh processes; the median of three leaves one slow one out
_ASK_IMPORT = "from mnist_bench.backend import import_seconds; print(import_seconds())"


T = TypeVar("T")


class _Answer(msgspec.Struct):
    """What `check --json` prints, as far as it is needed here."""

    checks: list[CheckResult]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is wanted of each version.

    Attributes:
        layers: Some of `LAYERS`.
        labs: Keys of `LABS`.
        seeds: Seeds of each lab that are trained in full, from 1671 on.
        epochs: Epochs of each training and probe; the lab's own, and a probe's own, if None.
        checked: Engines that are checked.
        probed: Engines that are probed.
        trained: The engine that trains in full.
        timed: Engines that are timed.
        timed_epochs: Epochs of a timed training: the first compiles, the median of ten is steady.
    """

    layers: Sequence[str] = NOT_TIMED
    labs: Sequence[str] = tuple(LABS)
    seeds: int = 7
    epochs: int | None = None
    checked: Sequence[str] = ("epoch", "graph", "fused")
    probed: Sequence[str] = ("epoch", "fused")
    trained: str = "epoch"
    timed: Sequence[str] = ("epoch", "graph", "fused")
    timed_epochs: int = 11


@dataclass(frozen=True, kw_only=True)
class Bench:
    """With what it is measured.

    Attributes:
        project: The checkout or the wheel that each environment gets; None where `python` has it.
        folder: For the raw records of this version.
        dataset: The data, loaded.
        source: The same data, for other processes to load.
        jobs: Worker processes of the accuracy layer.
        python: The interpreter to measure in; None makes an environment.
        tell: Told each line of progress.
    """

    project: Path | None
    folder: Path
    dataset: Dataset
    source: str
    jobs: int
    tell: Callable[[str], None]
    python: Path | None = None


def check_wanted(wanted: Wanted) -> Wanted:
    """Return what is wanted, if there is such a thing.

    Raises:
        ValueError: A layer or a lab is unknown, or there are none.
    """
    for what, names, known in (("layer", wanted.layers, LAYERS), ("lab", wanted.labs, tuple(LABS))):
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise ValueError(f"unknown {what} {''.join(unknown[:1])!r}: choose from {', '.join(known)}")
    return wanted


def find_missing(record: VersionRecord, wanted: Wanted) -> dict[str, list[str]]:
    """Return what is wanted and not there, by layer; a layer that has failed is not missing.

    Returns:
        Names such as `mlp-epoch` or `mlp seed 1672`, for the layers that lack something.
    """
    seeds = {(it.lab, it.engine, seed) for it in record.accuracy for seed in it.seeds}
    probes = {f"{it.config.lab}-{it.config.engine}" for it in record.probes}
    times = {f"{it.lab}-{it.engine}" for it in record.times}
    missing = {
        "install": [] if record.install else ["environment"],
        "import": [] if record.imports else ["seconds"],
        "checks": [engine for engine in wanted.checked if engine not in record.checks],
        "probes": [it for it in _pair(wanted.labs, wanted.probed) if it not in probes],
        "accuracy": [
            f"{lab} seed {seed}"
            for lab, seed in itertools.product(wanted.labs, range(FIRST_SEED, FIRST_SEED + wanted.seeds))
            if (lab, wanted.trained, seed) not in seeds
        ],
        "times": [it for it in _pair(wanted.labs, wanted.timed) if it not in times],
    }
    failed = {failure.layer for failure in record.failures}
    if failed & set(_NEEDED):
        return {}
    return {
        layer: missing[layer] for layer in LAYERS if layer in wanted.layers and layer not in failed and missing[layer]
    }


def measure(record: VersionRecord, wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    """Measure what is wanted of a version and not there yet.

    Args:
        record: What is there.
        wanted: What is wanted.
        bench: With what.

    Yields:
        The record with each new piece, to be kept at once. A layer that fails is recorded as that.

    Raises:
        ValueError: The record is of other data.
    """
    mine = DatasetRecord(source=bench.dataset.name, digest=bench.dataset.digest)
    if record.dataset not in (None, mine):
        name = record.version.name
        raise ValueError(f"{name}: its record is of {record.dataset.source}, not of {mine.source}: another --out")
    missing = find_missing(record, wanted)
    if not missing:
        return
    try:
        # Needed by every layer, whether it was measured before or is now.
        bench, record = _enter(record, bench)
    except CommandError as error:
        yield _fail(record, "install", error, bench)
        return
    yield record
    for layer in (it for it in _MEASURES if it in missing):
        for grown in _measure_layer(layer, record, missing[layer], wanted, bench):
            record = grown
            yield record
        if {failure.layer for failure in record.failures} & set(_NEEDED):
            return


def _measure_layer(
    layer: str, record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench
) -> Iterator[VersionRecord]:
    """Yield the record with each piece of a layer, and at last with its failure if it has failed."""
    try:
        for grown in _MEASURES[layer](record, missing, wanted, bench):
            record = grown
            yield record
    except CommandError as error:
        yield _fail(record, layer, error, bench)


def _enter(record: VersionRecord, bench: Bench) -> tuple[Bench, VersionRecord]:
    """Make the environment, or take the one that was given."""
    if bench.python:
        python, install = bench.python, record.install or describe_environment(bench.python)
    else:
        python, install = make_environment(record.version, find_project(bench.project))
    if record.install is None:
        took = "was there" if install.seconds is None else f"{install.seconds:.1f} s"
        bench.tell(f"install: {took}, {install.bytes / 1e9:.2f} GB, {len(install.packages)} packages")
        record = put(record, install=install)
    return replace(bench, python=python), record


def _measure_import(
    record: VersionRecord, _missing: list[str], _wanted: Wanted, bench: Bench
) -> Iterator[VersionRecord]:
    """Ask for the fingerprint, which also compiles what is imported, and then time fresh imports."""
    environment = _ask(bench, "-m", "mnist_bench", "env", "--device", "cpu", "--json", form=EnvironmentRecord)
    for package in ("tensorflow", "keras"):
        there, named = getattr(environment, package), getattr(record.version, package)
        if named is not None and there != named:
            raise CommandError(f"{package} is {there} there, not {named}", [])
    seconds = [_ask(bench, "-c", _ASK_IMPORT, form=float) for _ in range(_IMPORTS)]
    bench.tell(f"import: {sorted(seconds)[_IMPORTS // 2]:.2f} s; Keras {environment.keras}")
    yield put(record, environment=environment, imports=[round(it, 3) for it in seconds])


def _measure_checks(record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    for engine in missing:
        options = ["--engine", engine, "--fast", "--device", "cpu", "--data", bench.source, "--json"]
        command = ["-m", "mnist_bench", "check", *wanted.labs, *options]
        # A regression is an answer, too.
        results = _ask(bench, *command, form=_Answer, allowed=(0, 1, 3, 4)).checks
        # What does not depend on the engine is said once.
        said = {result.name for others in record.checks.values() for result in others}
        kept = [_shorten(result) for result in results if result.name not in said]
        bench.tell(f"checks: {engine}: {sum(it.holds for it in results)} of {len(results)} hold")
        record = put(record, checks={**record.checks, engine: kept})
        yield record


def _measure_probes(record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    folder = bench.folder / "probes"
    for name in missing:
        lab, _, engine = name.partition("-")
        path = folder / f"{name}.json"
        if not path.exists():
            epochs = [] if wanted.epochs is None else ["--epochs", str(wanted.epochs)]
            options = ["--engine", engine, "--device", "cpu", "--data", bench.source, "--out", str(folder), *epochs]
            run_command([str(bench.python), "-m", "mnist_bench", "probe", lab, *options])
        probe = load_probe(path)
        bench.tell(f"probes: {name}: {len(probe.stages)} stages")
        record = put(record, dataset=probe.dataset, probes=[*record.probes, probe])
        yield record


def _measure_accuracy(
    record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench
) -> Iterator[VersionRecord]:
    configs = []
    for name in missing:
        lab, _, seed = name.partition(" seed ")
        configs.append(TrainingConfig(lab=lab, engine=wanted.trained, seed=int(seed), epochs=wanted.epochs))
    for training in _train(configs, bench, "accuracy", jobs=bench.jobs):
        config = training.config
        bench.tell(f"accuracy: {config.lab}, seed {config.seed}: {training.test_accuracy:.4f}")
        record = add_training(record, training)
        yield record


def _measure_times(record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    for name in missing:
        lab, _, engine = name.partition("-")
        config = TrainingConfig(lab=lab, engine=engine, seed=FIRST_SEED, epochs=wanted.timed_epochs)
        # One at a time, each in a process that has trained nothing before.
        for training in _train([config], bench, "times", jobs=1):
            steady = training.seconds.epoch
            bench.tell(f"times: {name}: first {training.seconds.first_epoch:.3f} s, then {steady or 0:.3f} s an epoch")
            record = put(record, times=[*record.times, make_times(training)])
            yield record


_MEASURES = {
    "import": _measure_import,
    "checks": _measure_checks,
    "probes": _measure_probes,
    "accuracy": _measure_accuracy,
    "times": _measure_times,
}


def _train(configs: list[TrainingConfig], bench: Bench, layer: str, *, jobs: int) -> Iterator[TrainingRecord]:
    """Yield the records of these trainings, those that are in the folder from an earlier sitting first.

    Raises:
        CommandError: One of them failed; all others have been yielded.
    """
    settled = [check_config(msgspec.structs.replace(config, data=bench.source, device="cpu")) for config in configs]
    campaign = plan_campaign(settled, bench.folder / layer, bench.dataset, resume=True)
    yield from campaign.done.values()
    failures: list[Failed] = []
    for event in run_campaign(campaign, jobs=jobs, python=str(bench.python)):
        if isinstance(event, Finished):
            yield event.record
        elif isinstance(event, Failed):
            bench.tell(f"{layer}: failed: {event.reason}")
            failures.append(event)
    if failures:
        more = f", and {len(failures) - 1} more" if failures[1:] else ""
        raise CommandError(failures[0].reason + more, failures[0].details.splitlines()[-5:])


def _ask(bench: Bench, *arguments: str, form: type[T], allowed: tuple[int, ...] = (0,)) -> T:
    """Return the JSON that the version's interpreter answers to these arguments.

    Raises:
        CommandError: It fails, or the answer is not of that form.
    """
    answer = run_command([str(bench.python), *arguments], allowed=allowed)
    try:
        return msgspec.json.decode(answer, type=form)
    except msgspec.DecodeError as error:
        raise CommandError(f"the answer cannot be read: {error}", answer.splitlines()[-5:]) from error


def _fail(record: VersionRecord, layer: str, error: CommandError, bench: Bench) -> VersionRecord:
    bench.tell(f"{layer}: failed: {error}")
    failure = Failure(layer=layer, reason=str(error), lines=error.lines)
    return put(record, failures=[*record.failures, failure])


def _shorten(result: CheckResult) -> CheckResult:
    """Return the result without what a reader of a green one does not ask for."""
    return msgspec.structs.replace(result, command="", evidence="" if result.holds else result.evidence)


def _pair(labs: Sequence[str], engines: Sequence[str]) -> list[str]:
    return [f"{lab}-{engine}" for lab, engine in itertools.product(labs, engines)]
