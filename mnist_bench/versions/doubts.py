"""What can be read and cannot be true, or is not the lab's own: no verdict is built on it, and it is named."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mnist_bench.checks.agreement import explain_data, explain_test_set, explain_versions
from mnist_bench.checks.possible import CURVES, SAME_ACCURACY, explain_broken_curve, explain_impossible
from mnist_bench.checks.records import find_oddities
from mnist_bench.records.environment import can_have_key
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.labs import check_lab, configure_lab, explain_arithmetic, explain_short
from mnist_bench.versions.records import Planned, seeds_by_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.records.environment import DatasetRecord, EnvironmentRecord
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.seeds import SeedResults

__all__ = ["find_doubts"]

# A training whose weights are the same has the same curve, but for rounding; Keras 3.6 and 3.8 differ by 5e-4 in the
# validation loss.
_SAME_CURVE = 1e-2
_ROUNDING = 1e-6


def find_doubts(base: VersionRecord, new: VersionRecord) -> Iterator[CheckResult]:
    """Yield what is not to be believed, or not to be judged, in either record, once each.

    Args:
        base: The record to compare with.
        new: The other record, its engines aligned.
    """
    sides = {"base": dict(_find_own(base)), "new": dict(_find_own(new))}
    for name in dict.fromkeys(name for doubts in sides.values() for name in doubts):
        told = [f"{doubts[name]} in {side}" for side, doubts in sides.items() if name in doubts]
        yield _make_doubt(name, f"not judged: {'; '.join(told)}", "as the lab measures it")
    for case, old in seeds_by_case(base).items():
        if now := seeds_by_case(new).get(case):
            for name, told_of_both, bound in _compare_seeds(old, now):
                yield _make_doubt(f"accuracy/{name}[{case}]", told_of_both, bound)


def _make_doubt(name: str, figure: str, bound: str) -> CheckResult:
    return CheckResult(name=name, verdict=Verdict.INCONCLUSIVE, figure=figure, bound=bound)


def _compare_seeds(old: SeedResults, now: SeedResults) -> Iterator[tuple[str, str, str]]:
    """Yield in what trainings with the same final weights differ: a name, the difference, what it should be."""
    if gap := _compare_curves(old, now):
        told = f"{gap}, although both trainings of seed {now.seeds[0]} end in the same weights"
        yield "curves", told, "the same curves"
    if (seed := _find_other_start(old, now)) is not None:
        told = f"seed {seed} ends in the same weights in both, and begins with others"
        yield "starts", told, "the same initial weights"
    if gap := _compare_predictions(old, now):
        yield "predictions", f"{gap}, although both trainings end in the same weights", "the same predictions"


def _find_own(record: VersionRecord) -> Iterator[tuple[str, str]]:
    if record.environment and (told := "; ".join(_explain_environment(record.environment))):
        yield "version/environment", told
    if record.dataset and (told := "; ".join(explain_data(record.dataset))):
        yield "version/data", told
    for probe in record.probes:
        if odd := find_oddities(probe):
            yield f"bits/probe[{probe.config.case}]", ", ".join(odd)
    yield from _find_twins(record)
    yield from _find_tied_figures(record)
    yield from _find_other_streams(record)
    yield from _find_early_ends(record)
    yield from _find_own_trainings(record)


def _find_own_trainings(record: VersionRecord) -> Iterator[tuple[str, str]]:
    for results in record.accuracy:
        by_seed = zip(results.seeds, results.contradictions, strict=False)
        if told := [f"seed {seed}: {each}" for seed, each in by_seed if each]:
            more = f", and {len(told) - 1} more" if len(told) > 1 else ""
            yield f"accuracy/agreement[{results.case}]", f"{told[0]}{more}"
        if record.dataset and (odd := next(_find_other_tests(record.dataset, results), "")):
            yield f"accuracy/test-set[{results.case}]", odd
        company = results.engine == "fused"
        if record.environment and not can_have_key(record.environment, results.numerics_key, company=company):
            other = f"numerics_key {results.numerics_key!r} is not that of a training in the record's environment"
            yield f"accuracy/key[{results.case}]", other
        planned = record.planned.epochs if record.planned else None
        if planned is not None and results.epochs != planned:
            yield f"accuracy/epochs[{results.case}]", f"trained for {results.epochs} epochs, and {planned} were planned"
        if results.departures and record.planned != Planned():
            settings = ", ".join(f"{name} {value}" for name, value in results.departures.items())
            yield f"accuracy/training[{results.case}]", f"trained with {settings}, not as the lab"
        elif not explain_short(results.lab, results.epochs) and (gap := _find_impossible(results)):
            yield f"accuracy/possible[{results.case}]", gap


def _explain_environment(environment: EnvironmentRecord) -> Iterator[str]:
    """Yield in what an environment cannot have been, or is not one in which the lab trains."""
    yield from explain_versions(environment)
    if told := explain_arithmetic(backend=environment.backend, precision=environment.precision):
        yield told


def _find_twins(record: VersionRecord) -> Iterator[tuple[str, str]]:
    """Yield labs that end in the same weights: they have other layers, or other dropout."""
    ends = [(probe.config.lab, probe.stages[-1].digest) for probe in record.probes]
    ends += [(results.lab, digest) for results in record.accuracy for digest in results.final_digests]
    labs: dict[str, str] = {}
    for lab, digest in ends:
        if labs.setdefault(digest, lab) != lab:
            yield f"bits/labs[{lab}]", f"{labs[digest]} and {lab} end in the same weights"
    starts: dict[str, str] = {}
    for results in record.accuracy:
        for digest in results.initial_digests:
            other = starts.setdefault(digest, results.lab)
            if check_lab(other).hidden != check_lab(results.lab).hidden:
                yield f"bits/labs[{results.lab}]", f"{other} and {results.lab} begin with the same weights"


def _find_tied_figures(record: VersionRecord) -> Iterator[tuple[str, str]]:
    """Yield figures that only trainings of the same weights share: the loss of every seed, the curves of two labs."""
    curves: dict[str, SeedResults] = {}
    for results in record.accuracy:
        losses = set(results.test_loss)
        if len(results.seeds) > 1 and len(losses) == 1 and None not in losses:
            told = f"all {len(results.seeds)} seeds have the test loss {losses.pop():g}, and end in different weights"
            yield f"accuracy/figures[{results.case}]", told
        other = curves.setdefault(str([getattr(results.history, name) for name in CURVES]), results)
        if other.final_digests[0] != results.final_digests[0]:
            told = f"the curves are those of {other.case}, which ends in other weights"
            yield f"accuracy/curves[{results.case}]", told


def _find_other_streams(record: VersionRecord) -> Iterator[tuple[str, str]]:
    """Yield that a seed begins a lab with several initial weights, or an engine visits the samples in several orders.

    Keras draws the initial weights before any engine trains, and the order of the samples depends on no layer.
    """
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for name, what, place, digest in _list_streams(record):
        where, known = first.setdefault((name, what), (place, digest))
        if digest != known:
            yield name, f"the {what} differs between {where} and {place}"


def _list_streams(record: VersionRecord) -> Iterator[tuple[str, str, str, str]]:
    """Yield the initial weights and data orders of the probes: a doubt's name, whose, where, the digest."""
    for probe in record.probes:
        config = probe.config
        run = f"{config.engine} over {config.epochs} epochs of seed {config.seed} in batches of {config.batch_size}"
        names = {"data order": (f"bits/order[{config.engine}]", f"digest of the data order of {run}")}
        if configure_lab(config).hidden == check_lab(config.lab).hidden:
            what = f"digest of the initial weights of {config.lab} with seed {config.seed}"
            names["initial weights"] = (f"bits/start[{config.lab}]", what)
        for stage in probe.stages:
            if stage.name in names:
                yield (*names[stage.name], f"the probe of {config.case}", stage.digest)


