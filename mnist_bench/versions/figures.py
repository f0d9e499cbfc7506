"""The figures of trainings that end in other bits: accuracy, loss, errors by class and seconds, judged by statistics.

Where both versions share their random numbers, seed k of one and seed k of the other are judged as a pair.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from math import exp, log
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mnist_bench.checks.accuracy import TEST_IMAGES, make_metric_result
from mnist_bench.records.config import FIRST_SEED, Case
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude
from mnist_bench.stats.intervals import format_signed
from mnist_bench.stats.paired import FEWEST_PAIRS
from mnist_bench.stats.ratios import BOUND, round_log_ratio
from mnist_bench.stats.sequential import ACCURACY_MARGIN, ALPHA, Comparison, Decision, judge, loss_margin
from mnist_bench.training.labs import explain_short
from mnist_bench.versions.bits import count_same_ends, share_case_streams
from mnist_bench.versions.records import seeds_by_case
from mnist_bench.versions.seeds import select_seeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.seeds import SeedResults
    from mnist_bench.versions.upgrade.times import RoundTimes

__all__ = [
    "CLASS_MARGIN",
    "CLASS_RESAMPLES",
    "CLASS_SHARE",
    "SHIPPED_BOUND",
    "FigureRules",
    "JudgedFigures",
    "compare_figures",
    "compare_seconds",
    "judge_classes",
    "judge_family",
    "make_class_result",
    "make_time_result",
]

_K = TypeVar("_K")

CLASS_MARGIN = 5.0
"""The margin of one class, in margins of the accuracy: a class of ten that loses so much costs half a margin."""

CLASS_SHARE = 0.2
"""Of alpha: the classes are thirty tests, and a fault that hits one class alone is rare."""

SHIPPED_BOUND = 0.25
"""The growth of a whole call of `fit`, as shipped, that is not judged: tf.data's autotuner rounds each epoch up to
0.6 or 1.25 s, so that two calls of one environment differ by a tenth."""

_CLOCKS = {"work": "an epoch's processor time is", "time": "a call of fit, as shipped, takes"}
CLASS_RESAMPLES = 299_999
"""Of a class: with thirty tests and four looks, the strictest needs p ≤ 0.000017, which is five of these splits."""

# The random splits by which most classes are seen not to have moved; they are too few where a p-value is less than so
# many times what is significant.
_FIRST_RESAMPLES, _NEAR = 19_999, 10

_EVALUATION = 2e-5  # float32 sums of 10,000 losses err by less than 1e-6; Keras 3.0's evaluation by 1e-4 and more
_CLASSES = 10


@dataclass(frozen=True)
class FigureRules:
    """By which rules figures are judged; fixed before a figure is seen.

    Attributes:
        margin: The largest loss of accuracy that does not matter.
        looks: How many looks at growing numbers of seeds were planned.
        bound: The largest growth of the processor time that does not matter, as a share.
        last: Whether no look follows.
    """

    margin: float = ACCURACY_MARGIN
    looks: int = 1
    bound: float = BOUND
    last: bool = True


@dataclass
class JudgedFigures:
    """The figures of all cases, and what they say.

    Attributes:
        results: The verdicts.
        decisions: The decisions on `accuracy`, `loss`, `work` (processor time) and `time` (wall time) of each case.
        main: What was compared: the family of these metrics.
        classes: What was compared: the family of the errors of each class.
    """

    results: list[CheckResult] = field(default_factory=list)
    decisions: dict[tuple[str, Case], Decision] = field(default_factory=dict)
    main: dict[tuple[str, Case], Comparison] = field(default_factory=dict)
    classes: dict[tuple[int, Case], Comparison] = field(default_factory=dict)


def compare_figures(
    base: VersionRecord,
    new: VersionRecord,
    reasons: Mapping[Case, str],
    rules: FigureRules,
    rounds: Sequence[RoundTimes] = (),
) -> JudgedFigures:
    """Return what the figures say of the trained cases whose bits are not the same, all of them in one decision.

    Args:
        base: The record to compare with.
        new: The record that may be worse.
        reasons: The cases, and why their bits are not the same.
        rules: By which rules they are judged.
        rounds: The seconds of trainings that ran on both sides at the same time.
    """
    judged = JudgedFigures()
    for case, reason in reasons.items():
        old, now = seeds_by_case(base).get(case), seeds_by_case(new).get(case)
        if old is None or now is None:
            judged.results.append(_make_inconclusive(f"accuracy/{case}", "trained in one of the two only"))
            continue
        judged.results += _compare_evaluation(case, old, now)
        if same := count_same_ends(old, now):
            # What moved, such as the rounding of predictions, moved no training: there is nothing to judge.
            judged.results += _make_identical(case, same, reason)
        elif None in old.test_loss:
            figure = "not finite in base: nothing to compare with"
            judged.results.append(_make_inconclusive(f"accuracy/metrics[{case}]", figure))
        elif not explain_short(case.lab, now.epochs) and None not in now.test_loss:  # `check_disaster` tells of both
            _add_figures(judged, case, old, now, rules, paired=share_case_streams(base, new, case))
    _add_times(judged, rounds, rules)
    _judge_main(judged, reasons, rules)
    _judge_classes(judged, rules)
    return judged


def _add_figures(
    judged: JudgedFigures, case: Case, old: SeedResults, now: SeedResults, rules: FigureRules, *, paired: bool
) -> None:
    """Add accuracy, loss and classes of a case: by pairs of the common seeds, if there are enough of them."""
    common = [seed for seed in old.seeds if seed in now.seeds]
    paired = paired and len(common) >= FEWEST_PAIRS
    if paired:
        old, now = select_seeds(old, common), select_seeds(now, common)
    judged.main["accuracy", case] = Comparison(
        old.test_accuracy, now.test_accuracy, "lower", rules.margin, paired=paired, resolution=1 / TEST_IMAGES
    )
    losses = [[loss for loss in side.test_loss if loss is not None] for side in (old, now)]
    margin = rules.margin / ACCURACY_MARGIN * loss_margin(losses[0])
    # A loss has no grid but that of float32.
    step = float(np.finfo(np.float32).eps) * float(np.mean(losses[0]))
    judged.main["loss", case] = Comparison(losses[0], losses[1], "higher", margin, paired=paired, resolution=step)
    if lacking := _explain_unpredicted(old, now):
        judged.results.append(_make_inconclusive(f"accuracy/classes[{case}]", lacking))
    rates = [_list_rates(side) for side in (old, now)]
    if rates[0] is None or rates[1] is None:
        return
    for place in range(rates[0].shape[1]):
        judged.classes[place, case] = Comparison(
            rates[0][:, place],
            rates[1][:, place],
            "higher",
            CLASS_MARGIN * rules.margin,
            paired=paired,
            resolution=_CLASSES / TEST_IMAGES,
            spread=False,
        )


def _list_rates(side: SeedResults) -> npt.NDArray[np.float64] | None:
    """Return the share of errors, shape (seeds, classes); None if the record does not have them."""
    predictions = [each for each in side.predictions if each]
    if not predictions or len(predictions) < len(side.seeds):
        return None
    return np.array([np.divide(each.class_errors, each.class_sizes) for each in predictions])


def _explain_unpredicted(old: SeedResults, now: SeedResults) -> str:
    """Return of which seeds the errors by class are missing; "" if of none.

    A base without any is of an earlier version of this package, which had none: `notes.note_younger` says so.
    """
    if not any(old.predictions):
        return ""
    counts = {side: (sum(map(bool, each.predictions)), len(each.seeds)) for side, each in (("base", old), ("new", now))}
    told = [f"those of {made} of {seeds} seeds in {side}" for side, (made, seeds) in counts.items() if made < seeds]
    return f"errors by class are not on record of all seeds: {' and '.join(told)}" if told else ""


def _add_times(judged: JudgedFigures, rounds: Sequence[RoundTimes], rules: FigureRules) -> None:
    """Add the seconds of each case that both sides trained at the same time, as pairs of logarithms."""
    for case in dict.fromkeys(each.case for each in rounds):
        own = [each for each in rounds if each.case == case]
        shipped, prompt = ([each for each in own if each.as_shipped is waits] for waits in (True, False))
        # With the autotuner or without: its thread works, too, so that both are mixed only where neither is enough.
        more = shipped if len(shipped) >= len(prompt) else prompt
        alike = more if len(more) >= FEWEST_PAIRS else own
        ratios = {
            "work": [round_log_ratio(each.cpu_a, each.cpu_b) for each in alike],
            # The whole call, as it is for users: tf.data's autotuner rounds single epochs up to 0.6 or 1.25 s.
            "time": [log(sum(each.wall_b) / sum(each.wall_a)) for each in shipped],
        }
        for clock, values in ratios.items():
            if len(values) >= FEWEST_PAIRS:
                judged.main[clock, case] = compare_seconds(clock, values, rules)


def compare_seconds(clock: str, log_ratios: Sequence[float], rules: FigureRules) -> Comparison:
    """Return the comparison of seconds, from the logarithms of the new side's over the base's.

    Args:
        clock: `work`, the processor time of an epoch, or `time`, the wall time of a call of `fit`.
        log_ratios: One a pair of trainings that ran at the same time.
        rules: Their bound.
    """
    bound = rules.bound if clock == "work" else SHIPPED_BOUND
    zeros = np.zeros(len(log_ratios))
    return Comparison(zeros, log_ratios, "higher", log(1 + bound), paired=True, spread=False, suspicious=False)


def _judge_main(judged: JudgedFigures, reasons: Mapping[Case, str], rules: FigureRules) -> None:
    if not judged.main:
        return
    share = 1 - CLASS_SHARE if judged.classes else 1.0
    judged.decisions = judge_family(judged.main, rules, alpha=share * ALPHA)
    for (metric, case), decision in judged.decisions.items():
        if metric in _CLOCKS:
            judged.results.append(make_time_result(metric, case, decision))
            continue
        values = np.asarray(judged.main[metric, case].sample).tolist()
        result = make_metric_result(f"accuracy/{metric}[{case}]", metric, decision, values)
        judged.results.append(dataclasses.replace(result, evidence=f"{result.evidence}. {reasons[case]}"))


def judge_family(family: Mapping[_K, Comparison], rules: FigureRules, **further: float) -> dict[_K, Decision]:
    """Judge a family; the same figures once, because the versions of a page have few different results.

    The order of the labs in a record, and the engine that trained them, have no part in the decision.

    Args:
        family: The comparisons, by any key.
        rules: Which look it is, of how many.
        further: More options of `stats.sequential.judge`.
    """
    order = sorted(family, key=str)
    figures = [
        dataclasses.replace(each, reference=_freeze(each.reference), sample=_freeze(each.sample))
        for each in (family[name] for name in order)
    ]
    decisions = dict(
        zip(order, _judge_frozen(tuple(figures), looks=rules.looks, last=rules.last, **further), strict=True)
    )
    return {name: decisions[name] for name in family}


def judge_classes(classes: Mapping[_K, Comparison], rules: FigureRules, *, alpha: float) -> dict[_K, Decision]:
    """Decide all classes as one family; more random splits are drawn where the first say that one may have moved.

    A p-value of the first splits is kept only where it is far from significant, so that no alarm is added.

    Args:
        classes: The errors of each class.
        rules: The margins and the looks.
        alpha: The family's chance of a false alarm, over all looks.
    """
    first = judge_family(classes, rules, alpha=alpha, resamples=_FIRST_RESAMPLES)
    if all(decision.mean_p > _NEAR * decision.threshold for decision in first.values()):
        return first
    return judge_family(classes, rules, alpha=alpha, resamples=CLASS_RESAMPLES)


@functools.lru_cache(maxsize=1024)
def _judge_frozen(figures: tuple[Comparison, ...], **rules: Any) -> tuple[Decision, ...]:
    # The same records give the same verdict: the random splits have a fixed seed.
    return tuple(judge(dict(enumerate(figures)), rng=np.random.default_rng(FIRST_SEED), **rules).values())


def _freeze(values: npt.ArrayLike) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=float).tolist())


def make_time_result(clock: str, case: Case, decision: Decision) -> CheckResult:
    """Return the decision on a clock as a check's result."""
    low, middle, high = (exp(value) for value in (decision.change.low, decision.change.estimate, decision.change.high))
    finding = "faster" if decision.verdict == "PASS" and decision.change.high < 0 else decision.finding
    return CheckResult(
        name=f"time/{'work' if clock == 'work' else 'fit'}[{case}]",
        verdict=Verdict(decision.verdict),
        figure=f"{_CLOCKS[clock]} {middle:.2f} times as long ({low:.2f} to {high:.2f})",
        bound=f"at most {exp(decision.margin):.2f} times as long",
        evidence=f"{decision.verdict}: {finding}; p {decision.mean_p:.2g} (significant up to {decision.threshold:.2g});"
        f" {decision.sample_size} pairs of trainings, timed together",
        value=middle,
    )


