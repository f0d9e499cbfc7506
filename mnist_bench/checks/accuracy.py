"""Verdicts on accuracy and loss: new seeds against a reference, each training against the lab's threshold.

A threshold needs no baseline, and catches disasters only. Nothing here imports Keras.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.checks.baselines import shorten_digest
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.training import check_seeds, check_trainings
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude
from mnist_bench.stats.intervals import format_signed
from mnist_bench.stats.sequential import (
    ACCURACY_MARGIN,
    LOOKS,
    Comparison,
    format_decision,
    judge,
    loss_margin,
)
from mnist_bench.training.labs import check_lab, explain_arithmetic, explain_short, find_departures

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from mnist_bench.checks.baselines import Reference
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.stats.sequential import Decision

__all__ = [
    "TEST_IMAGES",
    "check_collisions",
    "check_threshold",
    "compare_accuracy",
    "compare_values",
    "explain_unjudged",
    "format_metric",
    "is_decided",
    "judge_level",
    "judge_threshold",
    "make_comparisons",
    "make_metric_result",
    "plan_looks",
]

TEST_IMAGES = 10_000
"""Of the test sets: one image is the step of an accuracy."""

# Accuracies are given in percentage points, as people speak of them; each metric has enough digits for its margin.
_UNITS = {"accuracy": (100.0, " points", 3), "loss": (1.0, "", 4)}


def judge_threshold(record: TrainingRecord) -> Verdict:
    """Return PASS if the record's test accuracy reaches the lab's threshold and the loss is finite, else REGRESSED.

    NO_BASELINE if the model or its training is not the lab's: the threshold does not apply then. INCONCLUSIVE if it is
    the lab's training with another backend or precision, or cut short.

    Raises:
        ValueError: The lab is unknown.
    """
    if find_departures(record.config).keys() - {"epochs"}:
        return Verdict.NO_BASELINE
    if _explain_other_arithmetic(record):  # float16 may diverge where float32 does not
        return Verdict.INCONCLUSIVE
    if explain_unjudged(record) and record.test_loss is not None:
        return Verdict.INCONCLUSIVE
    holds = record.test_loss is not None and _find_accuracy(record) >= check_lab(record.config.lab).threshold
    return Verdict.PASS if holds else Verdict.REGRESSED


def explain_unjudged(record: TrainingRecord) -> str:
    """Return why a training cannot be judged as the lab's: its arithmetic, or its epochs; "" of all others.

    Raises:
        ValueError: The lab is unknown.
    """
    return _explain_other_arithmetic(record) or explain_short(record.config.lab, len(record.history.loss))


def _explain_other_arithmetic(record: TrainingRecord) -> str:
    told = explain_arithmetic(backend=record.environment.backend, precision=record.environment.precision)
    return told and f"not judged: {told}"


def _find_accuracy(record: TrainingRecord) -> float:
    """Return the lower of Keras's figure and that of the same weights in float64: neither alone is believed."""
    return min([record.test_accuracy, *([record.predictions.exact_accuracy] if record.predictions else [])])


def judge_level(lab: str, accuracies: Sequence[float]) -> tuple[bool, str]:
    """Return whether seeds of a lab reach its threshold in the mean, and the figure in words.

    The mean, because a few sound trainings of a thousand end below the threshold (docs/statistics.md, "Real seeds"):
    with the lowest of twenty seeds, one check in 25 would be a false alarm.

    Raises:
        ValueError: The lab is unknown.
    """
    mean = statistics.fmean(accuracies)
    words = f"{mean:.4f}, the mean of {len(accuracies)} seeds" if len(accuracies) > 1 else f"{mean:.4f}, of one seed"
    return mean >= check_lab(lab).threshold, words


def check_threshold(records: Sequence[TrainingRecord]) -> CheckResult:
    """Check that the trainings of a lab reach the lab's threshold, in the mean of their seeds.

    Raises:
        ValueError: The lab is unknown.
    """
    config = records[0].config
    lowest = min(records, key=_find_accuracy)
    short = next(filter(None, map(explain_unjudged, records)), "")
    reached, figure = judge_level(config.lab, list(map(_find_accuracy, records)))
    verdicts = set(map(judge_threshold, records))
    finite = all(record.test_loss is not None for record in records)
    verdict = conclude(
        {Verdict.PASS} if reached and finite and verdicts <= {Verdict.PASS, Verdict.REGRESSED} else verdicts
    )
    return CheckResult(
        name=f"accuracy/threshold[{config.case}]",
        verdict=verdict,
        figure=f"{figure}{short and f', {short}'}",
        bound=f"≥ {check_lab(config.lab).threshold:.2f}",
        command=f"mnist-bench run {config.lab} --engine {config.engine} --seed {lowest.config.seed}",
    )


