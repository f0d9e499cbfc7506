"""Facts: ours compared with the sheet's; the stand-in's are never compared with MNIST's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.checks.baselines import Reference
from mnist_bench.checks.sheet.facts import (
    MNIST_ONLY,
    Fact,
    draw_text,
    format_fact,
    state_epoch,
    state_history,
    state_layers,
    state_one_hot,
    state_ready,
    state_sample,
    state_shapes,
    state_test,
)
from mnist_bench.checks.sheet.figures import LAYERS, SECTIONS
from mnist_bench.records.acceptance import make_acceptance
from mnist_bench.records.training import LayerRecord

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord

SHAPES = [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
FIGURES = {"loss": 0.55, "accuracy": 0.8612345, "val_loss": 0.3951, "val_accuracy": 0.8966}


def make_layers(lab: str) -> list[LayerRecord]:
    """Return the layers that the sheet prints, as a record of a training has them."""
    return [
        LayerRecord(kind=kind, units=units, parameters=parameters, trainable=parameters)
        for kind, units, parameters in LAYERS[lab]
    ]


def as_mnist(record: TrainingRecord, **changes: Any) -> TrainingRecord:
    """Return the record as one of MNIST, with changes."""
    return dataclasses.replace(record, dataset=dataclasses.replace(record.dataset, source="mnist"), **changes)


def make_reference(record: TrainingRecord) -> Reference:
    """Return four seeds' results: accuracies from 0.92 to 0.95, losses from 0.3 to 0.375."""
    return Reference(
        engine="fused",
        epochs=2,
        seeds=[1, 2, 3, 4],
        test_accuracy=[0.93, 0.92, 0.95, 0.94],
        test_loss=[0.3, 0.375, 0.31, 0.32],
        environment=record.environment,
        acceptance=make_acceptance("a test"),
    )


def test_shapes_are_the_sheet_s_only() -> None:
    """Another shape is a difference; the other facts are none."""
    right = list(state_shapes(SECTIONS[1], SHAPES))
    assert [fact.differs for fact in right] == [False] * 4
    wrong = list(state_shapes(SECTIONS[1], [(59999, 28, 28), *SHAPES[1:]]))
    assert [fact.differs for fact in wrong] == [True, False, False, False]
    assert format_fact(wrong[0]) == (
        "Training data input shape: (59999, 28, 28)  (the sheet: (60000, 28, 28))  DIFFERS"
    )


@pytest.mark.parametrize("mnist", [True, False], ids=["mnist", "stand-in"])
def test_the_sample_is_shown_whole(*, mnist: bool) -> None:
    """As numbers, none left out, and as a picture; with the stand-in both say that they are not compared."""
    image = np.arange(784, dtype=np.uint8).reshape(28, 28)
    with np.printoptions(threshold=10, linewidth=20):
        numbers, picture = state_sample(SECTIONS[1], image, mnist=mnist)
    assert numbers.ours == str(image)
    assert picture.ours == draw_text(image)
    assert {numbers.note, picture.note} == ({""} if mnist else {MNIST_ONLY})
    assert format_fact(numbers).splitlines()[0] == f"Sample input image:{'' if mnist else f'  ({MNIST_ONLY})'}"


def test_a_picture_in_characters() -> None:
    """No ink is blank, full ink is the darkest, and each pixel is twice as wide as a character."""
    assert draw_text(np.array([[0, 25, 26, 255], [128, 0, 0, 0]], np.uint8)) == "    ..@@\n++"


def test_ready_inputs_are_scaled() -> None:
    """Inputs that were not divided by 255 differ from the sheet's."""
    x_fit, x_test = np.zeros((60000, 784), np.float32), np.zeros((10000, 784), np.float32)
    x_test[0, 0] = 1
    assert not state_ready(SECTIONS[1], x_fit, x_test).differs
    x_fit[5, 5] = 255
    assert state_ready(SECTIONS[1], x_fit, x_test).differs


def test_the_one_hot_vector_is_mnist_s() -> None:
    """With MNIST another label is a difference; with the stand-in it is none, and nothing is compared."""
    four, seven = np.eye(10, dtype=np.float32)[[4, 7]]
    assert not state_one_hot(SECTIONS[1], four, mnist=True).differs
    assert state_one_hot(SECTIONS[1], seven, mnist=True).differs
    fact = state_one_hot(SECTIONS[1], seven, mnist=False)
    assert (fact.differs, fact.sheet, fact.note) == (False, None, MNIST_ONLY)
    assert format_fact(fact) == f"One-hot vector: [0. 0. 0. 0. 0. 0. 0. 1. 0. 0.]\n    {MNIST_ONLY}"


