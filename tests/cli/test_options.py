"""The options: what is copied, so that `--help` need not import where it is defined."""

from __future__ import annotations

from mnist_bench.cli import options
from mnist_bench.timing.ab import rounds


def test_the_copied_budget_is_that_of_a_comparison() -> None:
    """A comparison by the command takes as long as one by the function."""
    assert options.BUDGET_SECONDS == rounds.BUDGET_SECONDS
