"""The evaluation of the 10,000 test images, as a training does it at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.timing.clock import ROUNDS, time_call
from mnist_bench.training.labs import LABS, count_flops

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.benchmark(group="evaluation", timer=ROUNDS.read_rounds)
def test_evaluation(case: Any, measure: Callable[..., None]) -> None:
    """Keras's `evaluate`, the taking in of the data included; it returns figures, so all is done when it does."""
    from mnist_bench.timing.trial import Trial

    samples = len(case.prepared.x_test)
    trial = Trial(case.config, case.prepared, ROUNDS)
    flops = count_flops(LABS[case.config.lab], samples, training=False)
    measure(lambda: ROUNDS.note(time_call(trial.evaluate)), case, rounds=5, warmups=1, samples=samples, flops=flops)