def _judge_classes(judged: JudgedFigures, rules: FigureRules) -> None:
    """Add one result for each case: that of the class that lost most, and the verdict of the worst."""
    if not judged.classes:
        return
    share = CLASS_SHARE * ALPHA
    decisions = judge_classes(judged.classes, rules, alpha=share)
    for case in dict.fromkeys(case for _, case in decisions):
        own = {place: decision for (place, other), decision in decisions.items() if other == case}
        judged.results.append(make_class_result(f"accuracy/classes[{case}]", own))


def make_class_result(name: str, decisions: Mapping[int, Decision]) -> CheckResult:
    """Return the decisions on the classes of a model as one check's result: that of the class that lost most."""
    verdict = conclude(Verdict(decision.verdict) for decision in decisions.values())
    worst = {place: decision for place, decision in decisions.items() if decision.verdict == verdict.value}
    sign = -1 if verdict is Verdict.BETTER else 1
    place, decision = max(worst.items(), key=lambda item: sign * item[1].change.estimate)
    change = decision.change
    low, middle, high = (format_signed(100 * end, 2) for end in (change.low, change.estimate, change.high))
    return CheckResult(
        name=name,
        verdict=verdict,
        figure=f"errors of class {place} changed by {middle} points ({low} to {high}), the most of all",
        bound=f"no class worse by more than {100 * decision.margin:.2f} points",
        evidence=f"{decision.finding}; p {decision.mean_p:.2g} (significant up to {decision.threshold:.2g})",
    )