def _find_early_ends(record: VersionRecord) -> Iterator[tuple[str, str]]:
    """Yield trainings that end in weights which the much shorter probe of their lab and engine has."""
    probed = {probe.config.case: probe for probe in record.probes}
    for results in record.accuracy:
        probe = probed.get(results.case)
        if probe is None or results.epochs <= (probe.config.epochs or results.epochs):
            continue
        stages = {stage.digest: stage.name for stage in probe.stages}
        if digest := next((digest for digest in results.final_digests if digest in stages), None):
            seed = results.seeds[results.final_digests.index(digest)]
            told = f"seed {seed} ends after {results.epochs} epochs in the {stages[digest]!r} of the probe"
            yield f"accuracy/ends[{results.case}]", told


def _find_other_tests(dataset: DatasetRecord, results: SeedResults) -> Iterator[str]:
    for seed, predictions in zip(results.seeds, results.predictions, strict=False):
        yield from (f"seed {seed}: {told}" for told in explain_test_set(dataset, predictions))


def _find_other_start(old: SeedResults, now: SeedResults) -> int | None:
    """Return the first seed that ends in the same bits on both sides, from other initial weights; None if none does."""
    after = dict(zip(now.seeds, zip(now.initial_digests, now.final_digests, strict=False), strict=False))
    for seed, start, end in zip(old.seeds, old.initial_digests, old.final_digests, strict=False):
        first, last = after.get(seed, (start, ""))
        if last == end and first != start:
            return seed
    return None


