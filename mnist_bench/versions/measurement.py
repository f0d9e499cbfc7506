"""What is measured of one version, layer by layer, each in the version's own interpreter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mnist_bench.checks.records import load_probe
from mnist_bench.records.training import DatasetRecord, EnvironmentRecord, TrainingConfig
from mnist_bench.records.verdicts import CheckResult
from mnist_bench.training.campaign import plan_campaign, run_campaign
from mnist_bench.training.runner import check_config
from mnist_bench.training.workers.pool import Failed, Finished
from mnist_bench.versions.environments import (
    CommandError,
    describe_environment,
    find_project,
    make_environment,
    run_command,
    shorten_lines,
)
from mnist_bench.versions.plan import FIRST_SEED, find_missing
from mnist_bench.versions.records import Failure, VersionRecord, add_training, make_times, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.plan import Wanted

__all__ = ["Bench", "measure"]

_IMPORTS = 3  # fresh processes; the median of three leaves one slow one out
_ASK_IMPORT = "from mnist_bench.training.backend import import_seconds; print(import_seconds())"


T = TypeVar("T")


class _Answer(msgspec.Struct):
    """What `check --json` prints, as far as it is needed here."""

    checks: list[CheckResult]


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
    engine = missing[0]
    options = ["--engine", engine, "--fast", "--device", "cpu", "--data", bench.source, "--json"]
    command = ["-m", "mnist_bench", "check", *wanted.labs, *options]
    # A regression is an answer, too.
    results = _ask(bench, *command, form=_Answer, allowed=(0, 1, 3, 4)).checks
    # What does not depend on the engine is said once.
    said = {result.name for others in record.checks.values() for result in others}
    kept = [_shorten(result) for result in results if result.name not in said]
    bench.tell(f"checks: {engine}: {sum(it.holds for it in results)} of {len(results)} hold")
    yield put(record, checks={**record.checks, engine: kept})


def _measure_probes(record: VersionRecord, missing: list[str], wanted: Wanted, bench: Bench) -> Iterator[VersionRecord]:
    name = missing[0]
    lab, _, engine = name.partition("-")
    folder = bench.folder / "probes"
    path = folder / f"{name}.json"
    if not path.exists():
        epochs = [] if wanted.epochs is None else ["--epochs", str(wanted.epochs)]
        options = ["--engine", engine, "--device", "cpu", "--data", bench.source, "--out", str(folder), *epochs]
        run_command([str(bench.python), "-m", "mnist_bench", "probe", lab, *options])
    probe = load_probe(path)
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
    settled = [check_config(msgspec.structs.replace(config, data=bench.source, device="cpu")) for config in configs]
    campaign = plan_campaign(settled, bench.folder / layer, bench.dataset, resume=True)
    yield from campaign.done.values()
    for event in run_campaign(campaign, jobs=jobs, python=str(bench.python)):
        if isinstance(event, Finished):
            yield event.record
        elif isinstance(event, Failed):
            yield event


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


def _fail(record: VersionRecord, layer: str, what: str, error: CommandError, bench: Bench) -> VersionRecord:
    bench.tell(f"{layer}: {what} failed: {error}")
    failure = Failure(layer=layer, what=what, reason=str(error), lines=error.lines)
    return put(record, failures=[*record.failures, failure])


def _shorten(result: CheckResult) -> CheckResult:
    """Return the result without what a reader of a green one does not ask for."""
    return msgspec.structs.replace(result, command="", evidence="" if result.holds else result.evidence)
