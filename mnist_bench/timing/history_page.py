"""The page of a machine's history: a picture for each benchmark, with the levels and what changed between them."""

from __future__ import annotations

import functools
import itertools
import statistics
from typing import TYPE_CHECKING

from mnist_bench import __version__
from mnist_bench.records.files import replace_own
from mnist_bench.records.verdicts import rank
from mnist_bench.show.drawing import TRAINING, VALIDATION, draw_svg, embed
from mnist_bench.show.page import render
from mnist_bench.show.text import format_summary
from mnist_bench.timing.gate import CONTROL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.timing.history import History
    from mnist_bench.timing.machine import Machine

__all__ = ["HISTORY_MARK", "plot_history", "write_history_page"]

HISTORY_MARK = "<title>mnist-bench: history of "
"""By which the page of an earlier history is known, which may be replaced."""

_DATES = 6  # below a picture
_ROOM = 1.1  # of the slowest run, so that its point is not cut


def write_history_page(
    histories: Sequence[History], results: Sequence[CheckResult], machine: Machine, path: Path
) -> None:
    """Write the page; that of an earlier history is replaced.

    Args:
        histories: The benchmarks.
        results: The verdict on each.
        machine: Whose runs they are.
        path: Where to write.
    """
    rows = sorted(zip(histories, results, strict=True), key=lambda row: (rank(row[1].verdict), row[1].name))
    pictures = {
        history.fullname: embed(
            draw_svg(functools.partial(plot_history, history), size=(5.2, 2.7)),
            f"history-{number}",
            f"{result.name}: {result.figure}",
        )
        for number, (history, result) in enumerate(rows)
    }
    times = [point.when for history in histories for point in history.points]
    html = render(
        "history.html",
        machine=machine,
        headline=format_summary(results),
        rows=rows,
        pictures=pictures,
        first=min(times),
        last=max(times),
        runs=max(len(history.points) for history in histories),
        control=CONTROL,
        version=__version__,
    )
    replace_own(path, html.encode(), HISTORY_MARK)


def plot_history(history: History, ax: Axes) -> Axes:
    """Draw the fastest round of each run, the levels, and the control in the scale of the first level."""
    points, places = history.points, [change.place for change in history.changes]
    numbers, seconds = range(1, len(points) + 1), [point.seconds for point in points]
    levels = [
        (first, last, statistics.geometric_mean(seconds[first:last]))  # as the ratios
        for first, last in itertools.pairwise([0, *places, len(points)])
    ]
    controls = [point.control for point in points if point.control]
    if len(controls) == len(points):
        scale = levels[0][2] / statistics.geometric_mean(controls[: levels[0][1]])
        ax.plot(numbers, [scale * control for control in controls], ":", color=VALIDATION, linewidth=1.2)
    ax.plot(numbers, seconds, "o", color=TRAINING)
    for first, last, level in levels:
        ax.plot([first + 0.6, last + 0.4], [level, level], color=TRAINING, linewidth=1.6)
    for place in places:
        ax.axvline(place + 0.5, color=VALIDATION, linestyle="--", linewidth=1.2)
    step = -(-len(points) // _DATES)
    ax.set_xticks([*numbers][::step], [f"{point.when:%m-%d}" for point in points[::step]])
    ax.set(ylabel="seconds", ylim=(0, _ROOM * max(seconds)), xlim=(0.4, len(points) + 0.6))
    return ax
