"""The options: what is copied, so that `--help` need not import where it is defined."""

from __future__ import annotations

import pytest

from mnist_bench.cli import options
from mnist_bench.timing.ab import rounds


def test_the_copied_budget_is_that_of_a_comparison() -> None:
    """A comparison by the command takes as long as one by the function."""
    assert options.BUDGET_SECONDS == rounds.BUDGET_SECONDS


@pytest.mark.parametrize("text", ["1.0", "1_0", "\u0663", " 5", "1e1", "9" * 30, "0", "-1", "10001"])
def test_only_a_whole_number_within_its_bounds_is_one(text: str) -> None:
    """What a command would do 10^9 times is refused before the command begins."""
    with pytest.raises(ValueError, match=r"is no whole number|is not allowed: it must be (1 or more|10000 or less)"):
        options.whole_number(1, 10_000)(text)


@pytest.mark.parametrize(
    "text", ["0", "0.0", "100", "-1", "1_0", " 1", "1e-320", "1e1", "nan", "abc", ".5", "0.0000001"]
)
def test_only_points_within_their_bounds_are_points(text: str) -> None:
    """What Python takes for a number is not what a user means by percentage points."""
    with pytest.raises(ValueError, match="is not allowed: percentage points above 0 and below 100, such as"):
        options.points(text)
    assert options.points("0.15") == pytest.approx(0.0015)
