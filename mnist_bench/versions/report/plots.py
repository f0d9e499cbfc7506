"""Pictures of versions: each function takes samples or comparisons and axes, and returns the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mnist_bench.show.drawing import TRAINING, VALIDATION, plot_by_epoch
from mnist_bench.stats.intervals import mean_interval
from mnist_bench.stats.ratios import BOUND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.seeds import SeedResults

    _Rows: TypeAlias = Sequence[tuple[int, Sequence[float]]]

__all__ = [
    "MARKS",
    "MOST",
    "Sample",
    "let_page_colour",
    "measure_rows",
    "plot_cloud",
    "plot_curves",
    "plot_ratios",
]

MOST = 24  # rows of a picture: with more rows the names would be too small to read

# Colour, shape and line of what is plain and of what is marked, which differ without colour, too.
# A page may use brighter colours on a dark background.
MARKS = ((TRAINING, "o", "-"), (VALIDATION, "D", "--"))
_NAMES = ("plain", "marked")
_SHIFT = 0.24  # of a row, between two kinds of marks in it


@dataclass(frozen=True)
class Sample:
    """Some values in a row of a picture.

    Attributes:
        row: The name of the row.
        values: One a seed.
        kind: The place of the sample's mark in `MARKS`.
    """

    row: str
    values: Sequence[float]
    kind: int = 0


def let_page_colour(svg: str) -> str:
    """Return the picture with its colours as variables that a page may set: `--plain` and `--marked`."""
    for name, (colour, _, _) in zip(_NAMES, MARKS, strict=True):
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    return svg


def measure_rows(rows: int, *, lines: int = 1) -> tuple[float, float]:
    """Return width and height, in inches, of a picture with this many rows, whose names have this many lines."""
    return 5.6, (0.13 + 0.15 * lines) * max(rows, 2) + 0.85


def plot_cloud(samples: Sequence[Sample], title: str, ax: Axes) -> Axes:
    """Draw the 95% interval of each sample's mean, and just below it every value."""
    for draw in (_draw_values, _draw_intervals):
        for kind, mark in enumerate(MARKS):
            draw([(place, sample.values) for place, sample in enumerate(samples) if sample.kind == kind], mark, ax)
    return _name_rows([sample.row for sample in samples], title, ax)


def plot_ratios(pairs: Mapping[str, AbRecord], ax: Axes) -> Axes:
    """Draw each version's time over that of the version before, on both clocks. In the band, they count as the same.

    Wall-clock time has marks of the first kind, processor time of the second. An interval without ends is not drawn.
    """
    ax.axvspan(1 / (1 + BOUND), 1 + BOUND, color=MARKS[0][0], alpha=0.12, linewidth=0)
    ax.axvline(1, color=MARKS[0][0], linewidth=0.8)
    for place, pair in enumerate(pairs.values()):
        for ratio, (colour, shape, _), shift in zip((pair.wall, pair.cpu), MARKS, (-0.5, 0.5), strict=True):
            y = place + shift * _SHIFT
            if ratio.low is not None and ratio.high is not None:
                ax.plot([ratio.low, ratio.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            ax.plot([ratio.estimate], [y], shape, color=colour, markersize=5)
    return _name_rows(list(pairs), "time over that of the version before", ax)


def plot_curves(curves: Sequence[tuple[SeedResults, int]], metric: str, ax: Axes) -> Axes:
    """Draw the validation curve of the first seed of each training.

    Args:
        curves: Trainings of one lab, each with the place of its mark in `MARKS`.
        metric: `accuracy` or `loss`.
        ax: Where to draw.
    """
    for results, kind in curves:
        colour, _, line = MARKS[kind]
        values = getattr(results.history, f"val_{metric}")
        plot_by_epoch(values, ax, linestyle=line, color=colour, linewidth=1.2, alpha=0.8)
    ax.set_title(f"{curves[0][0].lab}: validation {metric}", fontsize=10, fontweight="bold")
    return ax


def _draw_values(rows: _Rows, mark: tuple[str, str, str], ax: Axes) -> None:
    """Draw every value as a small mark."""
    colour, shape, _ = mark
    points = [(value, place + _SHIFT) for place, values in rows for value in values]
    if points:
        ax.plot(*zip(*points, strict=True), shape, color=colour, alpha=0.55, markersize=3.6, markeredgewidth=0)


def _draw_intervals(rows: _Rows, mark: tuple[str, str, str], ax: Axes) -> None:
    """Draw the mean of each row as a large mark on its interval; an interval without ends is not drawn."""
    colour, shape, _ = mark
    means = [(mean_interval(values), place) for place, values in rows]
    closed = [(mean.low, mean.high, place) for mean, place in means if math.isfinite(mean.low)]
    ax.hlines(
        [place for _, _, place in closed], [low for low, _, _ in closed], [high for _, high, _ in closed], color=colour
    )
    ax.plot([mean.estimate for mean, _ in means], [place for _, place in means], shape, color=colour, markersize=6)


def _name_rows(names: Sequence[str], title: str, ax: Axes) -> Axes:
    """Set the names of the rows, from the top down, and the title."""
    from matplotlib.ticker import MaxNLocator

    ax.set_yticks(range(len(names)), names, fontsize=9, linespacing=1.15)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_title(title, fontsize=10, fontweight="bold")
    return ax
