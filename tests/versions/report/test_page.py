"""The page of the versions: complete in one file, safe with any text, and every link has its target."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.pages import Page
from fixtures.records import make_digest
from mnist_bench.records.environment import DatasetRecord, Gpu, change_environment
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.records import Failure, VersionRecord, update_record
from mnist_bench.versions.releases import VersionSpec, find_version
from mnist_bench.versions.report.collection import make_collection
from mnist_bench.versions.report.findings import collect_findings
from mnist_bench.versions.report.page import draw_pictures, format_commands, format_letter, format_page, list_stages

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.timing.ab.records import AbRecord

    MakeVersions = Callable[..., dict[str, VersionRecord]]

OLD, NEW = "py311-tf215", "py312-tf216"


def read(records: dict[str, VersionRecord], pairs: dict[str, AbRecord] | None = None, **options: Any) -> Page:
    """Return the page of these records."""
    return Page(format_page(collect_findings(make_collection(records.values(), pairs, **options))))


@pytest.fixture(scope="module")
def page(make_versions: MakeVersions) -> Page:
    """The page of three versions, of which one could not be installed."""
    records = make_versions([OLD, NEW, "py312-tf217"], seeds=5)
    failure = Failure(layer="install", what="environment", reason="uv ended", lines=["no wheel", "at all"])
    records["py312-tf217"] = update_record(VersionRecord(version=records["py312-tf217"].version), failures=[failure])
    return read(records)


def test_the_page_needs_nothing_else(page: Page) -> None:
    """The page loads nothing from anywhere, and has one script of its own, with its data."""
    assert set(page.loads) <= {"data:,"}
    assert page.tags.count("script") == 2
    assert not {"iframe", "object", "embed", "img"} & set(page.tags)


def test_every_link_has_its_target(page: Page) -> None:
    """Links lead to places in the page; each id occurs once, those of the pictures included."""
    assert len(page.ids) == len(set(page.ids))
    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert len(inside) > 20
    assert set(inside) <= set(page.ids)
    assert all(link.startswith(("#", "https://github.com/")) for link in page.links)


def test_the_order_is_that_of_a_reader_with_a_minute(page: Page) -> None:
    """The sentence, the figures, the table of verdicts; the details come last."""
    words = [
        *("visits the samples in the same order", "versions measured completely, "),
        *("Every version, every check", "Which versions end in the same bits", "Accuracy and loss"),
        *("What is broken, and what it costs", "Time", "Learning curves", "Each version", "How to make this page"),
    ]
    assert page.tags.count("h1") == 1
    places = [page.text.index(word) for word in words[:3]]
    places += [page.text.index(f"{word}\n", places[2]) for word in words[3:]]
    assert places == sorted(places)


def test_the_news_comes_first_in_the_table(page: Page) -> None:
    """A narrow screen shows the first columns: what is compared with the predecessor."""
    head = next(row for row in page.rows if row[0] == "version")
    assert head[:5] == ["version", "bits", "accuracy", "loss", "time"]


def test_a_colour_is_never_alone(page: Page) -> None:
    """Each verdict is also a word with a sign, and a failure has its last lines."""
    for word in ("✓ PASS", "◆ KNOWN", "≠ MOVED", "? INCONCLUSIVE", "? FAILED: install of environment", "no wheel"):
        assert word in page.text


def test_a_version_says_how_to_make_it_again(page: Page) -> None:
    """The page has the commands that measure a version and compare it with its predecessor."""
    assert f"mnist-bench matrix run {NEW} --again --seeds 5\nmnist-bench compare {OLD} {NEW}" in page.text


def test_a_users_own_version_is_added_first() -> None:
    """The first command adds the version with its pins."""
    spec = VersionSpec(name="mine", python="3.12", tensorflow="2.21.0", keras="3.9.0", pins=["numpy<2"])
    (row,) = collect_findings(make_collection([VersionRecord(version=spec)])).rows
    first, second = format_commands(row).splitlines()
    assert first == "mnist-bench matrix add mine --tensorflow 2.21.0 --keras 3.9.0 --python 3.12 --pin 'numpy<2'"
    assert second == "mnist-bench matrix run mine --again"


@pytest.mark.parametrize("empty", ["checks", "probes", "accuracy", "imports", "install", "all"])
def test_a_layer_that_is_missing_is_no_gap(make_versions: MakeVersions, empty: str) -> None:
    """The page is complete, and says what is not measured."""
    fields = {"checks": {}, "install": None, "environment": None}
    names = ["checks", "probes", "accuracy", "imports", "install", "environment"] if empty == "all" else [empty]
    changes = {name: fields.get(name, []) for name in names}
    records = make_versions([OLD, NEW], seeds=2)
    page = read({name: dataclasses.replace(record, **changes) for name, record in records.items()})
    if empty in ("probes", "imports", "install"):
        assert "Every version, every check" in page.text
    else:
        assert "NOT MEASURED" in page.text or "not measured" in page.text


def test_a_version_without_measurements_has_a_row(make_versions: MakeVersions) -> None:
    """The row says so, and nothing in it is green."""
    page = read({**make_versions([OLD], seeds=1), NEW: VersionRecord(version=find_version(NEW))})
    assert "NOT MEASURED" in page.text


def test_pairs_are_shown_with_their_intervals(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """The page has ratio, interval and verdict of both clocks; without pairs it says so."""
    records = make_versions([OLD, NEW], seeds=1)
    page = read(records, {NEW: make_ab(slowdown=2.0, python_a=OLD, python_b=NEW)})
    assert "✗ slower" in page.text
    assert re.search(r"\+\d+\.\d% \(\+\d+\.\d% to \+\d+\.\d%\)", page.text)
    assert "No version is timed against the one before yet" in read(records).text


def test_no_unpaired_time_stands_under_a_verdict(make_versions: MakeVersions, make_ab: Callable[..., AbRecord]) -> None:
    """A version that trains slower, and imports faster, is not shown as `0.97 times as long`."""
    records = make_versions([OLD, NEW], seeds=1)
    records[NEW] = dataclasses.replace(records[NEW], imports=[2.0, 2.1, 2.2])
    text = read(records, {NEW: make_ab(slowdown=2.0, python_a=OLD, python_b=NEW)}).text
    assert "times as long" not in text
    assert "import, this version alone2.00 s, 2.10 s, 2.20 s" in text


def test_a_difference_is_told_once(make_versions: MakeVersions) -> None:
    """The stage at which the bits part stands in the version's list of differences, and not in the evidence again."""
    page = read(make_versions([OLD, NEW], seeds=3, cost=0))
    assert page.text.count("data order first: moved by ") == 1
    assert "first stage that differs: data order" not in page.text


