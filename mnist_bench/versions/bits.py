"""The bits of two versions' trainings beside each other: whether they part, and where first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.records import compare_probes, describe_difference
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.records import probes_by_case, seeds_by_case

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mnist_bench.versions.records import SeedResults, VersionRecord

__all__ = ["NO_ANSWERS", "SAME_BITS", "align_engines", "compare_bits", "count_same_ends"]

# Keras's own `fit`, which ends in the same bits whichever way it calls its steps.
SAME_BITS = ("epoch", "graph", "eager")

_ONE_ONLY, _NO_SEED = "measured in one of the two only", "the two have no seed in common"
NO_ANSWERS = (_ONE_ONLY, _NO_SEED)  # reasons that say nothing of the bits


def align_engines(base: VersionRecord, new: VersionRecord) -> VersionRecord:
    """Return `new` with each engine that gives the same bits as one of `base`'s called by that one's name.

    A version that cannot train by `epoch` was trained by `graph`.
    """

    def rename(lab: str, engine: str, mine: Iterable[str], its: Iterable[str]) -> str:
        others = [it for it in SAME_BITS if f"{lab}-{it}" in its and f"{lab}-{it}" not in mine]
        return others[0] if engine in SAME_BITS and f"{lab}-{engine}" not in its and others else engine

    accuracy = [
        dataclasses.replace(it, engine=rename(it.lab, it.engine, seeds_by_case(new), seeds_by_case(base)))
        for it in new.accuracy
    ]
    probes = []
    for probe in new.probes:
        engine = rename(probe.config.lab, probe.config.engine, probes_by_case(new), probes_by_case(base))
        config = dataclasses.replace(probe.config, engine=engine)
        probes.append(dataclasses.replace(probe, config=config))
    return dataclasses.replace(new, accuracy=accuracy, probes=probes)


def compare_bits(case: str, base: VersionRecord, new: VersionRecord) -> tuple[str, CheckResult | None]:
    """Return why the bits of a case are not the same, or that they are.

    Args:
        case: A lab and an engine, such as `mlp-epoch`.
        base: The one to be held against.
        new: The other, its engines aligned.

    Returns:
        Where they part, empty if they do not; and a verdict: IDENTICAL, or, of bare probes, of which the bits are
        all there is to judge, REGRESSED.
    """
    probes = probes_by_case(base).get(case), probes_by_case(new).get(case)
    trained = seeds_by_case(base).get(case), seeds_by_case(new).get(case)
    reason, alike = "", []
    if probes[0] and probes[1]:
        if compare_probes(probes[0], probes[1]):
            reason = describe_difference(probes[0], probes[1])
        alike.append(f"all {len(probes[1].stages)} stages")
    if trained[0] and trained[1]:
        ends = _pair_ends(trained[0], trained[1], "final_digests")
        differ = [seed for seed, one, other in ends if one != other]
        if differ and not reason:
            reason = f"the final weights differ in {len(differ)} of {len(ends)} seeds, such as {differ[0]}"
        if ends:
            alike.append(f"the final weights of {len(ends)} seeds")
        elif not reason and not (probes[0] and probes[1]):
            reason = _NO_SEED
    if reason or not alike:
        bare = not any((base.accuracy, new.accuracy, base.checks, new.checks))
        if bare and probes[0] and probes[1]:
            return reason, CheckResult(
                name=f"bits/{case}", verdict=Verdict.REGRESSED, figure=reason, bound="the same bits in every stage"
            )
        return reason or _ONE_ONLY, None
    figure = " and ".join(alike)
    return "", CheckResult(name=f"bits/{case}", verdict=Verdict.IDENTICAL, figure=figure, bound="the same bits")


def count_same_ends(old: SeedResults, now: SeedResults) -> int:
    """Return how many seeds of both end in the same weights, accuracy and loss; 0 if one of them does not."""
    ends = _pair_ends(old, now, "final_digests", "test_accuracy", "test_loss")
    return len(ends) if all(one == other for _, one, other in ends) else 0


def _pair_ends(old: SeedResults, now: SeedResults, *fields: str) -> list[tuple[int, tuple[Any, ...], tuple[Any, ...]]]:
    """Return each seed that both have, and what these fields say of its training in either."""
    first, second = (
        dict(zip(it.seeds, zip(*(getattr(it, name) for name in fields), strict=True), strict=True)) for it in (old, now)
    )
    return [(seed, first[seed], second[seed]) for seed in first if seed in second]
