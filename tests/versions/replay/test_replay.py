"""Real regressions replayed: what is asked, what counts as seen, what is kept, and what the record in docs says."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.upgrade import make_mlp_probe
from mnist_bench.checks.names import FAST_CHECKS
from mnist_bench.records.serial import load, save
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.records import Install
from mnist_bench.versions.replay import measure
from mnist_bench.versions.replay.judge import find_outcome
from mnist_bench.versions.replay.measure import ask_side
from mnist_bench.versions.replay.records import Answer, ReplayRecord
from mnist_bench.versions.replay.regression import RealSide, Regression
from mnist_bench.versions.replay.regressions import REGRESSIONS
from mnist_bench.versions.replay.report import find_outcomes, find_unexplained, format_outcome, format_replays
from mnist_bench.versions.replay.run import choose, open_record, replay
from mnist_bench.versions.upgrade.sides import Side, read_requirements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.versions.replay.regression import Question

KEPT = Path(__file__).parents[3] / "docs" / "replay.json"
REGRESSION = REGRESSIONS["last-batch"]
FIGURES, ORDER = "arithmetic/figures[mlp-graph]", "contract/new-order[graph]"


def make(name: str, verdict: Verdict = Verdict.PASS) -> CheckResult:
    """Return a result."""
    return CheckResult(name=name, verdict=verdict, figure="a figure", bound="a bound")


def make_record(bad: Sequence[CheckResult], good: Sequence[CheckResult]) -> ReplayRecord:
    """Return a record of one regression whose sides have these results."""
    questions = REGRESSION.questions
    answers = [
        Answer(question=question, packages={"keras": "3.1.1"}, results=list(results), seconds=1.0)
        for question, results in zip(questions, (bad, good), strict=True)
    ]
    return dataclasses.replace(open_record(Path("nowhere"), "digits"), answers=answers)


def test_each_regression_can_be_asked() -> None:
    """Twelve or more, each with an address, two sides that differ and can be installed, and a check that exists."""
    assert len(REGRESSIONS) >= 12
    for name, regression in REGRESSIONS.items():
        assert regression.name == name
        bad, good = regression.questions
        assert bad != good
        assert read_requirements(regression.bad.requirements)
        assert read_requirements(regression.good.requirements)
        if regression.by == "checks":
            assert regression.check in ("structure/environment", *FAST_CHECKS)
        else:
            assert regression.check.partition("/")[0] in (regression.by, "bits")
        if regression.by == "time":
            assert bad.side.variables == good.side.variables


def test_a_regression_without_an_address_is_refused() -> None:
    """None is invented: each has a place where it is told."""
    with pytest.raises(ValueError, match="last-batch: the source 'I think' is no address"):
        dataclasses.replace(REGRESSION, source="I think")


@pytest.mark.parametrize(
    ("bad", "good", "first", "expected", "alarms", "line"),
    [
        pytest.param(
            [make(ORDER, Verdict.KNOWN), make(FIGURES, Verdict.REGRESSED)],
            [make(ORDER, Verdict.KNOWN), make(FIGURES)],
            *(FIGURES, True, []),
            f"SEEN         last-batch               by {FIGURES}: a figure",
            id="what both sides have is not what was sought",
        ),
        pytest.param(
            [make(ORDER, Verdict.KNOWN), make(FIGURES)],
            [make(ORDER), make(FIGURES)],
            *(ORDER, False, []),
            f"OTHER CHECK  last-batch               by {ORDER}: a figure",
            id="another check, on the reviewed list",
        ),
        pytest.param(
            [make(FIGURES, Verdict.INCONCLUSIVE)],
            [make(FIGURES)],
            *(None, False, []),
            "UNSEEN       last-batch               not explained",
            id="a check without an answer says nothing",
        ),
        pytest.param(
            [make("structure/environment", Verdict.INCONCLUSIVE)],
            [make("structure/environment"), make(FIGURES, Verdict.REGRESSED)],
            *("structure/environment", False, [FIGURES]),
            "OTHER CHECK  last-batch               by structure/environment: a figure; "
            f"alarm on the good side: {FIGURES}: a figure",
            id="an environment that cannot be imported, and an alarm",
        ),
    ],
)
def test_what_counts_as_seen(
    bad: list[CheckResult],
    good: list[CheckResult],
    first: str | None,
    expected: bool,  # noqa: FBT001 - a parameter of pytest
    alarms: list[str],
    line: str,
) -> None:
    """A check tells of the bad side and not of the good one; what does not hold on the good side is an alarm."""
    outcome = find_outcome(REGRESSION, make_record(bad, good))
    assert outcome is not None
    assert (outcome.first.name if outcome.first else None) == first
    assert outcome.expected is expected
    assert [result.name for result in outcome.alarms] == alarms
    assert format_outcome(outcome) == line
    assert find_unexplained([outcome]) == ([] if expected and not alarms else [outcome])


def test_the_page_says_what_is_seen() -> None:
    """The figures, a row for each regression with its address, and each that was not seen with the reason."""
    page = format_replays(make_record([make(FIGURES, Verdict.REGRESSED)], [make(ORDER, Verdict.REGRESSED)]))
    assert "1 real regression replayed on " in page
    assert "By kind: defects: 1 of 1 seen. The public address tells of the regression itself in 1 of 1. " in page
    assert "1 (100%) are seen, 1 of them by the check that should see it. Good sides with an alarm: 1; " in page
    assert f"| [last-batch]({REGRESSION.source}) |" in page
    assert "| `arithmetic/figures` | `contract/new-order` | Keras 3.0 | Keras 3.2 |" in page
    assert f"- last-batch, alarm on the good side: `{ORDER}` is REGRESSED: a figure." in page
    page = format_replays(make_record([make(FIGURES)], [make(FIGURES)]))
    assert "| not seen | none |" in page
    assert "- last-batch, not seen: not explained." in page
    page = format_replays(make_record([make(FIGURES, Verdict.REGRESSED)], [make(FIGURES, Verdict.INCONCLUSIVE)]))
    assert "Good sides with an alarm: 0; good sides without an answer to a check: 1 (see the notes)." in page
    assert f"- last-batch, good side without an answer: `{FIGURES}`: a figure; what is wrong there would go " in page
    page = format_replays(make_record([make(FIGURES, Verdict.INCONCLUSIVE)], [make(FIGURES)]))
    assert f"- last-batch, bad side without an answer: `{FIGURES}`: a figure; the other checks alone tell of " in page


def test_the_page_counts_what_the_registry_says() -> None:
    """Defects are told from differences of which neither side is wrong, and reports from other addresses."""
    page = format_replays(load(KEPT, ReplayRecord))
    regressions = REGRESSIONS.values()
    kinds, told = (Counter(getattr(it, field) for it in regressions) for field in ("kind", "told"))
    assert f"{len(REGRESSIONS)} real regressions replayed on " in page
    assert f"defects: {kinds['defect']} of {kinds['defect']} seen; installations that cannot be imported: " in page
    assert f"neither are wrong: {kinds['difference']} of {kinds['difference']} seen. " in page
    assert f"tells of the regression itself in {told['itself']} of {len(REGRESSIONS)}; in {told['change']} it " in page
    assert f"no public report of these {told['change'] + told['related']} was found." in page
    assert all((it.kind == "import") == (it.check == "structure/environment") for it in regressions)
    assert REGRESSIONS["repeated-rows"].told == "related"


def test_a_good_side_that_does_not_repeat_itself_is_named() -> None:
    """Without the side, the note reads as if it were about the regression."""
    notes = format_replays(load(KEPT, ReplayRecord)).partition("### Notes")[2]
    (model,) = [line for line in notes.splitlines() if "repeated-rows, good side compared with itself, with" in line]
    assert "two runs of one environment do not end in the same bits" in model
    assert "slow-step, good side compared with itself, without an answer: `time/mlp-graph`: inconclusive" in notes
    assert "no-logs, bad side without an answer: `reproducibility/bits[mlp-epoch]`" in notes


def test_sides_are_asked_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Regressions share the sides that they have in common; a call goes on where another ended; `again` asks again."""
    asked: list[Question] = []

    def ask(question: Question, **_: object) -> Answer:
        asked.append(question)
        wrong = question.side in (REGRESSION.bad, REGRESSIONS["32-steps"].bad)
        result = make(FIGURES, Verdict.REGRESSED if wrong else Verdict.PASS)
        return Answer(question=question, packages={}, results=[result], seconds=1)

    monkeypatch.setattr("mnist_bench.versions.replay.run.ask_side", ask)
    path, chosen = tmp_path / "replay.json", choose(["last-batch", "lost-losses", "32-steps"])
    outcomes = list(replay(chosen, open_record(path, "digits"), path, again=False, tell=str))
    assert [(it.regression.name, it.expected) for it in outcomes] == [
        ("last-batch", True),
        ("lost-losses", True),
        ("32-steps", False),
    ]
    assert len(asked) == 4
    asked.clear()
    list(replay(choose(["last-batch"]), open_record(path, "digits"), path, again=False, tell=str))
    assert asked == []
    list(replay(choose(["last-batch"]), open_record(path, "digits"), path, again=True, tell=str))
    assert asked == list(REGRESSION.questions)
    assert len(load(path, ReplayRecord).answers) == 4


