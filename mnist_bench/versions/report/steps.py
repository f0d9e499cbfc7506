"""Times between two versions: measured as a pair, or in steps over the versions between."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.stats.ratios import Speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.report.names import Products

__all__ = ["Step", "find_steps", "format_step", "list_moved", "make_step", "say_step"]

_BACK: dict[Speed, Speed] = {"faster": "slower", "slower": "faster", "same": "same", "inconclusive": "inconclusive"}


@dataclass(frozen=True)
class Step:
    """Two versions that were timed together, in the direction of the reader.

    Attributes:
        base: The version that the reader comes from.
        name: The version that the reader goes to.
        verdict: What was measured of `name`.
        wall: The wall-clock time of `name` over that of `base`: the estimate, and the ends of its interval if it has
            ends.
        workload: What was trained, such as `mlp by epoch`.
    """

    base: str
    name: str
    verdict: Speed
    wall: tuple[float, ...]
    workload: str


def find_steps(pairs: Mapping[str, AbRecord], base: str, name: str) -> list[Step]:
    """Return the shortest way between two versions along those that were timed together; [] if there is none.

    Args:
        pairs: The comparisons of times, by the name of the newer version.
        base: The version to come from.
        name: The version to go to.
    """
    edges: dict[str, list[Step]] = {}
    for pair in pairs.values():
        for step in (make_step(pair), make_step(pair, back=True)):
            edges.setdefault(step.base, []).append(step)
    ways: dict[str, list[Step]] = {base: []}
    queue = deque([base])
    while queue and name not in ways:
        here = queue.popleft()
        for step in edges.get(here, []):
            if step.name not in ways:
                ways[step.name] = [*ways[here], step]
                queue.append(step.name)
    return ways.get(name, [])


def make_step(pair: AbRecord, *, back: bool = False) -> Step:
    """Return a pair as a step to the newer version, or back to the older one: the same measurement, turned over."""
    ends = [end for end in (pair.wall.low, pair.wall.high) if end is not None]
    wall = (pair.wall.estimate, *(ends if len(ends) == len(("low", "high")) else ()))
    workload = f"{pair.workload.lab} by {pair.workload.engine}"
    if not back:
        return Step(pair.python_a, pair.python_b, pair.verdict, wall, workload)
    estimate, *sides = (1 / ratio for ratio in wall)
    return Step(pair.python_b, pair.python_a, _BACK[pair.verdict], (estimate, *sorted(sides)), workload)


def list_moved(steps: Iterable[Step]) -> list[Step]:
    """Return the steps that are slower or faster, the slowest first."""
    moved = [step for step in steps if step.verdict in ("slower", "faster")]
    return sorted(moved, key=lambda step: -step.wall[0])


def format_step(step: Step) -> str:
    """Return how much slower or faster a version is, in percent of the other one's time."""
    word, sign = ("faster", -1) if step.wall[0] < 1 else ("slower", 1)
    ends = sorted(100 * sign * (end - 1) for end in step.wall[1:])
    # An interval that excludes 0 shows it.
    digits = 1 if any(abs(end) < 1 for end in ends) else 0
    amount = f"{100 * abs(step.wall[0] - 1):.{digits}f}% {word}"
    return f"{amount} ({ends[0]:.{digits}f} to {ends[1]:.{digits}f}%)" if ends else amount


def say_step(step: Step, name: Callable[[str], Products]) -> str:
    """Return a step as a sentence without its full stop: `Keras 3.8 trains 17% slower than 3.6, ...`.

    Args:
        step: A step whose verdict is faster or slower.
        name: Names the products of a version.
    """
    amount, space, ends = format_step(step).partition(" (")
    return name(step.name).compare(name(step.base), f"trains {amount} than") + space + ends
