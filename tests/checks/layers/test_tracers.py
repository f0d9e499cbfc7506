"""Tracers: a trace depends on its own seed alone, and steps that cannot be told apart are refused."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_bench.checks.layers import contracts, tracers

pytestmark = pytest.mark.usefixtures("prompt_fit")


def test_a_trace_leaves_nothing_behind(mnist_engine: str) -> None:
    """Traces share a compiled model, and a seed's order is the same before and after another's."""
    first, second = contracts._order(mnist_engine).steps[0], contracts._first_epoch(mnist_engine, contracts._SEED + 1)
    again = tracers.trace_steps(mnist_engine, epochs=1, seed=contracts._SEED).steps[0, : len(first)]
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()


def test_steps_that_look_alike_are_refused() -> None:
    """A tracer whose steps could not be told apart says so instead of guessing."""
    with pytest.raises(ValueError, match="steps that look alike"):
        tracers.trace_order("graph", samples=2000, batch_size=1, epochs=1)
