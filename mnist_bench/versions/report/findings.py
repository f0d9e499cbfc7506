"""All that a page on the versions says, as facts: what the records come to, before any of it is drawn or written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.show.text import format_spread
from mnist_bench.stats.intervals import mean_interval
from mnist_bench.versions.bitgroups import FIT, Alike, describe_versions, find_alike
from mnist_bench.versions.bits import SAME_BITS
from mnist_bench.versions.records import SeedResults, seeds_by_case
from mnist_bench.versions.report.collection import Collection
from mnist_bench.versions.report.headline import Headline, make_headline
from mnist_bench.versions.report.regressions import Cost, Regression, find_regressions, measure_costs
from mnist_bench.versions.report.table import Row, list_groups, make_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


__all__ = ["Facts", "Trained", "collect_facts", "find_mark", "format_mean", "list_some"]

_SOME = 8  # names that a sentence holds


@dataclass(frozen=True)
class Trained:
    """The full trainings of one lab by versions of the same bits: one sample.

    Attributes:
        lab: A key of `LABS`.
        names: The versions.
        label: What they are, on two short lines.
        results: Those of the version with the most seeds.
        marked: Whether they have the regression that the pictures mark.
    """

    lab: str
    names: list[str]
    label: str
    results: SeedResults
    marked: bool


@dataclass(frozen=True)
class Facts:
    """What a page says.

    Attributes:
        collection: The records.
        rows: The table of verdicts.
        groups: Its columns.
        alike: Which versions end in the same bits.
        costs: What is broken and what it costs, by check.
        mark: What the pictures mark, such as `frozen shuffle`; empty where nothing is broken.
        trained: The samples of accuracy and loss, lab by lab.
        headline: The top.
    """

    collection: Collection
    rows: list[Row]
    groups: list[str]
    alike: list[Alike]
    costs: dict[str, tuple[Regression, list[Cost]]]
    mark: str
    trained: list[Trained]
    headline: Headline


def collect_facts(collection: Collection) -> Facts:
    """Judge and gather all that is said of these records."""
    rows, alike = make_rows(collection), find_alike(collection.records)
    regressions = find_regressions(collection.records)
    costs = {it.check: (it, measure_costs(it, collection.records)) for it in regressions}
    marked = find_mark(regressions)
    return Facts(
        collection=collection,
        rows=rows,
        groups=list_groups(rows),
        alike=alike,
        costs=costs,
        mark=marked.title if marked else "",
        trained=list(_collect_trained(collection, alike, marked)),
        headline=make_headline(rows, alike, costs, collection.pairs),
    )


def find_mark(regressions: Sequence[Regression]) -> Regression | None:
    """Return the regression that the pictures mark: the first that only some versions have, by Keras's own `fit`."""
    return next((it for it in regressions if it.lacking and set(it.engines) & set(SAME_BITS)), None)


def format_mean(values: Sequence[float | None]) -> str:
    """Return mean, standard deviation and the 95% interval of the mean, as far as the values give them."""
    finite = [value for value in values if value is not None]
    if not finite:
        return "not finite"
    interval = mean_interval(finite)
    varied = math.isfinite(interval.low)  # otherwise the values are equal, and the first says it all
    text = format_spread(finite, (interval.low, interval.high)) if varied else format_spread(finite[:1])
    diverged = len(values) - len(finite)
    return f"{text}, not finite in {diverged}" if diverged else text


def list_some(names: Sequence[str]) -> str:
    """Return the names, or the first of them and how many more there are."""
    more = f" and {len(names) - _SOME} more" if len(names) > _SOME else ""
    return ", ".join(names[:_SOME]) + more


def _collect_trained(collection: Collection, alike: Sequence[Alike], marked: Regression | None) -> Iterator[Trained]:
    for it in (it for it in alike if it.way == FIT):
        for names in it.groups:
            records = [collection.records[name] for name in names]
            cases = [f"{it.lab}-{engine}" for engine in SAME_BITS]
            results = [seeds_by_case(record).get(case) for record in records for case in cases]
            there = [one for one in results if one]
            if there:
                yield Trained(
                    lab=it.lab,
                    names=names,
                    label=describe_versions(records),
                    results=max(there, key=lambda one: len(one.seeds)),
                    marked=bool(marked and set(names) & set(marked.having)),
                )
