"""Pictures of versions: what is in the data is on the axes, and nothing else."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.figure import Figure

from fixtures.records import make_history
from mnist_bench.show.drawing import draw_svg
from mnist_bench.versions.report import plots
from mnist_bench.versions.report.plots import (
    MARKS,
    Sample,
    let_page_colour,
    plot_cloud,
    plot_curves,
    plot_ratios,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.records import VersionRecord

SAMPLES = [Sample("old", [1.0, 2.0, 3.0]), Sample("new", [2.0, 2.0], 1), Sample("newest", [4.0], 1)]


@pytest.fixture
def ax() -> Axes:
    """Fresh axes."""
    return Figure().add_subplot()


def names(ax: Axes) -> list[str]:
    """Return the names of the rows, from the top down."""
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    return [label.get_text() for label in ax.get_yticklabels()]


def points(ax: Axes, kind: int) -> list[list[tuple[float, float]]]:
    """Return the points of the lines in the colour of a kind."""
    lines = [line for line in ax.lines if line.get_color() == MARKS[kind][0]]
    return [[(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)] for line in lines]


def segments(ax: Axes) -> list[Any]:
    """Return the intervals that are drawn."""
    return [segment.round(3).tolist() for lines in ax.collections for segment in lines.get_segments()]


def test_a_cloud_has_every_seed(ax: Axes) -> None:
    """Each sample has a row with its seeds and its mean; one value has no interval, and neither have equal values."""
    plot_cloud(SAMPLES, "title", ax)
    assert names(ax) == ["old", "new", "newest"]
    assert points(ax, 0) == [[(1, 0.24), (2, 0.24), (3, 0.24)], [(2, 0)]]
    assert points(ax, 1) == [[(2, 1.24), (2, 1.24), (4, 2.24)], [(2, 1), (4, 2)]]
    assert segments(ax) == [[[-0.484, 0], [4.484, 0]]]


def test_ratios_of_both_clocks_are_drawn(ax: Axes, make_ab: Callable[..., AbRecord]) -> None:
    """Each pair has two ratios; an interval without ends is not drawn."""
    whole, few = make_ab(slowdown=1.5), make_ab(rounds=1)
    assert few.wall.low is None
    plot_ratios({"py312-tf216": whole, "py312-tf217": few}, ax)
    assert names(ax) == ["py312-tf216", "py312-tf217"]
    drawn = [line for kind in (0, 1) for line in points(ax, kind)]
    assert [(whole.wall.estimate, -0.12)] in drawn
    assert [(few.cpu.estimate, 1.12)] in drawn
    assert sum(len(line) == 2 for line in drawn) == 3  # one is the line at 1


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_curves_have_gaps_where_a_loss_was_not_finite(
    ax: Axes, metric: str, make_versions: Callable[..., dict[str, VersionRecord]]
) -> None:
    """Each training has one line, which is broken if the training is marked."""
    (results,) = make_versions(["py311-tf215"], seeds=1)["py311-tf215"].accuracy
    diverged = dataclasses.replace(results, history=dataclasses.replace(results.history, val_loss=[None, *[0.25] * 19]))
    plot_curves([(results, 0), (diverged, 1)], metric, ax)
    first, second = ax.lines
    assert list(first.get_ydata()) == getattr(results.history, f"val_{metric}")
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "--")
    assert all(tick == int(tick) for tick in ax.get_xticks())
    assert str(second.get_ydata()[0]) == ("nan" if metric == "loss" else str(first.get_ydata()[0]))


def test_one_epoch_is_a_dot(ax: Axes, make_versions: Callable[..., dict[str, VersionRecord]]) -> None:
    """A line of one point would be invisible."""
    (results,) = make_versions(["py311-tf215"], seeds=1)["py311-tf215"].accuracy
    plot_curves([(dataclasses.replace(results, epochs=1, history=make_history(1)), 0)], "loss", ax)
    assert ax.lines[0].get_marker() == "o"


def test_the_page_may_set_the_colours() -> None:
    """Each of the two colours is a variable whose default is the drawn colour."""
    svg = let_page_colour(draw_svg(lambda ax: plot_cloud(SAMPLES, "title", ax)))
    for name, (colour, _, _) in zip(("plain", "marked"), MARKS, strict=True):
        assert f"var(--{name}, {colour})" in svg
        assert len(re.findall(colour, svg)) == svg.count(f"var(--{name}, {colour})")


def test_more_rows_are_higher() -> None:
    """So are rows whose names have two lines."""
    heights = [plots.measure_rows(rows, lines=lines)[1] for rows, lines in ((1, 1), (9, 1), (9, 2))]
    assert heights == sorted(set(heights))
