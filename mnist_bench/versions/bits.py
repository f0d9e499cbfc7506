"""The bits of trainings: where those of two versions part first, and which versions have the same bits."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mnist_bench.checks.records import (
    compare_probes,
    describe_difference,
    find_oddities,
    is_covered,
    judge_probes,
    share_streams,
)
from mnist_bench.records.config import Case
from mnist_bench.records.environment import NUMERICS_FIELDS, explain_keys
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.labs import LABS
from mnist_bench.versions.records import find_cases, probes_by_case, seeds_by_case

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.seeds import SeedResults

__all__ = [
    "FIT",
    "SAME_BITS",
    "BitComparison",
    "BitGroups",
    "align_engines",
    "compare_bits",
    "count_same_ends",
    "explain_machines",
    "find_groups",
    "find_judge",
    "group_records",
    "is_rounding",
    "make_probe_result",
    "share_case_streams",
]

# Keras's own `fit` ends in the same bits, whichever way it calls its steps.
SAME_BITS = ("epoch", "graph", "eager")
FIT = "fit"  # the method of all engines of SAME_BITS


@dataclass(frozen=True)
class BitComparison:
    """What the bits of one case say of two versions.

    Attributes:
        reason: Where the bits part first, or why they cannot be compared; "" if they are the same.
        moved: Whether the bits were compared and are not the same.
        result: A verdict if the bits alone give one: IDENTICAL; or, of bare probes, how far these moved.
    """

    reason: str
    moved: bool
    result: CheckResult | None = None


@dataclass(frozen=True)
class BitGroups:
    """The versions that were measured of one lab by one method, those of the same bits together.

    Attributes:
        lab: A key of `LABS`.
        method: `fit`, or the engine.
        groups: Names of versions in the order of the page; the groups in the order of their first names.
    """

    lab: str
    method: str
    groups: list[list[str]]

    def place(self, name: str) -> int | None:
        """Return the number of a version's group, from 0; None if the version was not measured."""
        return next((place for place, group in enumerate(self.groups) if name in group), None)


def align_engines(base: VersionRecord, new: VersionRecord) -> VersionRecord:
    """Return `new` with its engines renamed to those of `base` that give the same bits.

    A version that cannot train by `epoch`, for example, was trained by `graph`.
    """

    def rename(case: Case, ours: Container[Case], theirs: Container[Case]) -> str:
        same = [Case(case.lab, engine) for engine in SAME_BITS]
        others = [other.engine for other in same if other in theirs and other not in ours]
        return others[0] if case in same and case not in theirs and others else case.engine

    seeds, probes = (seeds_by_case(new), seeds_by_case(base)), (probes_by_case(new), probes_by_case(base))
    return dataclasses.replace(
        new,
        accuracy=[dataclasses.replace(results, engine=rename(results.case, *seeds)) for results in new.accuracy],
        probes=[
            dataclasses.replace(
                probe, config=dataclasses.replace(probe.config, engine=rename(probe.config.case, *probes))
            )
            for probe in new.probes
        ],
    )


def compare_bits(case: Case, base: VersionRecord, new: VersionRecord) -> BitComparison:
    """Compare the bits of one case.

    Args:
        case: The case.
        base: The version to compare with.
        new: The other version, its engines aligned.

    Raises:
        ValueError: The probes are of different trainings or data.
    """
    old_probe, new_probe = probes_by_case(base).get(case), probes_by_case(new).get(case)
    old_seeds, new_seeds = seeds_by_case(base).get(case), seeds_by_case(new).get(case)
    if old_probe and new_probe and (find_oddities(old_probe) or find_oddities(new_probe)):
        old_probe = new_probe = None  # not the lab's own: see `doubts.find_doubts`
    reason, same = "", []
    if old_probe and new_probe:
        if compare_probes(old_probe, new_probe):
            reason = describe_difference(old_probe, new_probe)
        same.append(f"all {len(new_probe.stages)} stages")
    ends = _pair_ends(old_seeds, new_seeds) if old_seeds and new_seeds else []
    reason = reason or _explain_ends(ends)
    if ends:
        same.append(f"the final weights of {len(ends)} {'seed' if len(ends) == 1 else 'seeds'}")
    name = f"bits/{case}"
    if reason:
        # Of bare probes the bits are all there is to judge.
        bare = old_probe and new_probe and not any((base.accuracy, new.accuracy, base.checks, new.checks))
        result = make_probe_result(old_probe, new_probe) if bare and old_probe and new_probe else None
        return BitComparison(reason, moved=True, result=result)
    if not same:
        trained = old_seeds and new_seeds
        why = "the two versions have no seed in common" if trained else "not measured in both of the two versions"
        return BitComparison(why, moved=False)
    identical = CheckResult(name=name, verdict=Verdict.IDENTICAL, figure=" and ".join(same), bound="the same bits")
    return BitComparison("", moved=False, result=identical)


