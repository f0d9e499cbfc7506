"""The lab's thresholds: every training reaches them, or the lowest is named."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.thresholds import check_threshold, judge_threshold
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord


def make(record: TrainingRecord, lab: str, accuracy: float, seed: int = 1671) -> TrainingRecord:
    """Return the record of a training of this lab that reached this accuracy."""
    config = dataclasses.replace(record.config, lab=lab, seed=seed)
    return dataclasses.replace(record, config=config, test_accuracy=accuracy)


@pytest.mark.parametrize("lab", LABS)
def test_the_threshold_itself_is_reached(record: TrainingRecord, lab: str) -> None:
    """At the threshold a training passes; one image of 10,000 below it, it has regressed."""
    threshold = LABS[lab].threshold
    assert judge_threshold(make(record, lab, threshold)) is Verdict.PASS
    assert judge_threshold(make(record, lab, threshold - 0.0001)) is Verdict.REGRESSED


def test_the_lowest_training_decides(record: TrainingRecord) -> None:
    """One training below the threshold is a regression of all, with the command that repeats it."""
    accuracies = {1: 0.977, 2: 0.9699, 3: 0.978}
    result = check_threshold([make(record, "mlp", accuracy, seed) for seed, accuracy in accuracies.items()])
    assert result == CheckResult(
        name="accuracy/threshold[mlp-epoch]",
        verdict=Verdict.REGRESSED,
        figure="0.9699, the lowest of 3",
        bound="≥ 0.97",
        command="mnist-bench run mlp --engine epoch --seed 2",
    )


def test_trainings_above_the_threshold_pass(record: TrainingRecord) -> None:
    """Where all of them reach it, so does the check."""
    assert check_threshold([make(record, "perceptron", 0.92, seed) for seed in (1, 2)]).holds


def test_a_lab_that_there_is_not_is_bad_input(record: TrainingRecord) -> None:
    """A record may come from anywhere: its lab is an error that names it, not a crash."""
    with pytest.raises(ValueError, match="unknown lab 'cnn'"):
        check_threshold([make(record, "cnn", 0.99)])


@pytest.mark.parametrize(
    "departure", [{"hidden": (512, 512)}, {"dropout": 0.0}, {"optimizer": "adam"}, {"learning_rate": 0.2}]
)
def test_the_threshold_says_nothing_of_another_training(record: TrainingRecord, departure: dict[str, object]) -> None:
    """However good it is, a training that departs from the lab neither passes nor fails the lab's threshold."""
    departed = make(record, "dropout", 0.99)
    departed = dataclasses.replace(departed, config=dataclasses.replace(departed.config, **departure))
    assert judge_threshold(departed) is Verdict.NO_BASELINE
    assert not check_threshold([departed]).holds
