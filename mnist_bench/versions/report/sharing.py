"""Trainings that versions of the same bits share: what one of them has trained, the others need not train again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnist_bench.versions.bits import FIT, SAME_BITS, BitGroups, find_groups
from mnist_bench.versions.folder import load_folder
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.seeds import SeedResults, extend_seeds

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Sharing", "share_in_folder", "share_trainings"]


@dataclass(frozen=True)
class Sharing:
    """The records of a page, and the trainings that their versions share.

    Attributes:
        records: All versions, by name.
        more: By version, lab and method: its trainings with the further seeds of the version of the same bits that has
            the most.
        groups: Which versions have the same bits, of each lab and method.
    """

    records: Mapping[str, VersionRecord]
    more: Mapping[tuple[str, str, str], SeedResults] = field(default_factory=dict)
    groups: Sequence[BitGroups] = ()

    def pair(self, base: str, name: str) -> tuple[VersionRecord, VersionRecord]:
        """Return two records for a comparison, with the seeds that they share with others where their bits differ.

        Where the two have the same bits, each has its own seeds only: a shared seed would agree with itself.
        """
        apart = [column for column in self.groups if column.place(base) != column.place(name)]
        first, second = (self._extend(each, apart) for each in (base, name))
        return first, second

    def _extend(self, name: str, columns: Sequence[BitGroups]) -> VersionRecord:
        record = self.records[name]
        more = [self.more[key] for column in columns if (key := (name, column.lab, column.method)) in self.more]
        if not more:
            return record
        by_case = {results.case: results for results in more}
        return dataclasses.replace(record, accuracy=[by_case.get(own.case, own) for own in record.accuracy])


def share_trainings(records: Mapping[str, VersionRecord], groups: Sequence[BitGroups]) -> Sharing:
    """Return the records with the trainings that each version shares with the others of its bits.

    A training of a further seed would end in the same weights, so a version is judged by all seeds of its bits. A
    version without trainings of a lab stays without them: nothing says that its bits are the same to the end.

    Args:
        records: All versions, by name.
        groups: Which of these have the same bits, of each lab and method.
    """
    more = {}
    for column in groups:
        engines = SAME_BITS if column.method == FIT else (column.method,)
        for names in column.groups:
            trained = [_find(records[name], column.lab, engines) for name in names]
            longest = max(filter(None, trained), key=lambda results: len(results.seeds), default=None)
            for name, own in zip(names, trained, strict=True):
                if own and longest and _fits(own, longest):
                    more[name, column.lab, column.method] = extend_seeds(own, longest)
    return Sharing(records, more, groups)


def share_in_folder(base: str, new: str, folder: Path) -> tuple[VersionRecord, VersionRecord]:
    """Return two versions of a folder for a comparison, with what they share with all versions there, as on the page.

    Args:
        base: The name of a version that is on record.
        new: The name of another one.
        folder: The records.

    Raises:
        RecordError: A file is no valid record.
    """
    records = load_folder(folder)
    of_same_data = {name: record for name, record in records.items() if record.dataset == records[base].dataset}
    alike = {**of_same_data, new: records[new]}
    return share_trainings(alike, find_groups(alike)).pair(base, new)


def _find(record: VersionRecord, lab: str, engines: Sequence[str]) -> SeedResults | None:
    """Return the trainings of a lab by the first of these engines."""
    found = {results.engine: results for results in record.accuracy if results.lab == lab}
    return next((found[engine] for engine in engines if engine in found), None)


def _fits(own: SeedResults, longest: SeedResults) -> bool:
    """Return whether both are the same training, and the longer one has a seed that the other lacks."""
    alike = (own.epochs, own.departures) == (longest.epochs, longest.departures)
    return alike and bool(set(own.seeds) & set(longest.seeds)) and bool(set(longest.seeds) - set(own.seeds))