def make_probe_result(base: ProbeRecord, new: ProbeRecord) -> CheckResult:
    """Return the verdict on two probes, of which the bits are all there is to judge.

    Raises:
        ValueError: The probes are of different trainings or data.
    """
    verdict = judge_probes(base, new)
    odd = find_oddities(base) or find_oddities(new)
    moved = verdict is Verdict.INCONCLUSIVE and not odd
    evidence = "moved, and nothing says whether it is worse: judge it by trainings" if moved else ""
    return CheckResult(
        name=f"bits/{new.config.case}",
        verdict=verdict,
        figure=describe_difference(base, new),
        bound="the same bits in every stage",
        evidence=f"not judged, because this is not the lab's own probe: {', '.join(odd)}" if odd else evidence,
        command="mnist-bench matrix run NAME --interpreter PYTHON" if moved else "",
    )


def share_case_streams(base: VersionRecord, new: VersionRecord, case: Case) -> bool:
    """Return whether both versions draw the same random numbers from a seed of a case, as far as the probes tell."""
    old, now = probes_by_case(base).get(case), probes_by_case(new).get(case)
    return old is not None and now is not None and share_streams(old, now)


def is_rounding(case: Case, base: VersionRecord, new: VersionRecord) -> bool:
    """Return whether other bits of a case are rounding and nothing else, without a training that says so.

    Both versions draw the same random numbers, each stage from given weights is the same to within rounding, and both
    follow the oracle step by step. Of a stage without values nothing says how far it moved.
    """
    old, now = probes_by_case(base).get(case), probes_by_case(new).get(case)
    if old is None or now is None or find_oddities(old) or find_oddities(now) or not share_streams(old, now):
        return False
    return (
        _have_values(old, now) and _follow_oracle(case, base, new) and judge_probes(old, now) is not Verdict.REGRESSED
    )


def find_judge(case: Case, base: VersionRecord, new: VersionRecord) -> Case | None:
    """Return the case of Keras's own `fit` whose trainings judge what moved in a case that nobody trained in full.

    There is one if `fit` was trained in both versions, each stage that moved in this case beyond rounding moved by
    `fit` as well, and both versions follow the oracle step by step by this engine, too.
    """
    probes, seeds = (probes_by_case(base), probes_by_case(new)), (seeds_by_case(base), seeds_by_case(new))
    judge = next((each for each in (Case(case.lab, engine) for engine in SAME_BITS) if _is_in(each, *probes)), None)
    if judge is None or not (_is_in(case, *probes) and _is_in(judge, *seeds) and _follow_oracle(case, base, new)):
        return None
    involved = [side[each] for side in probes for each in (case, judge)]
    if any(map(find_oddities, involved)) or not _have_values(*involved):
        return None
    moved, by = (compare_probes(probes[0][each], probes[1][each]) for each in (case, judge))
    return judge if is_covered(moved, by) else None


def _have_values(*probes: ProbeRecord) -> bool:
    """Return whether each stage has values: of one without, nothing says how far it moved."""
    return all(stage.values for probe in probes for stage in probe.stages)


def _is_in(case: Case, *sides: Mapping[Case, Any]) -> bool:
    return all(case in side for side in sides)