def plan_looks(seeds: int) -> list[int]:
    """Return after how many seeds to look at the results, if at most `seeds` may be trained."""
    return [*(look for look in LOOKS if look < seeds), seeds]


def is_decided(results: Sequence[CheckResult]) -> bool:
    """Return whether no more seeds are needed: something has regressed, or nothing is inconclusive."""
    verdicts = {result.verdict for result in results}
    return Verdict.REGRESSED in verdicts or Verdict.INCONCLUSIVE not in verdicts


def make_comparisons(
    records: Mapping[str, Sequence[TrainingRecord]], references: Mapping[str, Reference], paired: Container[str] = ()
) -> dict[tuple[str, str], Comparison]:
    """Return what the statistics compare, by lab and metric, such as `("mlp", "loss")`.

    Args:
        records: The new trainings of each lab, none of which diverged.
        references: The reference of each lab.
        paired: The labs whose trainings have the reference's own seeds and random numbers.

    Raises:
        ValueError: A lab has no new trainings, or a training cannot be compared with the reference: the seed occurs
            twice or in the reference, or lab, engine or epochs are not those of the reference.
    """
    comparisons = {}
    for lab, trained in records.items():
        reference = references[lab]
        _check_trainings(lab, trained, reference, paired=lab in paired)
        accuracies = [record.test_accuracy for record in trained]
        losses = [_loss(record) for record in trained]
        pairs = [reference.seeds.index(record.config.seed) for record in trained] if lab in paired else None
        for metric, comparison in compare_values(reference, accuracies, losses, pairs).items():
            comparisons[lab, metric] = comparison
    return comparisons


def compare_values(
    reference: Reference, accuracies: Sequence[float], losses: Sequence[float], pairs: Sequence[int] | None = None
) -> dict[str, Comparison]:
    """Return what the statistics compare of one lab: `accuracy` and `loss`.

    Args:
        reference: The reference.
        accuracies: Test accuracies of other seeds, or of the reference's own.
        losses: Test losses of the same seeds.
        pairs: Of the reference's own seeds, their places in the reference.
    """
    old = {"accuracy": reference.test_accuracy, "loss": reference.test_loss}
    margin = loss_margin(old["loss"])
    if pairs is not None:
        old = {metric: [values[place] for place in pairs] for metric, values in old.items()}
    paired = pairs is not None
    return {
        "accuracy": Comparison(
            old["accuracy"], accuracies, "lower", ACCURACY_MARGIN, paired=paired, resolution=1 / TEST_IMAGES
        ),
        "loss": Comparison(old["loss"], losses, "higher", margin, paired=paired),
    }


def format_metric(metric: str, decision: Decision) -> str:
    """Return the evidence of a decision on `accuracy`, in percentage points, or on `loss`."""
    scale, unit, digits = _UNITS[metric]
    return format_decision(decision, scale=scale, unit=unit, digits=digits)


def compare_accuracy(
    records: Mapping[str, Sequence[TrainingRecord]],
    references: Mapping[str, Reference],
    *,
    looks: int,
    paired: Container[str] = (),
) -> list[CheckResult]:
    """Compare each lab's new trainings with its reference: mean and spread of accuracy and loss.

    Args:
        records: The new trainings of each lab.
        references: The reference of each lab.
        looks: How many looks are planned in all.
        paired: As for `make_comparisons`.

    Raises:
        ValueError: As `make_comparisons`.
    """
    diverged = {lab: trained for lab, trained in records.items() if any(r.test_loss is None for r in trained)}
    for lab, trained in diverged.items():
        _check_trainings(lab, trained, references[lab], paired=lab in paired)
    results = [_make_diverged(trained) for trained in diverged.values()]
    finite = {lab: trained for lab, trained in records.items() if lab not in diverged}
    comparisons = make_comparisons(finite, references, paired)
    if not comparisons:
        return results
    # The same records give the same verdict: the random splits have a fixed seed.
    decisions = judge(comparisons, rng=np.random.default_rng(FIRST_SEED), looks=looks)
    results += [_make_result(metric, decision, records[lab]) for (lab, metric), decision in decisions.items()]
    return results


