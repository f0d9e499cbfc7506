"""The command `sweep`: what it prints, what it leaves behind, and what it refuses."""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("optuna", minversion="4.9")

from mnist_bench.cli import app as cli
from mnist_bench.records.serial import dump_json
from mnist_bench.sweep.page import format_table, write_sweep
from mnist_bench.sweep.plots import draw_all
from mnist_bench.sweep.records import ChosenRecord, SweepPlan, SweepRecord, TrialRecord
from mnist_bench.sweep.results import choose_trials, find_effects, format_csv, measure_importances, rank_rows
from mnist_bench.sweep.space import make_space

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord, ValidationRecord
    from mnist_bench.sweep.space import Point
    from mnist_bench.training.data.dataset import Dataset


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny: Dataset) -> Callable[..., str]:
    """The command, which must end with bad input and print nothing; returns the last line of standard error."""
    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", lambda *_, **__: tiny)

    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as caught:
            cli.main(["sweep", *(str(it) for it in arguments)])
        captured = capsys.readouterr()
        assert (caught.value.code, captured.out) == (2, "")
        return captured.err.splitlines()[-1].removeprefix("mnist-bench: ")

    return run


@pytest.fixture
def swept(validation: ValidationRecord, record: TrainingRecord) -> SweepRecord:
    """A sweep of the mlp on the stand-in: five points of two seeds, one pruned, one failed, two tested."""

    def train(accuracy: float, **changes: object) -> list[ValidationRecord]:
        config = dataclasses.replace(validation.config, lab="mlp", **changes)
        ends = accuracy - 0.001, accuracy + 0.001
        return [
            dataclasses.replace(
                validation,
                config=dataclasses.replace(config, seed=seed),
                history=dataclasses.replace(validation.history, val_accuracy=[0.5, end]),
            )
            for seed, end in zip((1671, 1672), ends, strict=True)
        ]

    def make(number: int, point: Point | None, state: str = "complete", **fields: object) -> TrialRecord:
        defaults = {"attempts": 1, "val_accuracy": [], "trainings": []}
        return TrialRecord(number=number, point=point, state=state, **defaults | fields)

    tests = [dataclasses.replace(record, test_accuracy=accuracy) for accuracy in (0.91, 0.93)]
    return SweepRecord(
        plan=SweepPlan(
            space=make_space("mlp", ["learning_rate=0.1,0.3", "optimizer=adam", "epochs=1"]),
            sampler="one-at-a-time",
            trials=None,
            seeds=[1671, 1672],
            prune=True,
            dataset=validation.dataset,
        ),
        trials=[
            make(0, {}, trainings=train(0.95)),
            make(1, {"learning_rate": 0.3}, trainings=train(0.97, learning_rate=0.3)),
            make(2, {"optimizer": "adam"}, trainings=train(0.90, optimizer="adam")),
            make(3, {"epochs": 1}, "pruned", val_accuracy=[0.1, 0.2]),
            make(4, {"hidden": "<b>"}, "failed", reason="RuntimeError: out of luck"),
        ],
        tested=[ChosenRecord(number=1, trainings=tests), ChosenRecord(number=0, trainings=tests)],
        created="2026-01-01T00:00:00+00:00",
    )


def test_the_ranking_is_by_mean_validation_accuracy(swept: SweepRecord) -> None:
    """The best first; the test's figures stand beside those that were chosen, and rank nothing."""
    assert [(row.number, round(row.mean, 4), row.test_accuracies) for row in rank_rows(swept)] == [
        (1, 0.97, [0.91, 0.93]),
        (0, 0.95, [0.91, 0.93]),
        (2, 0.90, []),
    ]
    assert [trial.number for trial in choose_trials(swept, 1)] == [1, 0]
    assert [trial.number for trial in choose_trials(swept)] == [1, 0, 2]


def test_a_factors_effect_is_that_of_its_own_points(swept: SweepRecord) -> None:
    """One at a time, a level has its point's seeds, the lab's own level the lab's; importance is the range."""
    effects = {it.factor: it.accuracies for it in find_effects(swept)}
    assert {name: list(its) for name, its in effects.items()} == {
        "epochs": [20],
        "learning_rate": [0.1, 0.3],
        "optimizer": ["adam", "sgd"],
    }
    assert effects["learning_rate"][0.3] == pytest.approx([0.969, 0.971])
    measure, importances = measure_importances(swept)
    assert measure == "range of mean validation accuracy over the levels"
    assert importances == {"optimizer": pytest.approx(0.05), "learning_rate": pytest.approx(0.02), "epochs": 0}