def _follow_oracle(case: Case, *records: VersionRecord) -> bool:
    """Return whether all these versions follow the oracle step by step in this case."""
    name = f"arithmetic/oracle[{case}]"
    return all(
        any(result.name == name and result.holds for results in record.checks.values() for result in results)
        for record in records
    )


def count_same_ends(old: SeedResults, now: SeedResults) -> int:
    """Return how many seeds both have if all of them end in the same weights, accuracy and finite loss; else 0."""
    ends = _pair_ends(old, now)
    return 0 if _explain_ends(ends) else len(ends)


def explain_machines(a: VersionRecord, b: VersionRecord) -> str:
    """Return in what two machines differ so that their bits cannot be compared; "" if in nothing."""
    if a.environment is None or b.environment is None:
        return "no fingerprint of the machine"
    keys = explain_keys(a.environment, b.environment, NUMERICS_FIELDS)
    return ", ".join(f"{name} {x!r} and {y!r}" for name, (x, y) in keys.items() if name != "keras")


def find_groups(records: Mapping[str, VersionRecord]) -> list[BitGroups]:
    """Return the groups of each lab and method of which anything was measured: `fit` first, the labs in their order."""
    cases = {case for record in records.values() for case in find_cases(record)}
    columns = {(case.lab, FIT if case.engine in SAME_BITS else case.engine) for case in cases}
    labs = list(LABS)

    def order(column: tuple[str, str]) -> tuple[bool, str, int, str]:
        lab, method = column
        return method != FIT, method, labs.index(lab) if lab in labs else len(labs), lab

    return [BitGroups(*column, group_records(records, *column)) for column in sorted(columns, key=order)]


def group_records(records: Mapping[str, VersionRecord], lab: str, method: str) -> list[list[str]]:
    """Return the names of the versions that were measured, those of the same bits together.

    The bits of two machines cannot be compared, so versions of another machine are in groups of their own.
    """
    groups: list[list[str]] = []
    for name, record in records.items():
        if not _list_cases(record, lab, method):
            continue
        home = next((group for group in groups if _is_alike(records[group[0]], record, lab, method)), None)
        if home is None:
            groups.append([name])
        else:
            home.append(name)
    return groups


def _list_cases(record: VersionRecord, lab: str, method: str) -> list[Case]:
    """Return the cases of a record that are of this lab and method, the preferred one first."""
    measured = find_cases(record)
    engines = SAME_BITS if method == FIT else (method,)
    return [case for case in (Case(lab, engine) for engine in engines) if case in measured]


def _is_alike(first: VersionRecord, second: VersionRecord, lab: str, method: str) -> bool:
    if explain_machines(first, second):
        return False
    case, second = _list_cases(first, lab, method)[0], align_engines(first, second)
    old, now = seeds_by_case(first).get(case), seeds_by_case(second).get(case)
    if old and now and count_same_ends(old, now):
        return True
    try:
        return not compare_bits(case, first, second).reason
    except ValueError:  # probes of another length or seed
        return False


_Ends: TypeAlias = "list[tuple[int, tuple[Any, ...], tuple[Any, ...]]]"


def _pair_ends(old: SeedResults, now: SeedResults) -> _Ends:
    """Return each seed that both have, with the final weights, the accuracy and the loss of its training in either."""
    before, after = (
        dict(zip(side.seeds, zip(side.final_digests, side.test_accuracy, side.test_loss, strict=True), strict=True))
        for side in (old, now)
    )
    return [(seed, before[seed], after[seed]) for seed in before if seed in after]


def _explain_ends(ends: _Ends) -> str:
    """Return how the ends of two versions' trainings differ; "" if weights and figures are the same."""
    moved = {
        "the final weights differ": [seed for seed, old, now in ends if old[0] != now[0]],
        # What is not finite is never the same: nothing says that it is as good.
        "the losses are not finite": [seed for seed, old, now in ends if None in (old[2], now[2])],
        "the final weights are the same and the figures are not: evaluation moved": [
            seed for seed, old, now in ends if old[1:] != now[1:]
        ],
    }
    found = next(((what, seeds) for what, seeds in moved.items() if seeds), None)
    return f"{found[0]} in {len(found[1])} of {len(ends)} seeds, such as {found[1][0]}" if found else ""
