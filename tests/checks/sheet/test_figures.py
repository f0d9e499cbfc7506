"""The sheet's figures are whole, and agree with one another and with the labs."""

from __future__ import annotations

import re

import pytest

from mnist_bench.checks.layers.structure import expected_layers
from mnist_bench.checks.sheet.figures import EPOCH_LINES, LAYERS, SECTIONS, check_sections
from mnist_bench.training.engines import ENGINES
from mnist_bench.training.labs import LABS


def test_the_sections_cover_every_lab() -> None:
    """Six sections in order define, train and evaluate each lab once, by an engine that exists."""
    assert list(SECTIONS) == [1, 2, 3, 4, 5, 6]
    for lab in LABS:
        sections = [section for section in SECTIONS.values() if section.lab == lab]
        parts = [part for section in sections for part in section.shows if part != "history"]
        assert parts == ["layers", "epochs", "test"]
        assert len({section.engine for section in sections}) == 1
        assert sections[0].engine in ENGINES


@pytest.mark.parametrize("lab", LABS)
def test_the_printed_layers_add_up(lab: str) -> None:
    """The rows are those that the widths give, and their parameters make the lab's total."""
    assert [row[:3] for row in expected_layers(LABS[lab])] == list(LAYERS[lab])
    assert sum(parameters for _, _, parameters in LAYERS[lab]) == LABS[lab].parameters


@pytest.mark.parametrize("lab", LABS)
def test_the_printed_epochs_are_plausible(lab: str) -> None:
    """The lines run from the first epoch to the lab's last, and the losses fall as losses of a training do."""
    lines = EPOCH_LINES[lab]
    assert (min(lines), max(lines)) == (1, LABS[lab].epochs)
    assert list(lines) == sorted(lines)
    first, last = lines[1], lines[LABS[lab].epochs]
    assert last.loss < first.loss / 3
    assert last.val_loss < first.val_loss
    assert all(0.65 < line.accuracy < 1 and 0.89 < line.val_accuracy < 0.98 for line in lines.values())


def test_sections_are_chosen_in_the_sheet_s_order() -> None:
    """Sections come in the sheet's order, whatever the order asked for; no choice means all of them."""
    assert [section.number for section in check_sections([5, 2, 5])] == [2, 5]
    assert check_sections([]) == list(SECTIONS.values())


@pytest.mark.parametrize("number", [0, 7, -1])
def test_a_section_that_is_not_there_is_named(number: int) -> None:
    """An unknown section is an error that names the existing ones."""
    with pytest.raises(ValueError, match=re.escape(f"section {number}: the sheet has 1 to 6")):
        check_sections([2, number])
