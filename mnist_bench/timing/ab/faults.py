"""Slow-downs that are planted on purpose, to see whether they are found: a tenth more sleep, a tenth more steps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.training.data.dataset import Prepared

__all__ = ["FAULTS", "Fault", "add_steps", "parse_fault", "slow_down"]

FAULTS = {
    "sleep": "the process sleeps for a share of each epoch's own time: the delay shows only in wall time",
    "steps": "each epoch trains on a share more samples: the delay shows on both clocks",
}


@dataclass(frozen=True)
class Fault:
    """A slow-down: a key of `FAULTS`, and a share of the epoch's time or samples."""

    name: str
    share: float


def parse_fault(text: str) -> Fault:
    """Read a fault as written on a command line, such as `sleep:0.1`.

    Raises:
        ValueError: The fault is unknown, or the share is not above 0 and at most 1.
    """
    name, _, share = text.partition(":")
    if name not in FAULTS:
        raise ValueError(f"unknown fault {text!r}: choose from {', '.join(f'{name}:SHARE' for name in FAULTS)}")
    try:
        fault = Fault(name, float(share))
    except ValueError:
        fault = Fault(name, 0.0)
    if not 0 < fault.share <= 1:
        raise ValueError(f"fault {text!r}: the share must be above 0 and at most 1, as in {name}:0.1")
    return fault


def add_steps(prepared: Prepared, share: float) -> Prepared:
    """Return the data with the first `share` of the training samples repeated behind the training samples.

    The validation samples do not change and stay the last.
    """
    from mnist_bench.training.data.dataset import Prepared

    split, count = len(prepared.x_train), len(prepared.x_fit)
    extra = np.arange(round(share * split))
    rows = np.concatenate([np.arange(split), extra, np.arange(split, count)])
    return Prepared.split_at(
        split + len(extra),
        # Half a sample less, so that rounding cannot move Keras's own split.
        (count - split - 0.5) / len(rows),
        pixels=prepared.pixels[rows],
        fit=(prepared.x_fit[rows], prepared.y_fit[rows]),
        test=(prepared.x_test, prepared.y_test),
    )


def slow_down(model: Any, share: float) -> None:
    """Have every training call on a compiled model sleep for `share` of the time that the call took.

    With an engine that calls `fit`, only this model is slowed; the fused engine is slowed in the whole process.
    """
    from mnist_bench.training.fused import FusedTrainer

    model.make_train_function()  # `fit` uses an existing train function, in Keras 2 and 3
    model.train_function = _add_sleep(model.train_function, share)
    FusedTrainer.train_epoch = _add_sleep(FusedTrainer.train_epoch, share)  # type: ignore[method-assign]


def _add_sleep(call: Callable[..., Any], share: float) -> Callable[..., Any]:
    def slowed(*args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        result = call(*args, **kwargs)
        time.sleep(share * (time.perf_counter() - begin))
        return result

    return slowed
