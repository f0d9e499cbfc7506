"""Changes of a level: planted steps are found where they are, and chance is not taken for one."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("ruptures")

from mnist_bench.stats.changes import LEAST_SEGMENT, find_changes


def draw(number: int, count: int = 20) -> np.ndarray:
    """Return values that differ by 2%, without a change."""
    return np.random.default_rng(number).normal(0, 0.02, count)


def test_planted_steps_are_found_where_they_are() -> None:
    """A step up and a step down, both of a tenth, are the two changes."""
    for number in range(20):
        values = draw(number, 24)
        values[8:16] += 0.15
        assert find_changes(values) == [8, 16]


def test_chance_is_no_change() -> None:
    """Of 300 unchanged series, at most one in twenty has a change; without the test most of them would."""
    assert sum(bool(find_changes(draw(number))) for number in range(300)) <= 15


def test_one_disturbed_value_is_no_change() -> None:
    """A level needs three values: a disturbed run is none."""
    values = draw(0)
    values[-1] += 1
    assert find_changes(values) == []


def test_values_without_any_spread() -> None:
    """A step between values that do not vary is certain; equal values have none; too few values have no change."""
    assert find_changes([1.0] * 5 + [2.0] * 5) == [5]
    assert find_changes([1.0] * 10) == []
    assert find_changes([1.0] * 2 + [2.0] * (2 * LEAST_SEGMENT - 3)) == []


@pytest.mark.parametrize("values", [[], [1.0, float("nan")] * 5, [[1.0] * 8]], ids=["none", "nan", "a matrix"])
def test_what_is_no_series_is_refused(values: list[float]) -> None:
    """The message is of the values."""
    with pytest.raises(ValueError, match="values must be"):
        find_changes(values)


def test_without_ruptures_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'mnist-bench\[history\]'"):
        find_changes(draw(0))
