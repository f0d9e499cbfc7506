"""A version's row: each group of checks has its worst verdict, and nothing that is not measured is green."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import make_digest, make_history
from mnist_bench.checks.names import CONTRACT_NAMES
from mnist_bench.records.environment import change_environment
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.bits import explain_machines
from mnist_bench.versions.records import Failure, VersionRecord, update_record
from mnist_bench.versions.report.collection import make_collection
from mnist_bench.versions.report.table import GROUPS, Cell, list_groups, make_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.report.table import VersionRow

OLD, NEW = "py311-tf214", "py311-tf215"
FAILURE = Failure(layer="checks", what="epoch", reason="it broke", lines=[])


@pytest.fixture
def records(make_versions: Callable[..., dict[str, VersionRecord]]) -> dict[str, VersionRecord]:
    """Two versions of the same bits."""
    return make_versions([OLD, NEW])


def make_row(records: dict[str, VersionRecord], pairs: Any = None, **changes: Any) -> VersionRow:
    """Return the row of the newer version, with these fields changed."""
    changed = {**records, NEW: dataclasses.replace(records[NEW], **changes)}
    return make_rows(make_collection(changed.values(), pairs))[-1]


def words(row: VersionRow) -> list[str]:
    """Return the words of a row's cells, in the order of the columns."""
    return [row.cells[group].word for group in GROUPS]


def test_the_same_bits(records: dict[str, VersionRecord]) -> None:
    """Checks of the version alone pass, the rest is IDENTICAL, and without a pair no time is measured."""
    row = make_row(records)
    assert (row.name, row.base, row.axis) == (NEW, OLD, "tensorflow")
    assert words(row) == ["PASS", "PASS", "PASS", "PASS", "IDENTICAL", "IDENTICAL", "IDENTICAL", "NOT MEASURED"]


def test_the_first_version_has_no_predecessor(records: dict[str, VersionRecord]) -> None:
    """FIRST is not green."""
    row = make_rows(make_collection(records.values()))[0]
    assert row.base is None
    assert words(row)[4:] == ["FIRST"] * 4
    assert {row.cells[group].tone for group in GROUPS[4:]} == {"none"}


def test_other_bits_are_judged(make_versions: Callable[..., dict[str, VersionRecord]]) -> None:
    """From Keras 2 to 3 the contract is KNOWN, the bits have MOVED from the data order on, the loss is worse."""
    row = make_rows(make_collection(make_versions([NEW, "py312-tf216"], cost=0.006).values()))[-1]
    assert words(row) == ["PASS", "KNOWN", "PASS", "PASS", "MOVED", "REGRESSED", "REGRESSED", "NOT MEASURED"]
    assert "first stage that differs: data order" in row.cells["bits"].figure
    assert row.cells["accuracy"].tone == "bad"


def test_the_worst_of_a_group_counts(records: dict[str, VersionRecord]) -> None:
    """One check regressed among those that hold; the cell names that check."""
    bad = CheckResult(name="contract/labels[graph]", verdict=Verdict.REGRESSED, figure="7 wrong", bound="0")
    row = make_row(records, checks={"graph": [*records[NEW].checks["graph"], bad]})
    assert row.cells["contracts"].word == "REGRESSED"
    assert row.cells["contracts"].figure == "contract/labels[graph]: 7 wrong"
    assert len(row.cells["contracts"].results) == len(CONTRACT_NAMES) + 1


def test_a_check_of_no_group_is_not_lost(records: dict[str, VersionRecord]) -> None:
    """Such a check has the column `other`."""
    new = CheckResult(name="memory/peak", verdict=Verdict.REGRESSED, figure="9 GB", bound="1 GB")
    row = make_row(records, checks={"epoch": [new]})
    assert list_groups([row]) == [*GROUPS, "other"]
    assert row.cells["other"].word == "REGRESSED"


@pytest.mark.parametrize(
    ("changes", "groups", "word"),
    [
        ({"checks": {}}, GROUPS[:4], "NOT MEASURED"),
        ({"checks": {}, "failures": [FAILURE], "status": "partial"}, GROUPS[:4], "FAILED"),
        ({"probes": [], "accuracy": []}, GROUPS[4:7], "NOT MEASURED"),
    ],
    ids=["no-checks", "failed-checks", "not-trained"],
)
def test_what_is_missing_is_said(
    records: dict[str, VersionRecord], changes: dict[str, Any], groups: tuple[str, ...], word: str
) -> None:
    """A layer that was not measured is neither green nor an error of the page."""
    row = make_row(records, **changes)
    assert {row.cells[group].word for group in groups} == {word}
    assert not {row.cells[group].tone for group in groups} & {"good", "bad"}


