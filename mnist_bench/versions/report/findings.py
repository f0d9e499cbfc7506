"""What a page on the versions says, before any of it is drawn or written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.show.text import format_spread
from mnist_bench.stats.intervals import mean_interval
from mnist_bench.versions.bits import FIT, SAME_BITS, BitGroups, find_groups
from mnist_bench.versions.report.collection import Collection
from mnist_bench.versions.report.headline import Headline, make_headline
from mnist_bench.versions.report.names import Products, name_products
from mnist_bench.versions.report.regressions import Cost, Regression, find_regressions, list_trained, measure_costs
from mnist_bench.versions.report.sharing import Sharing, share_trainings
from mnist_bench.versions.report.table import VersionRow, list_groups, make_rows
from mnist_bench.versions.seeds import SeedResults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mnist_bench.versions.records import VersionRecord

__all__ = ["Findings", "Trained", "collect_findings", "describe_versions", "find_mark", "format_mean"]


@dataclass(frozen=True)
class Trained:
    """The full trainings of one lab by versions of the same bits: one sample.

    Attributes:
        lab: A key of `LABS`.
        names: The versions.
        label: Their Keras and TensorFlow, on two short lines.
        results: The trainings of the version with the most seeds.
        marked: Whether the versions have the regression that the pictures mark.
    """

    lab: str
    names: list[str]
    label: str
    results: SeedResults
    marked: bool


@dataclass(frozen=True)
class Findings:
    """What a page says.

    Attributes:
        collection: The records.
        rows: The table of verdicts.
        groups: The columns of that table.
        bit_groups: Which versions end in the same bits.
        costs: What is broken and what it costs, by check.
        mark: What the pictures mark, such as `frozen shuffle`; "" if nothing is broken.
        trained: The samples of accuracy and loss, lab by lab.
        headline: The top.
        name: Names the products of a version.
        sharing: The records, and the trainings that versions of the same bits share.
    """

    collection: Collection
    rows: list[VersionRow]
    groups: list[str]
    bit_groups: list[BitGroups]
    costs: dict[str, tuple[Regression, list[Cost]]]
    mark: str
    trained: list[Trained]
    headline: Headline
    name: Callable[[str], Products]
    sharing: Sharing


def collect_findings(collection: Collection) -> Findings:
    """Judge and gather all that a page says of these records."""
    bit_groups = find_groups(collection.records)
    sharing = share_trainings(collection.records, bit_groups)
    rows = make_rows(collection, sharing)
    name = name_products(collection.records)
    regressions = find_regressions(collection.records)
    costs = {
        regression.check: (regression, measure_costs(regression, collection.records)) for regression in regressions
    }
    marked = find_mark(regressions)
    return Findings(
        collection=collection,
        rows=rows,
        groups=list_groups(rows),
        bit_groups=bit_groups,
        costs=costs,
        mark=marked.title if marked else "",
        trained=list(_collect_trained(collection, bit_groups, marked)),
        headline=make_headline(rows, bit_groups, costs, collection.pairs, name),
        name=name,
        sharing=sharing,
    )


def find_mark(regressions: Sequence[Regression]) -> Regression | None:
    """Return the regression that the pictures mark: the first that Keras's own `fit` has in some versions only."""
    fit = set(SAME_BITS)
    return next((regression for regression in regressions if regression.lacking and fit & {*regression.engines}), None)


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


def describe_versions(records: Sequence[VersionRecord]) -> str:
    """Return the Keras and TensorFlow of some versions, on two short lines."""
    keras = _format_range(record.keras for record in records)
    tensorflow = _format_range(record.version.tensorflow for record in records)
    return f"Keras {keras}\nTF {tensorflow}{f', {len(records)} versions' if len(records) > 1 else ''}"


def _format_range(versions: Iterable[str]) -> str:
    """Return the only minor release of some versions, or the first and the last."""
    minors = dict.fromkeys(".".join(version.split(".")[:2]) for version in versions)
    ordered = sorted(minors, key=lambda minor: [int(part) if part.isdigit() else 0 for part in minor.split(".")])
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]}–{ordered[-1]}"  # noqa: RUF001 - a range


def _collect_trained(
    collection: Collection, bit_groups: Sequence[BitGroups], marked: Regression | None
) -> Iterator[Trained]:
    for column in bit_groups:
        for names in column.groups if column.method == FIT else ():
            records = [collection.records[name] for name in names]
            found = [results for record in records for results in list_trained(column.lab, record)]
            if found:
                yield Trained(
                    lab=column.lab,
                    names=names,
                    label=describe_versions(records),
                    results=max(found, key=lambda results: len(results.seeds)),
                    marked=bool(marked and set(names) & set(marked.having)),
                )
