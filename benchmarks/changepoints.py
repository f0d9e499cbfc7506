"""How well libraries find planted steps in series of times: apache-otava, ruptures, and ruptures with our test.

    python benchmarks/changepoints.py baselines/timings/*/0*.json    # the table of docs/benchmarks.md

apache-otava is compared if it is installed (`pip install apache-otava==0.8.0`, into an environment of its own: it
requires NumPy 2.2.0). A series is simulated, or is made of the stored runs: of each benchmark the logarithms of the
fastest rounds without the level of their TensorFlow, in a random order. A step is planted with at least three values on
each side; a change that is found within one place of it counts as found, every other as false.
"""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.stats.changes import LEAST_SEGMENT, find_changes, load_ruptures
from mnist_bench.timing.records import load_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Series = NDArray[np.float64]
    Finder = Callable[[Series], list[int]]

STEPS = (0.0, 0.05, 0.1, 0.25)
SIMULATED = ((0.02, 12), (0.02, 20), (0.02, 40), (0.04, 20), (0.04, 40))
# One simulated run in 33 is disturbed, and takes 1.35 times as long.
_DISTURBED, _DISTURBANCE = 0.03, 0.3
_NEAR = 1
# A first epoch by fused became several times as long between two of the stored runs, by a change of this project.
_LEFT_OUT = "first_epoch"


def main() -> None:
    """Judge all libraries by the same series, and show the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="*", help="stored runs for the series that are not simulated")
    parser.add_argument("--series", type=int, default=400, metavar="N", help="series of each kind and step")
    options = parser.parse_args()
    real = collect_series(options.runs) if options.runs else []
    print(*format_table(options.series, real, find_finders()), sep="\n")


def find_finders() -> dict[str, Finder]:
    """Return the libraries that are installed, each as a function from a series to the places of changes."""
    finders: dict[str, Finder] = {"ruptures, with our test": find_changes, "ruptures alone": find_by_ruptures}
    try:
        from otava.analysis import compute_change_points
    except ModuleNotFoundError:
        return finders

    def find_by_otava(series: Series) -> list[int]:
        # Its own defaults, of `otava.series.AnalysisOptions`, but for the window: 0.8.0 raises a ValueError for each
        # series with a change that is longer than half of the window. It wants the times themselves.
        window = max(50, 2 * series.size)
        found, _ = compute_change_points(np.exp(series), window_len=window, max_pvalue=0.001, min_magnitude=0.0)
        return [change.index for change in found]

    return {"apache-otava": find_by_otava, **finders}


def find_by_ruptures(series: Series) -> list[int]:
    """Return what PELT finds with three times the variance and the logarithm of the length as the price of a change."""
    steps = np.diff(series)
    variance = (1.4826 * np.median(np.abs(steps - np.median(steps)))) ** 2 / 2
    search = load_ruptures().Pelt(model="l2", min_size=2, jump=1).fit(series.reshape(-1, 1))
    return [int(place) for place in search.predict(pen=3 * variance * math.log(series.size))[:-1]]


def collect_series(paths: Sequence[Path]) -> list[Series]:
    """Return for each benchmark what its runs differ in, apart from TensorFlow."""
    times: dict[tuple[str, str], list[float]] = {}
    for run in map(load_run, paths):
        for timing in run.benchmarks:
            if _LEFT_OUT not in timing.fullname:
                times.setdefault((timing.fullname, run.tensorflow), []).append(math.log(timing.stats.min))
    series: dict[str, list[float]] = {}
    for (name, _), logarithms in times.items():
        middle = statistics.median(logarithms)
        series.setdefault(name, []).extend(value - middle for value in logarithms)
    return [np.array(values) for values in series.values()]


def draw_series(spread: float, length: int, count: int) -> Iterator[Series]:
    """Yield simulated series without a change."""
    rng = np.random.default_rng(round(1000 * spread) + length)
    for _ in range(count):
        yield rng.normal(0, spread, length) + _DISTURBANCE * (rng.random(length) < _DISTURBED)


def reorder(series: Sequence[Series], count: int) -> Iterator[Series]:
    """Yield measured series in random orders."""
    rng = np.random.default_rng(0)
    for number in range(count):
        yield rng.permutation(series[number % len(series)])


def judge(finder: Finder, drawn: Sequence[Series], step: float) -> tuple[int, int, int]:
    """Return how many planted steps were found, how many other places, and how many series raised an error."""
    rng = np.random.default_rng(1)
    hits = others = errors = 0
    for series in drawn:
        place = int(rng.integers(LEAST_SEGMENT, series.size - LEAST_SEGMENT + 1))
        stepped = series + math.log1p(step) * (np.arange(series.size) >= place)
        try:
            found = finder(stepped)
        except ValueError:
            errors += 1
            continue
        near = any(abs(other - place) <= _NEAR for other in found) if step else False
        hits, others = hits + near, others + len(found) - near
    return hits, others, errors


def format_table(count: int, real: Sequence[Series], finders: dict[str, Finder]) -> list[str]:
    """Return the rows of Markdown: for each kind of series and each library, precision and recall by step."""
    kinds = {
        f"simulated, {spread:.0%}, {length} runs": [*draw_series(spread, length, count)] for spread, length in SIMULATED
    }
    if real:
        kinds[f"stored, {len(real[0])} runs, re-ordered"] = [*reorder(real, count)]
    head = ["series", "library", "no step: false changes in a series"]
    head += [f"{step:.0%}: precision, recall" for step in STEPS[1:]]
    lines = [f"| {' | '.join([*head, 'errors'])} |", f"|{' --- |' * (len(head) + 1)}"]
    for kind, drawn in kinds.items():
        for library, finder in finders.items():
            answers = [judge(finder, drawn, step) for step in STEPS]
            cells = [kind, library, f"{answers[0][1] / count:.2f}"]
            cells += [f"{hits / max(1, hits + others):.0%}, {hits / count:.0%}" for hits, others, _ in answers[1:]]
            errors = sum(answer[2] for answer in answers)
            lines.append(f"| {' | '.join([*cells, f'{errors} of {count * len(STEPS)}'])} |")
    return lines


if __name__ == "__main__":
    main()
