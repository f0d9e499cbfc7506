"""Answers requests about a user's own model: the child's side of `mnist_bench.own.elsewhere`.

Each line of standard input is a request, `{"ask": ..., "config": {...}, "first": n}`. Each value of the answer is an
event `value`; the last event of a request is `finished` or `failed`. One process answers as many requests as it gets.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from mnist_bench.checks.layers.serve import tell_failure
from mnist_bench.own.records import ModelFile, OwnConfig
from mnist_bench.training.workers.child import open_events, pin_by_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.own.records import OwnProbe, OwnTraining
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.training.workers.child import Tell

__all__ = ["MODULE", "main", "read_own_config"]

MODULE = "own.serve"  # as `Child` starts it


def main() -> None:
    """Serve requests from standard input until it ends."""
    pin_by_option()
    lines = iter(sys.stdin)
    with open_events() as tell:
        for line in lines:
            _answer(json.loads(line), tell)


def read_own_config(fields: dict[str, Any]) -> OwnConfig:
    """Return the configuration that came as JSON."""
    return OwnConfig(**{**fields, "model": ModelFile(**fields["model"])})


def _answer(request: dict[str, Any], tell: Tell) -> None:
    try:
        config = read_own_config(request["config"])
        for value in _ANSWERS[request["ask"]](config, int(request.get("first", 0))):
            tell(event="value", value=value)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
        from mnist_bench.own.file import ModelFileError

        tell_failure(tell, error, ModelFileError)
    else:
        tell(event="finished")


def _answer_checks(config: OwnConfig, first: int) -> Iterator[CheckResult]:
    from mnist_bench.own.checks import run_own_checks

    return run_own_checks(config, first=first)


def _answer_probe(config: OwnConfig, _first: int) -> Iterator[OwnProbe]:
    from mnist_bench.own.stages import probe

    yield probe(config)


def _answer_bits(config: OwnConfig, _first: int) -> Iterator[str]:
    from mnist_bench.own.checking.reproducibility import train_briefly

    yield train_briefly(config)


def _answer_train(config: OwnConfig, _first: int) -> Iterator[OwnTraining]:
    from mnist_bench.own.trainer import train

    yield train(config)


_ANSWERS: dict[str, Callable[[OwnConfig, int], Iterator[object]]] = {
    "checks": _answer_checks,
    "probe": _answer_probe,
    "bits": _answer_bits,
    "train": _answer_train,
}