def _make_result(metric: str, decision: Decision, records: Sequence[TrainingRecord]) -> CheckResult:
    config = records[0].config
    return make_metric_result(
        f"accuracy/{metric}[{config.case}]",
        metric,
        decision,
        [record.test_accuracy if metric == "accuracy" else _loss(record) for record in records],
        command=f"mnist-bench check {config.lab} --engine {config.engine} --seeds {2 * len(records)}",
    )


def make_metric_result(
    name: str, metric: str, decision: Decision, values: Sequence[float], *, command: str = ""
) -> CheckResult:
    """Return a decision on the `accuracy` or the `loss` of these new values as a check's result."""
    scale, unit, digits = _UNITS[metric]
    sign = -1 if metric == "accuracy" else 1
    return CheckResult(
        name=name,
        verdict=Verdict(decision.verdict),
        figure=f"{statistics.fmean(values):.4f}, changed by "
        f"{format_signed(scale * decision.change.estimate, digits)}{unit}",
        bound=f"not worse than {sign * scale * decision.margin:+.{digits}f}{unit}",
        evidence=format_metric(metric, decision),
        command=command,
    )


def _make_diverged(records: Sequence[TrainingRecord]) -> CheckResult:
    config = records[0].config
    seeds = [record.config.seed for record in records if record.test_loss is None]
    return CheckResult(
        name=f"accuracy/loss[{config.case}]",
        verdict=Verdict.REGRESSED,
        figure=f"not finite in {len(seeds)} of {len(records)} trainings",
        bound="finite",
        command=f"mnist-bench run {config.lab} --engine {config.engine} --seed {seeds[0]}",
    )


def _check_trainings(
    lab: str, trained: Sequence[TrainingRecord], reference: Reference, *, paired: bool = False
) -> None:
    """Refuse trainings that cannot be compared with the reference."""
    if not trained:
        raise ValueError(f"{lab}: there are no new trainings")
    check_collisions(lab, trained, reference)
    seen: set[int] = set()
    for config in (record.config for record in trained):
        what = f"{lab}, seed {config.seed}"
        wanted = {"lab": lab, "engine": reference.engine, "epochs": reference.epochs}
        for name, value in wanted.items():
            if getattr(config, name) != value:
                raise ValueError(f"{what}: {name} is {getattr(config, name)!r}, the reference's {value!r}")
        for name, (value, sheet) in find_departures(config).items():
            if name != "epochs":
                raise ValueError(f"{what}: {name} is {value!r}, the reference's is the lab's, {sheet!r}")
        if config.seed in seen:
            raise ValueError(f"{what}: two of the new trainings have this seed")
        if paired and config.seed not in reference.seeds:
            raise ValueError(f"{what}: the reference does not have this seed: there is no pair")
        if not paired and config.seed in reference.seeds:
            raise ValueError(f"{what}: the reference has this seed, too: the new seeds must be new")
        seen.add(config.seed)


def check_collisions(lab: str, trained: Sequence[TrainingRecord], reference: Reference) -> None:
    """Refuse trainings that have the weights of another seed, among the new trainings or in the reference.

    Raises:
        ValueError: Two seeds start from, or end in, the same weights; the message names both.
    """
    check_trainings(lab, trained)
    seeds = [*reference.seeds, *(record.config.seed for record in trained)]
    check_seeds(
        lab,
        seeds,
        initial=_join_digests(reference.initial_digests, [record.initial_digest for record in trained]),
        final=_join_digests(reference.final_digests, [record.final_digest for record in trained]),
        told=", the first in the reference,",
    )


def _join_digests(known: Sequence[str], digests: Sequence[str]) -> list[str]:
    """Return the digests of a reference, if it has them, and those of new trainings."""
    return [*known, *map(shorten_digest, digests)] if known else []


def _loss(record: TrainingRecord) -> float:
    """Return the test loss of a training that did not diverge."""
    if record.test_loss is None:
        raise ValueError(f"{record.config.lab}, seed {record.config.seed}: the training diverged")
    return record.test_loss
