"""Versions of the same bits share their seeds, where a comparison may use them, and nowhere else."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from fixtures.records import make_history
from mnist_bench.records.verdicts import Verdict, conclude
from mnist_bench.versions.bits import find_groups
from mnist_bench.versions.comparison import compare_versions
from mnist_bench.versions.report.sharing import Sharing, share_trainings
from mnist_bench.versions.seeds import select_seeds

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.versions.records import VersionRecord

OLD, SAME, NEW = "py311-tf214", "py311-tf215", "py312-tf216"


def take(record: VersionRecord, seeds: int) -> VersionRecord:
    """Return the record with its first seeds only."""
    (results,) = record.accuracy
    return dataclasses.replace(record, accuracy=[select_seeds(results, results.seeds[:seeds])])


@pytest.fixture
def records(make_versions: Callable[..., dict[str, VersionRecord]]) -> dict[str, VersionRecord]:
    """Three versions of nine seeds; the second has the bits of the first, which lacks six of the seeds."""
    records = make_versions([OLD, SAME, NEW], seeds=9, cost=0)
    return {**records, OLD: take(records[OLD], 3)}


def share(records: dict[str, VersionRecord]) -> Sharing:
    """Return what these records share."""
    return share_trainings(records, find_groups(records))


def test_a_version_is_judged_by_the_seeds_of_its_bits(records: dict[str, VersionRecord]) -> None:
    """With three seeds nothing can be proven, with the nine of the same bits it can."""
    base, new = share(records).pair(OLD, NEW)
    assert base.accuracy[0].seeds == records[SAME].accuracy[0].seeds
    assert base.accuracy[0].test_accuracy == records[SAME].accuracy[0].test_accuracy
    assert new == records[NEW]
    verdicts = [
        conclude(r.verdict for r in compare_versions(old, records[NEW]).results if r.layer == "accuracy")
        for old in (records[OLD], base)
    ]
    assert verdicts == [Verdict.INCONCLUSIVE, Verdict.PASS]


def test_the_same_bits_are_shown_by_seeds_of_both(records: dict[str, VersionRecord]) -> None:
    """Two versions of the same bits are compared by what each has trained: a shared seed agrees with itself."""
    assert share(records).pair(OLD, SAME) == (records[OLD], records[SAME])


def test_what_was_not_trained_stays_untrained(records: dict[str, VersionRecord]) -> None:
    """A version with probes alone gets no trainings of others, though its probes have the same bits."""
    records[OLD] = dataclasses.replace(records[OLD], accuracy=[])
    assert share(records).pair(OLD, NEW) == (records[OLD], records[NEW])


def test_another_training_is_not_shared(records: dict[str, VersionRecord]) -> None:
    """Trainings of fewer epochs have no part in those of the lab."""
    (results,) = records[OLD].accuracy
    short = dataclasses.replace(results, epochs=1, history=make_history(1))
    records[OLD] = dataclasses.replace(records[OLD], accuracy=[short])
    assert share(records).pair(OLD, NEW)[0] == records[OLD]
