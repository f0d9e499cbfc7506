"""What a sweep found, from its record: the ranking, the chosen few, and what each factor does."""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.config import FIRST_SEED
from mnist_bench.sweep.space import FACTORS, Level, Point, describe_point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.records.training import ValidationRecord
    from mnist_bench.sweep.records import SweepRecord, TrialRecord

__all__ = [
    "CHOSEN",
    "Effect",
    "RankRow",
    "choose_trials",
    "count_states",
    "find_effects",
    "format_csv",
    "measure_importances",
    "rank_rows",
]

CHOSEN = 3
"""How many of the best are tested, besides the lab's own point."""

# Fewer points than this leave a forest nothing to learn from.
_FOREST_POINTS = 8


@dataclass(frozen=True, kw_only=True)
class RankRow:
    """One point of the ranking.

    Attributes:
        number: Of the trial; 0 is the lab's own point.
        point: What it does otherwise than the lab.
        label: The same in words.
        engine: What trained it.
        accuracies: Validation accuracy after the last epoch, one a seed.
        parameters: Of the model.
        seconds: Mean seconds of a training, validation and evaluation not counted.
        test_accuracies: One a seed, for the chosen points.
    """

    number: int
    point: Point
    label: str
    engine: str
    accuracies: list[float]
    parameters: int
    seconds: float
    test_accuracies: list[float]

    @property
    def mean(self) -> float:
        """The mean validation accuracy, which ranks."""
        return statistics.fmean(self.accuracies)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one factor does: the validation accuracies of all seeds at each of its levels.

    Attributes:
        factor: Its name.
        own: The lab's own level.
        accuracies: By level, in the order of the levels.
    """

    factor: str
    own: Level
    accuracies: dict[Level, list[float]]


def rank_rows(sweep: SweepRecord) -> list[RankRow]:
    """Return every point that was trained to its end, the best mean validation accuracy first."""
    tests = {tested.number: [it.test_accuracy for it in tested.trainings] for tested in sweep.tested}
    rows = [_make_row(trial, tests.get(trial.number, [])) for trial in sweep.trials if trial.trainings]
    return sorted(rows, key=lambda row: (-row.mean, row.number))


def choose_trials(sweep: SweepRecord, count: int = CHOSEN) -> list[TrialRecord]:
    """Return the trials to test: the best by validation, and the lab's own point beside them."""
    best = [row.number for row in rank_rows(sweep)][:count]
    own = [trial.number for trial in sweep.trials[:1] if trial.trainings]
    return [sweep.trials[number] for number in dict.fromkeys(best + own)]


def find_effects(sweep: SweepRecord) -> list[Effect]:
    """Return what each factor does, in the order of `FACTORS`.

    One at a time, a level's accuracies are those of its own point; elsewhere those of all points that have it, so
    that the other factors stand in the spread.
    """
    effects = []
    alone = sweep.plan.sampler == "one-at-a-time"
    for factor in (name for name in FACTORS if name in sweep.plan.space.levels):
        own, accuracies = sweep.plan.space.own[factor], {}
        levels = sweep.plan.space.levels[factor]
        for level in _order_levels([*levels, own] if alone else levels):
            found = [
                it.val_accuracy
                for trial in sweep.trials
                if trial.trainings and (not alone or _is_about(trial, factor))
                for it in trial.trainings
                if {**sweep.plan.space.own, **(trial.point or {})}[factor] == level
            ]
            if found:
                accuracies[level] = found
        effects.append(Effect(factor=factor, own=own, accuracies=accuracies))
    return effects


