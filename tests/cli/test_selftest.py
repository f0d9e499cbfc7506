"""The command `selftest`: what it plants, keeps and writes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import DAMAGES, damage_record
from mnist_bench.checks.faults.registry import FAULTS
from mnist_bench.checks.selftest.records import CleanRun, Figures, SelftestRecord, Training
from mnist_bench.checks.selftest.report import MARK
from mnist_bench.records.serial import load
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.replay.records import Answer
from mnist_bench.versions.replay.regressions import REGRESSIONS
from tests.checks.selftest.test_selftest import make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mnist_bench.checks.selftest.records import Outcome
    from mnist_bench.checks.selftest.trainings import Task
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.replay.regression import Question


@pytest.fixture
def planted(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have faults planted nowhere; return those that were to be planted. A run in twenty differs unseen."""
    asked: list[str] = []

    def run(faults: Sequence[str], **_: object) -> Iterator[Outcome]:
        for fault in faults:
            asked.append(fault)
            name, _colon, strength = fault.partition(":")
            yield make(name, float(strength), seen=fault != "run-differs:0.05" and name != "labels-soft")

    monkeypatch.setattr("mnist_bench.checks.selftest.run.run_faults", run)
    monkeypatch.setattr("mnist_bench.timing.planted.run_cost_faults", run)
    monkeypatch.setattr("mnist_bench.timing.planted.find_unmeasurable", lambda _: [])
    monkeypatch.setattr("mnist_bench.checks.selftest.run.find_failing", lambda *_: ["contract/new-order[graph]"])
    monkeypatch.setattr("mnist_bench.checks.elsewhere.ask_own_environment", lambda _device: record.environment)
    return asked


def test_faults_are_planted_once_and_kept(command: Callable[..., Any], planted: list[str], tmp_path: Path) -> None:
    """A named fault is planted; the next call without a name plants the others and keeps its outcome."""
    answer = command("selftest", "--fault", "step-longer", "--out", tmp_path)
    assert answer.status == 0
    assert planted == ["step-longer:2", "step-longer:1.05", "step-longer:1.001"]
    assert (tmp_path / "selftest.md").read_text().startswith(MARK)
    planted.clear()
    answer = command("selftest", "--out", tmp_path)
    assert len(planted) > 100
    assert planted[-1].startswith("memory-twice")  # what needs the clock comes last
    assert not any(fault.startswith("step-longer") for fault in planted)
    outcomes = load(tmp_path / "selftest.json", SelftestRecord).outcomes
    assert len(outcomes) == len(planted) + 3
    assert answer.status == 1
    assert "not seen, and not explained: labels-soft:0.1" in answer.err
    assert "run-differs" not in answer.err


