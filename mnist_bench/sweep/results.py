"""The results of a sweep, from its record: the ranking, the chosen points, and the effect of each factor."""

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
"""How many of the best points are tested, in addition to the lab's own."""

# From fewer points than this a forest learns nothing.
_FOREST_POINTS = 8


@dataclass(frozen=True, kw_only=True)
class RankRow:
    """One point of the ranking.

    Attributes:
        number: The number of the trial; 0 is the lab's own point.
        point: How the point departs from the lab.
        label: The same in words.
        engine: The engine that trained.
        accuracies: Validation accuracy after the last epoch, for each seed.
        parameters: Parameters of the model.
        seconds: Mean seconds of a training, without validation and evaluation.
        test_accuracies: Test accuracy for each seed, of chosen points.
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
        """The mean validation accuracy, which determines the rank."""
        return statistics.fmean(self.accuracies)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effect of one factor: the validation accuracies of all seeds at each level.

    Attributes:
        factor: The name of the factor.
        own: The lab's own level.
        accuracies: By level, in the order of the levels.
    """

    factor: str
    own: Level
    accuracies: dict[Level, list[float]]


def rank_rows(sweep: SweepRecord) -> list[RankRow]:
    """Return every point that was trained to the end, the best mean validation accuracy first."""
    tests = {chosen.number: [training.test_accuracy for training in chosen.trainings] for chosen in sweep.tested}
    rows = [_make_row(trial, tests.get(trial.number, [])) for trial in sweep.trials if trial.trainings]
    return sorted(rows, key=lambda row: (-row.mean, row.number))


def choose_trials(sweep: SweepRecord, count: int = CHOSEN) -> list[TrialRecord]:
    """Return the trials to test: the best by validation, and the lab's own point."""
    best = [row.number for row in rank_rows(sweep)][:count]
    own = [trial.number for trial in sweep.trials[:1] if trial.trainings]
    return [sweep.trials[number] for number in dict.fromkeys(best + own)]


def find_effects(sweep: SweepRecord) -> list[Effect]:
    """Return the effect of each factor, in the order of `FACTORS`.

    With the sampler `one-at-a-time` a level has the accuracies of its own point; with other samplers those of all
    points that have the level, so that the spread includes the effects of the other factors.
    """
    effects = []
    alone = sweep.plan.sampler == "one-at-a-time"
    for factor in (name for name in FACTORS if name in sweep.plan.space.levels):
        own, accuracies = sweep.plan.space.own[factor], {}
        levels = sweep.plan.space.levels[factor]
        for level in _order_levels([*levels, own] if alone else levels):
            found = [
                training.val_accuracy
                for trial in sweep.trials
                if trial.trainings and (not alone or _is_about(trial, factor))
                for training in trial.trainings
                if {**sweep.plan.space.own, **(trial.point or {})}[factor] == level
            ]
            if found:
                accuracies[level] = found
        effects.append(Effect(factor=factor, own=own, accuracies=accuracies))
    return effects


def measure_importances(sweep: SweepRecord) -> tuple[str, dict[str, float]]:
    """Return the measure in words, and by that measure how much each factor matters, the most important first.

    With the sampler `one-at-a-time` the measure is the range of the mean validation accuracy over the factor's levels.
    With other samplers it is Optuna's fANOVA (Hutter, Hoos and Leyton-Brown, 2014): the share of the variance that a
    factor alone explains, in a random forest with a fixed seed; none if there are too few points for a forest.
    """
    if sweep.plan.sampler == "one-at-a-time":
        columns = {effect.factor: effect.accuracies.values() for effect in find_effects(sweep)}
        means = {factor: [statistics.fmean(column) for column in found] for factor, found in columns.items() if found}
        ranges = {factor: max(column) - min(column) for factor, column in means.items()}
        return "range of mean validation accuracy over the levels", _sort(ranges)
    trials = [trial for trial in sweep.trials if trial.trainings and trial.point]
    levels = {name: tried for name, tried in sweep.plan.space.levels.items() if len(tried) > 1}
    if len(trials) < _FOREST_POINTS or len(levels) < 2:  # noqa: PLR2004 - of one factor there is no share
        return "too few points or factors for fANOVA", {}
    return "share of the variance of validation accuracy (fANOVA)", _sort(_run_fanova(trials, levels))


def format_csv(sweep: SweepRecord) -> str:
    """Return the trainings as CSV: a line for each, with the rank and settings of the point, and the figures."""
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
    """Return the number of trials in each state; trials that repeated a point are counted as `repeated`."""
    return dict(Counter("repeated" if trial.repeats is not None else trial.state for trial in sweep.trials))


def _make_row(trial: TrialRecord, tests: list[float]) -> RankRow:
    first, point = trial.trainings[0], trial.point or {}
    return RankRow(
        number=trial.number,
        point=point,
        label=describe_point(point),
        engine=first.config.engine,
        accuracies=[training.val_accuracy for training in trial.trainings],
        parameters=first.parameters,
        seconds=statistics.fmean(training.seconds for training in trial.trainings),
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
    """Whether a point of a one-at-a-time sweep varies this factor, or is the lab's own."""
    return not trial.point or factor in trial.point


def _order_levels(levels: Sequence[Level]) -> list[Level]:
    """Return each level once: numbers by size, widths by their numbers, names in the given order."""
    once = list(dict.fromkeys(levels))
    if all(isinstance(level, (int, float)) for level in once):
        return sorted(once, key=float)
    if all(str(level)[0].isdigit() or level == "none" for level in once):
        return sorted(
            once, key=lambda level: [0] if level == "none" else [int(width) for width in str(level).split("x")]
        )
    return once


def _sort(shares: dict[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda share: -share[1]))


def _run_fanova(trials: Sequence[TrialRecord], levels: dict[str, list[Level]]) -> dict[str, float]:
    from mnist_bench.sweep.storage import load_optuna

    optuna = load_optuna()
    study = optuna.create_study(direction="maximize")
    distributions = {name: optuna.distributions.CategoricalDistribution(tried) for name, tried in levels.items()}
    for trial in trials:
        value = statistics.fmean(training.val_accuracy for training in trial.trainings)
        params = {name: (trial.point or {})[name] for name in levels}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=FIRST_SEED)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
