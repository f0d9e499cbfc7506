"""How sharp the gates are, as tables and as a picture: the smallest effect found in 90% of groups of real seeds.

    python benchmarks/sharpness.py                                      # prints the tables
    python benchmarks/sharpness.py --out docs/images/sharpness.svg      # draws the picture, too
    python benchmarks/sharpness.py --why                                # why real seeds need more than is stated

All is drawn from committed records, with fixed random numbers: the same records give the same figures. `smallest.py`
says how groups are drawn and judged.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mlp_figures import NEW, PAIRS, TWO, find_spread, list_figures
from smallest import GROUPS, SIZES, count_causes, count_splits, find_level, measure, state_smallest

from mnist_bench.show.drawing import TEST, TRAINING, VALIDATION, draw_panels, save_alone
from mnist_bench.stats.sequential import POWER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from mlp_figures import Figure
    from smallest import Cell

    Cells = Mapping[tuple[str, str], Sequence[Cell]]

COLORS = {TWO: TRAINING, NEW: TEST, PAIRS: VALIDATION}
MARKERS = {TWO: "o", NEW: "s", PAIRS: "^"}
LABELS = {TWO: "two samples: none with 3 or 5", NEW: "new seeds, 1,000 stored", PAIRS: "pairs"}
UNITS = {"points": "percentage points", "sd": "standard deviations over seeds", "points of it": "% of its images"}
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def main() -> None:
    """Print the tables, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="where to write the picture")
    parser.add_argument("--why", action="store_true", help="say instead why stated effects are not found")
    options = parser.parse_args()
    figures = list_figures()
    if options.why:
        print("\n".join(format_causes(figures)))
        return
    cells = {
        (figure.title, way): [measure(figure, way, size) for size in SIZES] for figure in figures for way in figure.ways
    }
    print("\n".join(format_tables(figures, cells)))
    if options.out:
        save_picture(figures, cells, options.out)


def format_tables(figures: Sequence[Figure], cells: Cells) -> Iterator[str]:
    """Yield the lines of the tables, in Markdown."""
    yield f"<!-- benchmarks/sharpness.py: inputs {make_stamp(figures)} -->"
    for title, tell in (
        (f"smallest effect found in {POWER:.0%} of {GROUPS} real groups", tell_smallest),
        ("effect stated for normal seeds: share of the real groups in which it is found", tell_stated),
    ):
        yield f"\n| {title} | {' | '.join(f'{size} seeds' for size in SIZES)} |"
        yield f"| --- |{' --- |' * len(SIZES)}"
        for figure in figures:
            for way in figure.ways:
                told = [
                    tell(figure, way, size, cell) for size, cell in zip(SIZES, cells[figure.title, way], strict=True)
                ]
                yield f"| {format_row(figure, way)} | {' | '.join(told)} |"
    yield ""
    for figure in figures:
        yield tell_pairs(figure)
        yield tell_none(figure)


