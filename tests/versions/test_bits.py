"""Which versions end in the same bits: on one machine, whichever engine stood in for another."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from fixtures.records import make_digest
from mnist_bench.records.environment import change_environment
from mnist_bench.versions.bits import BitGroups, find_groups, group_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.versions.records import VersionRecord

NAMES = ["py311-tf214", "py311-tf215", "py312-tf216", "py312-tf217"]


@pytest.fixture
def records(make_versions: Callable[..., dict[str, VersionRecord]]) -> dict[str, VersionRecord]:
    """Two versions with Keras 2 and two with Keras 3."""
    return make_versions(NAMES, seeds=2)


def test_versions_are_grouped_by_their_bits(records: dict[str, VersionRecord]) -> None:
    """By `fit` Keras 3 differs from Keras 2; by `fused` all versions have the same bits."""
    assert find_groups(records) == [BitGroups("mlp", "fit", [NAMES[:2], NAMES[2:]]), BitGroups("mlp", "fused", [NAMES])]
    assert [find_groups(records)[0].place(name) for name in [*NAMES, "another"]] == [0, 0, 1, 1, None]


def test_one_seed_that_differs_separates_two_versions(records: dict[str, VersionRecord]) -> None:
    """The probes may have the same bits when a full training has not."""
    (results,) = records[NAMES[1]].accuracy
    changed = dataclasses.replace(results, final_digests=[results.final_digests[0], make_digest("other")])
    records[NAMES[1]] = dataclasses.replace(records[NAMES[1]], accuracy=[changed])
    assert group_records(records, "mlp", "fit") == [NAMES[:1], NAMES[1:2], NAMES[2:]]


def test_the_same_ends_are_alike_whatever_else_moved(records: dict[str, VersionRecord]) -> None:
    """A stage of the probe that moved no training, such as a prediction, separates no versions."""
    record = records[NAMES[1]]
    moved = [
        dataclasses.replace(
            probe, stages=[dataclasses.replace(stage, digest=make_digest("x")) for stage in probe.stages]
        )
        for probe in record.probes
    ]
    records[NAMES[1]] = dataclasses.replace(record, probes=moved)
    assert group_records(records, "mlp", "fit") == [NAMES[:2], NAMES[2:]]
    assert group_records(records, "mlp", "fused") == [[NAMES[0], *NAMES[2:]], NAMES[1:2]]


def test_a_stand_in_is_the_same_method(records: dict[str, VersionRecord]) -> None:
    """`graph` ends in the bits of `epoch`, so a version that was trained by `graph` is compared, too."""
    record = records[NAMES[3]]
    probe = dataclasses.replace(record.probes[0], config=dataclasses.replace(record.probes[0].config, engine="graph"))
    results = dataclasses.replace(record.accuracy[0], engine="graph")
    records[NAMES[3]] = dataclasses.replace(record, accuracy=[results], probes=[probe])
    assert group_records(records, "mlp", "fit") == [NAMES[:2], NAMES[2:]]


def test_another_machine_is_a_group_of_its_own(records: dict[str, VersionRecord]) -> None:
    """The bits of another machine say nothing of the version."""
    other = change_environment(records[NAMES[1]].environment, instruction_set="avx512")
    probes = [dataclasses.replace(probe, environment=other) for probe in records[NAMES[1]].probes]
    records[NAMES[1]] = dataclasses.replace(records[NAMES[1]], environment=other, probes=probes)
    assert group_records(records, "mlp", "fit") == [NAMES[:1], NAMES[1:2], NAMES[2:]]


def test_probes_of_another_length_are_not_alike(records: dict[str, VersionRecord]) -> None:
    """Bare probes of two lengths are in two groups, and are no error."""
    records.update({name: dataclasses.replace(record, accuracy=[]) for name, record in records.items()})
    record = records[NAMES[1]]
    config = dataclasses.replace(record.probes[0].config, epochs=9)
    probes = [dataclasses.replace(record.probes[0], config=config)]
    records[NAMES[1]] = dataclasses.replace(record, probes=probes)
    assert group_records(records, "mlp", "fit")[:2] == [NAMES[:1], NAMES[1:2]]


def test_what_was_not_measured_is_in_no_group(records: dict[str, VersionRecord]) -> None:
    """A version without a measurement, or a lab without a training, is in no group."""
    records[NAMES[0]] = dataclasses.replace(records[NAMES[0]], probes=[], accuracy=[])
    assert group_records(records, "mlp", "fit") == [NAMES[1:2], NAMES[2:]]
    assert group_records(records, "dropout", "fit") == []
