"""What changed in the trainings of a user's own model: metrics, errors by class, and seconds, in one decision."""

from __future__ import annotations

import dataclasses
import functools
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.own.records import OwnSide
from mnist_bench.own.upgrade.costs import CLOCKS, compare_memory, list_log_ratios, note_epochs
from mnist_bench.own.upgrade.metrics import find_margin, find_step, match_metrics, name_metric
from mnist_bench.own.upgrade.parity import pair_trainings, share_own_streams
from mnist_bench.records.config import Case
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.stats.intervals import format_signed
from mnist_bench.stats.paired import FEWEST_PAIRS
from mnist_bench.stats.sequential import ALPHA, Comparison, Decision, format_decision
from mnist_bench.versions.comparison import make_inconclusive
from mnist_bench.versions.figures import (
    CLASS_MARGIN,
    CLASS_SHARE,
    FigureRules,
    compare_seconds,
    judge_classes,
    judge_family,
    make_class_result,
    make_time_result,
)

if TYPE_CHECKING:
    from mnist_bench.own.records import Metric, OwnTraining
    from mnist_bench.stats.permutation import Worse

__all__ = ["Changes", "compare_changes", "compare_ends"]

_MOST_CLASSES = 200  # with more, no class has the samples to say anything
_WORSE: dict[str, Worse] = {"higher": "lower", "lower": "higher"}


