"""Arithmetic: every engine compared with the float64 oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench.checks.layers import arithmetic

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("prompt_fit", "float32")


def test_engine_follows_the_oracle(mnist_lab: str, mnist_engine: str, mnist_hold: Callable[..., None]) -> None:
    """Given weights, batches and masks, the weights after each step are the oracle's, apart from rounding."""
    mnist_hold(arithmetic.check_arithmetic(mnist_lab, mnist_engine), engine=mnist_engine)
