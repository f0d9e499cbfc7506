"""What the harness itself takes: an epoch in which nothing is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mnist_bench.timing.clock import ROUNDS, Clock, Times

if TYPE_CHECKING:
    from collections.abc import Callable


# So many that a round is long beside the scheduler's slices.
EPOCHS = 100


@pytest.mark.benchmark(group="harness", timer=ROUNDS.read_rounds)
def test_100_empty_epochs(measure: Callable[..., None]) -> None:
    """The clock started and stopped as around an epoch, the model's weights read in between; a hundred times."""
    from mnist_bench.training.backend import synchronise
    from mnist_bench.training.labs import LABS, build_model

    model, clock = build_model(LABS["mlp"]), Clock()

    def work() -> None:
        taken = []
        for _ in range(EPOCHS):
            clock.start()
            synchronise(model)
            taken.append(clock.stop())
        ROUNDS.note(Times(*map(sum, zip(*taken, strict=True))))

    measure(work, rounds=10, warmups=1)
