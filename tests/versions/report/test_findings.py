"""What a page says, before anything is drawn: one sample for the same bits, and values with their spread."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from mnist_bench.versions.report.collection import make_collection
from mnist_bench.versions.report.findings import collect_findings, describe_versions, format_mean
from mnist_bench.versions.seeds import select_seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mnist_bench.versions.records import VersionRecord

NAMES = ["py311-tf214", "py311-tf215", "py312-tf216"]


@pytest.fixture
def records(make_versions: Callable[..., dict[str, VersionRecord]]) -> dict[str, VersionRecord]:
    """Two versions of the same bits, and one with a frozen shuffle."""
    return make_versions(NAMES)


def test_versions_of_the_same_bits_are_one_sample(records: dict[str, VersionRecord]) -> None:
    """The sample of versions with the regression is marked."""
    findings = collect_findings(make_collection(records.values()))
    assert findings.mark == "frozen shuffle"
    assert [(sample.lab, sample.names, sample.marked) for sample in findings.trained] == [
        ("mlp", NAMES[:2], False),
        ("mlp", NAMES[2:], True),
    ]


def test_the_sample_has_the_most_seeds(records: dict[str, VersionRecord]) -> None:
    """Of versions with the same bits the one with the most seeds counts."""
    (results,) = records[NAMES[0]].accuracy
    fewer = select_seeds(results, results.seeds[:2])
    records[NAMES[0]] = dataclasses.replace(records[NAMES[0]], accuracy=[fewer])
    findings = collect_findings(make_collection(records.values()))
    assert [len(sample.results.seeds) for sample in findings.trained] == [7, 7]


def test_without_a_regression_nothing_is_marked(records: dict[str, VersionRecord]) -> None:
    """Nor if every version has the regression: there is nothing to tell apart."""
    for names in (NAMES[:2], NAMES[2:]):
        findings = collect_findings(make_collection([records[name] for name in names]))
        assert findings.mark == ""
        assert not any(sample.marked for sample in findings.trained)


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


def test_versions_have_a_short_name(make_versions: Callable[..., dict[str, VersionRecord]]) -> None:
    """The first and the last Keras and TensorFlow, 2.9 before 2.10."""
    records = list(make_versions(["py310-tf210", "py310-tf29", "py312-tf216"], seeds=1).values())
    assert describe_versions(records) == "Keras 2.9–3.0\nTF 2.9–2.16, 3 versions"  # noqa: RUF001 - a range
    assert describe_versions(records[2:]) == "Keras 3.0\nTF 2.16"
