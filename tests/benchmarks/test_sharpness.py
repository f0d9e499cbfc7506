"""The script that says which loss is found with how many seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Any:
    """The script, imported from where it lies."""
    return load_script("sharpness")


@pytest.fixture
def figures(script: Any) -> list[Any]:
    """Figures of a thousand seeds whose accuracy has an sd of 0.12 points, in pairs of 0.03."""
    line = [0.977 + 0.00123 * math.sin(number) * math.sqrt(2) for number in range(1000)]
    counts = [30 + round(6 * math.sin(number)) for number in range(1000)]
    return [
        script.Figure("Accuracy", line, [0.0003, -0.0003], 0.0015, 100, "points"),
        script.Figure("Errors of class 3", counts, [1.0, -1.0], 7.575, 100 / 1010, "points of it"),
    ]


def test_pairs_find_less_than_new_seeds_and_these_less_than_two_samples(script: Any, figures: list[Any]) -> None:
    """With five pairs or more; three find disasters alone, and two samples of five find nothing at all."""
    curves = script.list_curves(figures[0])
    two, new, pairs = curves.values()
    assert list(curves) == ["two samples", "new seeds, 1,000 stored", "pairs that differ by 0.03"]
    assert two[:2] == [math.inf, math.inf]
    assert pairs[0] > new[0]
    assert two[2] > new[2] > pairs[2]
    assert pairs[1] < new[1]
    assert [*script.list_curves(figures[1])] == ["two samples", "pairs that differ by 0.10"]


def test_the_table_and_the_picture(
    script: Any, figures: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each way of comparing, and a panel for each figure."""
    script.print_table(figures)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| smallest loss found in 90% | 3 seeds | 5 seeds | 10 seeds | 20 seeds |"
    assert len(lines) == 2 + 3 + 2
    assert lines[2].startswith("| Accuracy, points: two samples | none | none | 0.")
    script.save_picture(figures, tmp_path / "sharpness.svg")
    picture = (tmp_path / "sharpness.svg").read_text()
    assert "Errors of class 3, points of it" in picture
    assert "new seeds, or pairs" in picture


def test_differences_within_pairs_have_a_mean_of_0(script: Any) -> None:
    """So their spread is their root mean square: a common shift would be the fault's effect."""
    assert script.find_spread([3.0, -3.0, 3.0, -3.0]) == 3.0