def test_a_cluster_measures_no_time(
    command: Callable[..., Any],
    planted: list[str],
    record: TrainingRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its machines are not this one, whose clock is asked: faults of time and memory are left out, and named."""
    workers = contextlib.nullcontext((object(), record.environment))
    monkeypatch.setattr("mnist_bench.cli.selftest.planted.open_workers", lambda *_: workers)
    monkeypatch.setattr(
        "mnist_bench.checks.selftest.run.run_faults_there", lambda *_, **__: iter([make("momentum", 0.1)])
    )
    answer = command("selftest", "--fault", "momentum", "--fault", "leak", "--cluster", "tcp://a:1", "--out", tmp_path)
    assert "left out: leak:100, leak:1: time and memory are measured on this machine, without --cluster\n" in answer.err
    assert planted == []
    assert len(load(tmp_path / "selftest.json", SelftestRecord).outcomes) == 1


def test_runs_without_a_fault_are_counted_in_all(
    command: Callable[..., Any], planted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second call makes what is missing; a false alarm is status 1; the outcomes of faults stay."""
    alarms = iter([[], [], [], ["contract/a"]])

    def run(count: int, **asked: object) -> Iterator[CleanRun]:
        assert asked["failing"] == ["contract/new-order[graph]"]
        for _ in range(count):
            yield CleanRun(seconds=1, held=9, alarms=next(alarms))

    monkeypatch.setattr("mnist_bench.checks.selftest.run.run_clean", run)
    command("selftest", "--fault", "step-longer", "--out", tmp_path)
    assert command("selftest", "--clean", "2", "--out", tmp_path).status == 0
    answer = command("selftest", "--clean", "2", "--out", tmp_path)
    assert (answer.status, answer.out) == (0, f"written: {tmp_path / 'selftest.md'}\n")
    answer = command("selftest", "--clean", "4", "--out", tmp_path)
    assert (answer.status, answer.err) == (1, "run 4 without any fault: contract/a\n")
    record = load(tmp_path / "selftest.json", SelftestRecord)
    assert (len(record.clean), len(record.outcomes), len(planted)) == (4, 3, 3)
    assert "ran 4 times" in (tmp_path / "selftest.md").read_text()


def test_runs_without_an_answer_are_not_green(
    command: Callable[..., Any], planted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They say nothing about false alarms: status 3, and they have no part in the rate."""

    def run(count: int, **_: object) -> Iterator[CleanRun]:
        yield from [CleanRun(seconds=1, held=0, problems=["selftest/process: killed"])] * count

    monkeypatch.setattr("mnist_bench.checks.selftest.run.run_clean", run)
    answer = command("selftest", "--clean", "2", "--out", tmp_path)
    assert (answer.status, planted) == (3, [])
    assert "run 2 without any fault: no answer: selftest/process: killed" in answer.err
    assert "ran 2 times, and no run had an answer of every check" in (tmp_path / "selftest.md").read_text()


def test_runs_of_other_data_are_not_mixed(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    planted: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny: Dataset,
) -> None:
    """A record is of one data set, of which its page speaks."""
    command("selftest", "--fault", "step-longer", "--out", tmp_path)
    other = dataclasses.replace(tiny, name="mnist", digest="ab" * 32)
    monkeypatch.setattr("mnist_bench.cli.selftest.planted.load_data", lambda _: other)
    answer = command("selftest", "--clean", "2", "--data", "mnist", "--out", tmp_path)
    check_refused(answer, "data are digits, not mnist: another --out, or --data")
    assert len(planted) == 3


def test_another_engine_is_another_record(
    command: Callable[..., Any], check_refused: Callable[..., None], planted: list[str], tmp_path: Path
) -> None:
    """Outcomes of two engines or environments are no one table."""
    command("selftest", "--fault", "step-longer", "--out", tmp_path)
    answer = command("selftest", "--engine", "epoch", "--out", tmp_path)
    check_refused(answer, "engine is 'graph', not 'epoch': name another folder with --out")
    assert len(planted) == 3


@pytest.mark.parametrize("how", ["changed", "missing", "form"])
@pytest.mark.parametrize(
    ("name", "options"), [("selftest.json", ()), ("replay.json", ("--real", "all", "--data", "digits"))]
)
def test_no_self_test_goes_on_from_a_changed_record(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    planted: list[str],
    asked: list[Question],
    tmp_path: Path,
    *,
    name: str,
    options: tuple[str, ...],
    how: str,
) -> None:
    """Nothing is planted or replayed, and the record stays as it is."""
    command("selftest", "--fault", "step-longer", "--out", tmp_path)
    command("selftest", "--real", "last-batch", "--data", "digits", "--out", tmp_path)
    planted.clear()
    asked.clear()
    damage_record(tmp_path / name, how)
    damaged = (tmp_path / name).read_bytes()
    check_refused(command("selftest", *options, "--out", tmp_path), f"{tmp_path / name}: {DAMAGES[how]}")
    assert (planted, asked, (tmp_path / name).read_bytes()) == ([], [], damaged)


@pytest.mark.parametrize(
    "options", [("--fault", "leak"), ("--seeds", "2"), ("--clean", "2"), ("--real", "all")], ids=str
)
@pytest.mark.parametrize("name", ["selftest.json", "selftest-trainings.json", "replay.json"])
def test_no_work_begins_that_no_page_could_be_written_of(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    options: tuple[str, ...],
) -> None:
    """Each record in the folder is read first, whichever part works: the work may take hours."""
    begun: list[str] = []
    for part in ("plant_all", "train_all", "run_all_clean", "replay_all"):
        monkeypatch.setattr(f"mnist_bench.cli.selftest.command.{part}", lambda *_, **__: begun.append("work"))
    (tmp_path / name).write_text("{\n")
    check_refused(command("selftest", *options, "--out", tmp_path), f"{tmp_path / name}: ")
    assert begun == []
    assert not (tmp_path / "selftest.md").exists()


def test_two_self_tests_at_once_do_not_lose_each_others_work(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    planted: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each writes whole records: the second is refused while the first is at work, and goes on after it."""

    def run(faults: Sequence[str], **_: object) -> Iterator[Outcome]:
        second = command("selftest", "--fault", "momentum", "--out", tmp_path)
        check_refused(second, "another command is at work there: wait, or name another folder with --out")
        for fault in faults:
            name, _colon, strength = fault.partition(":")
            yield make(name, float(strength))

    monkeypatch.setattr("mnist_bench.checks.selftest.run.run_faults", run)
    assert command("selftest", "--fault", "step-longer", "--out", tmp_path).status == 0
    assert planted == []
    assert len(load(tmp_path / "selftest.json", SelftestRecord).outcomes) == 3


def test_trainings_that_did_not_end_are_made_again(
    command: Callable[..., Any], planted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fault where it is named, and always without any; what ended is kept."""
    made: list[Task] = []

    def train(tasks: Sequence[Task], **_: object) -> Iterator[Training]:
        for task in tasks[:8]:
            made.append(task)
            figures = Figures(accuracy=0.9, loss=0.1, losses=[0.2], class_errors=[], initial_digest="a" * 64)
            lost = task.seed == 1671
            yield Training(
                **task._asdict(), figures=None if lost else figures, problem="no end within 600 s" if lost else ""
            )

    monkeypatch.setattr("mnist_bench.checks.selftest.trainings.train_faults", train)
    call = functools.partial(command, "selftest", "--seeds", "2", "--engine", "epoch", "--out", tmp_path)
    lost = "no fault, mlp, seed 1671: no end within 600 s"
    assert lost in call("--fault", "momentum").err
    faults = ["", *(f"momentum:{strength:g}" for strength in reversed(FAULTS["momentum"].strengths))]
    first, made[:] = made[:], []
    assert [(task.fault, task.seed) for task in first] == [(fault, seed) for fault in faults for seed in (1671, 1672)]
    assert lost in call("--fault", "momentum").err
    again, made[:] = made[:], []
    assert again == first[::2]
    assert lost in call().err
    assert made[0] == first[0]
    assert not set(made) & set(first[1:])
    assert len(made) == 8
    assert planted == []


def test_another_page_is_left_alone(command: Callable[..., Any], planted: list[str], tmp_path: Path) -> None:
    """A page that this command did not write is not replaced, and nothing is planted."""
    (tmp_path / "selftest.md").write_text("mine\n")
    answer = command("selftest", "--out", tmp_path)
    assert answer.status == 2
    assert planted == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--fault", "x", "--real", "frozen-shuffle"], "--fault has no part in --real: leave one of the two out"),
        (["--seeds", "2", "--real", "all"], "--seeds has no part in --real"),
        (["--clean", "2", "--real", "all"], "--clean has no part in --real"),
        (["--seeds", "2", "--clean", "3"], "--seeds has no part in --clean"),
        (["--fault", "momentum", "--clean", "3"], "--fault has no part in --clean: leave one of the two out"),
        (["--jobs", "2", "--real", "all"], "--jobs has no part in --real"),
        (["--engine", "graph", "--real", "all"], "--engine has no part in --real"),
        (["--real", "all", "--notebook", "x.ipynb"], "--real has no part in --notebook"),
        (["--out", "x", "--notebook", "x.ipynb"], "--out has no part in --notebook"),
    ],
)
def test_an_option_of_another_mode_is_refused(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    planted: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    """It would be ignored in silence."""
    monkeypatch.chdir(tmp_path)
    check_refused(command("selftest", *arguments), told)
    assert planted == []
    assert list(tmp_path.iterdir()) == []


def test_bad_data_are_bad_input(
    command: Callable[..., Any], check_refused: Callable[..., None], planted: list[str], tmp_path: Path
) -> None:
    """They are told before any process starts."""
    check_refused(command("selftest", "--data", "nope", "--out", tmp_path), "'nope' is no file and no folder")
    assert planted == []


_PLANTED = "give 'step-longer' alone, which is planted in each of its own (2, 1.05, 1.001)"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x", "unknown fault 'x': the table in docs/selftest.md has the names"),
        ("step-long", "unknown fault 'step-long': similar names: step-longer; "),
        ("step-longer=9", f"fault 'step-longer=9' has a strength: {_PLANTED}"),
        ("step-longer:1.05", f"fault 'step-longer:1.05' has a strength: {_PLANTED}"),
    ],
)
def test_an_unknown_fault_is_bad_input(
    command: Callable[..., Any], check_refused: Callable[..., None], tmp_path: Path, text: str, told: str
) -> None:
    """The message says what is allowed, and does not list a hundred names."""
    check_refused(command("selftest", "--fault", text, "--out", tmp_path), told)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Have sides asked nowhere; return what was to be asked. Each bad side is seen by the check that should see it."""
    questions: list[Question] = []
    bad = {repr(it.questions[0]): it.check for it in REGRESSIONS.values() if not it.unseen}

    def ask(question: Question, **_: object) -> Answer:
        questions.append(question)
        verdict = Verdict.REGRESSED if repr(question) in bad else Verdict.PASS
        names = {it.check for it in REGRESSIONS.values() if question in it.questions}
        results = [CheckResult(name=name, verdict=verdict, figure="x", bound="y") for name in sorted(names)]
        return Answer(question=question, packages={}, results=results, seconds=1)

    monkeypatch.setattr("mnist_bench.versions.replay.run.ask_side", ask)
    return questions


def test_real_regressions_are_replayed_and_kept(
    command: Callable[..., Any], asked: list[Question], planted: list[str], tmp_path: Path
) -> None:
    """A named regression is replayed, the next call replays the others, and the page has both halves."""
    answer = command("selftest", "--real", "last-batch", "--data", "digits", "--out", tmp_path)
    assert answer.status == 0
    assert "SEEN         last-batch               by arithmetic/figures: x" in answer.out
    assert asked == list(REGRESSIONS["last-batch"].questions)
    command("selftest", "--fault", "step-longer", "--out", tmp_path)
    asked.clear()
    answer = command("selftest", "--real", "all", "--data", "digits", "--out", tmp_path)
    assert answer.status == 0
    assert not set(map(repr, asked)) & set(map(repr, REGRESSIONS["last-batch"].questions))
    assert len(asked) == len(set(map(repr, asked)))
    page = (tmp_path / "selftest.md").read_text()
    assert page.startswith(f"{MARK}\n\n1 faults were planted")
    assert f"{len(REGRESSIONS)} real regressions replayed on " in page
    assert len(planted) == 3


def test_an_unknown_regression_is_bad_input(
    command: Callable[..., Any], check_refused: Callable[..., None], tmp_path: Path
) -> None:
    """The message lists the regressions."""
    answer = command("selftest", "--real", "x", "--out", tmp_path)
    check_refused(answer, "unknown regression 'x': choose from all, frozen-shuffle, ")