@dataclass
class Changes:
    """What the trainings say.

    Attributes:
        results: The verdicts.
        notes: What gives no verdict.
        decisions: The decisions on each metric, `work` (processor time) and `time` (wall time).
        shares: The metrics that are shares, which are told in percentage points.
        settled: The names of the results that are not decided, and that no further training decides.
    """

    results: list[CheckResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decisions: dict[tuple[str, Case], Decision] = field(default_factory=dict)
    shares: tuple[str, ...] = ()
    settled: set[str] = field(default_factory=set)


def compare_ends(base: OwnSide, new: OwnSide, case: Case, seeds: int, reason: str) -> Changes:
    """Return the verdicts where all trainings end in the same bits: there is nothing to judge but memory."""
    changes = Changes(notes=list(note_epochs(base, new)))
    for metric in base.trainings[0].metrics:
        changes.results.append(
            CheckResult(
                name=name_metric(metric.name, case),
                verdict=Verdict.IDENTICAL,
                figure=f"the final weights and {metric.name} of {seeds} {'seed' if seeds == 1 else 'seeds'}",
                bound="the same bits",
                evidence=reason,
            )
        )
    changes.results += compare_memory(base, new, case)
    return changes


def compare_changes(base: OwnSide, new: OwnSide, case: Case, rules: FigureRules, reason: str) -> Changes:
    """Return what the trainings say that do not end in the same bits, all of it in one decision.

    Args:
        base: The side to compare with.
        new: The side that may be worse.
        case: The model.
        rules: The margin of metrics that are shares, the looks and the bound of seconds.
        reason: Where the bits part first.
    """
    judged = _Judged(base, new, case, rules, reason)
    judged.add_metrics()
    judged.add_seconds()
    judged.judge_main()
    judged.judge_classes()
    judged.changes.results += compare_memory(base, new, case)
    judged.changes.notes += note_epochs(base, new)
    return judged.changes


@dataclass
class _Judged:
    """A judgement in progress."""

    base: OwnSide
    new: OwnSide
    case: Case
    rules: FigureRules
    reason: str
    changes: Changes = field(default_factory=Changes)
    main: dict[tuple[str, str], Comparison] = field(default_factory=dict)  # by name, and the direction that is worse
    values: dict[str, list[float]] = field(default_factory=dict)
    undirected: set[str] = field(default_factory=set)

    @functools.cached_property
    def sides(self) -> tuple[list[OwnTraining], list[OwnTraining], bool]:
        """The trainings, and whether they are judged as pairs: then of the common seeds only."""
        pairs = pair_trainings(self.base, self.new)
        if len(pairs) >= FEWEST_PAIRS and share_own_streams(self.base, self.new):
            return [a for a, _ in pairs], [b for _, b in pairs], True
        return self.base.trainings, self.new.trainings, False

    def add_metrics(self) -> None:
        old, now, _ = self.sides
        pairs, alone = match_metrics(old[0].metrics, now[0].metrics)
        if alone:
            name = f"metric/names[{self.case}]"
            figure = f"{'; '.join(alone)}: not compared"
            self.changes.results.append(make_inconclusive(name, figure, bound="the same metrics"))
            self.changes.settled.add(name)
        self.changes.shares = tuple(a.name for a, _ in pairs if a.bounded)
        for a, b in sorted(pairs, key=lambda pair: not pair[0].bounded):  # an accuracy says more than a loss
            if a.name != b.name:
                self.changes.notes.append(f"{a.name} of base is {b.name} in new: of the same place and kind")
            self.add_metric(a, b)

    def add_metric(self, a: Metric, b: Metric) -> None:
        old, now, paired = self.sides
        before = [training.by_metric[a.name] for training in old]
        after = [training.by_metric[b.name] for training in now]
        name, lost = name_metric(a.name, self.case), [int(np.isnan(side).sum()) for side in (before, after)]
        if lost[0]:
            figure = f"not finite in {lost[0]} of {len(before)} seeds of base: nothing to compare with"
            self.changes.results.append(make_inconclusive(name, figure, bound="finite"))
            self.changes.settled.add(name)
            return
        if lost[1]:
            figure = f"not finite in {lost[1]} of {len(after)} seeds"
            self.changes.results.append(
                CheckResult(name=name, verdict=Verdict.REGRESSED, figure=figure, bound="finite", evidence=self.reason)
            )
            return
        self.values[a.name] = after
        if a.better is None:
            self.undirected.add(a.name)
        for place, worse in enumerate([_WORSE[a.better]] if a.better else _WORSE.values()):
            self.main[a.name, worse] = Comparison(
                before,
                after,
                worse,
                find_margin(a, before, self.rules.margin),
                paired=paired,
                resolution=find_step(a, old, before),
                spread=place == 0,
                suspicious=a.better is not None,
            )

    def add_seconds(self) -> None:
        """Add the seconds of the trainings that both sides ran at the same time, as pairs of logarithms."""
        for clock, ratios in list_log_ratios(self.base, self.new).items():
            if len(ratios) >= FEWEST_PAIRS:
                self.main[clock, "higher"] = compare_seconds(clock, ratios, self.rules)

    def judge_main(self) -> None:
        if not self.main:
            return
        share_of_alpha = 1 - CLASS_SHARE if self.rates else 1.0
        decisions = judge_family(self.main, self.rules, alpha=share_of_alpha * ALPHA)
        for name in dict.fromkeys(name for name, _ in decisions):
            own = [decision for (other, _), decision in decisions.items() if other == name]
            decision = max(own, key=lambda each: each.loss.estimate)
            if name in CLOCKS:
                self.changes.results.append(make_time_result(name, self.case, decision))
            else:
                if name in self.undirected:
                    decision = self.leave_direction_open(name, own, decision)
                self.changes.results.append(self.make_result(name, decision))
            self.changes.decisions[name, self.case] = decision

    def leave_direction_open(self, name: str, own: list[Decision], decision: Decision) -> Decision:
        """Return the decision on a metric of which nobody said which direction is better: a change is no loss."""
        if any(each.verdict == "REGRESSED" for each in own):
            finding = "changed by more than the margin, and nobody said which direction is better"
            self.changes.settled.add(name_metric(name, self.case))
            return dataclasses.replace(decision, verdict="INCONCLUSIVE", finding=finding)
        return next((each for each in own if each.verdict == "INCONCLUSIVE"), decision)

    def make_result(self, name: str, decision: Decision) -> CheckResult:
        points = name in self.changes.shares
        scale, unit, digits = (100.0, " points", 3) if points else (1.0, "", 4)
        sign = {"lower": "-", "higher": "+"}[decision.worse] if name not in self.undirected else "±"
        hint = f'\nsay which is better in the model file: better = {{{name!r}: "higher"}}, or "lower"'
        settled = name_metric(name, self.case) in self.changes.settled
        return CheckResult(
            name=name_metric(name, self.case),
            verdict=Verdict(decision.verdict),
            figure=f"{statistics.fmean(self.values[name]):.4g}, changed by "
            f"{format_signed(scale * decision.change.estimate, digits)}{unit}",
            bound=f"not worse than {sign}{scale * decision.margin:.{digits}f}{unit}",
            evidence=f"{format_decision(decision, scale=scale, unit=unit, digits=digits)}. {self.reason}"
            + (hint if settled else ""),
        )

    # Errors by class: one family of its own, as of the lab.

    @functools.cached_property
    def rates(self) -> dict[int, tuple[list[float], list[float]]]:
        """The shares of errors of both sides, a value a seed, by class; of no class where they cannot be compared."""
        old, now, _ = self.sides
        sizes = [training.class_sizes for training in (*old, *now)]
        if any(each != sizes[0] for each in sizes) or len(sizes[0]) > _MOST_CLASSES:
            return {}
        return {
            label: ([it.class_errors[label] / size for it in old], [it.class_errors[label] / size for it in now])
            for label, size in enumerate(sizes[0])
            if size
        }

    def judge_classes(self) -> None:
        old, now, paired = self.sides
        name = f"metric/classes[{self.case}]"
        sizes = {tuple(training.class_sizes) for training in (*old, *now)}
        if len(sizes) > 1:
            told = " and ".join(str(len(each)) for each in (old[0].class_sizes, now[0].class_sizes))
            self.changes.results.append(make_inconclusive(name, f"{told} classes", bound="the same classes"))
            self.changes.settled.add(name)
        if not self.rates:
            return
        family = {
            label: Comparison(
                before,
                after,
                "higher",
                CLASS_MARGIN * self.rules.margin,
                paired=paired,
                resolution=1 / old[0].class_sizes[label],
                spread=False,
            )
            for label, (before, after) in self.rates.items()
        }
        decisions = judge_classes(family, self.rules, alpha=CLASS_SHARE * ALPHA)
        self.changes.results.append(make_class_result(name, decisions))
