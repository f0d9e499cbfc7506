"""How every picture is drawn: the palette, the style, and SVG for a page or a file of its own."""

from __future__ import annotations

import html
import io
import math
import os
import re
from typing import TYPE_CHECKING, Any

from mnist_bench.records.files import replace_own
from mnist_bench.show.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "TEST",
    "TRAINING",
    "VALIDATION",
    "draw_panels",
    "draw_svg",
    "embed",
    "plot_by_epoch",
    "save_alone",
    "stand_alone",
]

# The palette of Okabe and Ito: distinct for every kind of colour vision, on light and on dark ground.
TRAINING, VALIDATION, TEST = "#0072b2", "#d55e00", "#009e73"

# An id, and what refers to an id.
_ID = re.compile(r"""(\bid="|href="#|url\(#)([^")]+)""")
_NO_ID = re.compile(r"[^A-Za-z0-9-]")

# Stands for the colour of the text around the picture, light or dark, which replaces it in the SVG.
_INK = "#010203"
_ALONE = '<svg color="#222" style="background:#fff"'  # the beginning of a picture in a file of its own
_STYLE: Any = {
    "axes.edgecolor": _INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.edgecolor": "none",
    "figure.facecolor": "none",
    "font.size": 10,
    "grid.alpha": 0.25,
    "grid.color": _INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "mnist_bench",  # the same records give the same bytes
    "text.color": _INK,
    "text.parse_math": False,  # names come from records, where a `$` is a letter like others
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def draw_svg(draw: Callable[[Axes], Any], *, size: tuple[float, float] = (5.2, 3.4)) -> str:
    """Draw on fresh axes and return the picture as an `<svg>` element that takes the page's text colour.

    Args:
        draw: A function of axes.
        size: Width and height in inches.
    """
    return _draw_figure(lambda figure: draw(figure.add_subplot()), size)


def draw_panels(draws: Sequence[Callable[[Axes], Any]], *, columns: int, size: tuple[float, float] = (3.6, 2.8)) -> str:
    """Draw each function on axes of its own, in rows of `columns`; return one `<svg>` element, as `draw_svg`.

    Args:
        draws: Functions of axes.
        columns: Panels in a row.
        size: Width and height of a panel in inches.
    """
    rows = -(-len(draws) // columns)

    def draw_each(figure: Figure) -> None:
        for number, draw in enumerate(draws, start=1):
            draw(figure.add_subplot(rows, columns, number))

    return _draw_figure(draw_each, (size[0] * columns, size[1] * rows))


def plot_by_epoch(figures: Sequence[float | None], ax: Axes, **style: Any) -> None:
    """Draw a curve over the epochs, from 1 on.

    Args:
        figures: A figure for each epoch; None, where a loss was not finite, is a gap. A single epoch is a mark.
        ax: Where to draw; the axis of epochs gets whole numbers.
        style: Options of `Axes.plot`.
    """
    from matplotlib.ticker import MaxNLocator

    style |= {"marker": "o"} if len(figures) == 1 else {}
    ax.plot(range(1, len(figures) + 1), [math.nan if figure is None else figure for figure in figures], **style)
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def embed(svg: str, name: str, description: str) -> str:
    """Return a picture for a page with several: with ids of its own, and a description for screen readers.

    Args:
        svg: An `<svg>` element.
        name: The name of the picture, unique in the page.
        description: What the picture shows, as plain text.
    """
    own_name = _NO_ID.sub(lambda match: f"_{ord(match[0]):x}_", name)
    own = _ID.sub(lambda match: f"{match[1]}{own_name}-{match[2]}", svg)
    label = html.escape(clean_line(description), quote=True)
    return own.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def stand_alone(svg: str) -> str:
    """Return a picture for a file of its own, with colours, as there is no page around the picture."""
    return svg.replace("<svg", _ALONE, 1)


def save_alone(svg: str, path: Path) -> None:
    """Write a picture as a file of its own."""
    replace_own(path, stand_alone(svg).encode(), _ALONE)


def _draw_figure(draw: Callable[[Figure], Any], size: tuple[float, float]) -> str:
    mpl = _load_matplotlib()
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()  # nothing of the user's own matplotlibrc
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=size, layout="constrained")
        canvas: Any = FigureCanvasSVG(figure)
        draw(figure)
        text = io.StringIO()
        # Not by `savefig`, which draws twice: the bytes are the same.
        canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace(_INK, "currentColor")


def _load_matplotlib() -> Any:
    """Import matplotlib without MPLBACKEND, which a notebook passes on: an unknown backend would be an error."""
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return mpl
