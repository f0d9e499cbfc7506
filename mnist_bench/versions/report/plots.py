"""The versions' pictures, from samples and comparisons: each function takes data and axes, and returns the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_bench.show.drawing import TEST, TRAINING, VALIDATION
from mnist_bench.stats.intervals import mean_interval, median_interval
from mnist_bench.stats.ratios import BOUND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mnist_bench.stats.intervals import Interval
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.records import SeedResults

__all__ = [
    "MARKS",
    "MOST",
    "Sample",
    "let_page_colour",
    "measure_rows",
    "plot_cloud",
    "plot_curves",
    "plot_ratios",
    "plot_times",
]

MOST = 24  # rows of a picture: with more of them the names would not be legible

# Colour, shape and line of what is plain, of what is marked, and of a third kind: told apart without colour, too.
# A page may set the colours brighter on dark ground.
MARKS = ((TRAINING, "o", "-"), (VALIDATION, "D", "--"), (TEST, "s", ":"))
_NAMES = ("plain", "marked", "third")
_SHIFT = 0.24  # of a row, between the kinds that share it


@dataclass(frozen=True)
class Sample:
    """Some values in a row of a picture.

    Attributes:
        row: What the row is called, which samples may share.
        values: One a seed, or one an epoch.
        kind: The place of its mark in `MARKS`.
    """

    row: str
    values: Sequence[float]
    kind: int = 0


def let_page_colour(svg: str) -> str:
    """Return a picture whose colours a page may set, as `--plain`, `--marked` and `--third`."""
    for name, (colour, _, _) in zip(_NAMES, MARKS, strict=True):
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    return svg


def measure_rows(rows: int, *, lines: int = 1) -> tuple[float, float]:
    """Return the width and the height in inches of a picture of so many rows, their names of so many lines."""
    return 5.6, (0.13 + 0.15 * lines) * max(rows, 2) + 0.85


def plot_cloud(samples: Sequence[Sample], title: str, ax: Axes) -> Axes:
    """Draw the 95% interval of each sample's mean, and close below it every value."""
    _draw_values(samples, [place + _SHIFT for place in range(len(samples))], ax)
    _draw_intervals(samples, [mean_interval(it.values) for it in samples], range(len(samples)), ax)
    return _name_rows([sample.row for sample in samples], title, ax)


def plot_times(samples: Sequence[Sample], title: str, ax: Axes) -> Axes:
    """Draw the median of each sample's seconds with its 95% interval, the kinds of one row beside each other."""
    rows, kinds = list(dict.fromkeys(it.row for it in samples)), {it.kind for it in samples}
    middle = (min(kinds) + max(kinds)) / 2
    places = [rows.index(it.row) + _SHIFT * (it.kind - middle) for it in samples]
    _draw_intervals(samples, [median_interval(it.values) for it in samples], places, ax)
    ax.set_xlim(0, None)
    return _name_rows(rows, title, ax)


def plot_ratios(pairs: Mapping[str, AbRecord], ax: Axes) -> Axes:
    """Draw each version's time over its predecessor's, on both clocks; the band is what counts for the same.

    The wall's intervals are of the first kind, those of processor time of the second. An end that is open is not
    drawn.
    """
    ax.axvspan(1 / (1 + BOUND), 1 + BOUND, color=MARKS[0][0], alpha=0.12, linewidth=0)
    ax.axvline(1, color=MARKS[0][0], linewidth=0.8)
    for place, pair in enumerate(pairs.values()):
        for ratio, (colour, shape, _), shift in zip((pair.wall, pair.cpu), MARKS, (-0.5, 0.5), strict=False):
            y = place + shift * _SHIFT
            if ratio.low is not None and ratio.high is not None:
                ax.plot([ratio.low, ratio.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            ax.plot([ratio.estimate], [y], shape, color=colour, markersize=5)
    return _name_rows(list(pairs), "time over the predecessor's", ax)


def plot_curves(curves: Sequence[tuple[SeedResults, int]], metric: str, ax: Axes) -> Axes:
    """Draw the validation curve of the first seed of each training.

    Args:
        curves: Trainings of one lab, and the place of each one's mark in `MARKS`.
        metric: `accuracy` or `loss`.
        ax: Where to draw.
    """
    for results, kind in curves:
        colour, _, line = MARKS[kind]
        values = [math.nan if value is None else value for value in getattr(results.history, f"val_{metric}")]
        style: dict[str, Any] = {"marker": "o"} if len(values) == 1 else {}
        ax.plot(range(1, len(values) + 1), values, line, color=colour, linewidth=1.2, alpha=0.8, **style)
    ax.set_xlabel("epoch")
    ax.set_title(f"{curves[0][0].lab}: validation {metric}", fontsize=10, fontweight="bold")
    return ax


def _draw_values(samples: Sequence[Sample], places: Sequence[float], ax: Axes) -> None:
    """Draw every value small, all of a kind at once."""
    for kind, (colour, shape, _) in enumerate(MARKS):
        points = [(x, y) for it, y in zip(samples, places, strict=True) if it.kind == kind for x in it.values]
        if points:
            ax.plot(*zip(*points, strict=True), shape, color=colour, alpha=0.55, markersize=3.6, markeredgewidth=0)


def _draw_intervals(
    samples: Sequence[Sample], intervals: Sequence[Interval], places: Sequence[float], ax: Axes
) -> None:
    """Draw each estimate large on its interval; ends that the values leave open are not drawn."""
    for kind, (colour, shape, _) in enumerate(MARKS):
        its = [(it, y) for s, it, y in zip(samples, intervals, places, strict=True) if s.kind == kind]
        closed = [(it, y) for it, y in its if math.isfinite(it.low) and math.isfinite(it.high)]
        ax.hlines([y for _, y in closed], [it.low for it, _ in closed], [it.high for it, _ in closed], color=colour)
        ax.plot([it.estimate for it, _ in its], [y for _, y in its], shape, color=colour, markersize=6)


def _name_rows(names: Sequence[str], title: str, ax: Axes) -> Axes:
    """Name the rows from the top down, and the picture."""
    from matplotlib.ticker import MaxNLocator

    ax.set_yticks(range(len(names)), names, fontsize=9, linespacing=1.15)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_title(title, fontsize=10, fontweight="bold")
    return ax
