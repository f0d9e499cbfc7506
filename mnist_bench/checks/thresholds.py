"""The lab's accuracy thresholds: a disaster alarm that needs no baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training.labs import check_lab, find_departures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.records.training import TrainingRecord

__all__ = ["check_threshold", "judge_threshold"]


def judge_threshold(record: TrainingRecord) -> Verdict:
    """Return PASS where the record's test accuracy reaches its lab's threshold, else REGRESSED.

    NO_BASELINE where it is the training of another model, or in another way: the lab's threshold says nothing
    of it. Fewer epochs are the lab's training, cut short, and judged.

    Raises:
        ValueError: There is no such lab.
    """
    if find_departures(record.config).keys() - {"epochs"}:
        return Verdict.NO_BASELINE
    holds = record.test_accuracy >= check_lab(record.config.lab).threshold
    return Verdict.PASS if holds else Verdict.REGRESSED


def check_threshold(records: Sequence[TrainingRecord]) -> CheckResult:
    """Check that every one of a lab's trainings reaches the lab's threshold.

    Raises:
        ValueError: There is no such lab.
    """
    config = records[0].config
    lowest = min(records, key=lambda record: record.test_accuracy)
    return CheckResult(
        name=f"accuracy/threshold[{config.lab}-{config.engine}]",
        verdict=judge_threshold(lowest),
        figure=f"{lowest.test_accuracy:.4f}, the lowest of {len(records)}",
        bound=f"≥ {check_lab(config.lab).threshold:.2f}",
        command=f"mnist-bench run {config.lab} --engine {config.engine} --seed {lowest.config.seed}",
    )
