"""Which versions end in the same bits: of each lab, by Keras's own `fit` and by `fused`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import SAME_BITS, align_engines, compare_bits, count_same_ends
from mnist_bench.versions.records import probes_by_case, seeds_by_case
from mnist_bench.versions.report.table import explain_machines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mnist_bench.versions.records import VersionRecord

__all__ = ["FIT", "Alike", "describe_versions", "find_alike", "find_keras", "group_records"]

FIT = "fit"  # stands for all the engines that end in the same bits


@dataclass(frozen=True)
class Alike:
    """The versions that were measured of one lab and way of training, those of equal bits together.

    Attributes:
        lab: A key of `LABS`.
        way: `fit`, or the engine.
        groups: Names, in the order of the page; the groups in that of their first.
    """

    lab: str
    way: str
    groups: list[list[str]]

    def place(self, name: str) -> int | None:
        """Return the number of a version's group, from 0; None where it was not measured."""
        return next((place for place, group in enumerate(self.groups) if name in group), None)


def find_alike(records: Mapping[str, VersionRecord]) -> list[Alike]:
    """Return the groups of each lab and way that anything was measured of."""
    ways = dict.fromkeys(it for record in records.values() for it in _list_ways(record))
    labs = list(LABS)
    ordered = sorted(ways, key=lambda it: (it[1] != FIT, it[1], labs.index(it[0]) if it[0] in labs else len(labs)))
    return [Alike(lab, way, group_records(records, lab, way)) for lab, way in ordered]


def group_records(records: Mapping[str, VersionRecord], lab: str, way: str) -> list[list[str]]:
    """Return the names of those that were measured, those of equal bits together.

    The bits of two machines do not compare, so versions of another machine are groups of their own.
    """
    groups: list[list[str]] = []
    for name, record in records.items():
        if not _find_cases(record, lab, way):
            continue
        home = next((group for group in groups if _is_alike(records[group[0]], record, lab, way)), None)
        if home is None:
            groups.append([name])
        else:
            home.append(name)
    return groups


def describe_versions(records: Sequence[VersionRecord]) -> str:
    """Return which Keras and TensorFlow some versions are of, on two short lines."""
    keras, tensorflow = _span(map(find_keras, records)), _span(it.version.tensorflow for it in records)
    versions = f", {len(records)} versions" if len(records) > 1 else ""
    return f"Keras {keras}\nTF {tensorflow}{versions}"


def find_keras(record: VersionRecord) -> str:
    """Return the Keras that was measured, or the one that was asked for."""
    return record.environment.keras if record.environment else record.version.keras or "any"


def _span(texts: Iterable[str]) -> str:
    """Return the minor releases, the first and the last of them."""
    minors = list(dict.fromkeys(".".join(it.split(".")[:2]) for it in texts))
    ordered = sorted(minors, key=lambda it: [int(part) if part.isdigit() else 0 for part in it.split(".")])
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]}–{ordered[-1]}"  # noqa: RUF001 - a range


def _list_ways(record: VersionRecord) -> list[tuple[str, str]]:
    cases = [*((it.lab, it.engine) for it in record.accuracy)]
    cases += [(it.config.lab, it.config.engine) for it in record.probes]
    return [(lab, FIT if engine in SAME_BITS else engine) for lab, engine in cases]


def _find_cases(record: VersionRecord, lab: str, way: str) -> list[str]:
    """Return the cases of a record that are of this lab and way, the best first."""
    engines = SAME_BITS if way == FIT else (way,)
    there = {**seeds_by_case(record), **probes_by_case(record)}
    return [f"{lab}-{engine}" for engine in engines if f"{lab}-{engine}" in there]


def _is_alike(first: VersionRecord, other: VersionRecord, lab: str, way: str) -> bool:
    if explain_machines(first, other):
        return False
    case, other = _find_cases(first, lab, way)[0], align_engines(first, other)
    one, two = seeds_by_case(first).get(case), seeds_by_case(other).get(case)
    if one and two and count_same_ends(one, two):
        return True
    try:
        return not compare_bits(case, first, other)[0]
    except ValueError:  # probes of another length or seed
        return False