def _compare_evaluation(case: Case, old: SeedResults, now: SeedResults) -> Iterator[CheckResult]:
    """Yield whether the figures that Keras reports are those of its weights, if the records tell."""
    name, bound = f"accuracy/evaluation[{case}]", f"within {_EVALUATION:.0e} of the loss in float64"
    if endless := [side for side, each in (("base", old), ("new", now)) if _lacks_exact(each)]:
        figure = f"reports a finite loss of weights whose loss in float64 is not, in {' and in '.join(endless)}"
        yield CheckResult(name=name, verdict=Verdict.INCONCLUSIVE, figure=figure, bound=bound)
        return
    gaps = [_find_gap(side) for side in (old, now)]
    if None in gaps:
        return
    before, after = ((gap or 0.0) for gap in gaps)
    if abs(after) <= _EVALUATION:
        was = "" if abs(before) <= _EVALUATION else f"; base reports {before:+.5f} too much: the new version is right"
        figure = f"the loss of the weights, within {abs(after):.1g}{was}"
        yield CheckResult(name=name, verdict=Verdict.PASS, figure=figure, bound=bound)
        return
    figure = f"reports a loss that differs by {after:+.5f} from that of the same weights in float64"
    same = abs(before) > _EVALUATION
    yield CheckResult(
        name=name,
        verdict=Verdict.PASS if same else Verdict.REGRESSED,
        figure=f"{figure}; an old defect: base differs by {before:+.5f}" if same else f"{figure}; base is right",
        bound=bound,
    )


