"""A version timed against its predecessor: which version that is, what is saved, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import operator
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.ab import judge_again
from fixtures.checksums import write_record
from fixtures.records import rekey
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import dump_json, load, save
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.ratios import ALPHA
from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions import pairs
from mnist_bench.versions.environments import Install
from mnist_bench.versions.folder import pair_path
from mnist_bench.versions.pairs import find_pair_result, measure_pair
from mnist_bench.versions.releases import MATRIX, VersionSpec, find_axis, find_predecessor, find_version
from mnist_bench.versions.report.collection import load_pairs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.timing.ab.rounds import AbPlan
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.records import VersionRecord

BASE, NEW = find_version("py311-tf215"), find_version("py312-tf216")


@pytest.fixture
def plans(make_ab: Callable[..., AbRecord], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[AbPlan]:
    """Have comparisons made without a process; the list holds their plans."""
    asked: list[AbPlan] = []

    def install(spec: VersionSpec) -> tuple[Path, Install]:
        if (tmp_path / "broken").exists():
            raise CommandError("uv pip install ended with exit status 1", [])
        return tmp_path / spec.name / "bin" / "python", Install(seconds=1.0, bytes=1, packages={})

    def compare(plan: AbPlan, _show: object) -> AbRecord:
        asked.append(plan)
        return make_ab(slowdown=1.5)

    monkeypatch.setattr(pairs, "make_environment", install)
    monkeypatch.setattr(pairs, "compare", compare)
    return asked


@pytest.fixture
def measure(tiny: Dataset, tmp_path: Path) -> Callable[..., AbRecord]:
    """The measurement of a pair into the folder `versions`."""

    def go(base: VersionSpec = BASE, new: VersionSpec = NEW, **options: Any) -> AbRecord:
        fields = {"engine": "epoch", "dataset": tiny, "budget_seconds": 40.0, **options}
        return measure_pair(base, new, tmp_path / "versions", **fields)

    return go


@pytest.mark.parametrize(
    ("name", "predecessor"),
    [
        ("py310-tf28", None),
        ("py311-tf212", "py310-tf211"),
        ("py312-tf216", "py311-tf215"),
        ("py313-tf221", "py313-tf220"),
        ("py312-tf216-keras33", "py312-tf216"),
        ("py312-tf218-keras38", "py312-tf218"),
        ("py312-tf218-keras310", "py312-tf218-keras38"),
        ("py313-tf221-keras314", "py313-tf221"),
        ("py311-tf221-keras312", "py310-tf221-keras312"),
        ("py313-tf221-keras312", "py312-tf221-keras312"),
    ],
)
def test_the_predecessor_is_the_nearest_older_version(name: str, predecessor: str | None) -> None:
    """The two differ in Python, or in Keras on one TensorFlow, or in TensorFlow with the Keras of its time."""
    found = find_predecessor(find_version(name), map(find_version, MATRIX))
    assert (found.name if found else None) == predecessor


def test_a_nightly_follows_the_newest_release() -> None:
    """It is a TensorFlow with the Keras of its time, although no release has that Keras."""
    nightly = VersionSpec(
        name="nightly", python="3.13", tensorflow="2.23.0-dev20261026", keras="3.16.0.dev2026102704", pins=[]
    )
    specs = [*map(find_version, MATRIX), nightly]
    found = find_predecessor(nightly, specs)
    assert found is not None
    assert (found.name, find_axis(nightly, specs)) == ("py313-tf221", "tensorflow")


def test_a_version_of_ones_own_has_a_predecessor() -> None:
    """The predecessor of a Keras that is not in the matrix is the next older Keras on the same TensorFlow."""
    own = VersionSpec(name="mine", python="3.12", tensorflow="2.18.1", keras="3.7.0", pins=[])
    found = find_predecessor(own, [*map(find_version, MATRIX), own])
    assert found == find_version("py312-tf218")


def test_a_pair_is_measured_once_and_called_by_its_versions(
    plans: list[AbPlan], measure: Callable[..., AbRecord], tmp_path: Path
) -> None:
    """The record contains no path of this machine; the second time the record is read, and nothing is timed."""
    record = measure()
    assert [python.parents[1].name for python in (plans[0].python_a, plans[0].python_b)] == [BASE.name, NEW.name]
    assert (record.python_a, record.python_b, record.verdict) == (BASE.name, NEW.name, "slower")
    assert measure() == record == load(pair_path(tmp_path / "versions", NEW.name), AbRecord)
    assert len(plans) == 1
    assert load_pairs(tmp_path / "versions") == {NEW.name: record}


@pytest.mark.usefixtures("plans")
def test_a_record_of_another_pair_is_refused(measure: Callable[..., AbRecord], tmp_path: Path) -> None:
    """Neither another predecessor nor a renamed file is taken for the pair."""
    measure()
    with pytest.raises(ValueError, match="compares 'py312-tf216' with 'py311-tf215', not with 'py311-tf214'"):
        measure(find_version("py311-tf214"))
    path = pair_path(tmp_path / "versions", NEW.name)
    path.rename(path.with_name("py312-tf217.json"))
    with pytest.raises(RecordError, match=r"py312-tf217\.json: the comparison of 'py312-tf216', not of 'py312-tf217'"):
        load_pairs(tmp_path / "versions")


def test_no_record_is_left_of_a_lost_process(
    plans: list[AbPlan],
    measure: Callable[..., AbRecord],
    make_ab: Callable[..., AbRecord],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The pair is still to be measured."""
    lost = make_ab(verdict="inconclusive", failure="B was killed")
    monkeypatch.setattr(pairs, "compare", lambda plan, _: plans.append(plan) or lost)
    with pytest.raises(ValueError, match="py312-tf216: B was killed"):
        measure()
    assert load_pairs(tmp_path / "versions") == {}


