"""Large runs: a bounded number of trainings is shown, and none that does not pass is hidden behind those that do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_bench.records.environment import change_environment, company_flag
from mnist_bench.show.choice import MOST_ROWS, choose_records, describe_choice, describe_company
from mnist_bench.show.console import make_run_table
from mnist_bench.show.page import write_run_page

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

pytestmark = pytest.mark.usefixtures("short_labs")

FAILED = 1000  # a seed


@pytest.fixture
def records(record: TrainingRecord) -> list[TrainingRecord]:
    """A thousand trainings, one of which, near the end, falls below the threshold."""
    configs = [dataclasses.replace(record.config, seed=seed) for seed in range(1, 1004)]
    passed = [dataclasses.replace(record, config=config) for config in configs]
    passed[FAILED - 1] = dataclasses.replace(passed[FAILED - 1], test_accuracy=0.5)
    return passed


def test_what_does_not_pass_is_shown(records: list[TrainingRecord]) -> None:
    """The failed training is the last row; the first of the others fill the rest."""
    seeds = [record.config.seed for record in choose_records(records)]
    assert seeds == [*range(1, MOST_ROWS), FAILED]
    assert describe_choice(records) == "200 of 1,003 trainings are shown, first of all those that do not pass"


def test_a_small_run_is_shown_whole(records: list[TrainingRecord]) -> None:
    """Nothing is said where nothing is left out."""
    few = records[:MOST_ROWS]
    assert choose_records(few) == few
    assert (describe_choice(few), describe_company(few)) == ("", "")


def test_the_share_of_a_company_is_said(record: TrainingRecord) -> None:
    """The seconds of a seed in company are no seconds of a training alone."""
    environment = change_environment(record.environment, flags=company_flag(8))
    inside = dataclasses.replace(record, company=8, environment=environment)
    told = "s/epoch: a seed's share, trained in one program with others (8 seeds)"
    assert describe_company([record, inside]) == told
    assert told in str(make_run_table([inside]).caption)


def test_a_large_run_has_a_page_of_bounded_size(records: list[TrainingRecord], tmp_path: Path) -> None:
    """Table and page have as many rows as are shown, the headline counts all, and the curves say how many they are."""
    assert make_run_table(records).row_count == MOST_ROWS
    page = write_run_page(records, tmp_path, image=np.zeros((28, 28), np.uint8), label=0)
    text = page.read_text()
    assert "1 of 1003 trainings fell below" in text
    assert text.count("<strong>PASS</strong>") + text.count("<strong>REGRESSED</strong>") == MOST_ROWS
    assert "validation, 200 of 1,003 seeds" in text
    assert len(text) < 3e6
