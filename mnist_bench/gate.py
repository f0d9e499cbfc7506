"""Verdicts: what records say when they are held against a bound or a baseline. Never imports Keras."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.sequential import (
    ACCURACY_MARGIN,
    LOOKS,
    Comparison,
    format_decision,
    judge,
    loss_margin,
)
from mnist_bench.verdicts import CheckResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mnist_bench.baselines import Reference
    from mnist_bench.records import TrainingRecord
    from mnist_bench.sequential import Decision

__all__ = ["compare_accuracy", "make_comparisons", "plan_looks"]


def plan_looks(seeds: int) -> list[int]:
    """Return after how many seeds to look, when `seeds` may be trained at most."""
    return [*(look for look in LOOKS if look < seeds), seeds]


def make_comparisons(
    records: Mapping[str, Sequence[TrainingRecord]], references: Mapping[str, Reference]
) -> dict[str, Comparison]:
    """Return what the statistics compare: accuracy and loss of each lab, by `lab accuracy` and `lab loss`.

    Args:
        records: The new trainings of each lab, none of which diverged.
        references: The reference of each lab.

    Raises:
        ValueError: A new seed is there twice or is one of the reference's, or the epochs differ.
    """
    comparisons = {}
    for lab, trained in records.items():
        reference = references[lab]
        _check_seeds(lab, trained, reference)
        comparisons[f"{lab} accuracy"] = Comparison(
            reference.test_accuracy, [record.test_accuracy for record in trained], "lower", ACCURACY_MARGIN
        )
        losses = [float(record.test_loss or 0.0) for record in trained]
        comparisons[f"{lab} loss"] = Comparison(
            reference.test_loss, losses, "higher", loss_margin(reference.test_loss)
        )
    return comparisons


def compare_accuracy(
    records: Mapping[str, Sequence[TrainingRecord]], references: Mapping[str, Reference], *, looks: int
) -> list[CheckResult]:
    """Compare each lab's new trainings with its reference: mean and spread of accuracy and loss.

    Args:
        records: The new trainings of each lab.
        references: The reference of each lab.
        looks: How many looks were planned in all.

    Raises:
        ValueError: As `make_comparisons`.
    """
    diverged = {lab: trained for lab, trained in records.items() if any(r.test_loss is None for r in trained)}
    results = [_make_diverged(trained) for trained in diverged.values()]
    comparisons = make_comparisons(
        {lab: it for lab, it in records.items() if lab not in diverged}, references
    )
    if not comparisons:
        return results
    # The same records give the same verdict: the random splits have a fixed seed.
    decisions = judge(comparisons, rng=np.random.default_rng(1671), looks=looks)
    for name, decision in decisions.items():
        lab, metric = name.split()
        engine = references[lab].engine
        results.append(_make_result(f"accuracy/{metric}[{lab}-{engine}]", metric, decision, records[lab]))
    return results


def _make_result(
    name: str, metric: str, decision: Decision, records: Sequence[TrainingRecord]
) -> CheckResult:
    scale, unit = (100.0, " points") if metric == "accuracy" else (1.0, "")
    mean = statistics.fmean(
        record.test_accuracy if metric == "accuracy" else record.test_loss or 0.0 for record in records
    )
    sign = -1 if metric == "accuracy" else 1
    config = records[0].config
    return CheckResult(
        name=name,
        verdict=Verdict(decision.verdict),
        figure=f"{mean:.4f}, changed by {scale * decision.change.estimate:+.3f}{unit}",
        bound=f"not worse than {sign * scale * decision.margin:+.3f}{unit}",
        evidence=format_decision(decision, scale=scale, unit=unit, digits=3),
        command=f"mnist-bench check {config.lab} --engine {config.engine} --seeds {2 * len(records)}",
    )


def _make_diverged(records: Sequence[TrainingRecord]) -> CheckResult:
    config = records[0].config
    seeds = [record.config.seed for record in records if record.test_loss is None]
    return CheckResult(
        name=f"accuracy/loss[{config.lab}-{config.engine}]",
        verdict=Verdict.REGRESSED,
        figure=f"not finite in {len(seeds)} of {len(records)} trainings",
        bound="finite",
        command=f"mnist-bench run {config.lab} --engine {config.engine} --seed {seeds[0]}",
    )


def _check_seeds(lab: str, trained: Sequence[TrainingRecord], reference: Reference) -> None:
    seeds = [record.config.seed for record in trained]
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"{lab}: a seed is there twice among the new trainings")
    both = set(seeds) & set(reference.seeds)
    if both:
        raise ValueError(f"{lab}: seed {min(both)} is in the reference, too: the new seeds must be new")
    if {record.config.epochs for record in trained} != {reference.epochs}:
        raise ValueError(f"{lab}: the reference was trained for {reference.epochs} epochs, the new seeds not")
