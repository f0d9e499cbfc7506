"""How many times as long B takes as A: from the rounds of a comparison to an interval and a word.

A round is one fresh process of each side. All here is arrays in, numbers out; `docs/ab.md` has the reasons, the
sources and the measured rates of error.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import scipy  # which loads its stats, most of a second, when they are asked for

from mnist_bench.stats.intervals import Interval
from mnist_bench.stats.permutation import check_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ALPHA",
    "ALPHA_END",
    "ALPHA_HALF",
    "BOUND",
    "FEWEST_ROUNDS",
    "Judgement",
    "Looks",
    "Rounds",
    "Word",
    "judge_looks",
    "judge_ratios",
    "ratio_interval",
    "round_log_ratio",
    "smallest_slowdown",
    "tail_level",
]

Word = Literal["faster", "same", "slower", "inconclusive"]
Rounds: TypeAlias = "tuple[Sequence[float], Sequence[float]]"
"""The log ratios of each round by the clock on the wall, and in processor time."""
Looks: TypeAlias = "Sequence[tuple[int, float]]"
"""After how many rounds it was looked, and the alpha that was spent there."""

ALPHA = 0.05  # chance that a whole run says slower or faster although nothing changed
BOUND = 0.05  # a twentieth: what machines do to one environment beside itself, and half of what must be found
# Of it, what each look may spend: one at half of the budget, one at its end. Most goes to the end, where the rounds
# are few still and Student's quantile is steep; a difference that is clear at half is clear at a fifth of it, too.
ALPHA_HALF, ALPHA_END = 0.01, 0.04
FEWEST_ROUNDS = 3  # below it Student's quantile is so large that no look decides
POWER = 0.9  # with which the smallest slow-down is stated

_CLOCKS = ("wall time", "processor time")
_GRID = 0.01  # of the smallest slow-down
_MOST = 1.0
_FEWEST_LEFT = 4  # rounds after trimming
_DRAWN = 200_000  # samples for a quantile: a chance of 1% within 0.03%


@dataclass(frozen=True)
class Judgement:
    """What a comparison comes to.

    Attributes:
        word: faster, same, slower or inconclusive: of B, beside A.
        finding: Why, in a few words.
        wall: B's time over A's by the clock on the wall, with its interval.
        cpu: The same in processor time.
    """

    word: Word
    finding: str
    wall: Interval
    cpu: Interval


def tail_level(alpha: float = ALPHA_END) -> float:
    """Return the level of one end of one clock's interval at a look that may spend alpha.

    By Bonferroni's inequality the two ends of the two clocks, and of the waiting, then err with alpha at most together.
    """
    return alpha / (2 * (len(_CLOCKS) + 1))


def round_log_ratio(a: ArrayLike, b: ArrayLike) -> float:
    """Return the logarithm of b's time over a's in one round.

    Epoch k of both ran at the same time, and odd ones with the cores exchanged: so the ratio is taken within
    an epoch and averaged over two, which leaves out what the cores have of their own. The median over these
    couples leaves out what happened to one of them only.

    Args:
        a: Seconds of each epoch, shape (epochs,), at least two.
        b: The same for the other side.

    Raises:
        ValueError: They are not two equally long vectors of positive seconds.
    """
    old, new = check_values(a, "a"), check_values(b, "b")
    if old.size != new.size or old.size < 2 or min(old.min(), new.min()) <= 0:  # noqa: PLR2004 - a couple
        raise ValueError(f"a and b must be equally many positive seconds, 2 or more, not {old!r} and {new!r}")
    ratios = np.log(new / old)
    couples = ratios[: ratios.size // 2 * 2].reshape(-1, 2)
    return float(np.median(couples.mean(axis=1)))


def ratio_interval(log_ratios: ArrayLike, *, tail: float) -> Interval:
    """Return the ratio with its interval: that of a trimmed mean over the rounds, Student's where they are few.

    The round is the unit that was drawn anew, and its log ratio has the spread of its epochs in it already, so
    nothing below it needs a model (Kalibera and Jones, 2013, section 6). Most rounds agree within a hundredth, and
    now and then a process is slow from its first epoch to its last: from six rounds on, the outermost ones are
    left out (Tukey and McLaughlin, 1963), and what that does to the width is in the quantile.

    Args:
        log_ratios: One for each round, shape (rounds,).
        tail: Chance that the truth lies beyond one given end, above 0 and below 0.5.

    Returns:
        The interval; its ends are 0 and infinity where the rounds give no spread to judge by.

    Raises:
        ValueError: The values are not a finite, non-empty vector, or tail is out of range.
    """
    values = check_values(log_ratios, "log_ratios")
    if not 0 < tail < 0.5:  # noqa: PLR2004 - from one half on the ends would cross
        raise ValueError(f"tail must be above 0 and below 0.5, not {tail!r}")
    means, errors = _trim(values[np.newaxis])
    estimate, error = float(means[0]), float(errors[0])
    half = _quantile(tail, values.size) * error if error > 0 else inf
    return Interval(exp(estimate), exp(estimate - half), _exp(estimate + half), 1 - 2 * tail)


def judge_ratios(rounds: Rounds, *, bound: float = BOUND, tail: float | None = None) -> Judgement:
    """Say whether B is faster than A, the same or slower.

    Slower is enough by one clock: a sleep does not show in processor time, nor work on idle cores on the wall.
    The same takes both. What slows a whole process slows both its clocks, and so not what it waits, wall time for
    processor time: by that B is slower, too, unless it takes less processor time or seems faster on the wall.

    Args:
        rounds: The log ratios.
        bound: The change that does not matter, as a share of the time.
        tail: The level of one end; `tail_level()` if not given.
    """
    tail = tail_level() if tail is None else tail
    clocks = dict(zip(_CLOCKS, (ratio_interval(it, tail=tail) for it in rounds), strict=True))
    wall, cpu = clocks.values()
    most, least = 1 + bound, 1 / (1 + bound)
    slower = [name for name, it in clocks.items() if it.low > 1 and it.high > most]
    faster = [name for name, it in clocks.items() if it.high < 1 and it.low < least]
    waiting = ratio_interval(np.subtract(*rounds), tail=tail)
    if not slower and waiting.low > 1 and waiting.high > most and cpu.high > 1 and wall.estimate > 1:
        slower = [f"what it waits ({waiting.low - 1:+.1%} to {waiting.high - 1:+.1%})"]
    if slower:
        return Judgement("slower", f"slower in {_join(slower)}{_but_faster(faster)}", wall, cpu)
    if faster:
        return Judgement("faster", f"faster in {_join(faster)}", wall, cpu)
    outside = [name for name, it in clocks.items() if not least <= it.low <= it.high <= most]
    if not outside:
        return Judgement("same", f"within {bound:.0%} in both clocks", wall, cpu)
    return Judgement("inconclusive", f"neither changed nor within {bound:.0%} in {_join(outside)}", wall, cpu)


def judge_looks(rounds: Rounds, looks: Looks, *, bound: float = BOUND) -> Judgement:
    """Return the judgement of the first look that decides, else that of the last.

    Args:
        rounds: The log ratios of the whole run.
        looks: When it was looked; without any it is inconclusive.
        bound: As in `judge_ratios`.
    """
    for number, (count, alpha) in enumerate(looks, start=1):
        judgement = judge_ratios((rounds[0][:count], rounds[1][:count]), bound=bound, tail=tail_level(alpha))
        if judgement.word != "inconclusive" or number == len(looks):
            return judgement
    count = len(rounds[0])
    wall, cpu = (ratio_interval(it, tail=tail_level()) for it in rounds)
    return Judgement("inconclusive", f"{count} rounds are too few: it takes {FEWEST_ROUNDS}", wall, cpu)


def smallest_slowdown(
    runs: Sequence[tuple[Rounds, Looks]],
    *,
    clocks: tuple[bool, bool] = (True, True),
    bound: float = BOUND,
) -> float | None:
    """Return the smallest slow-down that 90% of these runs would have called slower, in whole percent.

    B's times are multiplied by it after the fact, which is what a slow-down does to them.

    Args:
        runs: Of an environment beside itself, in full: the log ratios and the looks of each.
        clocks: Whether it shows on the wall, and in processor time.
        bound: As in `judge_ratios`.

    Returns:
        The share of the time, such as 0.08; None where not even twice the time would be found.

    Raises:
        ValueError: There are no runs.
    """
    if not runs:
        raise ValueError("no runs to find a slow-down in")
    for step in range(1, round(_MOST / _GRID) + 1):
        shift = log(1 + step * _GRID)
        found = [
            judge_looks(_shift(rounds, shift, clocks), looks, bound=bound).word == "slower" for rounds, looks in runs
        ]
        if np.mean(found) >= POWER:
            return round(step * _GRID, 2)
    return None


def _shift(rounds: Rounds, shift: float, clocks: tuple[bool, bool]) -> Rounds:
    moved: list[NDArray[np.float64]] = [
        np.asarray(it, dtype=np.float64) + shift * on for it, on in zip(rounds, clocks, strict=True)
    ]
    return moved[0].tolist(), moved[1].tolist()


def _trim(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the trimmed mean of each row and its standard error, that of the Winsorised values over what is left."""
    count = values.shape[1]
    cut = _count_trimmed(count)
    ordered = np.sort(values, axis=1)
    means = ordered[:, cut : count - cut].mean(axis=1)
    ordered = np.clip(ordered, ordered[:, [cut]], ordered[:, [count - cut - 1]])
    ordered -= ordered[:, :1]  # so that rounding gives equal values no spread
    spread = np.sqrt(ordered.var(axis=1) * count / max(count - 1, 1))
    return means, spread * sqrt(count) / (count - 2 * cut)


