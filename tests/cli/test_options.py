"""The options: what is copied, so that `--help` need not import where it is defined."""

from __future__ import annotations

import re

import pytest

from mnist_bench.checks.sheet.figures import SECTIONS
from mnist_bench.cli import options
from mnist_bench.timing.ab import rounds


def test_the_copied_budget_is_that_of_a_comparison() -> None:
    """A comparison by the command takes as long as one by the function."""
    assert options.BUDGET_SECONDS == rounds.BUDGET_SECONDS


def test_the_copied_number_of_sections_is_the_sheet_s() -> None:
    """Each section can be asked for."""
    assert list(SECTIONS) == [*range(1, options.SECTIONS + 1)]


@pytest.mark.parametrize("text", ["1.0", "1_0", "\u0663", " 5", "1e1", "9" * 30, "0", "-1", "10001"])
def test_only_a_whole_number_within_its_bounds_is_one(text: str) -> None:
    """What a command would do 10^9 times is refused before the command begins."""
    with pytest.raises(ValueError, match=r"(is no whole number|is not allowed): it must be from 1 to 10,000$"):
        options.whole_number(1, 10_000)(text)


@pytest.mark.parametrize(
    "text", ["0", "0.0", "100", "-1", "1_0", " 1", "1e-320", "1e1", "nan", "abc", ".5", "0.0000001"]
)
def test_only_points_within_their_bounds_are_points(text: str) -> None:
    """What Python takes for a number is not what a user means by percentage points."""
    with pytest.raises(ValueError, match="is not allowed: percentage points above 0 and below 100, such as"):
        options.points(text)
    assert options.points("0.15") == pytest.approx(0.0015)


@pytest.mark.parametrize(
    "text", ["mlp,mlp", " mlp", "mlp, dropout", "mlp ", ",", " ", "mlp,,dropout", "mlp,cnn", "mlp;dropout"]
)
def test_a_list_has_each_name_once_and_no_blanks(text: str) -> None:
    """The line names the option, the value and the names that there are; names in their order are a list."""
    message = re.escape(
        f"--labs {text!r} is not allowed: give names of mlp, dropout, each once, with commas and no blanks"
    )
    with pytest.raises(ValueError, match=message):
        options.read_names("--labs", text, ("mlp", "dropout"))
    assert options.read_names("--labs", "dropout,mlp", ("mlp", "dropout")) == ["dropout", "mlp"]
    assert options.read_names("--labs", "", ("mlp", "dropout")) == []