def _lacks_exact(side: SeedResults) -> bool:
    """Return whether a seed has a finite loss by Keras, and none that is finite of the same weights in float64."""
    return any(
        reported is not None and predicted is not None and predicted.exact_loss is None
        for reported, predicted in zip(side.test_loss, side.predictions, strict=False)
    )


def _find_gap(side: SeedResults) -> float | None:
    """Return by how much the reported loss exceeds that of the weights, the largest gap of the seeds."""
    gaps = [
        reported - predicted.exact_loss
        for reported, predicted in zip(side.test_loss, side.predictions, strict=False)
        if reported is not None and predicted and predicted.exact_loss is not None
    ]
    return max(gaps, key=abs, default=None)


def _make_identical(case: Case, seeds: int, reason: str) -> Iterator[CheckResult]:
    for metric in ("accuracy", "loss"):
        yield CheckResult(
            name=f"accuracy/{metric}[{case}]",
            verdict=Verdict.IDENTICAL,
            figure=f"the final weights, accuracy and loss of {seeds} {'seed' if seeds == 1 else 'seeds'}",
            bound="the same bits",
            evidence=reason,
        )


def _make_inconclusive(name: str, figure: str) -> CheckResult:
    return CheckResult(name=name, verdict=Verdict.INCONCLUSIVE, figure=figure, bound="measured in both")
