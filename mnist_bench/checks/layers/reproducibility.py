"""The same seed, the same bits: twice in one process, and in a fresh one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mnist_bench.records.config import FIRST_SEED, TrainingConfig
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training import backend
from mnist_bench.training.runner import train
from mnist_bench.training.workers import serve
from mnist_bench.training.workers.child import Child

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.training.data.dataset import Dataset

__all__ = ["check_determinism", "check_reproducible"]


def check_reproducible(
    labs: Sequence[str],
    engines: Sequence[str],
    dataset: Dataset,
    source: str,
    *,
    seed: int = FIRST_SEED,
    device: str = "auto",
) -> Iterator[CheckResult]:
    """Check that a seed gives the same result wherever it is trained, and the next seed another result.

    Args:
        labs: Keys of `LABS`.
        engines: Keys of `ENGINES`.
        dataset: The data, loaded.
        source: The same data, for the fresh process to load.
        seed: The seed; the other seed is the next number.
        device: `auto`, `cpu` or `gpu`.

    Yields:
        A result for each lab by each engine.

    Raises:
        RuntimeError: A training in a fresh process failed.
    """
    configs = [
        TrainingConfig(lab=lab, engine=engine, seed=seed, epochs=1, data=source, device=device)
        for engine in engines
        for lab in labs
    ]
    for config, digests in zip(configs, _collect_digests(configs, dataset), strict=True):
        next_digest = digests.pop("another seed")
        count = len(set(digests.values()))
        holds = count == 1 and next_digest not in digests.values()
        yield CheckResult(
            name=f"reproducibility/bits[{config.case}]",
            verdict=Verdict.PASS if holds else Verdict.REGRESSED,
            figure=f"{count} results of one seed, {'another' if holds else 'not another'} of the next",
            bound="1, another",
            evidence=", ".join(f"{where}: {digest[:8]}" for where, digest in digests.items()),
        )


def _collect_digests(configs: Sequence[TrainingConfig], dataset: Dataset) -> list[dict[str, str]]:
    """Train the seed of each configuration in several places, and the next seed in one place.

    The number of cores is always the same: a product is split among the threads, and on an AVX2 machine 1 and 2
    threads end in different bits. The numerics key includes the threads for the same reason.

    Returns:
        For each configuration, the digest of the final weights by place.
    """
    apart = _train_apart(configs)

    def train_here(config: TrainingConfig) -> str:
        return train(config, dataset=dataset).final_digest

    return [
        {
            "this process": train_here(config),
            "this process again": train_here(config),
            "another seed": train_here(dataclasses.replace(config, seed=config.seed + 1)),
            "a fresh process": digest,
        }
        for config, digest in zip(configs, apart, strict=True)
    ]


def check_determinism() -> CheckResult:
    """Check that op determinism is on after the call that turns it on: TensorFlow does not report a failure."""
    backend.set_determinism(on=True)
    on = backend.is_deterministic()
    return CheckResult(
        name="reproducibility/op-determinism",
        verdict=Verdict.PASS if on else Verdict.REGRESSED,
        figure="on" if on else "off",
        bound="on",
    )


def _train_apart(configs: Sequence[TrainingConfig]) -> list[str]:
    """Return the digests of trainings in one fresh process, which may use the same cores as this process."""
    with Child(serve.MODULE) as child:
        return [_train_in(child, config) for config in configs]


def _train_in(child: Child, config: TrainingConfig) -> str:
    child.send(config)
    while message := child.read():
        if message["event"] == "failed":
            raise RuntimeError(message["reason"])
        if message["event"] == "finished":
            return str(message["record"]["final_digest"])
    raise RuntimeError(f"the fresh process {child.explain_end()}")
