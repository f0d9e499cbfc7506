"""What a person sees of A against B: the interval while it shrinks, and the verdict with its figures."""

from __future__ import annotations

import contextlib
import math
import statistics
import sys
from typing import TYPE_CHECKING

from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.ab.calibration import format_sharpness
from mnist_bench.timing.ab.ratio import format_ratio, make_ratio
from mnist_bench.timing.ab.verdict import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.timing.ab.rounds import RoundEnded

__all__ = ["format_ab", "show_rounds"]

_WIDTH = 41  # of the drawn interval, an odd number
_REACH = 0.25  # to each side of 1
_BUSY = 1.0  # a load above 1 means another process competes, and the side with more threads waits longer


@contextlib.contextmanager
def show_rounds(budget: float) -> Iterator[Callable[[RoundEnded], None]]:
    """Show on standard error how the interval shrinks from round to round, while the context lasts.

    A terminal gets lines that are redrawn after each round; anything else gets a plain line for each round.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    if not (sys.stderr.isatty() and console.is_terminal):  # rich takes a log for a terminal if FORCE_COLOR is set
        yield lambda event: _write_line(event, budget)
        return
    # No automatic refresh: a thread that draws would work on the cores that are timed.
    with Live(Text("waiting for the first round ..."), console=console, auto_refresh=False) as live:
        yield lambda event: live.update(Text(draw_rounds(event, budget)), refresh=True)


def draw_rounds(event: RoundEnded, budget: float) -> str:
    """Return the state of a comparison: a line for each clock, with the interval on a scale around 1."""
    lines = [f"round {event.number}, {event.seconds:.0f} of {budget:g} s"]
    for name, interval in (("wall", event.judgement.wall), ("processor", event.judgement.cpu)):
        marks = [
            _draw_mark(math.exp(math.log1p(_REACH) * (2 * place / (_WIDTH - 1) - 1)), interval.low, interval.high)
            for place in range(_WIDTH)
        ]
        marks[_WIDTH // 2] = "┼" if interval.low <= 1 <= interval.high else "│"
        lines.append(f"  {name:<9} {''.join(marks)} {format_ratio(make_ratio(interval))}")
    return "\n".join(lines)


def format_ab(record: AbRecord) -> str:
    """Return the verdict of a comparison with its figures, for people."""
    work, rounds = record.workload, len(record.processes) // 2
    how = "A and B together, each on one core" if work.layout == "together" else "one process at a time"
    lines = [
        f"A  TensorFlow {record.a.tensorflow}, Keras {record.a.keras}  {record.python_a}",
        f"B  TensorFlow {record.b.tensorflow}, Keras {record.b.keras}  {record.python_b}",
        f"{work.lab} by {work.engine} on {work.dataset.source}, epochs of {work.samples:,} samples; {how}",
        f"{rounds} rounds of {work.epochs} epochs in {record.seconds:.0f} s, {_describe_pipeline(work.as_shipped)}",
        *([f"planted in B: {record.fault_b}"] if record.fault_b else []),
        f"{'':<11}   A ms    B ms   B against A ({record.wall.level:.2%} interval)",
    ]
    for name, clock, ratio in (("wall", "wall", record.wall), ("processor", "cpu", record.cpu)):
        epochs = [(times.side, seconds) for times in record.processes for seconds in getattr(times, clock)]
        a, b = (1000 * statistics.median(seconds for own, seconds in epochs if own == side) for side in "ab")
        lines.append(f"{name:<11} {a:6.1f}  {b:6.1f}   {format_ratio(ratio)}")
    for name, part in record.start.items():
        starts = [(times.side, (times.start or {})[name]) for times in record.processes]
        a, b = (1000 * statistics.median(seconds for own, seconds in starts if own == side) for side in "ab")
        told = "not decided" if record.failure or part.verdict == "inconclusive" else part.verdict
        lines.append(f"{name:<11} {a:6.0f}  {b:6.0f}   {format_ratio(part.ratio)}: {told}")
    verdict = VERDICTS[record.verdict].value
    word = "" if record.verdict == "inconclusive" else f"{record.verdict}: "
    lines.append(f"{verdict}: {word}{record.finding}")
    slower = [] if record.failure else [name for name, part in record.start.items() if part.verdict == "slower"]
    lines += [f"{Verdict.REGRESSED.value}: the {name} is slower" for name in slower]
    if record.load is not None and record.load > _BUSY:
        lines.append(
            f"the machine was busy, with a load of {record.load:.1f} at the start: A and B may not suffer equally"
        )
    lines.append(format_sharpness(record.calibration))
    return "\n".join(lines)


def _describe_pipeline(as_shipped: bool) -> str:  # noqa: FBT001
    return "with tf.data's autotuner (--without-tuner: off)" if as_shipped else "tf.data's autotuner off"


def _draw_mark(value: float, low: float, high: float) -> str:
    return "━" if low <= value <= high else "·"


def _write_line(event: RoundEnded, budget: float) -> None:
    wall, cpu = (format_ratio(make_ratio(interval)) for interval in (event.judgement.wall, event.judgement.cpu))
    sys.stderr.write(f"round {event.number}, {event.seconds:.0f} of {budget:g} s: wall {wall}, processor {cpu}\n")
    sys.stderr.flush()
