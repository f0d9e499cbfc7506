"""The evaluation of the 10,000 test images, as at the end of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.timing.clock import ROUND_CLOCK, time_call
from mnist_bench.training.labs import LABS, count_flops

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.benchmark(group="evaluation", timer=ROUND_CLOCK.read_rounds)
def test_evaluation(case: Any, measure: Callable[..., None]) -> None:
    """Keras's `evaluate`, the preparation of the data included; it returns figures, so the device has finished."""
    from mnist_bench.timing.trial import Trial

    samples = len(case.prepared.x_test)
    trial = Trial(case.config, case.prepared, ROUND_CLOCK)
    flops = count_flops(LABS[case.config.lab], samples, training=False)
    measure(
        lambda: ROUND_CLOCK.note(time_call(trial.evaluate)), case, rounds=5, warmups=1, samples=samples, flops=flops
    )
