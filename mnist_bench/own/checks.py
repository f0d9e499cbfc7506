"""The checks of a user's own model that need no baseline and no other environment, in their order."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from mnist_bench.checks.layers.contracts import check_contract
from mnist_bench.checks.layers.guard import guard
from mnist_bench.own.arithmetic.checks import check_differences, check_double
from mnist_bench.own.arithmetic.steps import GROUPS
from mnist_bench.own.checking.chance import check_random_layers
from mnist_bench.own.checking.reproducibility import check_bits
from mnist_bench.own.checking.structure import check_build, check_data, check_seeds
from mnist_bench.own.file import load_model
from mnist_bench.own.model import make_model
from mnist_bench.own.trainer import prepare_process
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.own.records import ModelFile, OwnConfig
    from mnist_bench.records.verdicts import CheckResult

__all__ = ["CONTRACTS", "CONTRACT_ENGINE", "name_own_checks", "run_own_checks"]

CONTRACTS = (
    *("every-sample-once", "order-by-seed", "new-order", "whole-shuffle", "validation-apart"),
    *("labels-aligned", "mean-loss"),
)
"""The contracts of Keras's `fit` that every model's training relies on; a small network of the lab's reads them."""

CONTRACT_ENGINE = "graph"
"""The engine of the lab that calls `fit` as a user's model does."""


def name_own_checks(model: ModelFile) -> list[str]:
    """Return the names of the checks, in their order, with the model's name as their case."""
    checks = [
        *("structure/build", "structure/data", "structure/seeds"),
        *(f"arithmetic/{group}" for group in GROUPS),
        *("arithmetic/differences", "contract/random-layers"),
        *(f"contract/{name}" for name in CONTRACTS),
        "reproducibility/bits",
    ]
    return [f"{check}[{model.name}]" for check in checks]


def run_own_checks(config: OwnConfig, *, first: int = 0) -> Iterator[CheckResult]:
    """Run the checks in this process, except for a training in a fresh one.

    Args:
        config: The model.
        first: The place of the first check to run, after a process that has run those before it.

    Yields:
        The result of each check, whatever it raises.

    Raises:
        ModelFileError: The file cannot be used.
        DeviceError: The device cannot be used.
        ImportError: TensorFlow is not installed, or cannot be imported.
    """
    prepare_process(config)
    model = config.model
    loaded = load_model(model)  # a file that cannot be used is no result of a check
    make_model(loaded, FIRST_SEED)
    loaded.fit_arguments()
    checks: list[Callable[[str], CheckResult]] = [
        *(partial(check, model) for check in (check_build, check_data, check_seeds)),
        *(partial(check_double, model, group) for group in GROUPS),
        *(partial(check, model) for check in (check_differences, check_random_layers)),
        *(partial(_check_contract, contract) for contract in CONTRACTS),
        partial(check_bits, config),
    ]
    for name, check in [*zip(name_own_checks(model), checks, strict=True)][first:]:
        yield guard(name, partial(check, name))


def _check_contract(contract: str, name: str) -> CheckResult:
    return dataclasses.replace(check_contract(contract, CONTRACT_ENGINE), name=name)
