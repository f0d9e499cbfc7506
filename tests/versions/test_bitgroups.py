"""Which versions end in the same bits: by letter, on one machine, whatever stood in for an engine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from mnist_bench.versions.bitgroups import Alike, describe_versions, find_alike, group_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.versions.records import VersionRecord

NAMES = ["py311-tf214", "py311-tf215", "py312-tf216", "py312-tf217"]


@pytest.fixture
def records(make_versions: Callable[..., dict[str, VersionRecord]]) -> dict[str, VersionRecord]:
    """Two versions with Keras 2 and two with Keras 3."""
    return make_versions(NAMES, seeds=2)


def test_versions_part_where_their_bits_do(records: dict[str, VersionRecord]) -> None:
    """By `fit` Keras 3 is apart; by `fused` all are alike."""
    assert find_alike(records) == [Alike("mlp", "fit", [NAMES[:2], NAMES[2:]]), Alike("mlp", "fused", [NAMES])]
    assert [find_alike(records)[0].place(name) for name in [*NAMES, "another"]] == [0, 0, 1, 1, None]


def test_one_other_seed_parts_two_versions(records: dict[str, VersionRecord]) -> None:
    """The probes may be the same and a full training not."""
    (results,) = records[NAMES[1]].accuracy
    changed = dataclasses.replace(results, final_digests=[results.final_digests[0], "other"])
    records[NAMES[1]] = dataclasses.replace(records[NAMES[1]], accuracy=[changed])
    assert group_records(records, "mlp", "fit") == [NAMES[:1], NAMES[1:2], NAMES[2:]]


def test_the_same_ends_are_alike_whatever_else_moved(records: dict[str, VersionRecord]) -> None:
    """A stage of the probe that moved no training, such as a prediction, parts nobody."""
    record = records[NAMES[1]]
    moved = [
        dataclasses.replace(probe, stages=[dataclasses.replace(stage, digest="x") for stage in probe.stages])
        for probe in record.probes
    ]
    records[NAMES[1]] = dataclasses.replace(record, probes=moved)
    assert group_records(records, "mlp", "fit") == [NAMES[:2], NAMES[2:]]
    assert group_records(records, "mlp", "fused") == [[NAMES[0], *NAMES[2:]], NAMES[1:2]]


def test_a_stand_in_is_the_same_way(records: dict[str, VersionRecord]) -> None:
    """`graph` ends in the bits of `epoch`: where one was trained by it, they are compared."""
    record = records[NAMES[3]]
    probe = dataclasses.replace(record.probes[0], config=dataclasses.replace(record.probes[0].config, engine="graph"))
    results = dataclasses.replace(record.accuracy[0], engine="graph")
    records[NAMES[3]] = dataclasses.replace(record, accuracy=[results], probes=[probe])
    assert group_records(records, "mlp", "fit") == [NAMES[:2], NAMES[2:]]


def test_another_machine_is_a_group_of_its_own(records: dict[str, VersionRecord]) -> None:
    """Its bits say nothing of the version."""
    environment = dataclasses.replace(records[NAMES[1]].environment, instruction_set="avx512")
    records[NAMES[1]] = dataclasses.replace(records[NAMES[1]], environment=environment)
    assert group_records(records, "mlp", "fit") == [NAMES[:1], NAMES[1:2], NAMES[2:]]


def test_probes_of_another_length_are_not_alike(records: dict[str, VersionRecord]) -> None:
    """Of bare probes they are told apart, and are no error."""
    records.update({name: dataclasses.replace(record, accuracy=[]) for name, record in records.items()})
    record = records[NAMES[1]]
    config = dataclasses.replace(record.probes[0].config, epochs=9)
    probes = [dataclasses.replace(probe, config=config) for probe in record.probes[:1]]
    records[NAMES[1]] = dataclasses.replace(record, probes=probes)
    assert group_records(records, "mlp", "fit")[:2] == [NAMES[:1], NAMES[1:2]]


def test_what_was_not_measured_is_in_no_group(records: dict[str, VersionRecord]) -> None:
    """Nor is a lab that nobody trained a column."""
    records[NAMES[0]] = dataclasses.replace(records[NAMES[0]], probes=[], accuracy=[])
    assert group_records(records, "mlp", "fit") == [NAMES[1:2], NAMES[2:]]
    assert group_records(records, "dropout", "fit") == []


def test_versions_have_a_short_name(make_versions: Callable[..., dict[str, VersionRecord]]) -> None:
    """Their first and last Keras and TensorFlow, 2.9 before 2.10."""
    records = list(make_versions(["py310-tf210", "py310-tf29", "py312-tf216"], seeds=1).values())
    assert describe_versions(records) == "Keras 2.9–3.0\nTF 2.9–2.16, 3 versions"  # noqa: RUF001 - a range
    assert describe_versions(records[2:]) == "Keras 3.0\nTF 2.16"
