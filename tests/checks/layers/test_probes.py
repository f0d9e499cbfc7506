"""Probes: each stage of training has its digest, and a fault in one stage shows in that stage."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.layers import probes
from mnist_bench.checks.names import list_stages
from mnist_bench.checks.records import compare_probes
from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.training.data.dataset import Dataset

CONFIG = TrainingConfig(lab="dropout", engine="graph", epochs=2)

pytestmark = pytest.mark.usefixtures("prompt_fit")


@pytest.fixture(scope="module")
def base(tiny: Dataset) -> ProbeRecord:
    """A probe of the dropout lab, untouched."""
    return probes.probe(CONFIG, tiny)


def test_stages_come_in_the_order_of_training(base: ProbeRecord) -> None:
    """A probe has every stage, from the initial weights to the last epoch."""
    assert [stage.name for stage in base.stages] == [
        "initial weights",
        "data order",
        "dropout mask",
        "forward",
        "loss",
        "gradient",
        "update",
        "evaluation",
        "weights after epoch 1",
        "weights after epoch 2",
    ]
    assert [stage.name for stage in base.stages] == list_stages(LABS["dropout"], 2)


def test_a_probe_repeats_itself(base: ProbeRecord, tiny: Dataset) -> None:
    """The same environment gives the same digests."""
    assert compare_probes(base, probes.probe(CONFIG, tiny)) == []


def test_initialiser_and_what_a_tracer_sees_move_their_own_stages(
    base: ProbeRecord, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other initial weights, another order and another mask show in their stages and in no other.

    The other stages start from given weights; order and masks each have a size.
    """
    build = probes.build_model

    def build_other(lab: object) -> object:
        model = build(lab)
        model.set_weights([weight * 0.9 for weight in model.get_weights()])
        return model

    monkeypatch.setattr(probes, "build_model", build_other)

    def move(name: str, field: str) -> None:
        trace = getattr(probes.tracers, name)

        def moved(*arguments: object, **options: object) -> object:
            result = trace(*arguments, **options)
            return dataclasses.replace(result, **{field: getattr(result, field)[:, ::-1]})

        monkeypatch.setattr(probes.tracers, name, moved)

    move("trace_order", "steps")
    move("trace_masks", "kept")
    differences = compare_probes(base, probes.probe(CONFIG, tiny))
    assert [difference.stage for difference in differences] == ["initial weights", "data order", "dropout mask"]
    assert all(difference.size is not None for difference in differences)


def test_a_larger_learning_rate_shows_first_in_the_update(
    base: ProbeRecord, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gradient stays the same; the update and all later stages differ."""
    step = probes._one_step

    def larger(lab: object, config: TrainingConfig, *rest: object) -> object:
        rate = config.learning_rate if config.learning_rate == 1 else 0.11
        return step(lab, dataclasses.replace(config, learning_rate=rate), *rest)

    monkeypatch.setattr(probes, "_one_step", larger)
    assert [difference.stage for difference in compare_probes(base, probes.probe(CONFIG, tiny))] == ["update"]
