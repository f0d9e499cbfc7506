"""What a sweep found: ranks, effects, importances and a table of all trainings."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("optuna", minversion="4.9")

from mnist_bench.sweep.results import choose_trials, find_effects, format_csv, measure_importances, rank_rows
from mnist_bench.sweep.space import make_space

if TYPE_CHECKING:
    from mnist_bench.sweep.records import SweepRecord
    from mnist_bench.sweep.space import Point


def test_the_ranking_is_by_mean_validation_accuracy(swept: SweepRecord) -> None:
    """The best comes first; test figures stand next to the chosen ones, and rank nothing."""
    assert [(row.number, round(row.mean, 4), row.test_accuracies) for row in rank_rows(swept)] == [
        (1, 0.97, [0.91, 0.93]),
        (0, 0.95, [0.91, 0.93]),
        (2, 0.90, []),
    ]
    assert [trial.number for trial in choose_trials(swept, 1)] == [1, 0]
    assert [trial.number for trial in choose_trials(swept)] == [1, 0, 2]


def test_a_factors_effect_is_that_of_its_own_points(swept: SweepRecord) -> None:
    """One at a time, a level has the seeds of its point, the lab's level those of the lab; importance is the range."""
    effects = {effect.factor: effect.accuracies for effect in find_effects(swept)}
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
    """The deciding factor has nearly all of the variance; with too few points the table says so."""
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


def test_the_csv_has_a_line_a_training(swept: SweepRecord) -> None:
    """Each line has rank, settings, seed, figures and data set."""
    head, first, *rest = format_csv(swept).splitlines()
    assert head.startswith("rank,trial,data,lab,engine,epochs,learning_rate,hidden,dropout,optimizer,batch_size,seed,")
    assert first.startswith("1,1,digits,mlp,epoch,20,0.3,128x128,0.0,sgd,128,1671,7850,0.969")
    assert first.endswith(",0.91")
    assert len(rest) == 5