def test_the_cost_of_a_known_regression_is_that_of_the_records(make_versions: MakeVersions) -> None:
    """What the list says of a regression has no figure; the page has that of its own trainings."""
    records = make_versions([OLD, NEW], cost=0)
    evidence = "frozen shuffle: loses 9 points"
    checks = {
        engine: [dataclasses.replace(each, evidence=evidence) for each in results]
        for engine, results in records[NEW].checks.items()
    }
    records[NEW] = dataclasses.replace(records[NEW], checks=checks)
    text = read(records).text
    assert "A loss of test accuracy is not proven here: it is at most 0." in text
    assert "9 points" not in text


def test_the_words_are_explained(page: Page) -> None:
    """Every verdict of the page, and the terms that a stranger asks for."""
    glossary = page.text[page.text.index("What the words mean") :]
    for word in ("IDENTICAL", "MOVED", "NOT MEASURED", "NOT WORSE", "IN STEPS", "version before", "points", "seed"):
        assert word in glossary, word


def test_product_names_come_first(page: Page) -> None:
    """In the table of verdicts and in that of the bits, the key of the record stands below the products."""
    names = [row[0] for row in page.rows if row[0].startswith("TF 2.15, Keras 2.15")]
    assert len(names) == 2
    assert all(OLD in name for name in names)


def test_text_of_a_record_stays_text(make_versions: MakeVersions) -> None:
    """No text of a file makes an element: not in evidence, failures, machines, packages or pictures."""
    evil = "</script></style><script>alert(1)</script>\"'"
    records = make_versions([OLD, NEW], seeds=2)
    record = records[NEW]
    gpu = Gpu(name=evil, compute_capability=evil, driver=evil)
    environment = change_environment(record.environment, cpu=evil, gpus=[gpu], tensorflow=evil, keras=evil, onednn=evil)
    bad = CheckResult(name=f"contract/{evil}", verdict=Verdict.REGRESSED, figure=evil, bound=evil, evidence=evil)
    records[NEW] = update_record(
        record,
        environment=environment,
        probes=[dataclasses.replace(probe, environment=environment) for probe in record.probes],
        checks={"graph": [bad]},
        failures=[Failure(layer="probes", what=evil, reason=evil, lines=[evil])],
        install=dataclasses.replace(record.install, packages={evil: evil}),
    )
    page = read(records)
    assert page.tags.count("script") == 2
    assert page.tags.count("style") == read(make_versions([OLD, NEW], seeds=2)).tags.count("style")
    assert page.text.count(evil) >= 9