def test_a_training_below_the_threshold_is_bad_without_a_predecessor(records: dict[str, VersionRecord]) -> None:
    """A disaster is bad without a comparison, and the same bits do not excuse it."""
    (results,) = records[NEW].accuracy
    bad = dataclasses.replace(
        results,
        epochs=20,
        test_accuracy=[0.5] * 7,
        test_loss=[None] * 7,
        history=make_history(20),
    )
    changed = {name: dataclasses.replace(record, accuracy=[bad]) for name, record in records.items()}
    for row in make_rows(make_collection(changed.values())):
        assert (row.cells["accuracy"].word, row.cells["loss"].word) == ("REGRESSED", "REGRESSED")


def test_trainings_of_another_length_are_no_answer(
    records: dict[str, VersionRecord], make_ab: Callable[..., AbRecord]
) -> None:
    """Such trainings are not compared, and the cells say why; a pair of times is judged all the same."""
    (results,) = records[NEW].accuracy
    changed = dataclasses.replace(
        results, epochs=1, history=make_history(1), final_digests=list(map(make_digest, "tuvwxyz"))
    )
    row = make_row(records, accuracy=[changed])
    assert row.compared is None
    assert words(row)[4:] == ["INCONCLUSIVE"] * 4
    assert "trained for 20 and for 1 epochs" in row.cells["accuracy"].figure
    pair = {NEW: make_ab(slowdown=1.5, python_a=OLD, python_b=NEW)}
    assert make_row(records, pair, accuracy=[changed]).cells["time"].word == "REGRESSED"


def test_bits_of_two_machines_cannot_be_compared(records: dict[str, VersionRecord]) -> None:
    """Other bits on another machine say nothing of the version."""
    other = change_environment(records[NEW].environment, instruction_set="avx512")
    assert explain_machines(records[OLD], records[NEW]) == ""
    probes = [dataclasses.replace(probe, environment=other) for probe in records[NEW].probes]
    row = make_row(records, environment=other, probes=probes)
    assert (row.cells["bits"].word, row.cells["bits"].tone) == ("INCONCLUSIVE", "open")
    assert "instruction_set 'avx2' and 'avx512'" in row.cells["bits"].figure


@pytest.mark.parametrize(("slowdown", "word"), [(1.0, "PASS"), (1.5, "REGRESSED"), (0.5, "PASS")])
def test_a_pair_is_a_verdict(
    records: dict[str, VersionRecord], make_ab: Callable[..., AbRecord], slowdown: float, word: str
) -> None:
    """The cell has the ratios of both clocks."""
    row = make_row(records, {NEW: make_ab(slowdown=slowdown, python_a=OLD, python_b=NEW)})
    assert row.cells["time"].word == word
    assert row.cells["time"].figure.startswith(("same: ", "slower: ", "faster: "))
    assert "processor time" in row.cells["time"].figure


def test_a_failed_predecessor_is_passed_over(make_versions: Callable[..., dict[str, VersionRecord]]) -> None:
    """The version before the failed one is the predecessor instead."""
    records = make_versions(["py311-tf213", OLD, NEW])
    bare = VersionRecord(version=records[OLD].version)
    records[OLD] = update_record(bare, failures=[dataclasses.replace(FAILURE, layer="install")])
    rows = make_rows(make_collection(records.values()))
    assert [row.base for row in rows] == [None, "py311-tf213", "py311-tf213"]
    assert {cell.word for cell in rows[1].cells.values()} == {"FAILED"}


@pytest.mark.parametrize(
    ("word", "tone"),
    [("PASS", "good"), ("KNOWN", "known"), ("MISSING", "open"), ("anything", "open"), ("FIRST", "none")],
)
def test_a_word_has_a_tone(word: str, tone: str) -> None:
    """A word that nobody has thought of is an open question, never green."""
    assert Cell(word, "").tone == tone


def test_the_predecessor_of_a_users_own_version_is_the_nearest_older_one(
    make_versions: Callable[..., dict[str, VersionRecord]],
) -> None:
    """More than one thing may differ, or nothing would be compared; a version of the matrix may be the first."""
    records = make_versions([OLD, NEW, "py312-tf218-keras38"], seeds=2)
    own = dataclasses.replace(records["py312-tf218-keras38"].version, name="newest", keras="3.8.9")
    records["newest"] = dataclasses.replace(records["py312-tf218-keras38"], version=own)
    rows = {row.name: row.base for row in make_rows(make_collection(records.values()))}
    assert rows == {OLD: None, NEW: OLD, "py312-tf218-keras38": None, "newest": "py312-tf218-keras38"}
    del records["py312-tf218-keras38"]
    assert make_rows(make_collection(records.values()))[-1].base == NEW
