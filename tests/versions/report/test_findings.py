"""What a page says, before it is drawn: one sample for the same bits, and values with their spread."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from mnist_bench.versions.report.collection import make_collection
from mnist_bench.versions.report.findings import collect_facts, format_mean, list_some

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mnist_bench.versions.records import VersionRecord

NAMES = ["py311-tf214", "py311-tf215", "py312-tf216"]


@pytest.fixture
def records(make_versions: Callable[..., dict[str, VersionRecord]]) -> dict[str, VersionRecord]:
    """Two versions of the same bits, and one with a frozen shuffle."""
    return make_versions(NAMES)


def test_versions_of_the_same_bits_are_one_sample(records: dict[str, VersionRecord]) -> None:
    """It is marked where the versions have what the pictures are about."""
    facts = collect_facts(make_collection(records.values()))
    assert facts.mark == "frozen shuffle"
    assert [(sample.lab, sample.names, sample.marked) for sample in facts.trained] == [
        ("mlp", NAMES[:2], False),
        ("mlp", NAMES[2:], True),
    ]


def test_the_sample_has_the_most_seeds(records: dict[str, VersionRecord]) -> None:
    """A version that was trained less does not stand for one of the same bits that was trained more."""
    (results,) = records[NAMES[0]].accuracy
    columns = {name: getattr(results, name)[:2] for name in ("seeds", "test_accuracy", "test_loss", "final_digests")}
    fewer = dataclasses.replace(results, **columns)
    records[NAMES[0]] = dataclasses.replace(records[NAMES[0]], accuracy=[fewer])
    facts = collect_facts(make_collection(records.values()))
    assert [len(sample.results.seeds) for sample in facts.trained] == [7, 7]


def test_without_a_regression_nothing_is_marked(records: dict[str, VersionRecord]) -> None:
    """Nor where every version has it: there is nothing to tell apart."""
    for names in (NAMES[:2], NAMES[2:]):
        facts = collect_facts(make_collection([records[name] for name in names]))
        assert facts.mark == ""
        assert not any(sample.marked for sample in facts.trained)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.5], "0.5000"),
        ([0.5, 0.5], "0.5000"),
        ([0.4, 0.6], "0.5000 ± 0.1414 (-0.7706 to 1.7706)"),
        ([0.5, None], "0.5000, not finite in 1"),
        ([None], "not finite"),
    ],
)
def test_a_spread_says_what_the_values_give(values: Sequence[float | None], text: str) -> None:
    """One value has no interval, and a training that diverged is counted."""
    assert format_mean(values) == text


def test_some_of_many_names() -> None:
    """Eight are told, and how many more there are."""
    assert list_some(["a", "b"]) == "a, b"
    assert list_some(list("abcdefghij")) == "a, b, c, d, e, f, g, h and 2 more"
