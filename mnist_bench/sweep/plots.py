"""The pictures of a sweep: each function takes results and axes, and returns the axes."""

from __future__ import annotations

import functools
import statistics
from typing import TYPE_CHECKING, Any

from mnist_bench.show.drawing import TEST, TRAINING, VALIDATION, draw_panels, draw_svg, plot_by_epoch
from mnist_bench.sweep.results import find_effects, measure_importances, rank_rows
from mnist_bench.sweep.space import format_level, name_point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes

    from mnist_bench.sweep.records import SweepRecord, TrialRecord
    from mnist_bench.sweep.results import Effect, RankRow

__all__ = ["draw_all", "list_effect_plots", "plot_cost", "plot_curves", "plot_effect", "plot_importances"]

_CURVES = 5


def list_effect_plots(effects: Sequence[Effect], source: str) -> list[Callable[[Axes], Axes]]:
    """Return a drawing function for each factor, all on the same scale of accuracy."""
    figures = [accuracy for effect in effects for column in effect.accuracies.values() for accuracy in column]
    margin = 0.05 * (max(figures) - min(figures)) or 0.001
    scale = min(figures) - margin, max(figures) + margin
    return [functools.partial(plot_effect, effect, scale, source) for effect in effects]


def plot_effect(effect: Effect, scale: tuple[float, float], source: str, ax: Axes) -> Axes:
    """Draw each seed's validation accuracy as a dot over the levels of a factor, and the means as a line.

    Args:
        effect: The factor.
        scale: The least and the greatest accuracy to show.
        source: The data set, for the label of the axis.
        ax: Where to draw.
    """
    places = range(len(effect.accuracies))
    means = [statistics.fmean(column) for column in effect.accuracies.values()]
    for place, (level, column) in zip(places, effect.accuracies.items(), strict=True):
        color = TEST if level == effect.own else VALIDATION
        # Next to each other, so that no dot hides another.
        offsets = [0.16 * (number / max(1, len(column) - 1) - 0.5) for number in range(len(column))]
        ax.plot([place + offset for offset in offsets], column, "o", color=color, alpha=0.75, markersize=4.5)
    ax.plot(places, means, color=TRAINING, linewidth=1.4)
    ax.set_xticks(places, [format_level(level) for level in effect.accuracies])
    ax.set(title=effect.factor, ylabel=_name_axis(source), ylim=scale, xlim=(-0.4, len(means) - 0.6))
    return ax


def plot_cost(rows: Sequence[RankRow], source: str, ax: Axes) -> Axes:
    """Draw each point's mean validation accuracy over the seconds of training; name the best and the lab's own."""
    ax.plot([row.seconds for row in rows], [row.mean for row in rows], "o", color=VALIDATION, alpha=0.7)
    for row in {row.number: row for row in rows if row.number == 0 or row is rows[0]}.values():
        own = row.number == 0
        ax.plot(row.seconds, row.mean, "o", color=TEST if own else TRAINING)
        ax.annotate("the lab's own" if own else "best", (row.seconds, row.mean), (0, -13), **_NEAR)
    ax.set(xlabel="seconds of one training", ylabel=_name_axis(source), title="accuracy against cost", xscale="log")
    ax.xaxis.set_major_formatter("{x:g}")
    return ax


def plot_curves(trials: Sequence[TrialRecord], labels: Sequence[str], source: str, ax: Axes) -> Axes:
    """Draw the validation accuracy by epoch, the mean over the seeds, of the first few of these trials.

    Args:
        trials: The trials, the best first.
        labels: The name of each trial.
        source: The data set, for the label of the axis.
        ax: Where to draw.
    """
    colors = (TRAINING, VALIDATION, TEST, "#cc79a7", "#e69f00")  # of Okabe and Ito, as in show/drawing.py
    last = []
    for trial, label, color in zip(trials[:_CURVES], labels, colors, strict=False):
        histories = [training.history.val_accuracy for training in trial.trainings]
        means = [statistics.fmean(column) for column in zip(*histories, strict=True)]
        plot_by_epoch(means, ax, color=color, linewidth=1.5, label=label)
        last.append(means[-1])
    # The first epochs are far below; the curves differ above.
    low = min(last) - 4 * max(0.004, max(last) - min(last))
    ax.set(ylabel=_name_axis(source), title="learning curves", ylim=(low, None))
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), fontsize=8)
    return ax


def plot_importances(measure: str, importances: Mapping[str, float], ax: Axes) -> Axes:
    """Draw how much each factor matters, the most important on top."""
    names = list(importances)[::-1]
    ax.barh(names, [importances[name] for name in names], color=TRAINING, height=0.6)
    ax.set(title="what matters", xlabel=measure)
    ax.grid(visible=False, axis="y")
    return ax


def draw_all(sweep: SweepRecord) -> dict[str, str]:
    """Return every picture of a sweep as SVG, by name."""
    source, rows, effects = sweep.plan.dataset.source, rank_rows(sweep), find_effects(sweep)
    shown = rows[: _CURVES - 1] + [row for row in rows[_CURVES - 1 :] if row.number == 0][:1]
    drawings = list_effect_plots(effects, source)
    pictures = {"effects": draw_panels(drawings, columns=min(3, len(drawings)))}
    for effect, drawing in zip(effects, drawings, strict=True):
        pictures[f"effect-{effect.factor}"] = draw_svg(drawing)
    pictures["cost"] = draw_svg(functools.partial(plot_cost, rows, source))
    curves = functools.partial(
        plot_curves, [sweep.trials[row.number] for row in shown], [name_point(row.point) for row in shown], source
    )
    pictures["curves"] = draw_svg(curves)
    measure, importances = measure_importances(sweep)
    if importances:
        pictures["importances"] = draw_svg(functools.partial(plot_importances, measure, importances))
    return pictures


_NEAR: Any = {"textcoords": "offset points", "fontsize": 8, "ha": "center"}


def _name_axis(source: str) -> str:
    return "validation accuracy" if source == "mnist" else f"validation accuracy ({source}, not MNIST)"
