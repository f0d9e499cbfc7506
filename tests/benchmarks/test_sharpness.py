"""The scripts that say which loss is found with how many seeds, and the page that has their tables."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"
AGAIN = "python benchmarks/sharpness.py --out docs/images/sharpness.svg, and its tables go to docs/statistics.md"
TEN = 2  # the column of ten seeds


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Any:
    """The script that prints, imported from where it lies."""
    return load_script("sharpness")


@pytest.fixture
def smallest(script: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that measures, which the other one has imported, with few groups and few random splits."""
    module = sys.modules[script.measure.__module__]
    monkeypatch.setattr(module, "GROUPS", 20)
    monkeypatch.setattr(module, "RESAMPLES", 19_999)
    return module


@pytest.fixture
def figures(script: Any) -> list[Any]:
    """Figures of a thousand seeds whose errors have an sd of 0.12 points, in pairs of 0.03."""
    rng = np.random.default_rng(0)
    errors = 0.023 + 0.00123 * rng.normal(size=1000)
    make = sys.modules[script.list_figures.__module__].Figure
    return [
        make("Accuracy", "points", 100, errors, [0.0003, -0.0003], lambda _: 0.0015, 1e-4),
        make("Errors", "points", 100, 10 * errors, [0.001, -0.001], lambda _: 0.0075, 1e-3, by_class=True),
    ]


def read_rows(page: str, title: str) -> dict[str, list[str]]:
    """Return the cells of a table of the page by the head of their row."""
    lines = page[page.index(f"| {title}") :].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return {name: cells for name, *cells in (re.split(r" *\| *", line.strip("| ")) for line in lines)}


def test_pairs_find_less_than_new_seeds_and_these_less_than_two_samples(smallest: Any, figures: list[Any]) -> None:
    """With ten of them; two samples of five seeds find nothing at all, and of three `compare` does not judge them."""
    cells = {way: smallest.measure(figures[0], way, 10) for way in figures[0].ways}
    assert [*cells] == ["two samples", "new seeds", "pairs"]
    assert cells["two samples"].smallest > cells["new seeds"].smallest > cells["pairs"].smallest
    assert smallest.measure(figures[0], "two samples", 5).smallest == math.inf
    assert smallest.find_level(figures[0], "two samples", 3) is None
    assert figures[1].ways == ("two samples", "pairs")


def test_of_normal_seeds_the_stated_loss_is_the_smallest(smallest: Any, figures: list[Any]) -> None:
    """The formulas take seeds to be normal; these are, so that twenty groups are enough to see no great difference."""
    cell = smallest.measure(figures[0], "new seeds", 5)
    assert cell.smallest == pytest.approx(cell.stated, rel=0.2)
    assert cell.found >= 0.7


def test_groups_share_no_seed(smallest: Any, figures: list[Any]) -> None:
    """New seeds are compared with all others, two samples with as many; pairs have the same seeds."""
    for way, size in (("two samples", 5), ("new seeds", 995)):
        for old, new in smallest.draw_groups(figures[0], way, 5, np.random.default_rng(0)):
            assert (len(old), len(new)) == (size, 5)
            assert not {*old} & {*new}
    for old, new in smallest.draw_groups(figures[0], "pairs", 5, np.random.default_rng(0)):
        assert np.abs(new - old) == pytest.approx(0.0003)


@pytest.mark.parametrize("first", [1.0, 5.0, 90.0])
def test_the_smallest_loss_is_that_of_nine_tenths_of_the_groups(smallest: Any, first: float) -> None:
    """By bisection, wherever it begins."""
    groups = [(None, number) for number in range(20)]
    found = smallest.find_smallest(groups, lambda group, loss: loss >= group[1], first, 0.01)
    assert 17 <= found < 17.01
    assert smallest.find_smallest(groups, lambda group, _: group[1] < 17, first, 0.01) == math.inf


def test_differences_within_pairs_have_a_mean_of_0(smallest: Any) -> None:
    """So their spread is their root mean square: a common shift would be the fault's effect."""
    assert smallest.find_spread([3.0, -3.0, 3.0, -3.0]) == 3.0


def test_why_stated_effects_are_not_found(script: Any, smallest: Any, figures: list[Any]) -> None:
    """Each group is found, not significant, or held back by the interval; of classes `check` says nothing."""
    lines = [*script.format_causes(figures)][2:]
    assert [line.split(" | ")[0] for line in lines] == [
        *["| Accuracy, new seeds"] * 3,
        *["| Accuracy, new seeds, normal ones"] * 3,
    ]
    for line in lines:
        assert sum(map(int, re.findall(r"\d+", line)[1:])) == smallest.GROUPS
    normal = script.make_normal(figures[0]).values
    assert np.std(normal) == pytest.approx(np.std(figures[0].values), rel=0.1)
    assert not {*normal} & {*figures[0].values}


def test_the_tables_and_the_picture(script: Any, smallest: Any, figures: list[Any], tmp_path: Path) -> None:
    """A row for each way of comparing, in words where there is no figure; a panel for each figure."""
    none, some = smallest.Cell(math.inf, math.inf, 0.0), smallest.Cell(0.25, 0.2, 0.66)
    cells = {(it.title, way): [none, none, some, some] for it in figures for way in it.ways}
    lines = "\n".join(script.format_tables(figures, cells)).splitlines()
    assert "| Accuracy, points: two samples | no look | none | 0.25 | 0.25 |" in lines
    assert "| Accuracy, points: two samples | no look | none | 0.20: 66% | 0.20: 66% |" in lines
    assert "Accuracy: 2 pairs differ by 0.03 points (standard deviation)" in lines
    assert "Accuracy: of 252 splits of 5 and 5 seeds the worst has p = 0.0040" in "\n".join(lines)
    script.save_picture(figures, cells, tmp_path / "sharpness.svg")
    picture = (tmp_path / "sharpness.svg").read_text()
    assert f"inputs {script.make_stamp(figures)}</desc>" in picture
    assert script.make_stamp(figures[:1]) != script.make_stamp(figures)


def test_the_page_and_the_picture_are_of_the_committed_records(script: Any) -> None:
    """What they were made from, and what takes no time to compute again."""
    if not (DOCS / "statistics.md").is_file():
        pytest.skip("the docs are in a checkout only")
    figures = script.list_figures()
    page = (DOCS / "statistics.md").read_text(encoding="utf-8")
    stamp = f"inputs {script.make_stamp(figures)}"
    assert stamp in page, AGAIN
    assert stamp in (DOCS / "images" / "sharpness.svg").read_text(encoding="utf-8"), AGAIN
    found, stated = read_rows(page, "smallest effect found in"), read_rows(page, "effect stated for normal seeds")
    rows = {script.format_row(figure, way): (figure, way) for figure in figures for way in figure.ways}
    assert [*found] == [*stated] == [*rows]
    for name, (figure, way) in rows.items():
        shifts = [script.state_smallest(figure, way, size) * figure.scale for size in script.SIZES]
        told = [cell.partition(":")[0] for cell in stated[name]]
        assert told == [f"{it:.2f}" if math.isfinite(it) else cell for it, cell in zip(shifts, told, strict=True)]
        if way == "pairs":  # without random splits, so in no time
            cell = script.measure(figure, way, script.SIZES[TEN])
            assert found[name][TEN] == f"{cell.smallest:.2f}", AGAIN
