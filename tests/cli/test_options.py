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