def test_the_command_goes_on_past_what_fails(
    plans: list[AbPlan],
    command: Callable[..., Any],
    tiny: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each pair has a line; a version that cannot be installed gives status 3, one without predecessor is refused."""
    stand_in = dataclasses.replace(tiny, name="digits")
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: stand_in)
    options = ("--out", tmp_path / "versions", "--data", "digits")
    (tmp_path / "broken").touch()
    broken = command("matrix", "pairs", "py312-tf216", "py312-tf217", *options)
    (tmp_path / "broken").unlink()
    assert (broken.status, broken.out, broken.err.count("uv pip install ended")) == (3, "", 2)
    answer = command("matrix", "pairs", "py312-tf216", "py312-tf217", *options)
    assert answer.status == 0
    assert [line.split(";")[0] for line in answer.out.splitlines()] == [
        "py312-tf216, compared with py311-tf215: slower",
        "py312-tf217, compared with py312-tf216: slower",
    ]
    assert len(plans) == 2
    refused = command("matrix", "pairs", "py310-tf28", *options)
    assert (refused.status, refused.out) == (2, "")
    assert "py310-tf28: has no predecessor" in refused.err


@pytest.mark.parametrize(
    ("fields", "figure"),
    [
        ({}, "an epoch takes 1.00 times as long"),
        (
            {"environment": None, "imports": [], "checks": {}, "probes": [], "accuracy": []},
            "the record of py312-tf216 has no environment: nothing says what was timed",
        ),
    ],
)
def test_times_are_judged_only_of_what_the_records_name(
    make_ab: Callable[..., AbRecord],
    make_versions: Callable[..., dict[str, VersionRecord]],
    tmp_path: Path,
    fields: dict[str, Any],
    figure: str,
) -> None:
    """A comparison of times is green only where both records say in which environments they were made."""
    versions = make_versions([BASE.name, NEW.name])
    sides = [versions[BASE.name].environment, versions[NEW.name].environment]
    pair = dataclasses.replace(make_ab(), python_a=BASE.name, python_b=NEW.name, a=sides[0], b=sides[1])
    save(pair, pair_path(tmp_path, NEW.name))
    new = dataclasses.replace(versions[NEW.name], **fields)
    result = find_pair_result(versions[BASE.name], new, tmp_path)
    assert result is not None
    assert result.figure.startswith(figure)
    assert result.holds is not bool(fields)


@pytest.mark.parametrize(
    ("recorded", "slowdown", "verdict", "figure"),
    [
        ({"cpu": "A CPU, 1.5 cores by quota", "usable_cores": 1}, 1.0, Verdict.PASS, ")"),
        ({"cpu": "Another"}, 1.0, Verdict.PASS, "than the records: cpu 'A CPU', not 'Another'"),
        ({"cores": 64}, 1.0, Verdict.PASS, "than the records: cores 2, not 64"),
        ({"cores": 64}, 2.0, Verdict.REGRESSED, "than the records: cores 2, not 64"),
    ],
    ids=["quota", "cpu", "cores", "slower"],
)
@pytest.mark.parametrize("both", [True, False])
def test_times_of_another_machine_are_named(
    make_ab: Callable[..., AbRecord],
    make_versions: Callable[..., dict[str, VersionRecord]],
    tmp_path: Path,
    *,
    recorded: dict[str, Any],
    slowdown: float,
    verdict: Verdict,
    figure: str,
    both: bool,
) -> None:
    """Nothing is said if the records are of the same machine, or of two machines of which one is that of the times."""
    base, new = make_versions([BASE.name, NEW.name]).values()
    assert base.environment is not None
    assert new.environment is not None
    sides = {"a": base.environment, "b": new.environment}
    save(make_ab(slowdown=slowdown, python_a=BASE.name, python_b=NEW.name, **sides), pair_path(tmp_path, NEW.name))
    base = dataclasses.replace(base, environment=change_environment(base.environment, **recorded))
    if both:
        new = dataclasses.replace(new, environment=change_environment(new.environment, **recorded))
    result = find_pair_result(base, new, tmp_path)
    assert result is not None
    assert result.verdict is verdict
    assert result.figure.endswith(figure if both else ")")


@pytest.mark.parametrize(("rounds", "alike"), [(1, False), (2, True), (6, True)])
def test_an_open_interval_is_inconclusive(
    make_ab: Callable[..., AbRecord],
    make_versions: Callable[..., dict[str, VersionRecord]],
    tmp_path: Path,
    *,
    rounds: int,
    alike: bool,
) -> None:
    """One round, or rounds without any spread, have an estimate and no interval: a short run's record is read."""
    base, new = make_versions([BASE.name, NEW.name]).values()
    pair = make_ab(rounds=rounds, python_a=BASE.name, python_b=NEW.name, a=base.environment, b=new.environment)
    if alike:
        seconds = pair.processes[0]
        same = [dataclasses.replace(times, wall=seconds.wall, cpu=seconds.cpu) for times in pair.processes]
        pair = judge_again(dataclasses.replace(pair, processes=same))
    save(pair, pair_path(tmp_path, NEW.name))
    result = find_pair_result(base, new, tmp_path)
    assert result is not None
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.figure.endswith("times as long (the interval is open)")


def test_a_file_in_place_of_the_folder_of_times_is_refused(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path
) -> None:
    """The times would otherwise be missing without a word."""
    versions = make_versions([BASE.name, NEW.name])
    (tmp_path / "pairs").write_text("")
    with pytest.raises(RecordError, match="pairs: no folder, and it has the name"):
        find_pair_result(versions[BASE.name], versions[NEW.name], tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("b.keras", "3.0.0", "b.keras is '3.0.0', and"),
        ("b.onednn", "0", "the two sides ran with two settings: they differ in onednn"),
        ("b.inter_op_threads", 7, "the two sides ran with two settings: they differ in inter_op_threads"),
        ("workload.dataset.source", "nan", "timed on other data than the record of py311-tf215 was measured on"),
        ("workload.lab", "nan", "unknown lab 'nan'"),
        ("python_b", "py312-tf217", "the comparison of 'py312-tf217', not of 'py312-tf216'"),
        ("processes.0.order", 1, "processes: their order is [1, 1, 2"),
    ],
)
def test_times_of_something_else_are_refused(
    make_ab: Callable[..., AbRecord],
    make_versions: Callable[..., dict[str, VersionRecord]],
    tmp_path: Path,
    place: str,
    value: object,
    message: str,
) -> None:
    """A comparison of times is held against the two versions that it is read for."""
    base, new = make_versions([BASE.name, NEW.name]).values()
    assert base.environment is not None
    assert new.environment is not None
    pair = dataclasses.replace(make_ab(), python_a=BASE.name, python_b=NEW.name, a=base.environment, b=new.environment)
    facts = json.loads(dump_json(pair))
    *parts, last = [int(part) if part.isdecimal() else part for part in place.split(".")]
    functools.reduce(operator.getitem, parts, facts)[last] = value
    facts["b"] = rekey(facts["b"])
    path = pair_path(tmp_path, NEW.name)
    path.parent.mkdir(parents=True)
    write_record(path, facts)
    with pytest.raises(ValueError, match=re.escape(message)):
        find_pair_result(base, new, tmp_path)