def test_what_nobody_asks_any_more_is_dropped(tmp_path: Path) -> None:
    """A regression whose sides were changed leaves no answer of the former ones behind."""
    path, record = tmp_path / "replay.json", make_record([make(FIGURES)], [make(FIGURES)])
    former = dataclasses.replace(record.answers[0].question, side=RealSide(requirements="tensorflow", python="3.9"))
    answers = [*record.answers, dataclasses.replace(record.answers[0], question=former)]
    save(dataclasses.replace(record, answers=answers), path)
    assert open_record(path, "digits") == record


def test_another_machine_or_other_data_is_another_record(tmp_path: Path) -> None:
    """Bits and times of two machines are no one table."""
    path, record = tmp_path / "replay.json", make_record([make(FIGURES)], [make(FIGURES)])
    save(record, path)
    with pytest.raises(ValueError, match="the data is 'digits', not 'mnist': name another folder with --out"):
        open_record(path, "mnist")
    machine = dataclasses.replace(record.machine, details={**record.machine.details, "model": "another"})
    save(dataclasses.replace(record, machine=machine), path, overwrite=True)
    with pytest.raises(ValueError, match=r"made on another machine: model 'another' there, .* name another folder"):
        open_record(path, "digits")
    with pytest.raises(ValueError, match="is there twice"):
        dataclasses.replace(record, answers=record.answers * 2)


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each side be this interpreter, so that nothing is installed."""

    def enter(texts: Sequence[str], **_: object) -> tuple[Side, ...]:
        install = Install(seconds=None, bytes=1, packages={"keras": "3.1.1"})
        return tuple(Side(text, Path(sys.executable), install) for text in texts)

    monkeypatch.setattr(measure, "enter_sides", enter)


def change(**fields: Any) -> Regression:
    """Return the regression with other fields, and with a variable on its bad side."""
    bad = dataclasses.replace(REGRESSION.bad, variables={"TF_ENABLE_ONEDNN_OPTS": "0"})
    return dataclasses.replace(REGRESSION, bad=bad, **fields)


@pytest.mark.usefixtures("entered")
def test_the_checks_run_with_the_variables_of_a_side(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of a side have its variables, and no process afterwards."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    seen: list[str] = []

    def ask_environment(_python: Path) -> EnvironmentRecord:
        seen.append(os.environ["TF_ENABLE_ONEDNN_OPTS"])
        return record.environment

    monkeypatch.setattr(measure, "ask_environment", ask_environment)
    monkeypatch.setattr(measure, "ask_checks", lambda *_, **__: iter([make(FIGURES)]))
    bad, good = (ask_side(question, source="digits", tell=str) for question in change().questions)
    assert [result.check for result in bad.results] == ["structure/environment", "arithmetic/figures"]
    assert good.packages == {"keras": "3.1.1"}
    assert seen == ["0", "1"]


@pytest.mark.usefixtures("entered")
def test_a_side_that_cannot_be_imported_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprint fails, and says why."""

    def fail(_python: Path) -> None:
        raise CommandError("Descriptors cannot be created directly", [])

    monkeypatch.setattr(measure, "ask_environment", fail)
    answer = ask_side(REGRESSION.questions[0], source="digits", tell=str)
    assert [(it.check, it.verdict) for it in answer.results] == [("structure/environment", Verdict.INCONCLUSIVE)]
    assert answer.results[0].evidence == "Descriptors cannot be created directly"


