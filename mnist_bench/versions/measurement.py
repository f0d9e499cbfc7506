"""What is measured of one version, layer by layer, each in the version's own interpreter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.checks.elsewhere import ask_checks, ask_environment, ask_probes, time_import
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.config import FIRST_SEED, TrainingConfig
from mnist_bench.records.environment import DatasetRecord
from mnist_bench.records.serial import load, save
from mnist_bench.training.campaign import plan_campaign, run_campaign
from mnist_bench.training.data.dataset import Dataset
from mnist_bench.training.runner import check_config
from mnist_bench.training.workers.interpreters import CommandError, shorten_lines
from mnist_bench.training.workers.pool import Failed, Finished
from mnist_bench.versions.environments import describe_environment, make_environment
from mnist_bench.versions.plan import find_missing
from mnist_bench.versions.records import Failure, VersionRecord, add_training, make_times, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.plan import Wanted

__all__ = ["Bench", "measure"]

_IMPORTS = 3  # fresh processes; the median of three leaves one slow one out


@dataclass(frozen=True, kw_only=True)
class Bench:
    """With what it is measured.

    Attributes:
        folder: For the raw records of this version.
        dataset: The data, loaded.
        source: The same data, for other processes to load.
        jobs: Worker processes of the accuracy layer.
        python: The interpreter to measure in; None makes an environment.
        tell: Told each line of progress.
    """

    folder: Path
    dataset: Dataset
    source: str
    jobs: int
    tell: Callable[[str], None]
    python: Path | None = None


def measure(record: VersionRecord, wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    """Measure what is wanted of a version and not there yet.

    Args:
        record: What is there.
        wanted: What is wanted.
        bench: With what.

    Yields:
        The record with each new piece, to be kept at once. What fails is recorded as that.

    Raises:
        ValueError: The record is of other data, or of other trainings than are wanted.
    """
    mine = DatasetRecord(source=bench.dataset.name, digest=bench.dataset.digest)
    if record.dataset not in (None, mine):
        name = record.version.name
        raise ValueError(f"{name}: its record is of {record.dataset.source}, not of {mine.source}: another --out")
    if not find_missing(record, wanted):
        return
    try:
        # Needed by every layer, whether it was measured before or is now.
        bench, record = _enter(record, bench)
    except CommandError as error:
        yield _fail(record, "install", "environment", error, bench)
        return
    yield record
    for layer in _MEASURES:
        # Looked up anew each time: what fails may call for something else instead.
        while missing := find_missing(record, wanted).get(layer):
            for grown in _measure_piece(layer, record, missing, wanted, bench):
                record = grown
                yield record


def _measure_piece(
    layer: str, record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench
) -> Iterator[VersionRecord]:
    """Yield the record with the first missing piece of a layer, of accuracy with several, or with its failure."""
    try:
        yield from _MEASURES[layer](record, missing, wanted, bench)
    except CommandError as error:
        yield _fail(record, layer, missing[0], error, bench)


def _enter(record: VersionRecord, bench: Bench) -> tuple[Bench, VersionRecord]:
    """Make the environment, or take the one that was given."""
    if bench.python:
        python, install = bench.python, record.install or describe_environment(bench.python)
    else:
        python, install = make_environment(record.version)
    if record.install is None:
        took = "was there" if install.seconds is None else f"{install.seconds:.1f} s"
        bench.tell(f"install: {took}, {install.bytes / 1e9:.2f} GB, {len(install.packages)} packages")
        record = put(record, install=install)
    return replace(bench, python=python), record


def _measure_import(
    record: VersionRecord, _missing: list[str], _wanted: Wanted, bench: Bench
) -> Iterator[VersionRecord]:
    """Ask for the fingerprint, which also compiles what is imported, and then time fresh imports."""
    environment = ask_environment(_python(bench))
    for package in ("tensorflow", "keras"):
        there, named = getattr(environment, package), getattr(record.version, package)
        if named is not None and there != named:
            raise CommandError(f"{package} is {there} there, not {named}", [])
    seconds = [time_import(_python(bench)) for _ in range(_IMPORTS)]
    bench.tell(f"import: {sorted(seconds)[_IMPORTS // 2]:.2f} s; Keras {environment.keras}")
    yield put(record, environment=environment, imports=[round(second, 3) for second in seconds])


def _measure_checks(record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    engine = missing[0]
    environment = record.environment or ask_environment(_python(bench))
    results = list(ask_checks(_python(bench), wanted.labs, engine=engine, source=bench.source, environment=environment))
    # What does not depend on the engine is said once.
    said = {result.name for others in record.checks.values() for result in others}
    kept = [_shorten(result) for result in results if result.name not in said]
    bench.tell(f"checks: {engine}: {sum(result.holds for result in results)} of {len(results)} hold")
    yield put(record, checks={**record.checks, engine: kept})


def _measure_probes(record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    name = missing[0]
    lab, _, engine = name.partition("-")
    path = bench.folder / "probes" / f"{name}.json"
    if not path.exists():
        config = TrainingConfig(lab=lab, engine=engine, epochs=wanted.epochs, data=bench.source, device="cpu")
        save(next(ask_probes(_python(bench), [config])), path)
    probe = load(path, ProbeRecord)
    bench.tell(f"probes: {name}: {len(probe.stages)} stages")
    yield put(record, dataset=probe.dataset, probes=[*record.probes, probe])


def _measure_accuracy(
    record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench
) -> Iterator[VersionRecord]:
    there = {f"{it.lab}-{it.engine}" for it in record.accuracy}
    configs, begun = [], set(there)
    for name in missing:
        case, _, seed = name.partition(" seed ")
        lab, _, engine = case.partition("-")
        # Of a case that is new one seed first, to see whether the version can train so at all.
        if case in there or case not in begun:
            begun.add(case)
            configs.append(TrainingConfig(lab=lab, engine=engine, seed=int(seed), epochs=wanted.epochs))
    for result in _train(configs, bench, "accuracy", jobs=bench.jobs):
        config = result.config
        case = f"{config.lab}-{config.engine}"
        if isinstance(result, Failed):
            what = f"{case} seed {config.seed}" if case in there else case
            error = CommandError(result.reason, shorten_lines(result.details))
            record = _fail(record, "accuracy", what, error, bench)
        else:
            bench.tell(f"accuracy: {case}, seed {config.seed}: {result.test_accuracy:.4f}")
            record = add_training(record, result)
        yield record


def _measure_times(record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    name = missing[0]
    lab, _, engine = name.partition("-")
    config = TrainingConfig(lab=lab, engine=engine, seed=FIRST_SEED, epochs=wanted.timed_epochs)
    # One at a time, each in a process that has trained nothing before.
    for result in _train([config], bench, "times", jobs=1):
        if isinstance(result, Failed):
            raise CommandError(result.reason, shorten_lines(result.details))
        steady = result.seconds.epoch
        bench.tell(f"times: {name}: first {result.seconds.first_epoch:.3f} s, then {steady or 0:.3f} s an epoch")
        yield put(record, times=[*record.times, make_times(result)])


_MEASURES = {
    "import": _measure_import,
    "checks": _measure_checks,
    "probes": _measure_probes,
    "accuracy": _measure_accuracy,
    "times": _measure_times,
}


def _train(configs: list[TrainingConfig], bench: Bench, layer: str, *, jobs: int) -> Iterator[TrainingRecord | Failed]:
    """Yield what these trainings come to, those that are in the folder from an earlier sitting first."""
    settled = [check_config(dataclasses.replace(config, data=bench.source, device="cpu")) for config in configs]
    campaign = plan_campaign(settled, bench.folder / layer, bench.dataset, resume=True)
    yield from campaign.done.values()
    for event in run_campaign(campaign, jobs=jobs, python=str(bench.python)):
        if isinstance(event, Finished):
            yield event.record
        elif isinstance(event, Failed):
            yield event


def _python(bench: Bench) -> Path:
    """Return the interpreter of a setup whose environment has been made."""
    assert bench.python is not None  # noqa: S101 - `_enter` has set it
    return bench.python


def _fail(record: VersionRecord, layer: str, what: str, error: CommandError, bench: Bench) -> VersionRecord:
    bench.tell(f"{layer}: {what} failed: {error}")
    failure = Failure(layer=layer, what=what, reason=str(error), lines=error.lines)
    return put(record, failures=[*record.failures, failure])


def _shorten(result: CheckResult) -> CheckResult:
    """Return the result without what a reader of a green one does not ask for."""
    return dataclasses.replace(result, command="", evidence="" if result.holds else result.evidence)
