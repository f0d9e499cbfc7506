"""One epoch of training, 48,000 images in 375 steps: the first, which traces and compiles, and the steady ones.

tf.data's autotuner is off: Keras waits for its thread, and the time would be the thread's sleeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.timing.clock import ROUND_CLOCK
from mnist_bench.training.labs import LABS, count_flops

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.benchmark(group="steady epoch", timer=ROUND_CLOCK.read_rounds)
def test_steady_epoch(case: Any, measure: Callable[..., None]) -> None:
    """The training part of an epoch without validation, after an epoch that compiled."""
    from mnist_bench.timing.trial import Trial

    samples = len(case.prepared.x_train)
    trial = Trial(case.config, case.prepared, ROUND_CLOCK)
    flops = count_flops(LABS[case.config.lab], samples)
    measure(trial.train_epoch, case, rounds=8, warmups=1, samples=samples, flops=flops)


@pytest.mark.benchmark(group="first epoch", timer=ROUND_CLOCK.read_rounds)
def test_first_epoch(case: Any, measure: Callable[..., None]) -> None:
    """The first epoch of a model that is built and compiled again for each round."""
    from mnist_bench.timing.trial import Trial
    from mnist_bench.training.fused import forget_programs

    def prepare() -> tuple[Trial]:
        forget_programs()  # otherwise later rounds, and cases with the same program, would not compile
        return (Trial(case.config, case.prepared, ROUND_CLOCK),)

    measure(Trial.train_epoch, case, rounds=3, prepare=prepare, samples=len(case.prepared.x_train))
