"""The top of the page says what the records say, in plain words, and never more."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from fixtures.records import make_history
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.stats.intervals import Interval
from mnist_bench.training.labs import LABS
from mnist_bench.versions.records import Failure, VersionRecord, update_record
from mnist_bench.versions.releases import MATRIX, find_version
from mnist_bench.versions.report.collection import make_collection
from mnist_bench.versions.report.findings import collect_findings
from mnist_bench.versions.report.headline import count, format_change, format_cost, format_costs, make_headline
from mnist_bench.versions.report.regressions import Cost
from mnist_bench.versions.report.table import Cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.report.headline import Headline

    MakeVersions = Callable[..., dict[str, VersionRecord]]

OLD, NEW = "py311-tf215", "py312-tf216"
FROZEN = "From Keras 3.0.5 on, training visits the samples in the same order in every epoch (frozen shuffle)"


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
    assert headline.findings[0].startswith(f"{FROZEN}, which costs the MLP at most 0.")
    assert headline.findings[0].endswith(" points of test accuracy, not proven here.")
    assert headline.tone == "known"
    # Without the verdict the same records say nothing of the frozen shuffle.
    records = {name: dataclasses.replace(record, checks={}) for name, record in make_versions([OLD, NEW]).items()}
    assert "shuffle" not in read(records).sentence


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ((OLD,), "In TensorFlow 2.15 with Keras 2.15 contract/labels fails."),
        ((OLD, NEW), "In every version contract/labels fails."),
        ((NEW,), "In TensorFlow 2.16 with Keras 3.0 contract/labels fails."),
    ],
)
def test_a_regression_that_no_list_names_comes_first(
    make_versions: MakeVersions, bad: tuple[str, ...], said: str
) -> None:
    """An unknown regression has the worst tone, and is said before the known ones."""
    records = make_versions([OLD, NEW], cost=0)
    headline = read({name: add_bad(record) if name in bad else record for name, record in records.items()})
    assert headline.findings[0] == said
    assert headline.findings[1].startswith(FROZEN)
    assert headline.sentence == " ".join(headline.findings)
    assert headline.tone == "bad"


def test_a_worse_version_is_named(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """A sentence says in what a version is worse than the one before, in the words of its users."""
    pair = make_ab(slowdown=2.0, python_a=OLD, python_b=NEW)
    first, second, third, *_ = read(make_versions([OLD, NEW], cost=0.006), {NEW: pair}).findings
    assert first == "TensorFlow 2.16 with Keras 3.0 has a worse test accuracy and loss than 2.15 with 2.15."
    assert re.fullmatch(
        r"TensorFlow 2\.16 with Keras 3\.0 trains \d+% slower than 2\.15 with 2\.15 \(\d+ to \d+%\)\.", second
    )
    assert third.startswith(f"{FROZEN}, which costs the MLP 0.")
    slower = read(make_versions([OLD, NEW], cost=0.0), {NEW: pair}).findings
    assert slower[0] == second


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("accuracy/threshold", "has a worse test accuracy than"),
        ("accuracy/loss", "has a worse test loss than"),
        ("accuracy/classes", "makes more errors in one class than"),
        ("accuracy/evaluation", "reports a test loss that is not that of its weights, unlike"),
    ],
)
def test_what_is_worse_is_said(make_versions: MakeVersions, check: str, told: str) -> None:
    """The mean, one class, or only what is reported: three different things to a user."""
    findings = collect_findings(make_collection(make_versions([OLD, NEW], cost=0).values()))
    bad = CheckResult(name=f"{check}[mlp-epoch]", verdict=Verdict.REGRESSED, figure="1", bound="0")
    cells = {**findings.rows[1].cells, "accuracy": Cell("REGRESSED", "1", [bad]), "loss": Cell("REGRESSED", "1", [bad])}
    rows = [findings.rows[0], dataclasses.replace(findings.rows[1], cells=cells)]
    said = make_headline(rows, findings.bit_groups, {}, {}, findings.name).findings
    assert said[0] == f"TensorFlow 2.16 with Keras 3.0 {told} 2.15 with 2.15."


def test_every_slower_version_is_told_the_slowest_step_first(
    make_versions: MakeVersions, make_ab: Callable[..., AbRecord]
) -> None:
    """None is hidden behind a number of further verdicts, and no key of a record stands in a sentence."""
    names = [OLD, NEW, "py312-tf217", "py312-tf218", "py312-tf218-keras38"]
    bases = {NEW: OLD, names[2]: NEW, names[3]: names[2], names[4]: names[3]}
    pairs = {
        name: make_ab(slowdown=slowdown, python_a=bases[name], python_b=name)
        for name, slowdown in zip(bases, (1.3, 1.6, 2.0, 1.8), strict=True)
    }
    headline = read(make_versions(names, cost=0.0), pairs)
    told = [finding.partition(" trains ")[0] for finding in headline.findings if "slower" in finding]
    tf = "TensorFlow 2.{} with Keras 3.{}".format
    assert told == [tf(18, 6), "Keras 3.8", tf(17, 4), tf(16, 0)]
    assert headline.figures[3].value == "4 of 4"
    assert "py31" not in headline.sentence


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Interval(-0.0010, -0.0021, 0.0001, 0.95), "at most 0.21 points of test accuracy, not proven here"),
        (Interval(-0.0015, -0.0021, -0.0005, 0.95), "0.15 points of test accuracy (0.05 to 0.21)"),
        (Interval(0.0015, 0.0005, 0.0021, 0.95), "no test accuracy"),
    ],
    ids=["includes-0", "lower", "higher"],
)
def test_a_loss_that_the_interval_does_not_prove_is_a_bound(change: Interval, told: str) -> None:
    """Only an interval without 0 is told as a loss."""
    assert format_cost(Cost("mlp", "accuracy", 0.977, 0.976, change, (5, 5), (1, 1))) == f"costs the MLP {told}"


def test_costs_that_are_not_proven_share_a_sentence() -> None:
    """What is proven stands first; the loss has no sentence of its own."""
    unproven, proven = Interval(-0.0010, -0.0021, 0.0001, 0.95), Interval(-0.0015, -0.0021, -0.0005, 0.95)
    costs = [
        Cost(lab, metric, 0.977, 0.976, change, (5, 5), (1, 1))
        for lab, metric, change in (
            ("perceptron", "accuracy", unproven),
            ("perceptron", "loss", proven),
            ("mlp", "accuracy", proven),
            ("dropout", "accuracy", unproven),
        )
    ]
    proven_first, rest = format_costs(costs)
    assert proven_first == "It costs the MLP 0.15 points of test accuracy (0.05 to 0.21)."
    points = "0.21 (the perceptron) and 0.21 (the MLP with dropout) points"
    assert rest == f"A loss of test accuracy is not proven here: it is at most {points}."


def test_an_open_question_is_said(make_versions: MakeVersions) -> None:
    """Three seeds cannot prove that nothing got worse, so the headline does not say so."""
    headline = read(make_versions([OLD, NEW], seeds=3, cost=0))
    assert headline.findings[1:] == ["Nothing else is shown to be worse."]
    assert headline.support[0] == (
        "1 verdict on accuracy or loss is open: the bits moved, and with 3 seeds a lab a loss that matters cannot be "
        "excluded."
    )


def test_an_open_question_has_its_own_reason(make_versions: MakeVersions) -> None:
    """Where trainings were cut short, neither the number of seeds nor moved bits are the reason."""
    short = {
        name: update_record(
            record, accuracy=[dataclasses.replace(each, epochs=1, history=make_history(1)) for each in record.accuracy]
        )
        for name, record in make_versions([OLD, NEW], seeds=3, cost=0).items()
    }
    support = " ".join(read(short).support)
    assert "the bits moved, and with" not in support
    assert "on accuracy or loss" in support
    assert "mlp-epoch: not judged: 1 of 20 epochs" in support


def test_a_version_that_failed_has_no_open_questions(make_versions: MakeVersions) -> None:
    """Its trainings are not shown, whatever was measured before: the numbers of open fields count the others."""
    records = make_versions([OLD, NEW], seeds=1)
    failure = Failure(layer="install", what="environment", reason="no", lines=[])
    support = " ".join(read({**records, NEW: update_record(records[NEW], failures=[failure])}).support)
    assert "open" not in support
    assert "-" not in support


def test_nothing_is_measured() -> None:
    """Records without measurements are no results."""
    planned = {OLD: VersionRecord(version=find_version(OLD))}
    assert read(planned).sentence == "Nothing is measured yet."
    assert read({}).sentence == "Nothing is measured yet."
    assert read({}).tone != "good"


def test_the_figures(
    make_versions: MakeVersions, make_ab: Callable[..., AbRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many versions, how many different results, what the regression costs, how many are slower."""
    monkeypatch.setattr("mnist_bench.versions.report.headline.LABS", {"mlp": LABS["mlp"]})
    records = make_versions([OLD, NEW, "py312-tf217", "py312-tf218"], cost=0)
    failure = Failure(layer="install", what="environment", reason="no", lines=[])
    records["py312-tf218"] = update_record(VersionRecord(version=records["py312-tf218"].version), failures=[failure])
    records["py312-tf217"] = update_record(
        records["py312-tf217"], failures=[dataclasses.replace(failure, layer="checks")]
    )
    figures = {figure.label: figure.value for figure in read(records, {NEW: make_ab(python_b=NEW)}).figures}
    values, labels = list(figures.values()), list(figures)
    rest = len(MATRIX) - 4
    assert labels[0] == f"versions measured completely, 1 in part, 1 could not be installed, {rest} not run"
    assert labels[1] == "different results, bit for bit, of 3 versions (the MLP, fit)"
    assert labels[2].startswith("points of accuracy of the MLP lost to the frozen shuffle, not proven here: +0.01 (-0.")
    assert labels[3] == "versions train slower than the one before"
    assert (values[0], values[1], values[3]) == (f"2 of {len(MATRIX)}", "2", "0 of 1")
    assert values[2].startswith("≤ 0.")


