"""Times between two versions: the pair itself, or the way over the versions between, in the reader's direction."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import pytest

from mnist_bench.versions.report.names import name_products
from mnist_bench.versions.report.steps import find_steps, format_step, list_moved, make_step, say_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.timing.ab.records import AbRecord

NAMES = ["py312-tf216", "py312-tf217", "py312-tf218", "py312-tf218-keras38"]


@pytest.fixture
def pairs(make_ab: Callable[..., AbRecord]) -> dict[str, AbRecord]:
    """Three pairs: one slower, one slower, and one the same; they make a way from 2.16 to Keras 3.8."""
    slowdowns = (2.0, 1.5, 1.0)
    return {
        name: make_ab(slowdown=slowdown, python_a=base, python_b=name)
        for (base, name), slowdown in zip(itertools.pairwise(NAMES), slowdowns, strict=True)
    }


def test_a_pair_is_one_step(pairs: dict[str, AbRecord]) -> None:
    """What was measured of two versions together is taken as it is, whatever else was measured."""
    (step,) = find_steps(pairs, NAMES[1], NAMES[2])
    assert (step.base, step.name, step.verdict, step.workload) == (*NAMES[1:3], "slower", "mlp by epoch")
    assert step.wall == (pairs[NAMES[2]].wall.estimate, pairs[NAMES[2]].wall.low, pairs[NAMES[2]].wall.high)


def test_the_way_back_is_the_same_measurement(pairs: dict[str, AbRecord]) -> None:
    """Back to the older version, slower becomes faster, and the ends of the interval change places."""
    (step,) = find_steps(pairs, NAMES[2], NAMES[1])
    wall = pairs[NAMES[2]].wall
    assert step.verdict == "faster"
    assert step.wall == pytest.approx((1 / wall.estimate, 1 / wall.high, 1 / wall.low))


def test_a_way_leads_over_the_versions_between(pairs: dict[str, AbRecord]) -> None:
    """Every step of the way is there, in order; the slowest is told first, and no step is told that is the same."""
    steps = find_steps(pairs, NAMES[0], NAMES[3])
    assert [(step.base, step.name) for step in steps] == list(itertools.pairwise(NAMES))
    assert [step.name for step in list_moved(steps)] == NAMES[1:3]
    assert find_steps(pairs, NAMES[0], "py310-tf28") == []
    del pairs[NAMES[2]]
    assert find_steps(pairs, NAMES[0], NAMES[3]) == []


@pytest.mark.parametrize(
    ("wall", "told"),
    [
        ((1.203, 1.086, 1.333), "20% slower (9 to 33%)"),
        ((1.043, 1.002, 1.086), "4.3% slower (0.2 to 8.6%)"),
        ((0.866, 0.844, 0.889), "13% faster (11 to 16%)"),
        ((1.5,), "50% slower"),
    ],
)
def test_a_change_in_percent(make_ab: Callable[..., AbRecord], wall: tuple[float, ...], told: str) -> None:
    """Whole percent, but with a digit more where an interval would seem to reach 0."""
    assert format_step(dataclasses.replace(make_step(make_ab()), wall=wall)) == told


def test_a_step_is_a_sentence(make_ab: Callable[..., AbRecord]) -> None:
    """The products come first, and the interval last."""
    step = dataclasses.replace(make_step(make_ab(python_a=NAMES[2], python_b=NAMES[3])), wall=(1.17, 1.088, 1.257))
    told = "Keras 3.8 trains 17% slower than 3.6, both on TensorFlow 2.18 (9 to 26%)"
    assert say_step(step, name_products({})) == told
    assert say_step(dataclasses.replace(step, wall=(1.17,)), name_products({})) == told.removesuffix(" (9 to 26%)")
