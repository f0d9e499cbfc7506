"""What comes before the first epoch: TensorFlow's import in a fresh process, and the model's building."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.timing.clock import ROUNDS, Times, time_call

if TYPE_CHECKING:
    from collections.abc import Callable

# Timed inside the process, so that Python's own start is no part of it.
IMPORT = """
import json
from mnist_bench.training.backend import load_tensorflow
from mnist_bench.timing.clock import time_call
print(json.dumps(time_call(load_tensorflow)))
"""


@pytest.mark.benchmark(group="start-up", timer=ROUNDS.read_rounds)
def test_import(measure: Callable[..., None]) -> None:
    """The import of TensorFlow and Keras, files in the system's cache."""

    def work() -> None:
        answer = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)  # noqa: S603
        ROUNDS.note(Times(*json.loads(answer.stdout.splitlines()[-1])))

    measure(work, rounds=3, warmups=1)


@pytest.mark.benchmark(group="start-up", timer=ROUNDS.read_rounds)
def test_build(case: Any, measure: Callable[..., None]) -> None:
    """Building and compiling the Keras model, and for the fused engine moving the data to the device."""
    from mnist_bench.timing.trial import Trial

    def work() -> None:
        ROUNDS.note(time_call(lambda: Trial(case.config, case.prepared, ROUNDS)))

    measure(work, case, rounds=5, warmups=1)