def test_a_cost_is_told_of_a_fault_in_words(make_versions: MakeVersions) -> None:
    """A fault that no list names is told as what happens in training, not as the name of a check."""
    records = make_versions([OLD, NEW], seeds=10, cost=0)
    moved = ("contract/new-order", "contract/order-by-seed")
    kept = [result for result in records[NEW].checks["graph"] if result.check not in moved]
    bad = CheckResult(name="contract/order-by-seed[graph]", verdict=Verdict.REGRESSED, figure="100%", bound="< 50%")
    only = {**records, NEW: dataclasses.replace(records[NEW], checks={**records[NEW].checks, "graph": [*kept, bad]})}
    headline = read(only)
    assert headline.findings[0].endswith(" training visits the samples in the same order, whatever the seed.")
    where = "points of accuracy of the MLP lost where training visits the samples in the same order, whatever the seed"
    assert [figure for figure in headline.figures if figure.label.startswith(where)]


def test_records_of_a_users_own_versions_are_no_part_of_the_matrix(make_versions: MakeVersions) -> None:
    """Nobody is told that the matrix was not run who has two environments to compare."""
    record = make_versions([OLD], seeds=1)[OLD]
    own = {
        name: dataclasses.replace(record, version=dataclasses.replace(record.version, name=name)) for name in ("a", "b")
    }
    figure = read(own).figures[0]
    assert (figure.value, figure.label) == ("0 of 2", "versions measured completely, 2 in part")


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
    for base, told in (
        (names[0], "Python 3.11 trains 1% slower than Python 3.10, both with TensorFlow 2.21 and Keras 3.12."),
        ("py312-tf217", "TensorFlow 2.21 with Keras 3.12 on Python 3.11 trains 1% slower than TensorFlow 2.17 with "),
        ("mine", "TensorFlow 2.21 with Keras 3.12 on Python 3.11 trains 1% slower than mine."),
    ):
        pair = make_ab(slowdown=2.0, python_a=base, python_b=names[1])
        pair = dataclasses.replace(pair, wall=dataclasses.replace(pair.wall, estimate=1.01, low=None, high=None))
        assert read(make_versions(names, seeds=1, cost=0.0), {names[1]: pair}).sentence.startswith(told)
