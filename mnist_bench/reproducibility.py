"""The same seed, the same bits: in one process, in a fresh one, on one core and on all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mnist_bench import backend
from mnist_bench.records import TrainingConfig
from mnist_bench.runner import train
from mnist_bench.verdicts import CheckResult, Verdict
from mnist_bench.workers import Failed, Finished, train_all

if TYPE_CHECKING:
    from mnist_bench.data import Dataset

__all__ = ["check_determinism", "check_reproducible", "collect_digests"]


def check_reproducible(lab: str, engine: str, dataset: Dataset, source: str, *, seed: int = 1671) -> CheckResult:
    """Check that a seed gives one result wherever it is trained, and another seed another.

    Args:
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
        dataset: The data, loaded.
        source: The same data, for the fresh process to load.
        seed: The seed; the one after it is the other.
    """
    digests = collect_digests(lab, engine, dataset, source, seed=seed)
    other = digests.pop("another seed")
    alike = len(set(digests.values())) == 1
    holds = alike and other not in digests.values()
    return CheckResult(
        name=f"reproducibility/bits[{lab}-{engine}]",
        verdict=Verdict.PASS if holds else Verdict.REGRESSED,
        figure=f"{len(set(digests.values()))} results of one seed, {'another' if holds else 'not another'} of the next",
        bound="1, another",
        evidence=", ".join(f"{where}: {digest[:8]}" for where, digest in digests.items()),
    )


def collect_digests(
    lab: str, engine: str, dataset: Dataset, source: str, *, seed: int, epochs: int = 1
) -> dict[str, str]:
    """Train the same seed in several places, and another seed in one; return the final weights' digests.

    The fused engine is left out of the training on one core: XLA splits its sums by the number of threads.

    Raises:
        RuntimeError: A training in a fresh process failed.
    """
    config = TrainingConfig(lab=lab, engine=engine, seed=seed, epochs=epochs, data=source)
    other = TrainingConfig(lab=lab, engine=engine, seed=seed + 1, epochs=epochs, data=source)
    digests = {
        "this process": train(config, dataset=dataset).final_digest,
        "this process again": train(config, dataset=dataset).final_digest,
        "another seed": train(other, dataset=dataset).final_digest,
        "a fresh process": _train_apart(config, jobs=1),
    }
    if engine not in ("fused", "xla") and (os.cpu_count() or 1) > 1:
        digests["a fresh process on one core"] = _train_apart(config, jobs=os.cpu_count() or 1)
    return digests


def check_determinism() -> CheckResult:
    """Check that op determinism is on after it was asked for: a missing call is silent."""
    backend.set_determinism(on=True)
    on = backend.is_deterministic()
    return CheckResult(
        name="reproducibility/op-determinism",
        verdict=Verdict.PASS if on else Verdict.REGRESSED,
        figure="on" if on else "off",
        bound="on",
    )


def _train_apart(config: TrainingConfig, *, jobs: int) -> str:
    """Return the digest of a training in a worker that has a share of 1 / jobs of the cores."""
    # As many trainings as jobs: each worker is pinned to its share.
    finished = []
    for event in train_all([config] * jobs, jobs=jobs):
        if isinstance(event, Failed):
            raise RuntimeError(event.reason)  # noqa: TRY004 - no wrong type: a training that failed
        if isinstance(event, Finished):
            finished.append(event.record.final_digest)
    if len(set(finished)) != 1:
        raise RuntimeError(f"{jobs} processes, each on its core, ended in different bits")
    return finished[0]
