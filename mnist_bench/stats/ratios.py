"""How many times as long B takes as A: from the rounds of a comparison to an interval and a judgement.

A round is one fresh process of each side. The functions take arrays and return numbers; `docs/ab.md` has the reasons,
the sources and the measured rates of error.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import scipy  # loads scipy.stats, which takes most of a second, on first use

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
    "FEWEST_EPOCHS",
    "FEWEST_ROUNDS",
    "Judgement",
    "LogRatios",
    "Looks",
    "Speed",
    "judge_clock",
    "judge_looks",
    "judge_ratios",
    "ratio_interval",
    "round_log_ratio",
    "smallest_slowdown",
    "tail_level",
]

Speed = Literal["faster", "same", "slower", "inconclusive"]
LogRatios: TypeAlias = "tuple[Sequence[float], Sequence[float]]"
"""The logarithms of each round's ratio in wall time and in processor time."""
Looks: TypeAlias = "Sequence[tuple[int, float]]"
"""The number of rounds at each look, and the alpha that the look spends."""

ALPHA = 0.05  # chance that a whole run says slower or faster although nothing changed
BOUND = 0.05  # on one machine an environment differs from itself by up to 5%, and a change of 10% must be found
# How alpha is split between the two looks: 1% at half the budget, 4% at the end, where few rounds make the interval
# wide. A difference that is clear at half the budget with the whole alpha is clear there with a fifth of it, too.
ALPHA_HALF, ALPHA_END = 0.01, 0.04
FEWEST_EPOCHS = 2  # of a process: the sides exchange their cores after each epoch, and a couple removes what differs
FEWEST_ROUNDS = 3  # with fewer rounds Student's quantile is so large that no look decides
POWER = 0.9  # of the smallest slow-down that is stated

_CLOCKS = ("wall time", "processor time")
_GRID = 0.01  # step in the search for the smallest slow-down
_MOST = 1.0  # the largest slow-down that is tried: twice the time
_FEWEST_LEFT = 4  # rounds after trimming
_DRAWN = 200_000  # samples for a quantile: a chance of 1% is right within 0.03%


@dataclass(frozen=True)
class Judgement:
    """The result of a comparison.

    Attributes:
        speed: faster, same, slower or inconclusive: B compared with A.
        finding: The reason in a few words.
        wall: B's wall time over A's, with an interval.
        cpu: The same in processor time.
    """

    speed: Speed
    finding: str
    wall: Interval
    cpu: Interval


def tail_level(alpha: float = ALPHA_END) -> float:
    """Return the level of one end of one interval at a look that may spend alpha.

    There are three intervals: wall time, processor time, and waiting. By Bonferroni's inequality the chance that any
    of their six ends errs is then at most alpha.
    """
    return alpha / (2 * (len(_CLOCKS) + 1))


