"""Trainings in this process, asked for by another: the child's side of the pool.

Each line of standard input is a `TrainingConfig`. The answer is a line for each event, `finished` or `failed` last.
"""

from __future__ import annotations

import functools
import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.workers.child import open_events, pin_by_option

if TYPE_CHECKING:
    from mnist_bench.training.workers.child import Tell

__all__ = ["MODULE", "main", "read_config"]

MODULE = "training.workers.serve"  # as `Child` starts it


def main() -> None:
    """Serve requests from standard input until it ends."""
    pin_by_option()
    with open_events() as tell:
        for line in sys.stdin:
            _answer(json.loads(line), tell)


def read_config(fields: dict[str, Any]) -> TrainingConfig:
    """Return the configuration that came as JSON, which has no tuples."""
    hidden = fields["hidden"]
    return TrainingConfig(**{**fields, "hidden": None if hidden is None else tuple(hidden)})


def _answer(request: dict[str, Any], tell: Tell) -> None:
    """Train what one request asks for, and tell the events of the training."""
    from mnist_bench.training.backend import DeviceError, explain_error
    from mnist_bench.training.runner import check_config, train

    try:
        config = check_config(read_config(request))
        dataset = _load_dataset(config.data)
    except ValueError as error:
        tell(event="failed", reason=str(error), bad_input=True, details=traceback.format_exc())
        return
    tell(event="started", dataset=dataset.name)
    try:
        record = train(
            config,
            dataset=dataset,
            on_epoch=lambda epoch, figures: tell(event="epoch", epoch=epoch, figures=figures),
        )
        tell(event="finished", record=record)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
        bad_input = isinstance(error, (DeviceError, ImportError))
        reason = str(error) if bad_input else explain_error(error)
        tell(event="failed", reason=reason, bad_input=bad_input, details=traceback.format_exc())


@functools.lru_cache(maxsize=1)
def _load_dataset(source: str) -> Any:
    """Load a data set once for all the trainings of this worker."""
    from mnist_bench.training.data.dataset import load_dataset

    return load_dataset(source)
