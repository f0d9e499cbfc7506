"""The checks in their order, the sharpest first: what `mnist-bench check` runs, with or without a checkout."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.checks import baselines
from mnist_bench.checks.accuracy import check_collisions, check_threshold, compare_accuracy, is_decided, plan_looks
from mnist_bench.checks.elsewhere import (
    ask_checks,
    ask_environment,
    ask_own_environment,
    ask_probes,
    did_not_run,
)
from mnist_bench.checks.layers.structure import check_environment
from mnist_bench.checks.names import name_fast_checks
from mnist_bench.checks.records import ProbeRecord, compare_probes, describe_difference, share_streams
from mnist_bench.records.config import FIRST_SEED, Case, TrainingConfig
from mnist_bench.records.environment import NUMERICS_FIELDS, explain_keys
from mnist_bench.records.serial import list_json, load
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.campaign import plan_campaign, run_campaign
from mnist_bench.training.data.dataset import Dataset
from mnist_bench.training.workers.events import Failed, Finished
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.training.workers.pool import train_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mnist_bench.checks.baselines import Reference
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.workers.events import Event

__all__ = ["CheckPlan", "check_bits", "check_fast_layers", "check_results", "run_suite"]

_ENVIRONMENT = "structure/environment"


@dataclass(frozen=True, kw_only=True)
class CheckPlan:
    """What to check.

    Attributes:
        labs: Keys of `LABS`.
        engine: A key of `ENGINES`.
        seeds: The most new seeds to train, if the bits differ from the baseline's.
        jobs: Worker processes.
        dataset: The data, loaded.
        source: The same data, for workers to load.
        baselines: The folder of the baselines.
        folder: Where the trainings' records are kept; a training with a record there is not repeated.
        device: `auto`, `cpu` or `gpu`.
    """

    labs: Sequence[str]
    engine: str
    seeds: int
    jobs: int
    dataset: Dataset
    source: str
    baselines: Path
    folder: Path
    device: str = "auto"


def run_suite(plan: CheckPlan, show: Callable[[Event], None]) -> Iterator[CheckResult]:
    """Run every check and yield its result.

    Args:
        plan: What to check.
        show: Called with each event of the trainings.

    Yields:
        Structure, contracts, arithmetic, reproducibility; then, for each lab, that the bits are the baseline's or, if
        they are not, how accuracy and loss compare.

    Raises:
        CommandError: The device or the engine cannot be used.
    """
    able = True
    for result in check_fast_layers(plan):
        able = able and (result.name != _ENVIRONMENT or result.holds)
        yield result
    if not able:
        return
    moved: dict[str, str] = {}
    probes: dict[str, ProbeRecord] = {}
    for lab in plan.labs:
        bits, reason, probe = _check_bits(plan, lab)
        if probe is not None:
            probes[lab] = probe
        if bits is not None:
            yield bits
        if bits is None or not bits.holds:
            moved[lab] = reason
    yield from check_results(plan, moved, show, probes)


def check_fast_layers(plan: CheckPlan) -> Iterator[CheckResult]:
    """Check structure, contracts, arithmetic and reproducibility, with known regressions taken into account.

    They run in a child process: what they ask TensorFlow for may end the process.

    Raises:
        CommandError: The device or the engine cannot be used.
    """
    left = [_ENVIRONMENT]
    try:
        environment = ask_environment(device=plan.device)
        result = check_environment(environment, plan.dataset.label)
        yield result
        if result.holds:
            left = name_fast_checks(plan.labs, plan.engine)
            yield from ask_checks(None, plan.labs, engine=plan.engine, source=plan.source, environment=environment)
    except CommandError as error:
        if error.bad_input:
            raise
        yield from (did_not_run(name, str(error)) for name in left)


def _check_bits(plan: CheckPlan, lab: str) -> tuple[CheckResult | None, str, ProbeRecord | None]:
    """Return IDENTICAL if every stage has the baseline's bits; else None, and the reason in words; and the probe.

    A probe that fails is INCONCLUSIVE, and the reason says so, too.
    """
    config = TrainingConfig(lab=lab, engine=plan.engine, data=plan.source, device=plan.device)
    try:
        (now,) = ask_probes(None, [config])
    except CommandError as error:
        return did_not_run(f"bits/{lab}-{plan.engine}", str(error)), "bits: the probe did not run", None
    result, reason = check_bits(plan.baselines, now)
    return result, reason, now


def check_bits(folder: Path, now: ProbeRecord) -> tuple[CheckResult | None, str]:
    """Return IDENTICAL if every stage has the bits of a baseline in the folder; else None, and the reason in words."""
    before = baselines.find_probe(folder, now)
    if before is None:
        return None, _explain_no_probe(folder, now)
    if compare_probes(before, now):
        return None, describe_difference(before, now)
    identical = CheckResult(
        name=f"bits/{now.config.case}",
        verdict=Verdict.IDENTICAL,
        figure=f"all {len(now.stages)} stages, to epoch {now.config.epochs}",
        bound=f"the baseline of numerics key {now.environment.numerics_key}",
        evidence="the same bits need no statistics",
    )
    return identical, ""


def _explain_no_probe(baseline: Path, now: ProbeRecord) -> str:
    """Say that no probe baseline fits this environment, and how the nearest baseline differs."""
    folder = baselines.probe_path(baseline, now).parent
    probes = [load(path, ProbeRecord) for path in list_json(folder)]
    differences = [explain_keys(probe.environment, now.environment, NUMERICS_FIELDS) for probe in probes]
    if not differences:
        return "bits: no baseline for this lab and engine"
    nearest = min(differences, key=len)
    words = ", ".join(f"{name} (baseline {base!r}, here {here!r})" for name, (base, here) in nearest.items())
    return f"bits: not comparable with any baseline; the nearest differs in {words}"


def check_results(
    plan: CheckPlan,
    moved: dict[str, str],
    show: Callable[[Event], None],
    probes: Mapping[str, ProbeRecord] | None = None,
) -> Iterator[CheckResult]:
    """Train seeds of the labs whose bits moved, look by look, and yield what the statistics say.

    Where a lab's probe has the random numbers of the reference, the reference's own seeds are trained and judged as
    pairs; else new seeds are.

    Args:
        plan: What to check.
        moved: The labs, each with the words on how the bits compare.
        show: Called with each event of the trainings.
        probes: The probe of each lab, as far as it ran.
    """
    references: dict[str, Reference] = {}
    for lab, reason in moved.items():
        reference = baselines.find_reference(
            plan.baselines, plan.dataset.name, lab, plan.engine, digest=plan.dataset.digest
        )
        if reference is None:
            yield _make_no_baseline(plan, lab, reason)
        else:
            references[lab] = reference
    if not references:
        return
    looks, paired = plan_looks(plan.seeds), _find_pairs(plan, references, probes or {})
    ask = functools.cache(lambda: ask_own_environment(plan.device))  # once for all looks
    for look in looks:
        seeds = {
            lab: reference.seeds[:look] if lab in paired else list(range(FIRST_SEED, FIRST_SEED + look))
            for lab, reference in references.items()
        }
        records, failed = _train(plan, seeds, show, ask)
        if failed:
            yield from failed
            return
        collisions = _find_collisions(plan.engine, records, references)
        if collisions:  # seeds that are one training are no sample: there is nothing to judge
            yield from collisions
            return
        results = compare_accuracy(records, references, looks=len(looks), paired=paired)
        if is_decided(results):
            break
    for lab, trained in records.items():
        yield check_threshold(trained)
        yield from (_with_reason(r, moved[lab]) for r in results if r.case == str(Case(lab, plan.engine)))


def _find_pairs(
    plan: CheckPlan, references: Mapping[str, Reference], probes: Mapping[str, ProbeRecord]
) -> frozenset[str]:
    """Return the labs whose seeds draw here what the seeds of the reference drew."""
    paired = set()
    for lab, reference in references.items():
        probe = probes.get(lab)
        before = probe and baselines.find_reference_probe(plan.baselines, probe, reference)
        if probe and before and share_streams(before, probe):
            paired.add(lab)
    return frozenset(paired)


def _train(
    plan: CheckPlan,
    seeds: Mapping[str, Sequence[int]],
    show: Callable[[Event], None],
    ask: Callable[[], EnvironmentRecord],
) -> tuple[dict[str, list[TrainingRecord]], list[CheckResult]]:
    """Return the records of these seeds of each lab; train the seeds that have no record yet."""
    configs = [
        TrainingConfig(lab=lab, engine=plan.engine, seed=seed, data=plan.source, device=plan.device)
        for lab, own in seeds.items()
        for seed in own
    ]
    campaign = plan_campaign(configs, plan.folder, plan.dataset, jobs=plan.jobs, resume=ask)
    records, failed = list(campaign.done.values()), []
    for event in run_campaign(campaign, functools.partial(train_all, jobs=plan.jobs)):
        show(event)
        if isinstance(event, Finished):
            records.append(event.record)
        elif isinstance(event, Failed):
            failed.append(_make_failed(event))
    groups = {lab: [record for record in records if record.config.lab == lab] for lab in seeds}
    return groups, failed


def _find_collisions(
    engine: str, records: Mapping[str, Sequence[TrainingRecord]], references: Mapping[str, Reference]
) -> list[CheckResult]:
    """Return a result for each lab of whose seeds two have the same weights."""
    told = {lab: _explain_collision(lab, trained, references[lab]) for lab, trained in records.items()}
    return [
        CheckResult(
            name=f"reproducibility/trained-seeds[{Case(lab, engine)}]",
            verdict=Verdict.REGRESSED,
            figure=figure,
            bound="no two seeds start from, or end in, the same weights",
            evidence="accuracy and loss were not judged",
        )
        for lab, figure in told.items()
        if figure
    ]


def _explain_collision(lab: str, trained: Sequence[TrainingRecord], reference: Reference) -> str:
    try:
        check_collisions(lab, trained, reference)
    except ValueError as error:
        return str(error)
    return ""


def _make_no_baseline(plan: CheckPlan, lab: str, reason: str) -> CheckResult:
    return CheckResult(
        name=f"accuracy/{Case(lab, plan.engine)}",
        verdict=Verdict.NO_BASELINE,
        figure="not trained",
        bound=f"no reference for {lab} by {plan.engine} on {plan.dataset.name}",
        evidence=reason,
        command=f"mnist-bench baseline accept RECORDS --folder {plan.baselines} --why WHY",
    )


def _make_failed(event: Failed) -> CheckResult:
    return CheckResult(
        name=f"accuracy/training[{event.config.case}]",
        verdict=Verdict.INCONCLUSIVE,
        figure="a training did not finish",
        bound="all finish",
        evidence=event.reason,
    )


def _with_reason(result: CheckResult, reason: str) -> CheckResult:
    return dataclasses.replace(result, evidence=f"{result.evidence}. {reason}")
