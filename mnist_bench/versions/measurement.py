"""How one version is measured: layer by layer, in the version's own interpreter."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.elsewhere import ask_checks, ask_environment, ask_probes, time_import
from mnist_bench.checks.layers import structure
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.config import TrainingConfig, check_answer
from mnist_bench.records.environment import DatasetRecord, EnvironmentRecord
from mnist_bench.records.files import is_taken
from mnist_bench.records.serial import load, save
from mnist_bench.training.campaign import check_environment, plan_campaign, run_campaign
from mnist_bench.training.data.dataset import Dataset
from mnist_bench.training.runner import check_config
from mnist_bench.training.workers.cluster import Cluster
from mnist_bench.training.workers.events import Failed, Finished
from mnist_bench.training.workers.interpreters import CommandError, shorten_lines
from mnist_bench.training.workers.pool import train_all
from mnist_bench.versions.environments import describe_environment, find_python_of, make_environment
from mnist_bench.versions.plan import CaseSeed, add_plan, find_missing
from mnist_bench.versions.records import Failure, VersionRecord, add_training, seeds_by_case, update_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.records.config import Case
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.training.workers.events import Executor
    from mnist_bench.versions.plan import MeasurementPlan
    from mnist_bench.versions.releases import VersionSpec

__all__ = ["MeasurementSetup", "measure"]

_IMPORTS = 3  # fresh processes: one slow process does not move the median of three


@dataclass(frozen=True, kw_only=True)
class MeasurementSetup:
    """How to measure: the folder, the data, the processes and the interpreter.

    Attributes:
        folder: For the raw records of the version.
        dataset: The data, loaded.
        source: The same data, for other processes to load.
        jobs: Worker processes of the accuracy layer.
        tell: Called with each line of progress.
        python: The interpreter to measure in; if None, an environment is made.
        cores: The cores for checks and probes; None leaves all.
        cluster: The cluster whose workers train; if None, processes here do.
        environment: What the interpreter said of itself, if it was just asked; if None, it is asked.
    """

    folder: Path
    dataset: Dataset
    source: str
    jobs: int
    tell: Callable[[str], None]
    python: Path | None = None
    cores: Sequence[int] | None = None
    cluster: Cluster | None = None
    environment: EnvironmentRecord | None = None


def measure(record: VersionRecord, plan: MeasurementPlan, setup: MeasurementSetup) -> Iterator[VersionRecord]:
    """Measure what the plan asks for and the record lacks.

    Args:
        record: What was measured before.
        plan: What to measure.
        setup: How to measure.

    Yields:
        The record with each new result, to be saved at once. What cannot be measured is recorded as a failure.

    Raises:
        ValueError: The record is of other data, of another environment, or of other trainings than the plan asks for.
    """
    dataset = DatasetRecord(source=setup.dataset.name, digest=setup.dataset.digest)
    if record.dataset not in (None, dataset):
        name = record.version.name
        raise ValueError(f"{name}: its record is of {record.dataset.source}, not of {dataset.source}: another --out")
    planned = add_plan(record, plan)
    if not find_missing(record, plan):
        return
    record = dataclasses.replace(record, planned=planned)
    try:
        # Every layer needs the environment, also when the layer install was measured before.
        setup, record = _enter(record, setup)
    except CommandError as error:
        if record.environment:  # its packages were withdrawn, say: that takes nothing from what was measured
            setup.tell(f"install: the environment cannot be made again: {error}")
        else:
            yield _fail(record, "install", "environment", error, setup)
        return
    yield record
    if not find_missing(record, plan):
        return
    try:
        record = _meet_environment(record, setup)
    except CommandError as error:
        yield _fail(record, "import", "seconds", error, setup)
        return
    for layer in _MEASURES:
        # Asked anew each time, because after a failure something else may be missing.
        while missing := find_missing(record, plan).get(layer):
            for grown in _measure_piece(layer, record, missing, plan, setup):
                record = grown
                yield record


def _measure_piece(
    layer: str, record: VersionRecord, missing: list[Any], plan: MeasurementPlan, setup: MeasurementSetup
) -> Iterator[VersionRecord]:
    """Yield the record with the first missing piece of a layer (several of accuracy), or with its failure."""
    try:
        yield from _MEASURES[layer](record, missing, plan, setup)
    except CommandError as error:
        yield _fail(record, layer, str(missing[0]), error, setup)


def _enter(record: VersionRecord, setup: MeasurementSetup) -> tuple[MeasurementSetup, VersionRecord]:
    """Make the environment, or take the one that was given."""
    if setup.python:
        python, install = setup.python, record.install or describe_environment(setup.python)
    else:
        python, install = make_environment(record.version)
    if record.install is None:
        took = "existed" if install.seconds is None else f"{install.seconds:.1f} s"
        setup.tell(f"install: {took}, {install.bytes / 1e9:.2f} GB, {len(install.packages)} packages")
        record = update_record(record, install=install)
    return dataclasses.replace(setup, python=python), record


def _meet_environment(record: VersionRecord, setup: MeasurementSetup) -> VersionRecord:
    """Return the record with the fingerprint of its environment; what was measured before is continued only by it."""
    environment = setup.environment or ask_environment(_python(setup), cores=setup.cores)
    if record.environment:
        check_environment(record.environment, environment, f"{record.version.name}: its record was measured")
    for package in ("tensorflow", "keras"):
        installed, named = getattr(environment, package), getattr(record.version, package)
        if named is not None and installed != named:
            raise CommandError(f"{package} {installed} is installed, not {named}", [])
    result = structure.check_environment(environment, setup.dataset.label)
    if not result.holds:
        raise CommandError(f"{result.figure}, not {result.bound}: {result.evidence}", [])
    return update_record(record, environment=record.environment or environment)


def _measure_import(
    record: VersionRecord, _missing: list[str], _plan: MeasurementPlan, setup: MeasurementSetup
) -> Iterator[VersionRecord]:
    """Time fresh imports; the question for the fingerprint has compiled what is imported."""
    seconds = [time_import(_python(setup)) for _ in range(_IMPORTS)]
    setup.tell(f"import: {sorted(seconds)[_IMPORTS // 2]:.2f} s; Keras {record.keras}")
    yield update_record(record, imports=[round(second, 3) for second in seconds])


def _measure_checks(
    record: VersionRecord, missing: list[str], plan: MeasurementPlan, setup: MeasurementSetup
) -> Iterator[VersionRecord]:
    engine, python = missing[0], _python(setup)
    assert record.environment is not None  # noqa: S101 - `_meet_environment` has set it
    asked = ask_checks(
        python, plan.labs, engine=engine, source=setup.source, environment=record.environment, cores=setup.cores
    )
    results = list(asked)
    if not results:
        raise CommandError("no check gave a result", [])
    # A check that does not depend on the engine is recorded once, unless the engines do not agree.
    recorded = {(result.name, result.verdict) for checks in record.checks.values() for result in checks}
    new = [_shorten(result) for result in results if (result.name, result.verdict) not in recorded]
    setup.tell(f"checks: {engine}: {sum(result.holds for result in results)} of {len(results)} hold")
    yield update_record(record, checks={**record.checks, engine: new})


def _measure_probes(
    record: VersionRecord, missing: list[Case], plan: MeasurementPlan, setup: MeasurementSetup
) -> Iterator[VersionRecord]:
    """Probe the labs of one engine in one process: importing TensorFlow takes as long as half a probe."""
    assert record.environment is not None  # noqa: S101 - `_meet_environment` has set it
    configs = {
        setup.folder / "probes" / f"{case}.json": TrainingConfig(
            lab=case.lab, engine=case.engine, epochs=plan.epochs, data=setup.source, device="cpu"
        )
        for case in missing
        if case.engine == missing[0].engine
    }
    todo = [path for path in configs if not is_taken(path)]
    answers = ask_probes(_python(setup), [configs[path] for path in todo], cores=setup.cores)
    for path, config in configs.items():
        if path in todo:
            try:
                save(next(answers), path)
            except CommandError as error:
                yield _fail(record, "probes", str(config.case), error, setup)
                return
        probe = load(path, ProbeRecord)
        # The file may be of an earlier run, wherever its data lay.
        check_answer(config, dataclasses.replace(probe.config, data=config.data), f"{path}: cannot go on")
        check_environment(probe.environment, record.environment, f"{path}: cannot go on: probed")
        setup.tell(f"probes: {config.case}: {len(probe.stages)} stages")
        record = update_record(record, dataset=probe.dataset, probes=[*record.probes, probe])
        yield record


def _measure_accuracy(
    record: VersionRecord, missing: list[CaseSeed], plan: MeasurementPlan, setup: MeasurementSetup
) -> Iterator[VersionRecord]:
    assert record.environment is not None  # noqa: S101 - `_meet_environment` has set it
    trained = set(seeds_by_case(record))
    configs, begun = [], set(trained)
    for case, seed in missing:
        # One seed of a new case comes first, to find out whether the version can train this way at all.
        if case in trained or case not in begun:
            begun.add(case)
            configs.append(TrainingConfig(lab=case.lab, engine=case.engine, seed=seed, epochs=plan.epochs))
    for result in _train(configs, setup, record.version, record.environment):
        case, seed = result.config.case, result.config.seed
        if isinstance(result, Failed):
            piece = CaseSeed(case, seed) if case in trained else case
            error = CommandError(result.reason, shorten_lines(result.details))
            record = _fail(record, "accuracy", str(piece), error, setup)
        else:
            setup.tell(f"accuracy: {case}, seed {seed}: {result.test_accuracy:.4f}")
            record = add_training(record, result)
        yield record


_MEASURES: dict[str, Callable[..., Iterator[VersionRecord]]] = {
    "import": _measure_import,
    "checks": _measure_checks,
    "probes": _measure_probes,
    "accuracy": _measure_accuracy,
}


def _train(
    configs: list[TrainingConfig], setup: MeasurementSetup, version: VersionSpec, environment: EnvironmentRecord
) -> Iterator[TrainingRecord | Failed]:
    """Yield the results of these trainings; first of those whose records an earlier run left in the folder."""
    settled = [check_config(dataclasses.replace(config, data=setup.source, device="cpu")) for config in configs]
    campaign = plan_campaign(
        settled,
        setup.folder / "accuracy",
        setup.dataset,
        jobs=None if setup.cluster else setup.jobs,
        resume=lambda: environment,
    )
    if setup.cluster:
        # A worker makes the version's environment in its own cache, as this machine has done.
        executor: Executor = functools.partial(
            setup.cluster.train, expected=environment, find_python=functools.partial(find_python_of, version)
        )
    else:
        executor = functools.partial(train_all, jobs=setup.jobs, python=str(setup.python))
    yield from campaign.done.values()
    for event in run_campaign(campaign, executor):
        if isinstance(event, Finished):
            yield event.record
        elif isinstance(event, Failed):
            yield event


def _python(setup: MeasurementSetup) -> Path:
    """Return the interpreter of a setup whose environment has been made."""
    assert setup.python is not None  # noqa: S101 - `_enter` has set it
    return setup.python


def _fail(record: VersionRecord, layer: str, what: str, error: CommandError, setup: MeasurementSetup) -> VersionRecord:
    setup.tell(f"{layer}: {what} failed: {error}")
    failure = Failure(layer=layer, what=what, reason=str(error), lines=error.lines)
    return update_record(record, failures=[*record.failures, failure])


def _shorten(result: CheckResult) -> CheckResult:
    """Return the result as a record keeps it: without the command, and without the evidence of a check that holds."""
    return dataclasses.replace(result, command="", evidence="" if result.holds else result.evidence)