def set_gate(record: AbRecord, **gate: float) -> AbRecord:
    """Return a comparison that is judged by another bound or alpha, as if it were measured so."""
    changed = dataclasses.replace(record, looks=[], **gate)
    shares = [dataclasses.replace(look, alpha=look.alpha / ALPHA * changed.alpha) for look in record.looks]
    return judge_again(dataclasses.replace(changed, looks=shares))


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"bound": 0.9}, "bound is 0.9: comparisons are judged by 0.05 or less"),
        ({"alpha": 0.999}, "alpha is 0.999: comparisons are judged by 0.05 or less"),
        ({"bound": 0.02, "alpha": 0.01}, None),
    ],
    ids=["bound", "alpha", "stricter"],
)
def test_no_record_sets_its_own_gate(
    make_ab: Callable[..., AbRecord],
    make_versions: Callable[..., dict[str, VersionRecord]],
    measure: Callable[..., AbRecord],
    tmp_path: Path,
    gate: dict[str, float],
    message: str | None,
) -> None:
    """A pair that was judged by a wider bound or a larger alpha is refused when it is read; a stricter one is read."""
    base, new = make_versions([BASE.name, NEW.name]).values()
    pair = make_ab(slowdown=1.5, python_a=BASE.name, python_b=NEW.name, a=base.environment, b=new.environment)
    save(set_gate(pair, **gate), pair_path(tmp_path / "versions", NEW.name))
    read: list[Callable[[], Any]] = [measure, lambda: find_pair_result(base, new, tmp_path / "versions")]
    for reader in read:
        with pytest.raises(RecordError, match=re.escape(message)) if message else contextlib.nullcontext():
            assert reader().verdict in ("slower", Verdict.REGRESSED)
