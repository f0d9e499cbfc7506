"""How pictures are drawn: the same bytes for the same figures, as SVG for a page or a file of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure

from mnist_bench.show.drawing import draw_panels, draw_svg, embed, plot_by_epoch, save_alone

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes


def draw(ax: Axes) -> None:
    """Draw a curve with a title and a legend."""
    ax.plot([1, 2], [0.5, 0.25], label="validation")
    ax.set(title="a <loss>", xlabel="epoch")
    ax.legend()


def test_svg_is_the_same_for_the_same_figures() -> None:
    """Neither a date nor a random identifier is in the picture."""
    assert draw_svg(draw) == draw_svg(draw)
    assert draw_svg(draw) != draw_svg(lambda ax: ax.plot([1, 2], [0.5, 0.75]))


def test_svg_belongs_into_a_page() -> None:
    """The picture is one well-formed element that takes the page's text colour and keeps its text as text."""
    svg = draw_svg(draw)
    assert svg.startswith("<svg")
    texts = [text.text for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - ours
    assert {"a <loss>", "epoch", "validation"} <= set(texts)
    assert "<loss" not in svg
    assert "currentColor" in svg
    assert "#010203" not in svg


@pytest.mark.parametrize("name", ["$", "$a$", "$\\frac{$", "a$b_c$d", "$$$"])
def test_a_dollar_is_a_letter(name: str) -> None:
    """Names come from records: what matplotlib would read as a formula is drawn as it is."""
    svg = draw_svg(lambda ax: ax.set(title=name, xlabel=name))
    texts = [text.text for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - ours
    assert texts.count(name) == 2


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 200])
def test_epochs_are_whole_numbers(epochs: int) -> None:
    """No curve has half epochs on its axis, and a curve of one epoch is a mark."""
    ax = Figure().add_subplot()
    plot_by_epoch([0.5] * epochs, ax, color="red")
    assert all(tick == int(tick) for tick in ax.get_xticks())
    assert (ax.lines[0].get_marker() == "o") == (epochs == 1)
    assert (ax.get_xlabel(), ax.lines[0].get_color()) == ("epoch", "red")


def test_pictures_of_one_page_share_no_id() -> None:
    """Each has ids of its own, its references keep to its own ids, and a label says what it shows."""
    svg = draw_svg(draw)
    pictures = embed(svg, "first", "a <loss>"), embed(svg, "second", "the same")
    ids = [set(re.findall(r'id="([^"]+)"', picture)) for picture in pictures]
    assert ids[0]
    assert not ids[0] & ids[1]
    for picture, known in zip(pictures, ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', picture)) <= known
    assert ET.fromstring(pictures[0]).get("aria-label") == "a <loss>"  # noqa: S314 - ours


def test_panels_have_the_size_that_was_asked_for() -> None:
    """Width and height are those of one panel times the columns and rows."""
    svg = draw_panels([draw] * 3, columns=2, size=(4.0, 2.0))
    assert re.search(r'viewBox="0 0 576 288"', svg)


def test_a_picture_of_its_own_has_a_ground(tmp_path: Path) -> None:
    """A file of its own has no page around it, and so brings its own colours."""
    save_alone(draw_svg(draw), tmp_path / "loss.svg")
    assert (tmp_path / "loss.svg").read_text().startswith('<svg color="#222" style="background:#fff"')


def test_a_picture_s_name_cannot_leave_its_id() -> None:
    """A name with quotes and brackets becomes an id; two such names stay two."""
    svg = draw_svg(draw)
    pictures = [embed(svg, name, name) for name in ('"><script>x', '"><script>y')]
    for picture in pictures:
        assert "<script" not in picture
        ET.fromstring(picture)  # noqa: S314 - ours
    assert pictures[0] != pictures[1].replace("script>y", "script>x").replace("&gt;y", "&gt;x")


def test_a_dollar_is_a_dollar() -> None:
    """Names are no formulas: an odd one would be an error, or be drawn as another text."""
    svg = draw_svg(lambda ax: ax.set(title="$x_1$", xlabel=r"$\nothing{$"))
    assert "$x_1$" in svg
    assert r"$\nothing{$" in svg


RC = "text.usetex: True\naxes.facecolor: red\nfont.size: 30\nsvg.fonttype: path\nlines.linewidth: 9\n"


def test_the_user_s_matplotlibrc_changes_nothing(tmp_path: Path) -> None:
    """Settings of the user's, and a notebook's backend that is not installed here, leave the bytes as they are."""
    (tmp_path / "matplotlibrc").write_text(RC)
    code = "from mnist_bench.show.drawing import draw_svg; print(draw_svg(lambda ax: ax.plot([1, 2], label='a')))"
    pictures = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **variables}, text=True, capture_output=True, check=True
        ).stdout
        for variables in ({}, {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "MPLBACKEND": "nonsense"})
    ]
    assert pictures[0] == pictures[1]
