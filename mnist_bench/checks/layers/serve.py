"""Answers requests from another process: the fingerprint, the import time, probes, or the fast checks.

The child's side of `mnist_bench.checks.elsewhere`. Standard input holds one request, as JSON. Each value of the answer
is an event `value`; the last event is `finished` or `failed`.
"""

from __future__ import annotations

import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

from mnist_bench.training.workers.child import open_events, pin_by_option
from mnist_bench.training.workers.serve import read_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.training.workers.child import Tell

__all__ = ["MODULE", "main", "tell_failure"]

MODULE = "checks.layers.serve"  # as `Child` starts it


def main() -> None:
    """Answer the request on standard input."""
    pin_by_option()
    with open_events() as tell:
        try:
            request = json.loads(sys.stdin.readline())
            for value in _ANSWERS[request.pop("ask")](**request):
                tell(event="value", value=value)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
            tell_failure(tell, error)
        else:
            tell(event="finished")


def tell_failure(tell: Tell, error: Exception, *wrong: type[Exception]) -> None:
    """Tell why a request has no answer; from within the handler of the error.

    Args:
        tell: Writes an event.
        error: What was raised.
        wrong: The errors that the request is to blame for, in addition to a device or an engine that cannot be used.
    """
    from mnist_bench.training.backend import DeviceError, explain_error
    from mnist_bench.training.engines import EngineError

    reason = " ".join(str(error).split()) if isinstance(error, ValueError) else explain_error(error)
    bad_input = isinstance(error, (DeviceError, EngineError, *wrong))
    tell(event="failed", reason=reason, bad_input=bad_input, details=traceback.format_exc())


def _answer_environment(device: str) -> Iterator[EnvironmentRecord]:
    from mnist_bench.training.backend import choose_device
    from mnist_bench.training.fingerprint import collect_environment

    yield collect_environment(device=choose_device(device), xla=False)


def _answer_import() -> Iterator[float]:
    from mnist_bench.training.backend import import_seconds

    yield import_seconds()


def _answer_probes(configs: list[dict[str, Any]]) -> Iterator[object]:
    from mnist_bench.checks.layers.probes import probe
    from mnist_bench.training.data.dataset import load_dataset

    dataset = load_dataset(configs[0]["data"])
    for config in configs:
        yield probe(read_config(config), dataset)


def _answer_checks(labs: list[str], engine: str, source: str, device: str, first: int) -> Iterator[CheckResult]:
    from mnist_bench.checks.layers.fast import run_fast_checks
    from mnist_bench.training.data.dataset import load_dataset

    return run_fast_checks(labs, engine, load_dataset(source), source, device=device, first=first)


_ANSWERS: dict[str, Callable[..., Iterator[object]]] = {
    "environment": _answer_environment,
    "import": _answer_import,
    "probes": _answer_probes,
    "checks": _answer_checks,
}
