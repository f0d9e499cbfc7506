"""Records become baselines: the rules for that, and how two baselines differ."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.checks import baselines
from mnist_bench.checks.accuracy import compare_values, format_metric, judge_threshold
from mnist_bench.checks.agreement import find_contradictions
from mnist_bench.checks.known import apply_known, load_known
from mnist_bench.checks.layers.contracts import CONTRACTS, check_contract
from mnist_bench.checks.layers.guard import guard
from mnist_bench.checks.names import PROBE_EPOCHS
from mnist_bench.checks.possible import explain_broken_curve, explain_impossible
from mnist_bench.checks.records import ProbeRecord, describe_difference, find_oddities, judge_probes
from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.environment import refuse_fault
from mnist_bench.records.fields import UNKNOWN_COMMIT
from mnist_bench.records.files import refuse_no_folder
from mnist_bench.records.serial import list_json, load
from mnist_bench.records.strict import RecordError
from mnist_bench.records.training import TrainingRecord, find_collision
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.sequential import judge
from mnist_bench.training.backend import read_versions
from mnist_bench.training.engines import check_engine
from mnist_bench.training.labs import check_lab, explain_arithmetic, find_departures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mnist_bench.records.config import TrainingConfig

_FORMS: tuple[type[TrainingRecord | ProbeRecord], ...] = (TrainingRecord, ProbeRecord)

__all__ = ["accept_folder", "diff_baselines", "find_objections"]


def accept_folder(source: Path, folder: Path, *, why: str, force: bool = False) -> list[Path]:
    """Accept every record of a folder: training records as references, probes as digest baselines.

    Args:
        source: The folder of records.
        folder: The folder of the baselines.
        why: The reason, for the reviewer of the file.
        force: Whether to accept records that break a rule; the file names the broken rules.

    Returns:
        The baselines written.

    Raises:
        RecordError: The folder holds no record or an invalid record, or a baseline is invalid.
        ValueError: No reason is given, a rule is broken and `force` is off, or the records belong neither together nor
            to the present baseline. Nothing has been written then.
    """
    acceptance = make_acceptance(why)
    probes, groups = _sort_out(source)
    trainings = [record for group in groups for record in group]
    commits = [probe.environment.commit for probe in probes]
    engines = {probe.config.engine for probe in probes} | {record.config.engine for record in trainings}
    # Refuse records that do not belong together before the first is written, and before the contracts run.
    for group in groups:
        baselines.plan_accuracy(group, folder, acceptance)
    for probe in probes:
        refuse_fault(probe.environment, f"the probe of {probe.config.case}")
    objections = [*_find_other_probes(probes), *find_objections(trainings, commits)]
    # The contracts take a while, and need TensorFlow: they are asked last.
    if force or not objections:
        objections += _find_broken(sorted(engines))
    if objections and not force:
        raise ValueError(f"{source}: not accepted: {'; '.join(objections)} (--force says so in the file)")
    acceptance = make_acceptance(why, objections)
    written = [baselines.accept_accuracy(group, folder, acceptance) for group in groups]
    return written + [baselines.accept_probe(probe, folder, acceptance) for probe in probes]


def find_objections(trainings: Sequence[TrainingRecord], commits: Sequence[str | None]) -> list[str]:
    """Return why records should not become baselines: each broken rule in words.

    Args:
        trainings: Training records; each must be the lab's training, and reach the lab's threshold.
        commits: Commits of the other records; no working tree may have been dirty.
    """
    everywhere = [*commits, *(record.environment.commit for record in trainings)]
    dirty = any(commit is not None and commit.endswith("+dirty") for commit in everywhere)
    return [
        *(["the working tree was dirty"] if dirty else []),
        *(["git does not say whether the working tree was clean"] if UNKNOWN_COMMIT in everywhere else []),
        # Each objection once, however many seeds it applies to.
        *dict.fromkeys(objection for record in trainings for objection in _find_departures(record)),
        *dict.fromkeys(objection for record in trainings for objection in _find_impossible(record)),
        *_find_same_predictions(trainings),
        *_find_low(trainings),
    ]


def diff_baselines(base: Path, new: Path) -> Iterator[tuple[str, Verdict]]:
    """Yield lines that compare two baselines of the same kind, each with its verdict.

    Raises:
        RecordError: A baseline is invalid.
        ValueError: The baselines are one file, or of different kinds, labs or data.
    """
    old, now = (load(path, *baselines.FORMS) for path in (base, new))
    if base.samefile(new):
        raise ValueError(f"{base} and {new} are the same baseline: nothing to compare")
    if isinstance(old, ProbeRecord) and isinstance(now, ProbeRecord):
        yield describe_difference(old, now), judge_probes(old, now)
        return
    if isinstance(old, ProbeRecord) or isinstance(now, ProbeRecord):
        raise ValueError(f"{base} and {new} are of different kinds: {old.kind!r} and {now.kind!r}")  # noqa: TRY004
    for name in ("lab", "dataset", "dataset_digest"):
        sides = getattr(old, name), getattr(now, name)
        if sides[0] != sides[1]:
            raise ValueError(f"{base} and {new} differ in their {name}: {sides[0]!r} and {sides[1]!r}")
    first, second = ({reference.engine: reference for reference in side.references} for side in (old, now))
    for engine in sorted({*first, *second}):
        if engine not in second or engine not in first:
            yield f"{engine}: only in {base if engine in first else new}", Verdict.INCONCLUSIVE
        else:
            yield from _diff_references(first[engine], second[engine])


def _diff_references(old: baselines.Reference, new: baselines.Reference) -> Iterator[tuple[str, Verdict]]:
    if old.epochs != new.epochs:
        told = f"{new.engine}: not comparable: trained for {old.epochs} and for {new.epochs} epochs"
        yield told, Verdict.INCONCLUSIVE
        return
    comparisons = compare_values(old, new.test_accuracy, new.test_loss)
    # The same files give the same verdict: the random splits have a fixed seed.
    for metric, decision in judge(comparisons, rng=np.random.default_rng(FIRST_SEED), looks=1).items():
        yield f"{new.engine} {metric}: {format_metric(metric, decision)}", Verdict(decision.verdict)


def _sort_out(source: Path) -> tuple[list[ProbeRecord], list[list[TrainingRecord]]]:
    """Return the probes of a folder, and the trainings by lab and engine."""
    paths = list_json(source)
    if not paths:
        refuse_no_folder(source)
        raise RecordError(f"{source}: no records (*.json) there")
    probes: list[ProbeRecord] = []
    groups: dict[tuple[str, str], list[TrainingRecord]] = {}
    for path in paths:
        record = load(path, *_FORMS)
        _check_names(path, record.config)
        if isinstance(record, ProbeRecord):
            probes.append(record)
        else:
            groups.setdefault((record.config.lab, record.config.engine), []).append(record)
    return probes, list(groups.values())


def _check_names(path: Path, config: TrainingConfig) -> None:
    """Refuse a record of an unknown lab or engine."""
    try:
        check_lab(config.lab)
        check_engine(config.engine)
    except ValueError as error:
        raise RecordError(f"{path}: $.config: {error}") from error


def _find_departures(record: TrainingRecord) -> Iterator[str]:
    """Yield how a training departs from the lab's, with which it would be compared."""
    for name, (value, wanted) in find_departures(record.config).items():
        yield f"{record.config.lab} was trained with {name} {value!r}, not the lab's {wanted!r}"
    if not record.config.deterministic:
        yield f"{record.config.lab} was trained with op determinism turned off"
    if told := explain_arithmetic(backend=record.environment.backend, precision=record.environment.precision):
        yield f"{record.config.lab} was trained with {told}"