def _count_trimmed(count: int) -> int:
    """Return how many of so many rounds are left out at each end: a quarter, as long as four remain."""
    return max(0, min(count // 4, (count - _FEWEST_LEFT) // 2))


@functools.lru_cache(maxsize=256)
def _quantile(tail: float, count: int) -> float:
    """Return what the trimmed mean of so many normal values exceeds, in standard errors, with this chance.

    Student's where none are trimmed. Else no tabled one is right for so few (Student's with the remaining count
    errs in 1.5% of the runs for 1%), so it is found by drawing, always the same samples.
    """
    if not _count_trimmed(count):
        return float(scipy.stats.t.isf(tail, count - 1))
    return float(np.quantile(_draw_sizes(count), 1 - 2 * tail))


@functools.lru_cache(maxsize=16)
def _draw_sizes(count: int) -> NDArray[np.float64]:
    """Return the sizes of the trimmed means of many samples of so many normal values, in their standard errors."""
    means, errors = _trim(np.random.default_rng(count).standard_normal((_DRAWN, count)))
    return np.abs(means / errors)


def _exp(value: float) -> float:
    """Return e to the value, infinity where that is too large for a float."""
    return exp(value) if value < 700 else inf  # noqa: PLR2004 - exp(710) overflows


def _join(names: Sequence[str]) -> str:
    return " and ".join(names)


def _but_faster(names: Sequence[str]) -> str:
    return f", though faster in {_join(names)}" if names else ""