def test_points_all_over_the_space_have_fanova(swept: SweepRecord) -> None:
    """The factor that decides has nearly all of the variance; too few points have none, and it is said."""
    few = dataclasses.replace(swept, plan=dataclasses.replace(swept.plan, sampler="grid"))
    assert measure_importances(few) == ("too few points or factors for fANOVA", {})
    space = make_space("mlp", ["learning_rate=0.1,0.2,0.3,0.4", "batch_size=32,64,128"])
    trials = []
    for number in range(12):
        point: Point = {"learning_rate": [0.1, 0.2, 0.3, 0.4][number % 4], "batch_size": [32, 64, 128][number % 3]}
        accuracy = 0.5 + float(point["learning_rate"])
        training = swept.trials[0].trainings[0]
        history = dataclasses.replace(training.history, val_accuracy=[0.5, accuracy])
        trainings = [dataclasses.replace(training, history=history)]
        trials.append(dataclasses.replace(swept.trials[0], number=number, point=point, trainings=trainings))
    plan = dataclasses.replace(few.plan, space=space)
    measure, importances = measure_importances(dataclasses.replace(swept, plan=plan, trials=trials))
    assert "fANOVA" in measure
    assert list(importances) == ["learning_rate", "batch_size"]
    assert importances["learning_rate"] > 0.9


def test_the_table_names_the_data_and_what_the_test_set_did(swept: SweepRecord) -> None:
    """Every trial has a line, also those without a result."""
    table = format_table(swept)
    assert "the stand-in 'digits', which is NOT MNIST" in table
    assert "0.9700 ± 0.0014   0.9200 ± 0.0141" in table
    assert "optimizer adam (learning_rate 0.001, Keras's for it)" in table
    assert "pruned after 2 epochs, at 0.2000: epochs 1" in table
    assert "failed: RuntimeError: out of luck" in table
    assert "The test set was touched once, after the choice, for 2 points" in table
    untested = dataclasses.replace(swept, tested=[])
    assert format_table(untested).endswith("The test set was not touched.")


def test_the_csv_has_a_line_a_training(swept: SweepRecord) -> None:
    """With rank, settings, seed, figures, and which data."""
    head, first, *rest = format_csv(swept).splitlines()
    assert head.startswith("rank,trial,data,lab,engine,epochs,learning_rate,hidden,dropout,optimizer,batch_size,seed,")
    assert first.startswith("1,1,digits,mlp,epoch,20,0.3,128x128,0.0,sgd,128,1671,7850,0.969")
    assert first.endswith(",0.91")
    assert len(rest) == 5


def test_the_page_is_whole_and_self_contained(swept: SweepRecord, tmp_path: Path) -> None:
    """It names the stand-in, holds its pictures, escapes what it is given, and loads nothing."""
    page = write_sweep(swept, tmp_path).read_text()
    assert "Not MNIST" in page
    assert page.count("<svg") == len(draw_all(swept)) - 1  # the overview of all factors is a file of its own
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)|@import|<script""", page) == []
    assert (tmp_path / "sweep.json").read_text() == dump_json(swept)
    assert all("not MNIST" in (tmp_path / f"{name}.svg").read_text() for name in ("effects", "cost", "curves"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--lab cnn", "unknown lab 'cnn': choose from perceptron, mlp, dropout"),
        ("--vary depth=1", "--vary depth=1: unknown factor 'depth': choose from epochs, learning_rate, hidden"),
        ("--vary optimizer=sdg", "--vary optimizer: 'sdg' is not allowed: choose from sgd, rmsprop, adam"),
        ("--vary hidden=0", "--vary hidden: '0' is not allowed: a width, 1 or more"),
        ("--vary dropout=1", "--vary dropout: '1' is not allowed: a number in [0, 1)"),
        ("--sampler bayes", "unknown sampler 'bayes': choose from one-at-a-time, grid, random, tpe"),
        ("--trials 3", "--trials 3: one-at-a-time tries every level it is given"),
        ("--seeds 0", "Invalid value for '--seeds'"),
        ("--storage sqlite:////no/such/folder/x.db", "storage 'sqlite:////no/such/folder/x.db': cannot be used"),
        ("--storage nonsense", "storage 'nonsense': cannot be used: Could not parse"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    command: Callable[..., str], tmp_path: Path, arguments: str, message: str
) -> None:
    """It names the argument and what is allowed; no study is made."""
    assert command(*arguments.split(), "--out", tmp_path).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_is_there_is_not_touched(
    command: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --resume, or of another space, it is refused."""
    monkeypatch.setattr("mnist_bench.sweep.workers.work_off", _interrupt)
    with pytest.raises(AssertionError, match="130"):
        command("--lab", "mlp", "--vary", "epochs=1", "--out", tmp_path)
    before = (tmp_path / "sweep.db").read_bytes()
    assert command("--lab", "mlp", "--vary", "epochs=1", "--out", tmp_path).endswith(
        "sweep.db exists already: --resume goes on there, --out takes another folder"
    )
    answer = command("--lab", "mlp", "--vary", "epochs=2", "--out", tmp_path, "--resume")
    assert "study 'sweep' is another one: its space is" in answer
    assert (tmp_path / "sweep.db").read_bytes() == before


def test_a_missing_optuna_is_said_first(command: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra to install."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert command().endswith("a sweep needs Optuna: pip install 'mnist-bench[sweep]'")


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
