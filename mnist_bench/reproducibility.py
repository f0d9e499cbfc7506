"""The same seed, the same bits: twice in one process, and in a fresh one."""

from __future__ import annotations

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

    Always on the same number of cores: a product is split among the threads, and on an AVX2 machine 1 and 2
    threads end in different bits, which is why the numerics key has the threads in it.

    Raises:
        RuntimeError: A training in a fresh process failed.
    """
    config = TrainingConfig(lab=lab, engine=engine, seed=seed, epochs=epochs, data=source)
    other = TrainingConfig(lab=lab, engine=engine, seed=seed + 1, epochs=epochs, data=source)
    return {
        "this process": train(config, dataset=dataset).final_digest,
        "this process again": train(config, dataset=dataset).final_digest,
        "another seed": train(other, dataset=dataset).final_digest,
        "a fresh process": _train_apart(config),
    }


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


def _train_apart(config: TrainingConfig) -> str:
    """Return the digest of a training in a worker of its own, with the cores that this process has."""
    for event in train_all([config]):
        if isinstance(event, Failed):
            raise RuntimeError(event.reason)  # noqa: TRY004 - no wrong type: a training that failed
        if isinstance(event, Finished):
            return event.record.final_digest
    raise RuntimeError("the worker ended without a word")
