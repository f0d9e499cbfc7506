"""The same seed, the same bits of a user's own model: twice in one process, and in a fresh one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.own.file import load_model
from mnist_bench.own.model import make_model
from mnist_bench.own.trainer import fit_model, prepare_process
from mnist_bench.records.environment import digest_arrays
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.backend import KerasError, explain_error
from mnist_bench.training.workers.child import Child

if TYPE_CHECKING:
    from mnist_bench.own.records import OwnConfig

__all__ = ["check_bits", "train_briefly"]

_ROWS = 1024  # samples of the epoch: enough steps for an order of additions to change


def train_briefly(config: OwnConfig) -> str:
    """Return the digest of the weights after an epoch of some of the samples.

    Raises:
        KerasError: Keras raised an error.
    """
    prepare_process(config)
    loaded = load_model(config.model)
    model = make_model(loaded, config.seed)
    fit_model(model, loaded, rows=_ROWS, epochs=1)
    return digest_arrays(model.get_weights())


def check_bits(config: OwnConfig, name: str) -> CheckResult:
    """Check that a seed ends in the same weights wherever it is trained, and the next seed in others."""
    try:
        digests = {
            "this process": train_briefly(config),
            "this process again": train_briefly(config),
            "a fresh process": _train_apart(config),
        }
    except KerasError as error:
        told = explain_error(error)
        if "eterminis" not in told:  # of "deterministic" and "determinism"
            raise
        return CheckResult(
            name=name,
            verdict=Verdict.INCONCLUSIVE,
            figure="an operation of the model has no deterministic kernel here",
            bound="1, another",
            evidence=told,
        )
    other = train_briefly(dataclasses.replace(config, seed=config.seed + 1))
    count, differs = len(set(digests.values())), other not in digests.values()
    own = "seed" in Path(config.model.path).read_text(encoding="utf-8")
    verdict = Verdict.PASS if count == 1 and differs else Verdict.REGRESSED
    if count == 1 and not differs and own:
        verdict = Verdict.INCONCLUSIVE  # the file may have set a seed
    return CheckResult(
        name=name,
        verdict=verdict,
        figure=f"{count} results of one seed, {'another' if differs else 'not another'} of the next",
        bound="1, another",
        evidence=", ".join(f"{where}: {digest[:8]}" for where, digest in digests.items()),
    )


def _train_apart(config: OwnConfig) -> str:
    """Return the digest of the weights after the same training in a fresh process, which may use the same cores.

    Raises:
        RuntimeError: The training failed there.
    """
    with Child("own.serve") as child:
        child.send({"ask": "bits", "config": dataclasses.asdict(config)})
        child.end_input()
        while event := child.read():
            if event["event"] == "failed":
                raise RuntimeError(event["reason"])
            if event["event"] == "value":
                return str(event["value"])
        raise RuntimeError(f"the fresh process {child.explain_end()}")