def measure_importances(sweep: SweepRecord) -> tuple[str, dict[str, float]]:
    """Return how much each factor matters, the most first, and in words by what measure.

    One at a time that is the range of the mean validation accuracy over the factor's levels. Points all over the
    space have fANOVA (Hutter, Hoos and Leyton-Brown, 2014), as Optuna has it: the share of the variance that a
    factor alone explains, in a random forest of fixed seed; nothing where the points are too few for one.
    """
    if sweep.plan.sampler == "one-at-a-time":
        means = {it.factor: [statistics.fmean(a) for a in it.accuracies.values()] for it in find_effects(sweep)}
        ranges = {factor: max(its) - min(its) for factor, its in means.items() if its}
        return "range of mean validation accuracy over the levels", _sort(ranges)
    trials = [trial for trial in sweep.trials if trial.trainings and trial.point]
    levels = {name: its for name, its in sweep.plan.space.levels.items() if len(its) > 1}
    if len(trials) < _FOREST_POINTS or len(levels) < 2:  # noqa: PLR2004 - of one factor there is no share
        return "too few points or factors for fANOVA", {}
    return "share of the variance of validation accuracy (fANOVA)", _sort(_run_fanova(trials, levels))


def format_csv(sweep: SweepRecord) -> str:
    """Return the trainings as CSV: a line a training, its point's rank and settings, and its figures."""
    names = ["epochs", "learning_rate", "hidden", "dropout", "optimizer", "batch_size"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["rank", "trial", "data", "lab", "engine", *names, "seed", "parameters"]
    writer.writerow([*head, "val_accuracy", "val_loss", "seconds", "test_accuracy"])
    for rank, row in enumerate(rank_rows(sweep), start=1):
        trial = sweep.trials[row.number]
        tests: list[object] = [*row.test_accuracies] or [""] * len(trial.trainings)
        for training, test in zip(trial.trainings, tests, strict=True):
            writer.writerow([rank, row.number, *_list_cells(sweep, trial, training, names), test])
    return text.getvalue()


def count_states(sweep: SweepRecord) -> dict[str, int]:
    """Return how many trials ended how; those that repeated a point are counted as `repeated`."""
    return dict(Counter("repeated" if trial.repeats is not None else trial.state for trial in sweep.trials))


def _make_row(trial: TrialRecord, tests: list[float]) -> RankRow:
    first, point = trial.trainings[0], trial.point or {}
    return RankRow(
        number=trial.number,
        point=point,
        label=describe_point(point),
        engine=first.config.engine,
        accuracies=[it.val_accuracy for it in trial.trainings],
        parameters=first.parameters,
        seconds=statistics.fmean(it.seconds for it in trial.trainings),
        test_accuracies=tests,
    )


def _list_cells(
    sweep: SweepRecord, trial: TrialRecord, training: ValidationRecord, names: Sequence[str]
) -> list[object]:
    config = training.config
    meant = {**sweep.plan.space.own, **(trial.point or {})}
    meant["learning_rate"] = config.learning_rate
    figures = [training.val_accuracy, training.history.val_loss[-1], round(training.seconds, 3)]
    settings = [meant[name] for name in names]
    return [training.dataset.source, config.lab, config.engine, *settings, config.seed, training.parameters, *figures]


def _is_about(trial: TrialRecord, factor: str) -> bool:
    """Whether a point of a one-at-a-time sweep says something of this factor: its own, or the lab's."""
    return not trial.point or factor in trial.point


def _order_levels(levels: Sequence[Level]) -> list[Level]:
    """Return the levels once each, numbers by size, widths by their first, names as they come."""
    once = list(dict.fromkeys(levels))
    if all(isinstance(level, (int, float)) for level in once):
        return sorted(once, key=float)
    if all(str(level)[0].isdigit() or level == "none" for level in once):
        return sorted(once, key=lambda level: [0] if level == "none" else [int(it) for it in str(level).split("x")])
    return once


def _sort(shares: dict[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda it: -it[1]))


def _run_fanova(trials: Sequence[TrialRecord], levels: dict[str, list[Level]]) -> dict[str, float]:
    from mnist_bench.sweep.storage import load_optuna

    optuna = load_optuna()
    study = optuna.create_study(direction="maximize")
    distributions = {name: optuna.distributions.CategoricalDistribution(its) for name, its in levels.items()}
    for trial in trials:
        value = statistics.fmean(it.val_accuracy for it in trial.trainings)
        params = {name: (trial.point or {})[name] for name in levels}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=FIRST_SEED)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
