"""The checks that need no baseline, in their order: structure, arithmetic, contracts, reproducibility."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mnist_bench.checks.layers import arithmetic, contracts, figures, reproducibility, seeds, structure
from mnist_bench.checks.layers.guard import guard
from mnist_bench.checks.names import CONTRACT_NAMES, name_fast_checks
from mnist_bench.records.config import FIRST_SEED, TrainingConfig
from mnist_bench.training.backend import choose_device
from mnist_bench.training.engines import check_engine, check_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.training.data.dataset import Dataset

__all__ = ["run_fast_checks"]


def run_fast_checks(
    labs: Sequence[str], engine: str, dataset: Dataset, source: str, *, device: str, first: int = 0
) -> Iterator[CheckResult]:
    """Run the checks in this process, except for trainings that need a fresh process.

    Args:
        labs: Keys of `LABS`.
        engine: A key of `ENGINES`.
        dataset: The data, loaded.
        source: The same data, for the fresh process to load.
        device: `auto`, `cpu` or `gpu`.
        first: The place of the first check to run, after a process that has run those before it.

    Yields:
        The result of each check, whatever it raises; known regressions are not taken into account.

    Raises:
        DeviceError: The device cannot be used.
        EngineError: The engine does not work with this version of Keras.
        ImportError: TensorFlow is not installed, or cannot be imported.
    """
    choose_device(device)  # once TensorFlow has run on a GPU, it is too late
    settled = check_engine(engine)
    check_steps(settled, steps=2 if settled.whole_epoch and settled.fit else 1)
    configs = [
        TrainingConfig(lab=lab, engine=engine, seed=FIRST_SEED, epochs=1, data=source, device=device) for lab in labs
    ]
    checks: list[Callable[[], CheckResult]] = []
    for lab in labs:
        checks += [partial(structure.check_layers, lab), partial(structure.check_initial_weights, lab)]
        checks.append(partial(seeds.check_seeds, lab))
    for lab in labs:
        checks += [partial(arithmetic.check_arithmetic, lab, engine), partial(figures.check_figures, lab, engine)]
    checks += [partial(contracts.check_contract, name, engine) for name in CONTRACT_NAMES]
    checks.append(reproducibility.check_determinism)
    with reproducibility.FreshProcess() as fresh:
        checks += [partial(reproducibility.check_bits, config, dataset, fresh) for config in configs]
        for name, check in [*zip(name_fast_checks(labs, engine), checks, strict=True)][first:]:
            yield guard(name, check)
