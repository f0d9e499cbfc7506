"""The work before the first epoch: the import of TensorFlow in a fresh process, and building the model."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.timing.clock import ROUND_CLOCK, Times, time_call

if TYPE_CHECKING:
    from collections.abc import Callable

# The import is timed inside the process, so that the start of Python is not included.
IMPORT = """
import json
from mnist_bench.training.backend import load_tensorflow
from mnist_bench.timing.clock import time_call
print(json.dumps(time_call(load_tensorflow)))
"""


@pytest.mark.benchmark(group="start-up", timer=ROUND_CLOCK.read_rounds)
def test_import(measure: Callable[..., None]) -> None:
    """The import of TensorFlow and Keras, with the files in the system's cache."""

    def work() -> None:
        answer = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)  # noqa: S603
        ROUND_CLOCK.note(Times(*json.loads(answer.stdout.splitlines()[-1])))

    measure(work, rounds=3, warmups=1)


@pytest.mark.benchmark(group="start-up", timer=ROUND_CLOCK.read_rounds)
def test_build(case: Any, measure: Callable[..., None]) -> None:
    """Build and compile the Keras model; for the fused engine also move the data to the device."""
    from mnist_bench.timing.trial import Trial

    def work() -> None:
        ROUND_CLOCK.note(time_call(lambda: Trial(case.config, case.prepared, ROUND_CLOCK)))

    measure(work, case, rounds=5, warmups=1)