def format_causes(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield a table of groups that are worse by the stated effect: how many are found, and why not the others."""
    yield f"| of {GROUPS} groups | seeds | found | not significant | the interval alone says no |"
    yield "| --- | --- | --- | --- | --- |"
    for name, figure, way in list_variants(figures):
        for size in SIZES[1:]:
            causes = count_causes(figure, way, size)
            yield f"| {name} | {size} | {' | '.join(str(causes[it]) for it in ('found', 'test', 'interval'))} |"


def list_variants(figures: Sequence[Figure]) -> Iterator[tuple[str, Figure, str]]:
    """Yield figures with one assumption of the formulas made true: normal seeds, or a margin that is known."""
    for figure in figures:
        if NEW in figure.ways:
            yield f"{figure.title}, new seeds", figure, NEW
            yield f"{figure.title}, new seeds, normal ones", make_normal(figure), NEW
        if figure.unit == "sd":
            yield f"{figure.title}, pairs", figure, PAIRS
            yield (
                f"{figure.title}, pairs, margin known",
                dataclasses.replace(figure, find_margin=lambda _, known=figure.margin: known),
                PAIRS,
            )


def make_normal(figure: Figure) -> Figure:
    """Return the figure with as many normal values of the same mean and standard deviation."""
    values = np.asarray(figure.values)
    drawn = np.random.default_rng(0).normal(values.mean(), values.std(ddof=1), values.size)
    return dataclasses.replace(figure, values=drawn.tolist())


def format_row(figure: Figure, way: str) -> str:
    """Return the head of a row."""
    return f"{figure.title}, {figure.unit}: {way}"


def tell_smallest(figure: Figure, way: str, size: int, cell: Cell) -> str:
    """Return the smallest effect in words."""
    if find_level(figure, way, size) is None:
        return "no look"
    return f"{cell.smallest:.2f}" if math.isfinite(cell.smallest) else "none"


def tell_stated(figure: Figure, way: str, size: int, cell: Cell) -> str:
    """Return the stated effect, and in how many of the groups it is found."""
    return (
        f"{cell.stated:.2f}: {cell.found:.0%}" if math.isfinite(cell.stated) else tell_smallest(figure, way, size, cell)
    )


def tell_pairs(figure: Figure) -> str:
    """Return how far the figures of a pair differ."""
    spread = figure.scale * find_spread(figure.differences)
    return f"{figure.title}: {len(figure.differences)} pairs differ by {spread:.2f} {figure.unit} (standard deviation)"


def tell_none(figure: Figure) -> str:
    """Return why two samples of five seeds find no effect."""
    size = SIZES[1]
    splits, level = count_splits(size), find_level(figure, TWO, size)
    assert level
    return (
        f"{figure.title}: of {splits} splits of {size} and {size} seeds the worst has p = {1 / splits:.4f}, "
        f"and REGRESSED needs {level.alpha:.2g} at the strictest step"
    )


def make_stamp(figures: Sequence[Figure]) -> str:
    """Return what the tables and the picture depend on as 16 digits: values, levels, margins, formulas."""
    content = [
        [
            [*figure.values],
            [*figure.differences],
            figure.margin,
            [
                [way, size, find_level(figure, way, size), f"{state_smallest(figure, way, size):.6g}"]
                for way in figure.ways
                for size in SIZES
            ],
        ]
        for figure in figures
    ]
    return hashlib.sha256(json.dumps([content, GROUPS, POWER]).encode()).hexdigest()[:16]


def save_picture(figures: Sequence[Figure], cells: Cells, path: Path) -> None:
    """Draw a panel for each figure."""
    panels = [partial(plot, figure, cells, legend=number == 0) for number, figure in enumerate(figures)]
    svg = draw_panels(panels, columns=len(panels), size=(3.9, 3.4))
    begin = svg.index(">") + 1
    save_alone(f"{svg[:begin]}<desc>inputs {make_stamp(figures)}</desc>{svg[begin:]}", path)


def plot(figure: Figure, cells: Cells, ax: Axes, *, legend: bool) -> None:
    """Draw the smallest effects by the number of seeds, on logarithmic axes."""
    for way in figure.ways:
        shifts = [cell.smallest if math.isfinite(cell.smallest) else math.nan for cell in cells[figure.title, way]]
        ax.plot(SIZES, shifts, marker=MARKERS[way], color=COLORS[way], label=LABELS[way])
    margin = figure.scale * figure.margin
    ax.axhline(margin, linestyle=":", color="#777", label="margin")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(SIZES, [str(size) for size in SIZES])
    ax.set_ylim(margin / 2, margin * 70)
    low, high = ax.get_ylim()
    ticks = [tick for tick in TICKS if low <= tick <= high]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_title(f"{figure.title}, {UNITS[figure.unit]}")
    ax.set_xlabel("seeds a side, or pairs")
    if legend:
        ax.set_ylabel(f"smallest effect found in {POWER:.0%}")
        ax.legend(loc="upper right")


if __name__ == "__main__":
    main()
