"""The smallest effect that the gates find in nine of ten groups of real seeds: what `sharpness.py` prints and draws.

New seeds are compared with stored ones, as `check` does; two samples and pairs are compared as `compare` does. Groups
of seeds are drawn from the thousand stored seeds of the mlp by `fused`, one group is made worse, and the gate's own
tests judge. The seeds are real, so no distribution is assumed. The differences within pairs are those of
`docs/selftest-trainings.json`: of trainings with planted faults that do no more than round otherwise.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from mlp_figures import NEW, PAIRS, TWO, find_spread

from mnist_bench.checks.selftest.effects import TESTS
from mnist_bench.stats.paired import shift_of_pairs
from mnist_bench.stats.permutation import RESAMPLES
from mnist_bench.stats.power import smallest_shift
from mnist_bench.stats.sequential import (
    ALPHA,
    BETA,
    GROUP_LOOKS,
    LOOKS,
    PAIR_LOOKS,
    POWER,
    Comparison,
    judge,
)
from mnist_bench.versions.figures import CLASS_RESAMPLES, CLASS_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlp_figures import Figure

    from mnist_bench.stats.sequential import Decision

SIZES = (3, 5, 10, 20)
COMPARE_TESTS, CLASS_TESTS = 18, 30  # of `compare` with three labs; the classes are a family of their own
FAR = 100  # times the stated loss: what is not found then is never found
GROUPS = 200  # a share of 90% has a standard error of 2 points


class Level(NamedTuple):
    """What one test may spend at one look, at the strictest step of Holm's method."""

    alpha: float
    beta: float


class Cell(NamedTuple):
    """Losses in the figure's unit: the smallest that is found, the stated one, and how often the stated one is found.

    The stated loss is that of the formula which the verdicts quote as "would detect". It takes seeds to be normal.
    """

    smallest: float
    stated: float
    found: float


Group = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def find_level(figure: Figure, way: str, size: int) -> Level | None:
    """Return what the gate spends on a figure when it looks at so many seeds; None if it does not look at so many."""
    if way == NEW:
        looks = len(LOOKS) if size in LOOKS else 1  # `check --seeds 3` looks once
        return Level(ALPHA / looks / TESTS, BETA / looks)
    planned = PAIR_LOOKS if way == PAIRS else GROUP_LOOKS
    share, tests = (CLASS_SHARE, CLASS_TESTS) if figure.by_class else (1 - CLASS_SHARE, COMPARE_TESTS)
    return Level(share * ALPHA / len(planned) / tests, BETA / len(planned)) if size in planned else None


def count_splits(size: int) -> int:
    """Return in how many ways twice so many seeds are two samples: one of them is the smallest p-value."""
    return math.comb(2 * size, size)


def state_smallest(figure: Figure, way: str, size: int) -> float:
    """Return the smallest loss by the formulas of `stats`, for normal seeds; infinity if no loss is found."""
    level = find_level(figure, way, size)
    if level is None:
        return math.inf
    limits = {**level._asdict(), "margin": figure.margin, "power": POWER}
    if way == PAIRS:
        return shift_of_pairs(find_spread(figure.differences), size, **limits)
    values = np.asarray(figure.values)
    if way == TWO:  # any values with the standard deviation of the stored seeds
        line = np.linspace(-1, 1, size)
        values = line * values.std(ddof=1) / line.std(ddof=1)
    return smallest_shift(values, size, **limits)


def draw_groups(figure: Figure, way: str, size: int, rng: np.random.Generator) -> list[Group]:
    """Return groups of real seeds and what each is compared with; no seed is on both sides, except as a pair.

    Only pairs are drawn with repetition: a few differences are known, each of which is as likely with the other sign.
    """
    groups = []
    for _ in range(GROUPS):
        values = rng.permutation(np.asarray(figure.values))
        if way == PAIRS:
            moved = rng.choice(figure.differences, size) * rng.choice((-1, 1), size)
            groups.append((values[:size], values[:size] + moved))
        else:
            groups.append((values[size : 2 * size] if way == TWO else values[size:], values[:size]))
    return groups


def decide(figure: Figure, way: str, level: Level, group: Group, loss: float) -> Decision:
    """Return what the gate says of a group that is worse by a loss, if no seed follows."""
    old, new = group
    comparison = Comparison(
        old, new + loss, "higher", figure.find_margin(old), paired=way == PAIRS, resolution=figure.step, spread=False
    )
    # One test with the share of the strictest of its family: the others find nothing.
    resamples = CLASS_RESAMPLES if figure.by_class else RESAMPLES
    rng = np.random.default_rng(0)
    return judge({"": comparison}, rng=rng, looks=1, alpha=level.alpha, beta=level.beta, resamples=resamples)[""]


def is_found(figure: Figure, way: str, level: Level, group: Group, loss: float) -> bool:
    """Return whether a group that is worse by a loss is REGRESSED."""
    return decide(figure, way, level, group, loss).verdict == "REGRESSED"


def count_causes(figure: Figure, way: str, size: int) -> Counter[str]:
    """Return of how many groups the stated loss is found, and why not of the others."""
    level, stated, causes = find_level(figure, way, size), state_smallest(figure, way, size), Counter[str]()
    assert level
    for group in draw_groups(figure, way, size, np.random.default_rng(0)):
        decision = decide(figure, way, level, group, stated)
        if decision.verdict == "REGRESSED":
            causes["found"] += 1
        elif decision.mean_p > level.alpha:
            causes["test"] += 1
        else:
            causes["interval"] += 1
    return causes


def measure(figure: Figure, way: str, size: int) -> Cell:
    """Return the smallest loss that is found in the groups, next to the stated one."""
    level, stated = find_level(figure, way, size), state_smallest(figure, way, size)
    if level is None or math.isinf(stated):
        return Cell(math.inf, math.inf, 0.0)
    groups = draw_groups(figure, way, size, np.random.default_rng(0))
    finds = partial(is_found, figure, way, level)
    found = sum(finds(group, stated) for group in groups) / len(groups)
    smallest = find_smallest(groups, finds, stated, 0.005 / figure.scale)
    return Cell(figure.scale * smallest, figure.scale * stated, found)


def find_smallest(
    groups: Sequence[Group], finds: Callable[[Group, float], bool], first: float, precision: float
) -> float:
    """Return the loss from which on the gate finds 90% of the groups, by bisection.

    A group whose loss is found has a larger one found as well, so that each group is judged only while it is open.

    Args:
        groups: The groups.
        finds: Says whether a group's loss is found.
        first: A loss above 0 to begin with.
        precision: How close the answer is.

    Returns:
        The loss; infinity if even one that is far larger than the first is not found.
    """
    needed, sure, unknown = POWER * len(groups), 0, list(groups)
    low, high, loss = 0.0, math.inf, first
    while high - low > precision:
        verdicts = [finds(group, loss) for group in unknown]
        enough = sure + sum(verdicts) >= needed
        sure += 0 if enough else sum(verdicts)
        unknown = [group for group, verdict in zip(unknown, verdicts, strict=True) if verdict is enough]
        low, high = (low, loss) if enough else (loss, high)
        loss = (low + high) / 2 if math.isfinite(high) else 1.25 * loss
        if loss > FAR * first:
            return math.inf
    return high
