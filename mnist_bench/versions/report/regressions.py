"""What is broken in which versions, since when, and what it costs: read from the checks and the trainings on record."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from mnist_bench.checks.known import load_known
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.intervals import Interval, change_interval
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bitgroups import FIT, find_keras, group_records
from mnist_bench.versions.bits import SAME_BITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.records import SeedResults, VersionRecord

__all__ = ["LEVEL", "Cost", "Regression", "find_regressions", "measure_costs"]

LEVEL = 0.95  # of the intervals of a cost: it is told, not judged
_FEWEST = 2  # seeds that have a spread


@dataclass(frozen=True)
class Regression:
    """A check that does not hold in some versions.

    Attributes:
        check: The check without its case, such as `contract/new-order`.
        title: Its name on the reviewed list, or the check's.
        known: Whether the list has it for every version that has it.
        reason: What is wrong, as the list says it; else what was measured.
        link: Where it is discussed.
        having: The versions that have it, on any engine.
        lacking: Those in which it holds on every engine.
        unknown: Those that were not checked for it.
        engines: Those that have it, as the records name them.
        since: The first release that has it, such as `Keras 3.0.5`, where every newer one has it and no older one.
    """

    check: str
    title: str
    known: bool
    reason: str
    link: str
    having: list[str]
    lacking: list[str]
    unknown: list[str]
    engines: list[str]
    since: str | None


@dataclass(frozen=True)
class Cost:
    """A lab's accuracy or loss in versions that have a regression, beside those that have not.

    The seed is the unit: versions of the same bits count once, and those of other bits are averaged by seed, for
    trainings of one seed that differ by their rounding are no further sample.

    Attributes:
        lab: A key of `LABS`.
        metric: `accuracy` or `loss`.
        lacking: Mean of the versions that have it not.
        having: Mean of those that have it.
        change: Of the mean, having minus lacking.
        seeds: How many, without it and with it.
        samples: Of how many different bits, without it and with it.
    """

    lab: str
    metric: str
    lacking: float
    having: float
    change: Interval
    seeds: tuple[int, int]
    samples: tuple[int, int]


def find_regressions(records: Mapping[str, VersionRecord]) -> list[Regression]:
    """Return each check that is KNOWN or REGRESSED in any version, those that no list knows first."""
    broken: dict[str, dict[str, list[str]]] = {}
    for name, record in records.items():
        for engine, results in record.checks.items():
            for result in results:
                if result.verdict in (Verdict.KNOWN, Verdict.REGRESSED):
                    broken.setdefault(_strip(result.name), {}).setdefault(name, []).append(engine)
    found = [_make_regression(check, having, records) for check, having in broken.items()]
    return sorted(found, key=lambda it: it.known)


def measure_costs(regression: Regression, records: Mapping[str, VersionRecord]) -> list[Cost]:
    """Return what a regression costs each lab, where versions with it and without it were trained alike."""
    costs: list[Cost] = []
    if not set(regression.engines) & set(SAME_BITS):
        return costs  # none that trains the versions in full has it
    for lab in LABS:
        sides = [_collect(lab, names, records) for names in (regression.lacking, regression.having)]
        trained = [results for side in sides for results in side]
        if len({results.epochs for results in trained}) != 1:  # none, or some were cut short
            continue
        for metric in ("accuracy", "loss"):
            lacking, having = (_average(side, metric) for side in sides)
            if min(len(lacking), len(having)) < _FEWEST:
                continue
            change = change_interval(lacking, having, alpha=(1 - LEVEL) / 2)
            means = statistics.fmean(lacking), statistics.fmean(having)
            seeds, samples = (len(lacking), len(having)), (len(sides[0]), len(sides[1]))
            costs.append(Cost(lab, metric, *means, change, seeds, samples))
    return costs


def _make_regression(check: str, having: Mapping[str, list[str]], records: Mapping[str, VersionRecord]) -> Regression:
    told = [result for name in having for result in _find_results(check, records[name])]
    known = all(it.verdict is not Verdict.REGRESSED for it in told)
    entry = next((it for it in load_known() if it.check == check), None) if known else None
    worst = next(it for it in told if it.verdict in (Verdict.KNOWN, Verdict.REGRESSED))
    rest = [name for name in records if name not in having]
    lacking = [name for name in rest if _holds(check, records[name])]
    return Regression(
        check=check,
        title=entry.name if entry else check,
        known=known,
        reason=entry.reason if entry else f"{worst.figure}, against {worst.bound}",
        link=entry.link if entry else "",
        having=list(having),
        lacking=lacking,
        unknown=[name for name in rest if name not in lacking],
        engines=sorted({engine for engines in having.values() for engine in engines}),
        since=_find_start([records[name] for name in having], [records[name] for name in lacking]),
    )


def _find_start(having: Sequence[VersionRecord], lacking: Sequence[VersionRecord]) -> str | None:
    """Return the first release that has it, if one package's versions part those that have it from the others."""
    for package in ("Keras", "TensorFlow"):
        try:
            first, last = (
                [Version(find_keras(it) if package == "Keras" else it.version.tensorflow) for it in side]
                for side in (having, lacking)
            )
        except InvalidVersion:
            continue
        if last and min(first) > max(last):
            return f"{package} {min(first)}"
    return None


def _strip(name: str) -> str:
    return name.partition("[")[0]


def _find_results(check: str, record: VersionRecord) -> list[CheckResult]:
    return [it for results in record.checks.values() for it in results if _strip(it.name) == check]


def _holds(check: str, record: VersionRecord) -> bool:
    results = _find_results(check, record)
    return bool(results) and all(it.verdict in (Verdict.PASS, Verdict.IDENTICAL) for it in results)


def _collect(lab: str, names: Sequence[str], records: Mapping[str, VersionRecord]) -> list[SeedResults]:
    """Return the trainings of a lab by Keras's own `fit`, once for each of the different bits."""
    groups = group_records({name: records[name] for name in names}, lab, FIT)
    best = [
        max(
            (it for name in group for it in _list_trained(lab, records[name])),
            key=lambda it: len(it.seeds),
            default=None,
        )
        for group in groups
    ]
    return [results for results in best if results]


def _list_trained(lab: str, record: VersionRecord) -> list[SeedResults]:
    return [it for it in record.accuracy if it.lab == lab and it.engine in SAME_BITS]


def _average(side: Sequence[SeedResults], metric: str) -> list[float]:
    """Return one value a seed, the mean over the different bits; a training that diverged has no value."""
    values: dict[int, list[float]] = {}
    for results in side:
        for seed, value in zip(results.seeds, getattr(results, f"test_{metric}"), strict=True):
            if value is not None:
                values.setdefault(seed, []).append(value)
    return [statistics.fmean(it) for _, it in sorted(values.items())]