@pytest.mark.parametrize(
    ("number", "totals"), [(2, "7,850 (30.66 KB)"), (3, "118,282 (462.04 KB)"), (4, "118,282 (462.04 KB)")]
)
def test_layers_are_the_sheet_s(number: int, totals: str) -> None:
    """A row for each layer and three totals, as Keras's summary counts."""
    section = SECTIONS[number]
    facts = list(state_layers(section, make_layers(section.lab or "")))
    assert not any(fact.differs for fact in facts)
    assert [fact.ours for fact in facts[-3:]] == [totals, totals, "0 (0.00 B)"]


@pytest.mark.parametrize("breakage", ["lost", "one too many", "frozen", "wider"])
def test_other_layers_differ(breakage: str) -> None:
    """A layer that is lost, added, not trained or of another size is a difference."""
    layers = make_layers("mlp")
    if breakage == "lost":
        layers.pop()
    elif breakage == "one too many":
        layers.append(layers[-1])
    elif breakage == "frozen":
        layers[0] = dataclasses.replace(layers[0], trainable=0)
    else:
        layers[0] = dataclasses.replace(layers[0], units=129)
    assert any(fact.differs for fact in state_layers(SECTIONS[3], layers))


def test_an_epoch_stands_over_the_sheet_s() -> None:
    """The sheet's line stands below ours if the sheet prints that epoch and the data is MNIST."""
    fact = state_epoch(SECTIONS[2], 0, 200, FIGURES, mnist=True)
    assert format_fact(fact).splitlines() == [
        "epoch   1/200 accuracy 0.8612, loss 0.5500, val_accuracy 0.8966, val_loss 0.3951",
        "    the sheet accuracy 0.7631, loss 0.9328, val_accuracy 0.8954, val_loss 0.3969",
    ]
    for epoch, mnist in ((7, True), (0, False)):
        fact = state_epoch(SECTIONS[2], epoch, 200, FIGURES | {"loss": None}, mnist=mnist)
        assert (fact.sheet, fact.differs) == (None, False)
        assert "loss not finite" in format_fact(fact)


def test_a_figure_within_the_seeds(record: TrainingRecord) -> None:
    """The lowest and the highest seed are within; the sheet's figure stands next to ours."""
    loss, accuracy = state_test(SECTIONS[2], as_mnist(record), make_reference(record))
    assert (loss.within, accuracy.within) == (True, True)
    assert format_fact(accuracy) == (
        "Test accuracy: 0.9375  (the sheet: 0.9257)\n    within the 4 seeds of fused: 0.9200 to 0.9500"
    )


@pytest.mark.parametrize("loss", [0.3751, 0.2999, None], ids=["above", "below", "not finite"])
def test_a_figure_outside_the_seeds(record: TrainingRecord, loss: float | None) -> None:
    """The note says so and how often chance does that; it is no difference, because one seed proves nothing."""
    fact, _ = state_test(SECTIONS[2], as_mnist(record, test_loss=loss), make_reference(record))
    assert (fact.within, fact.differs) == (False, False)
    assert fact.note == "OUTSIDE the 4 seeds of fused: 0.3000 to 0.3750; by chance 2 of 5 are"


def test_without_a_reference_it_is_said(record: TrainingRecord) -> None:
    """Without seeds to compare with, a figure is neither within nor outside."""
    for fact in state_test(SECTIONS[2], as_mnist(record), None):
        assert fact.within is None
        assert fact.note == "no reference with this number of epochs on this data set to compare with"


def test_the_stand_in_is_not_compared_with_the_sheet(record: TrainingRecord) -> None:
    """The stand-in has seeds of its own, and none of the sheet's figures."""
    for fact in state_test(SECTIONS[2], record, make_reference(record)):
        assert fact.sheet is None
        assert fact.within is True
        assert fact.note.endswith(f"; {MNIST_ONLY}")


def test_the_history_has_the_sheet_s_keys(record: TrainingRecord) -> None:
    """The history has the four columns that `fit` keeps, in any order."""
    fact = state_history(SECTIONS[3], record)
    assert format_fact(fact) == "History keys: accuracy, loss, val_accuracy, val_loss  (as the sheet)"


def test_a_fact_without_a_sheet() -> None:
    """A value that the sheet does not print stands alone."""
    assert format_fact(Fact(section=1, name="Something", ours="x")) == "Something: x"