def _find_impossible(results: SeedResults) -> str:
    """Return what cannot have been of a seed's training; "" if all can."""
    initial = results.initial_digests or [""] * len(results.seeds)
    made = results.predictions or [None] * len(results.seeds)
    columns = (results.test_accuracy, results.test_loss, made, initial, results.final_digests)
    for seed, accuracy, loss, predictions, first, last in zip(results.seeds, *columns, strict=True):
        if told := explain_impossible(accuracy, loss, predictions, initial=first, final=last):
            return f"seed {seed}: {told}"
    seed, loss, accuracy = results.seeds[0], results.test_loss[0], results.test_accuracy[0]
    told = explain_broken_curve(results.history, accuracy, loss)
    return f"{told}, seed {seed}" if told else ""


def _compare_curves(old: SeedResults, now: SeedResults) -> str:
    """Return in which column the curves of the same weights differ; "" if in none, or of other weights."""
    if (old.seeds[0], old.final_digests[0], old.epochs) != (now.seeds[0], now.final_digests[0], now.epochs):
        return ""
    for name in CURVES:
        for epoch, (x, y) in enumerate(zip(getattr(old.history, name), getattr(now.history, name), strict=True), 1):
            if (x is None) != (y is None) or not math.isclose(x or 0, y or 0, rel_tol=_SAME_CURVE, abs_tol=_SAME_CURVE):
                return f"{name} of epoch {epoch} is {x} and {y}"
    return ""


def _compare_predictions(old: SeedResults, now: SeedResults) -> str:
    """Return in what the predictions of the same weights differ beyond rounding; "" if in nothing."""
    after = dict(zip(now.seeds, zip(now.final_digests, now.predictions, strict=False), strict=False))
    for seed, digest, x in zip(old.seeds, old.final_digests, old.predictions, strict=False):
        other, y = after.get(seed, ("", None))
        if x is None or y is None or digest != other:
            continue
        if x.digest == y.digest and x.class_errors != y.class_errors:
            return f"the errors by class of seed {seed} differ"
        for name, allowed in (("exact_loss", _ROUNDING), ("exact_accuracy", SAME_ACCURACY)):
            first, second = getattr(x, name), getattr(y, name)
            if (first is None) != (second is None) or abs((first or 0) - (second or 0)) > allowed:
                return f"{name} of seed {seed} is {first} and {second}"
    return ""