@pytest.mark.usefixtures("entered")
def test_bits_are_compared_with_the_good_side(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bad side's other bits are named by their first stage; the good side, asked again, is like itself."""

    def ask(_python: Path, _configs: object) -> list[ProbeRecord]:
        return [make_mlp_probe(record, os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"))]

    monkeypatch.setattr(measure, "ask_probes", ask)
    bad, good = (ask_side(it, source="digits", tell=str) for it in change(by="bits", check="bits/mlp-graph").questions)
    assert [(it.name, it.verdict) for it in bad.results] == [("bits/mlp-graph", Verdict.REGRESSED)]
    assert bad.results[0].figure.startswith("first stage that differs: forward")
    assert [(it.name, it.verdict) for it in good.results] == [("bits/mlp-graph", Verdict.IDENTICAL)]


def test_the_kept_replays_are_explained() -> None:
    """In the record of the page every regression was replayed, and is seen by its check or known to stay unseen."""
    outcomes = find_outcomes(load(KEPT, ReplayRecord))
    assert {it.regression.name for it in outcomes} == set(REGRESSIONS)
    assert [format_outcome(it) for it in find_unexplained(outcomes)] == []
    assert sum(it.expected for it in outcomes) >= 0.9 * len(outcomes)
    assert format_replays(load(KEPT, ReplayRecord)) in (KEPT.parent / "selftest.md").read_text(encoding="utf-8")