def test_no_control_character_reaches_the_page(make_versions: MakeVersions) -> None:
    """Neither in what is read nor in what a pointer shows: an attribute is copied into a terminal, too."""
    records = make_versions([OLD, NEW], seeds=2)
    bad = CheckResult(
        name="contract/x", verdict=Verdict.REGRESSED, figure="a\x1b[2Jb", bound="c\x07d", evidence="e\x00f"
    )
    records[NEW] = dataclasses.replace(records[NEW], checks={"graph": [bad]})
    html = format_page(collect_findings(make_collection(records.values())))
    assert "a\ufffd[2Jb" in html
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f]", html) == []


@pytest.mark.parametrize("text", ["\n", "\r\n\x85\u2028\u2029", "\u200f\u200b\u061c\ufeff\U000e0041"])
def test_an_attribute_is_one_line_of_what_can_be_seen(make_versions: MakeVersions, text: str) -> None:
    """What a terminal would not be shown is in no attribute and in no JSON; a list of lines is only in a `<pre>`."""
    records = make_versions([OLD, NEW], seeds=2)
    evil = f"a{text}b"
    result = CheckResult(name="contract/x", verdict=Verdict.REGRESSED, figure=evil, bound=evil, evidence=evil)
    failure = Failure(layer="probes", what=evil, reason=evil, lines=["one line", evil])
    records[NEW] = update_record(records[NEW], checks={"graph": [result]}, failures=[failure])
    html = format_page(collect_findings(make_collection(records.values())))
    attributes = re.findall(r'(?:title|aria-label|data-\w+|href|id)="([^"]*)"', html)
    assert any("a" in attribute and "b" in attribute for attribute in attributes)
    assert [attribute for attribute in attributes if not attribute.isprintable()] == []
    choices = re.search(r'id="choices">(.*?)</script>', html)
    assert choices is not None
    shown = html + "".join(map(str, json.loads(choices[1])["texts"]))
    assert set(text) & set(shown) <= {"\n"}
    assert "one line\na" in html


def test_other_data_than_mnist_is_named(make_versions: MakeVersions) -> None:
    """The page warns that the figures are not MNIST's."""
    records = make_versions([OLD], seeds=1)
    assert "Not MNIST." in read(records).text
    mnist = DatasetRecord(source="mnist", digest="0" * 64)
    records[OLD] = dataclasses.replace(records[OLD], dataset=mnist, probes=[])
    assert "Not MNIST." not in read(records).text


def test_what_is_left_out_is_said(make_versions: MakeVersions) -> None:
    """A page of some records says how many more there are, so that nobody takes them for all."""
    page = read(make_versions([OLD, NEW], seeds=1), left_out=22)
    assert "22 more records were read, but are neither judged nor listed here" in page.text


def test_a_picture_has_so_many_rows_and_says_so(make_versions: MakeVersions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are not drawn are counted below the picture."""
    monkeypatch.setattr("mnist_bench.versions.report.plots.MOST", 1)
    findings = collect_findings(make_collection(make_versions([OLD, NEW], seeds=2).values()))
    assert draw_pictures(findings)[1] == ["mlp: the last 1 of 2 different results are drawn."]


def test_the_same_records_give_the_same_page(make_versions: MakeVersions) -> None:
    """The page depends on no clock, no path and no chance."""
    pages = {format_page(collect_findings(make_collection(make_versions([OLD, NEW], seeds=2).values()))) for _ in "ab"}
    assert len(pages) == 1


def test_small_words(make_versions: MakeVersions) -> None:
    """Letters continue after Z; a stage that a probe lacks is empty."""
    assert [format_letter(place) for place in (0, 25, 26, 53)] == ["A", "Z", "A1", "B2"]
    stages = list_stages(make_versions([OLD], seeds=1)[OLD])
    initial, order = make_digest("mlp initial weights ")[:8], make_digest("keras2")[:8]
    assert stages[:2] == [
        {"name": "initial weights", "digests": [initial, initial]},
        {"name": "data order", "digests": [order, make_digest("mlp data order ")[:8]]},
    ]


def test_a_check_of_no_group_has_a_column_of_its_own(make_versions: MakeVersions) -> None:
    """A check that only one version has, of a layer that nobody knows, leaves the others' fields empty."""
    records = make_versions([OLD, NEW], seeds=1)
    strange = CheckResult(name="strange/check", verdict=Verdict.REGRESSED, figure="1", bound="0")
    records[NEW] = dataclasses.replace(records[NEW], checks={"epoch": [strange]})
    assert "strange/check" in read(records).text
