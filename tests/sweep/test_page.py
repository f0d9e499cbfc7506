"""What a sweep leaves behind: a table for a terminal, and a page."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from mnist_bench.records.serial import dump_record

pytest.importorskip("optuna", minversion="4.9")

from mnist_bench.sweep.page import format_table, write_sweep
from mnist_bench.sweep.plots import draw_all

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.sweep.records import SweepRecord


def test_the_table_names_the_data_and_what_the_test_set_did(swept: SweepRecord) -> None:
    """Every trial has a line, also those without a result."""
    table = format_table(swept)
    assert "the stand-in 'digits', which is NOT MNIST" in table
    assert "0.9700 ± 0.0014   0.9200 ± 0.0141" in table
    assert "optimizer adam (learning_rate 0.001, Keras's default)" in table
    assert "pruned after 2 epochs, at 0.2000: epochs 1" in table
    assert "failed: RuntimeError: out of luck" in table
    assert "The test set was used once, after the choice, for 2 points" in table
    untested = dataclasses.replace(swept, tested=[])
    assert format_table(untested).endswith("The test set was not used.")


def test_the_page_is_whole_and_self_contained(swept: SweepRecord, tmp_path: Path) -> None:
    """The page names the stand-in, holds its pictures, escapes its texts and loads nothing."""
    page = write_sweep(swept, tmp_path).read_text()
    assert "Not MNIST" in page
    assert page.count("<svg") == len(draw_all(swept)) - 1  # the overview of all factors is a file of its own
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)|@import|<script""", page) == []
    assert (tmp_path / "sweep.json").read_text() == dump_record(swept)
    assert all("not MNIST" in (tmp_path / f"{name}.svg").read_text() for name in ("effects", "cost", "curves"))
