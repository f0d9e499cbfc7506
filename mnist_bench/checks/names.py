"""The names of all that a version is checked by: the stages of a probe, the contracts, the checks without a baseline.

Those who judge a record hold it against these lists: what is measured nowhere is missing in every record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.records.config import Case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.training.labs import Lab

__all__ = [
    "ADDED_LATER",
    "CONTRACT_NAMES",
    "ENGINES_WITHOUT_DETERMINISM",
    "ENGINES_WITH_XLA",
    "ENGINE_NAMES",
    "FAST_CHECKS",
    "PROBED_EPOCHS",
    "PROBE_EPOCHS",
    "describe_size",
    "format_size",
    "list_stages",
    "name_fast_checks",
]

ENGINE_NAMES = ("eager", "graph", "xla", "epoch", "fused")
"""The keys of `engines.ENGINES`, in their order: who judges a record reaches no engine."""

ENGINES_WITH_XLA = ("xla", "fused")
"""The engines that train with XLA, as `engines.ENGINES` says."""

ENGINES_WITHOUT_DETERMINISM = ("xla",)
"""The engines that turn op determinism off, likewise."""

PROBE_EPOCHS = 5
"""The epochs that a probe follows if nobody says otherwise."""

PROBED_EPOCHS = (1, 2, 5, 10, 20, 50, 100, 200)
"""The epochs whose weights are probed, as far as the training goes; the last epoch is probed, too."""

CONTRACT_NAMES = (
    *("every-sample-once", "full-epoch", "order-by-seed", "new-order", "whole-shuffle", "validation-apart"),
    *("labels-aligned", "mean-loss", "dropout-share", "dropout-new-mask", "dropout-scale", "dropout-evaluation"),
)
"""The keys of `contracts.CONTRACTS`, in their order."""

FAST_CHECKS = (
    *("structure/layers", "structure/initial-weights", "structure/seeds", "arithmetic/oracle", "arithmetic/figures"),
    *(f"contract/{name}" for name in CONTRACT_NAMES),
    *("reproducibility/op-determinism", "reproducibility/bits"),
)
"""The names of the checks that need no baseline, without a case. Contracts read the amounts of steps: arithmetic comes
before."""

ADDED_LATER = frozenset({"structure/seeds", "arithmetic/figures", "contract/whole-shuffle"})
"""Checks that the first records do not have: where a record has none of one for any lab, it is not missing there."""


def list_stages(lab: Lab, epochs: int) -> list[str]:
    """Return the names of the stages that a probe has, in the order of training."""
    mask = ["dropout mask"] if lab.dropout else []
    followed = [*(epoch for epoch in PROBED_EPOCHS if epoch < epochs), epochs]
    names = ["forward", "loss", "gradient", "update", "evaluation"]
    return ["initial weights", "data order", *mask, *names, *(f"weights after epoch {epoch}" for epoch in followed)]


def format_size(parameters: int, trainable: int, layers: int) -> str:
    """Return the figure of the check `structure/layers`."""
    return f"{parameters:,} parameters, {trainable:,} trainable, {layers} layers"


def describe_size(lab: Lab) -> str:
    """Return the figure of the check `structure/layers` of a model that is the lab's."""
    widths = len(lab.hidden)
    return format_size(lab.parameters, lab.parameters, 2 * (widths + 1) + (widths if lab.dropout else 0))


def name_fast_checks(labs: Sequence[str], engine: str) -> list[str]:
    """Return the names of the checks that need no baseline, in their order, with their cases.

    Args:
        labs: Keys of `LABS`.
        engine: A key of `ENGINES`.
    """
    cases = [Case(lab, engine) for lab in labs]
    return [
        *(f"structure/{check}[{lab}]" for lab in labs for check in ("layers", "initial-weights", "seeds")),
        *(f"arithmetic/{check}[{case}]" for case in cases for check in ("oracle", "figures")),
        *(f"contract/{name}[{engine}]" for name in CONTRACT_NAMES),
        "reproducibility/op-determinism",
        *(f"reproducibility/bits[{case}]" for case in cases),
    ]