def _find_other_probes(probes: Sequence[ProbeRecord]) -> Iterator[str]:
    """Yield how probes are not those of the lab's training, with which `check` would compare."""
    for probe in probes:
        what = f"the probe of {probe.config.case}"
        if probe.config.epochs != PROBE_EPOCHS or probe.config.seed != FIRST_SEED:
            told = f"{probe.config.epochs} epochs of seed {probe.config.seed}"
            yield f"{what} follows {told}, not {PROBE_EPOCHS} of {FIRST_SEED}"
        yield from (f"{what} is not the lab's own: {odd}" for odd in find_oddities(probe))


def _find_impossible(record: TrainingRecord) -> Iterator[str]:
    """Yield that a training cannot have been, or in what its record contradicts itself."""
    what = f"{record.config.case}, seed {record.config.seed}"
    ends = {"initial": record.initial_digest, "final": record.final_digest}
    told = explain_impossible(record.test_accuracy, record.test_loss, record.predictions, **ends)
    if not told and not find_departures(record.config):
        told = explain_broken_curve(record.history, record.test_accuracy, record.test_loss)
    yield from (f"{what}: {each}" for each in (told, *find_contradictions(record)) if each)


def _find_same_predictions(trainings: Sequence[TrainingRecord]) -> Iterator[str]:
    """Yield the first two seeds of a case that end in other weights and predict the same, to the bit."""
    for case in dict.fromkeys(record.config.case for record in trainings):
        made = [(record.config.seed, record.predictions) for record in trainings if record.config.case == case]
        digests = {seed: predictions.digest for seed, predictions in made if predictions}
        if found := find_collision(digests, digests.values()):
            yield f"{case}: the seeds {found[0]} and {found[1]} have the same predictions"


# A sound training of the mlp ends below the threshold once in 500 (docs/statistics.md, "Real seeds").
_LOW_SHARE = 0.01


def _find_low(trainings: Sequence[TrainingRecord]) -> Iterator[str]:
    for lab in dict.fromkeys(record.config.lab for record in trainings):
        trained = [record for record in trainings if record.config.lab == lab]
        low = [record.config.seed for record in trained if judge_threshold(record) is Verdict.REGRESSED]
        if len(low) > _LOW_SHARE * len(trained):
            yield f"{lab} is below its threshold in {len(low)} of {len(trained)} trainings, such as seed {low[0]}"


def _find_broken(engines: Sequence[str]) -> Iterator[str]:
    known, versions = load_known(), read_versions()
    for engine in engines:
        for name in CONTRACTS:
            result = guard(f"contract/{name}[{engine}]", partial(check_contract, name, engine))
            result = apply_known(result, engine, versions, known)
            if not result.holds:
                yield f"{result.name} fails here"
