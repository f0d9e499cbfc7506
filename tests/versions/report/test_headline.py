"""The top of the page says what the records say, in plain words, and never more."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from fixtures.records import make_history
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.stats.intervals import Interval
from mnist_bench.training.labs import LABS
from mnist_bench.versions.records import Failure, VersionRecord, update_record
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.report.collection import make_collection
from mnist_bench.versions.report.findings import collect_findings
from mnist_bench.versions.report.headline import count, format_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.report.headline import Headline

    MakeVersions = Callable[..., dict[str, VersionRecord]]

OLD, NEW = "py311-tf215", "py312-tf216"
FROZEN = "From Keras 3.0.5 on, training visits the samples in the same order in every epoch, the frozen shuffle. "


def read(records: dict[str, VersionRecord], pairs: dict[str, AbRecord] | None = None) -> Headline:
    """Return the headline of these records."""
    return collect_findings(make_collection(records.values(), pairs)).headline


def add_bad(record: VersionRecord) -> VersionRecord:
    """Return the record with a failing check that no list names."""
    bad = CheckResult(name="contract/labels[graph]", verdict=Verdict.REGRESSED, figure="7", bound="0")
    return dataclasses.replace(record, checks={**record.checks, "graph": [*record.checks["graph"], bad]})


def test_nothing_got_worse(
    make_versions: MakeVersions, make_ab: Callable[..., AbRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The headline says so only if every field is green, and then says nothing else."""
    monkeypatch.setattr("mnist_bench.versions.report.headline.LABS", {"mlp": LABS["mlp"]})
    records = make_versions(["py311-tf214", OLD])
    headline = read(records, {OLD: make_ab()})
    assert read(records).sentence == "Nothing is shown to be worse, but questions are open."
    assert (headline.sentence, headline.support, headline.tone) == ("Nothing got worse.", [], "good")