def round_log_ratio(a: ArrayLike, b: ArrayLike) -> float:
    """Return the logarithm of b's time over a's in one round.

    Both sides ran epoch k at the same time, and exchanged their cores in every second epoch. So the log ratio is taken
    within an epoch and averaged over a couple of epochs, which removes the differences between the cores. The median
    over the couples removes a disturbance of a single epoch.

    Args:
        a: Seconds of each epoch, shape (epochs,), at least two.
        b: The same for the other side.

    Raises:
        ValueError: The sides are not two equally long vectors of positive seconds.
    """
    old, new = check_values(a, "a"), check_values(b, "b")
    if old.size != new.size or old.size < FEWEST_EPOCHS or min(old.min(), new.min()) <= 0:
        fewest = f"{FEWEST_EPOCHS} or more"
        raise ValueError(f"a and b must be equally many positive seconds, {fewest}, not {old!r} and {new!r}")
    ratios = np.log(new / old)
    couples = ratios[: ratios.size // 2 * 2].reshape(-1, 2)
    return float(np.median(couples.mean(axis=1)))


def ratio_interval(log_ratios: ArrayLike, *, tail: float) -> Interval:
    """Return the ratio with the interval of a trimmed mean over the rounds; for few rounds it is Student's.

    Each round is an independent repetition, and the log ratio of a round already contains the spread of the epochs,
    so the levels below the round need no model (Kalibera and Jones, 2013, section 6). Most rounds agree within 1%, but
    sometimes a process is slow from its first epoch to its last. So from six rounds on the most extreme rounds are
    left out (Tukey and McLaughlin, 1963); the quantile allows for that.

    Args:
        log_ratios: One for each round, shape (rounds,).
        tail: Chance that the true ratio lies beyond one given end, above 0 and below 0.5.

    Returns:
        The interval; the ends are 0 and infinity if the rounds have no spread to judge by.

    Raises:
        ValueError: The values are not a finite, non-empty vector, or tail is out of range.
    """
    values = check_values(log_ratios, "log_ratios")
    if not 0 < tail < 0.5:  # noqa: PLR2004 - from 0.5 on the ends would cross
        raise ValueError(f"tail must be above 0 and below 0.5, not {tail!r}")
    means, errors = _trim(values[np.newaxis])
    estimate, error = float(means[0]), float(errors[0])
    half = _quantile(tail, values.size) * error if error > 0 else inf
    return Interval(exp(estimate), exp(estimate - half), _exp(estimate + half), 1 - 2 * tail)


def judge_ratios(ratios: LogRatios, *, bound: float = BOUND, tail: float | None = None) -> Judgement:
    """Say whether B is faster than A, the same or slower.

    One clock is enough for "slower": a sleep shows only in wall time, extra work on idle cores only in processor
    time. "Same" needs both. If both clocks grow alike, because a whole process is slow, the waiting stays as it is:
    wall time over processor time. So B is also slower if B waits longer, unless B takes less processor time or seems
    faster in wall time.

    Args:
        ratios: The log ratios.
        bound: The change that does not matter, as a share of the time.
        tail: The level of one end; `tail_level()` if not given.
    """
    tail = tail_level() if tail is None else tail
    clocks = dict(zip(_CLOCKS, (ratio_interval(values, tail=tail) for values in ratios), strict=True))
    wall, cpu = clocks.values()
    speeds = {name: _judge_interval(interval, bound) for name, interval in clocks.items()}
    slower, faster, outside = (
        [name for name, speed in speeds.items() if speed == told] for told in ("slower", "faster", "inconclusive")
    )
    waiting = ratio_interval(np.subtract(*ratios), tail=tail)
    if not slower and _judge_interval(waiting, bound) == "slower" and cpu.high > 1 and wall.estimate > 1:
        slower = [f"waiting time ({waiting.low - 1:+.1%} to {waiting.high - 1:+.1%})"]
    if slower:
        return Judgement("slower", f"slower in {_join(slower)}{_but_faster(faster)}", wall, cpu)
    if faster:
        return Judgement("faster", f"faster in {_join(faster)}", wall, cpu)
    if not outside:
        return Judgement("same", f"within {bound:.0%} in both clocks", wall, cpu)
    return Judgement("inconclusive", f"neither changed nor within {bound:.0%} in {_join(outside)}", wall, cpu)


def judge_clock(log_ratios: ArrayLike, *, bound: float, tail: float) -> tuple[Speed, Interval]:
    """Say whether B is faster than A, the same or slower, by one clock alone.

    Args:
        log_ratios: One for each round, shape (rounds,).
        bound: The change that does not matter, as a share of the time.
        tail: The level of one end of the interval.
    """
    interval = ratio_interval(log_ratios, tail=tail)
    enough = np.size(log_ratios) >= FEWEST_ROUNDS
    return _judge_interval(interval, bound) if enough else "inconclusive", interval


def _judge_interval(interval: Interval, bound: float) -> Speed:
    """Return what an interval of a ratio says by itself.

    Slower or faster: 1 is outside, and a change of more than the bound is not excluded. Same: such a change is.
    """
    most, least = 1 + bound, 1 / (1 + bound)
    if interval.low > 1 and interval.high > most:
        return "slower"
    if interval.high < 1 and interval.low < least:
        return "faster"
    return "same" if least <= interval.low <= interval.high <= most else "inconclusive"


def judge_looks(ratios: LogRatios, looks: Looks, *, bound: float = BOUND) -> Judgement:
    """Return the judgement of the first look that decides, else that of the last look.

    Args:
        ratios: The log ratios of the whole run.
        looks: The looks that were taken; without a look the result is inconclusive.
        bound: As in `judge_ratios`.
    """
    for number, (count, alpha) in enumerate(looks, start=1):
        judgement = judge_ratios((ratios[0][:count], ratios[1][:count]), bound=bound, tail=tail_level(alpha))
        if judgement.speed != "inconclusive" or number == len(looks):
            return judgement
    count = len(ratios[0])
    wall, cpu = (ratio_interval(values, tail=tail_level()) for values in ratios)
    return Judgement("inconclusive", f"{count} rounds are too few: at least {FEWEST_ROUNDS} are needed", wall, cpu)


def smallest_slowdown(
    runs: Sequence[tuple[LogRatios, Looks]],
    *,
    clocks: tuple[bool, bool] = (True, True),
    bound: float = BOUND,
) -> float | None:
    """Return the smallest slow-down, in whole percent, that 90% of these runs would have called slower.

    B's times are multiplied by the slow-down afterwards, which has the effect of a real slow-down.

    Args:
        runs: Complete runs of an environment compared with itself: the log ratios and the looks of each.
        clocks: Whether the slow-down shows in wall time, and in processor time.
        bound: As in `judge_ratios`.

    Returns:
        The slow-down as a share of the time, such as 0.08; None if not even twice the time would be found.

    Raises:
        ValueError: There are no runs.
    """
    if not runs:
        raise ValueError("no runs to find a slow-down in")
    for step in range(1, round(_MOST / _GRID) + 1):
        shift = log(1 + step * _GRID)
        found = [
            judge_looks(_shift(ratios, shift, clocks), looks, bound=bound).speed == "slower" for ratios, looks in runs
        ]
        if np.mean(found) >= POWER:
            return round(step * _GRID, 2)
    return None


def _shift(ratios: LogRatios, shift: float, clocks: tuple[bool, bool]) -> LogRatios:
    wall, cpu = ([value + shift * on for value in values] for values, on in zip(ratios, clocks, strict=True))
    return wall, cpu


def _trim(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the trimmed mean of each row, and its standard error from the Winsorised values."""
    count = values.shape[1]
    cut = _count_trimmed(count)
    ordered = np.sort(values, axis=1)
    means = ordered[:, cut : count - cut].mean(axis=1)
    ordered = np.clip(ordered, ordered[:, [cut]], ordered[:, [count - cut - 1]])
    ordered -= ordered[:, :1]  # so that equal values have no spread by rounding
    spread = np.sqrt(ordered.var(axis=1) * count / max(count - 1, 1))
    return means, spread * sqrt(count) / (count - 2 * cut)


def _count_trimmed(count: int) -> int:
    """Return how many rounds are left out at each end: a quarter, as long as four rounds remain."""
    return max(0, min(count // 4, (count - _FEWEST_LEFT) // 2))


@functools.lru_cache(maxsize=256)
def _quantile(tail: float, count: int) -> float:
    """Return the quantile of the trimmed mean of `count` normal values, in standard errors.

    It is Student's if no value is trimmed. Otherwise no tabulated quantile is right for so few values (Student's for
    the remaining count errs in 1.5% of the runs for 1%), so it is simulated, always from the same samples.

    Args:
        tail: Chance that the trimmed mean exceeds the quantile.
        count: Number of values.
    """
    if not _count_trimmed(count):
        return float(scipy.stats.t.isf(tail, count - 1))
    return float(np.quantile(_draw_sizes(count), 1 - 2 * tail))


@functools.lru_cache(maxsize=16)
def _draw_sizes(count: int) -> NDArray[np.float64]:
    """Return the sizes of the trimmed means of many samples of `count` normal values, in standard errors."""
    means, errors = _trim(np.random.default_rng(count).standard_normal((_DRAWN, count)))
    return np.abs(means / errors)


def _exp(value: float) -> float:
    """Return e to the power of the value, or infinity if the result is too large for a float."""
    return exp(value) if value < 700 else inf  # noqa: PLR2004 - exp(710) overflows


def _join(names: Sequence[str]) -> str:
    return " and ".join(names)


def _but_faster(names: Sequence[str]) -> str:
    return f", though faster in {_join(names)}" if names else ""
