"""What is broken in which versions, since when, and what it costs: from the checks and trainings on record."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from mnist_bench.checks.known import load_known
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.intervals import Interval, change_interval
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import FIT, SAME_BITS, group_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.seeds import SeedResults

__all__ = ["LEVEL", "Cost", "Regression", "find_regressions", "list_trained", "measure_costs"]

LEVEL = 0.95  # of the intervals of a cost, on which no verdict rests
_FEWEST = 2  # seeds that have a spread
_REPORTED = ("arithmetic/figures",)  # what is wrong is reported, not trained
_BROKEN = (Verdict.KNOWN, Verdict.REGRESSED)


@dataclass(frozen=True)
class Regression:
    """A check that fails in some versions.

    Attributes:
        check: The check without its case, such as `contract/new-order`.
        title: Its name on the reviewed list, or the check.
        known: Whether the list names the regression for every version that has it.
        reason: What is wrong, as the list says; else what was measured.
        link: Where the regression is discussed.
        having: The versions that have the regression, on any engine.
        lacking: The versions in which the check holds on every engine.
        unknown: The versions that were not checked.
        engines: The engines that have the regression, as the records name them.
        since: The first release that has the regression, such as `Keras 3.0.5`, if every newer release has it and no
            older one.
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
    """A lab's accuracy or loss in versions with a regression, compared with versions without.

    The seed is the unit: versions of the same bits count once, and those of other bits are averaged by seed, because
    trainings of one seed that differ by rounding only are no further sample.

    Attributes:
        lab: A key of `LABS`.
        metric: `accuracy` or `loss`.
        lacking: Mean over the versions without the regression.
        having: Mean over the versions with the regression.
        change: Of the mean, having minus lacking.
        seeds: How many, without and with the regression.
        samples: Of how many different bits, without and with the regression.
    """

    lab: str
    metric: str
    lacking: float
    having: float
    change: Interval
    seeds: tuple[int, int]
    samples: tuple[int, int]


def find_regressions(records: Mapping[str, VersionRecord]) -> list[Regression]:
    """Return each check that is KNOWN or REGRESSED in any version, first those that no list names."""
    broken: dict[str, dict[str, list[str]]] = {}
    for name, record in records.items():
        for engine, results in record.checks.items():
            for result in results:
                if result.verdict in _BROKEN:
                    broken.setdefault(result.check, {}).setdefault(name, []).append(engine)
    found = [_make_regression(check, having, records) for check, having in broken.items()]
    return sorted(found, key=lambda regression: regression.known)


def measure_costs(regression: Regression, records: Mapping[str, VersionRecord]) -> list[Cost]:
    """Return what a regression costs each lab, if versions with and without the regression were trained alike."""
    costs: list[Cost] = []
    if not set(regression.engines) & set(SAME_BITS):
        return costs  # no engine that trains the versions in full has the regression
    if regression.check in _REPORTED:
        return costs
    for lab in LABS:
        sides = [_collect(lab, names, records) for names in (regression.lacking, regression.having)]
        if len({results.epochs for side in sides for results in side}) != 1:  # none, or some trained for fewer epochs
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
    found = [result for name in having for result in _find_results(check, records[name])]
    known = all(result.verdict is not Verdict.REGRESSED for result in found)
    entry = next((entry for entry in load_known() if entry.check == check), None) if known else None
    worst = next(result for result in found if result.verdict in _BROKEN)
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
    """Return the first release with the regression, if the releases of one package separate the two groups."""
    for package in ("Keras", "TensorFlow"):
        try:
            first, last = (
                [Version(record.keras if package == "Keras" else record.version.tensorflow) for record in side]
                for side in (having, lacking)
            )
        except InvalidVersion:
            continue
        if last and min(first) > max(last):
            return f"{package} {min(first)}"
    return None


def _find_results(check: str, record: VersionRecord) -> list[CheckResult]:
    return [result for results in record.checks.values() for result in results if result.check == check]


def _holds(check: str, record: VersionRecord) -> bool:
    results = _find_results(check, record)
    return bool(results) and all(result.verdict in (Verdict.PASS, Verdict.IDENTICAL) for result in results)


def _collect(lab: str, names: Sequence[str], records: Mapping[str, VersionRecord]) -> list[SeedResults]:
    """Return a lab's trainings by Keras's own `fit`: of each group of versions with the same bits the most seeds."""
    groups = group_records({name: records[name] for name in names}, lab, FIT)
    trained = [[results for name in group for results in list_trained(lab, records[name])] for group in groups]
    return [max(results, key=lambda trainings: len(trainings.seeds)) for results in trained if results]


def list_trained(lab: str, record: VersionRecord) -> list[SeedResults]:
    """Return a version's trainings of a lab, as the lab trains it, by Keras's own `fit`."""
    found = [results for results in record.accuracy if results.lab == lab and results.engine in SAME_BITS]
    return [results for results in found if not results.departures]


def _average(side: Sequence[SeedResults], metric: str) -> list[float]:
    """Return one value a seed, the mean over the different bits; a training that diverged has no value."""
    values: dict[int, list[float]] = {}
    for results in side:
        for seed, value in zip(results.seeds, getattr(results, f"test_{metric}"), strict=True):
            if value is not None:
                values.setdefault(seed, []).append(value)
    return [statistics.fmean(of_seed) for _, of_seed in sorted(values.items())]