@pytest.mark.parametrize("what", ["one lab", "failed", "one epoch"])
def test_what_was_not_measured_did_not_get_better(
    make_versions: MakeVersions, make_ab: Callable[..., AbRecord], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A version with one lab, one that could not be installed, or a try-out: nobody knows whether it is worse."""
    records = make_versions(["py311-tf214", OLD])
    if what != "one lab":
        monkeypatch.setattr("mnist_bench.versions.report.headline.LABS", {"mlp": LABS["mlp"]})
    if what == "failed":
        failures = [Failure(layer="install", what="environment", reason="no wheel", lines=[])]
        records["py311-tf213"] = update_record(VersionRecord(version=find_version("py311-tf213")), failures=failures)
    if what == "one epoch":
        short = [dataclasses.replace(r, epochs=1, history=make_history(1)) for r in records[OLD].accuracy]
        records = {name: dataclasses.replace(record, accuracy=short) for name, record in records.items()}
    headline = read(records, {OLD: make_ab()})
    assert (headline.sentence, headline.tone) == ("Nothing is shown to be worse, but questions are open.", "open")
    assert headline.support


def test_a_known_regression_in_plain_words(make_versions: MakeVersions) -> None:
    """The frozen shuffle is found in the versions that have it: no version is written down beforehand."""
    headline = read(make_versions([OLD, NEW], cost=0))
    assert headline.sentence.startswith(FROZEN)
    assert headline.tone == "known"
    # Without the verdict the same records say nothing of the frozen shuffle.
    records = {name: dataclasses.replace(record, checks={}) for name, record in make_versions([OLD, NEW]).items()}
    assert "shuffle" not in read(records).sentence


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ((OLD,), "In TensorFlow 2.15.1 with Keras 2.15.0 contract/labels fails. "),
        ((OLD, NEW), "In every version contract/labels fails. "),
        ((NEW,), "In TensorFlow 2.16.2 with Keras 3.0.5 contract/labels fails. "),
    ],
)
def test_a_regression_that_no_list_names_comes_first(
    make_versions: MakeVersions, bad: tuple[str, ...], said: str
) -> None:
    """An unknown regression has the worst tone, and is said before the known ones."""
    records = make_versions([OLD, NEW])
    headline = read({name: add_bad(record) if name in bad else record for name, record in records.items()})
    assert headline.sentence.startswith(said)
    assert FROZEN in headline.sentence
    assert headline.tone == "bad"


def test_a_worse_version_is_named(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """The sentence says in what the version is worse than its predecessor; more than two verdicts are counted."""
    pair = make_ab(slowdown=2.0, python_a=OLD, python_b=NEW)
    products = "TensorFlow 2.16.2 with Keras 3.0.5"
    sentence = read(make_versions([OLD, NEW], cost=0.006), {NEW: pair}).sentence
    assert sentence.startswith(
        f"{products} has a worse accuracy than TensorFlow 2.15.1 with Keras 2.15.0. {products} has a worse loss than "
        "TensorFlow 2.15.1 with Keras 2.15.0. "
        "There is 1 more such verdict. From Keras"
    )
    slower = read(make_versions([OLD, NEW], cost=0.0), {NEW: pair}).sentence
    assert slower.startswith(f"{products} is slower than TensorFlow 2.15.1 with Keras 2.15.0. ")


def test_an_open_question_is_said(make_versions: MakeVersions) -> None:
    """Three seeds cannot prove that nothing got worse, so the headline does not say so."""
    headline = read(make_versions([OLD, NEW], seeds=3, cost=0))
    assert headline.sentence == f"{FROZEN}Nothing else is shown to be worse."
    assert headline.support[0] == (
        "1 verdict on accuracy or loss is open: the bits moved, and with 3 seeds a lab a loss that matters cannot be "
        "excluded."
    )


def test_nothing_is_measured() -> None:
    """Records without measurements are no results."""
    planned = {OLD: VersionRecord(version=find_version(OLD))}
    assert read(planned).sentence == "Nothing is measured yet."
    assert read({}).sentence == "Nothing is measured yet."
    assert read({}).tone != "good"


def test_the_figures(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """How many versions, how many different results, what the regression costs, how many are slower."""
    records = make_versions([OLD, NEW, "py312-tf217", "py312-tf218"])
    failure = Failure(layer="install", what="environment", reason="no", lines=[])
    records["py312-tf218"] = update_record(VersionRecord(version=records["py312-tf218"].version), failures=[failure])
    figures = {figure.label: figure.value for figure in read(records, {NEW: make_ab(python_b=NEW)}).figures}
    values, labels = list(figures.values()), list(figures)
    assert labels[0] == "versions measured, 1 could not be installed"
    assert labels[1] == "different results, bit for bit, of 3 versions (mlp, fit)"
    assert labels[2].startswith("points of mlp accuracy with the frozen shuffle (-")
    assert labels[3].startswith("versions slower than the one before; the largest step ")
    assert (values[0], values[1], values[3]) == ("3 of 4", "2", "0 of 1")
    assert -0.5 < float(values[2]) < 0.2


def test_numbers_in_words() -> None:
    """Nouns have a plural, and a rounded zero has no minus sign."""
    assert [count(1, "check"), count(2, "check"), count(1200, "query")] == ["1 check", "2 checks", "1,200 queries"]
    change = Interval(-0.00001, -0.0015, 0.001, 0.95)
    assert format_change(change, "accuracy") == "+0.00 points (-0.15 to +0.10)"
    assert format_change(change, "loss") == "+0.0000 (-0.0015 to +0.0010)"


def test_a_version_alone_is_not_compared(make_versions: MakeVersions) -> None:
    """The headline does not say that nothing got worse."""
    headline = read(make_versions([OLD]))
    assert headline.sentence == "Nothing is shown to be worse, but questions are open."
    assert headline.support[0] == "No version is shown with an older version, so nothing is compared."


def test_a_predecessor_has_product_names(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """Also one without a record; a version of Python's axis has its Python, an unknown name stays as it is."""
    names = ["py310-tf221-keras312", "py311-tf221-keras312"]
    for base, products in (
        ("py310-tf221-keras312", "TensorFlow 2.21.0 with Keras 3.12.4 on Python 3.10"),
        ("py312-tf217", "TensorFlow 2.17.1 with Keras 3.4.1"),
        ("mine", "mine"),
    ):
        pair = make_ab(slowdown=2.0, python_a=base, python_b=names[1])
        sentence = read(make_versions(names, seeds=1, cost=0.0), {names[1]: pair}).sentence
        assert sentence.startswith(f"TensorFlow 2.21.0 with Keras 3.12.4 on Python 3.11 is slower than {products}. ")
