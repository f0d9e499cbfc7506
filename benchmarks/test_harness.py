"""The time that the harness itself takes: an epoch without training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench.timing.clock import ROUND_CLOCK, Clock, Times

if TYPE_CHECKING:
    from collections.abc import Callable


# This many make a round long compared with the scheduler's time slices.
EPOCHS = 100


@pytest.mark.benchmark(group="harness", timer=ROUND_CLOCK.read_rounds)
def test_100_empty_epochs(measure: Callable[..., None]) -> None:
    """Start and stop the clock as around an epoch, and read the model's weights in between; a hundred times."""
    from mnist_bench.training.backend import synchronise
    from mnist_bench.training.labs import LABS, build_model

    model, clock = build_model(LABS["mlp"]), Clock()

    def work() -> None:
        taken = []
        for _ in range(EPOCHS):
            clock.start()
            synchronise(model)
            taken.append(clock.stop())
        ROUND_CLOCK.note(Times(*map(sum, zip(*taken, strict=True))))

    measure(work, rounds=10, warmups=1)
