"""The same seed, the same bits: twice in one process, and in a fresh one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training import backend
from mnist_bench.training.runner import train_untested
from mnist_bench.training.workers import serve
from mnist_bench.training.workers.child import Child

if TYPE_CHECKING:
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.data.dataset import Dataset

__all__ = ["FreshProcess", "check_bits", "check_determinism"]


class FreshProcess:
    """A process that trains each of several configurations once, started when the first is asked for.

    They share the process, as its import of TensorFlow takes longer than their epochs.
    """

    def __init__(self) -> None:
        """Start nothing yet."""
        self._child: Child | None = None

    def __enter__(self) -> FreshProcess:  # noqa: PYI034 - Self is in no standard library before 3.11
        """Return the process."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def train(self, config: TrainingConfig) -> str:
        """Return the digest of the weights after a training there; the process may use this process's cores.

        Raises:
            KerasError: Keras's own `compile`, `fit` or `evaluate` raised an error there.
            RuntimeError: The training failed otherwise.
        """
        if self._child is None:
            self._child = Child(serve.MODULE)
        self._child.send(config)
        while message := self._child.read():
            if message["event"] == "failed":
                raise (backend.KerasError if message.get("by_keras") else RuntimeError)(message["reason"])
            if message["event"] == "finished":
                return str(message["record"]["final_digest"])
        reason = f"the fresh process {self._child.explain_end()}"
        self.__exit__()  # the next configuration gets another one
        raise RuntimeError(reason)


def check_bits(config: TrainingConfig, dataset: Dataset, fresh: FreshProcess) -> CheckResult:
    """Check that a seed gives the same result wherever it is trained, and the next seed another result.

    The number of cores is always the same: a product is split among the threads, and on an AVX2 machine 1 and 2
    threads end in different bits. The numerics key includes the threads for the same reason.

    Weights are compared, so that only the fresh process tests its model: a test takes about as long as an epoch.

    Args:
        config: What to train; `data` names the data set for the fresh process.
        dataset: The same data, loaded.
        fresh: The fresh process.

    Raises:
        RuntimeError: The training in the fresh process failed; a `KerasError` if Keras raised an error there.
    """
    digests = {
        "a fresh process": fresh.train(config),
        "this process": train_untested(config, dataset=dataset).final_digest,
        "this process again": train_untested(config, dataset=dataset).final_digest,
    }
    next_digest = train_untested(dataclasses.replace(config, seed=config.seed + 1), dataset=dataset).final_digest
    count = len(set(digests.values()))
    holds = count == 1 and next_digest not in digests.values()
    return CheckResult(
        name=f"reproducibility/bits[{config.case}]",
        verdict=Verdict.PASS if holds else Verdict.REGRESSED,
        figure=f"{count} results of one seed, {'another' if holds else 'not another'} of the next",
        bound="1, another",
        evidence=", ".join(f"{where}: {digest[:8]}" for where, digest in digests.items()),
    )


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
