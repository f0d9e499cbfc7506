"""The sweep that the tests of results and page read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from mnist_bench.sweep.records import ChosenRecord, SweepPlan, SweepRecord, TrialRecord
from mnist_bench.sweep.space import make_space

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord, ValidationRecord
    from mnist_bench.sweep.space import Point


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
