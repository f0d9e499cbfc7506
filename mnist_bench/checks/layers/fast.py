"""The checks that need no baseline, in their order: structure, contracts, arithmetic, reproducibility."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.layers import arithmetic, contracts, reproducibility, structure
from mnist_bench.training.backend import choose_device

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.training.data.dataset import Dataset

__all__ = ["FAST_CHECKS", "run_fast_checks"]

FAST_CHECKS = (
    *("structure/layers", "structure/initial-weights"),
    *(f"contract/{name}" for name in contracts.CONTRACTS),
    *("arithmetic/oracle", "reproducibility/op-determinism", "reproducibility/bits"),
)
"""The names of the checks, without a case."""


def run_fast_checks(
    labs: Sequence[str], engine: str, dataset: Dataset, source: str, *, device: str
) -> Iterator[CheckResult]:
    """Run the checks in this process, except for trainings that need a fresh process.

    Args:
        labs: Keys of `LABS`.
        engine: A key of `ENGINES`.
        dataset: The data, loaded.
        source: The same data, for the fresh process to load.
        device: `auto`, `cpu` or `gpu`.

    Yields:
        The result of each check; known regressions are not taken into account.

    Raises:
        DeviceError: The device cannot be used.
    """
    choose_device(device)  # once TensorFlow has run on a GPU, it is too late
    for lab in labs:
        yield structure.check_layers(lab)
        yield structure.check_initial_weights(lab)
    for name in contracts.CONTRACTS:
        yield contracts.check_contract(name, engine)
    for lab in labs:
        yield arithmetic.check_arithmetic(lab, engine)
    yield reproducibility.check_determinism()
    yield from reproducibility.check_reproducible(labs, [engine], dataset, source, device=device)
