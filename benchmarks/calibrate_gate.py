"""How often the gate of times is wrong: runs of one environment, compared with each other.

    python benchmarks/calibrate_gate.py baselines/timings/*/*_tf2.21.0_*.json     # or any runs of one environment

Every choice of runs is compared with every choice of other runs as the baseline: unchanged, when each REGRESSED is a
false alarm, and with all times multiplied by 1.5, when each benchmark that is not REGRESSED was missed. The choices
share runs, so they give less information than the same number of independent runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.gate import judge_runs
from mnist_bench.timing.records import load_run, refuse_strangers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.timing.records import TimingRun

SLOWER = 1.5
CHOICES = ((1, 2), (2, 2), (2, 3), (3, 2), (3, 3))  # runs judged, runs as the baseline


def main() -> None:
    """Print the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN.json", help="of one machine and one environment")
    runs = [load_run(path) for path in parser.parse_args().runs]
    refuse_strangers(runs)
    print("| judged | baseline | checks | ratio: 99%, highest | with a false alarm | PASS |", end="")
    print(" 1.5 times: REGRESSED | the same, steady epochs |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for judged, baseline in CHOICES:
        if judged + baseline <= len(runs):
            same, slower = (judge_all(runs, judged, baseline, factor=factor) for factor in (1.0, SLOWER))
            ratios = [float(result.figure.partition(" ")[0]) for results in same for result in results]
            cells = [
                f"{judged} | {baseline} | {len(same)} | {np.quantile(ratios, 0.99):.2f}, {max(ratios):.2f}",
                str(count_alarmed(same)),
                f"{share(same, Verdict.PASS):.0%}",
                f"{share(slower, Verdict.REGRESSED):.0%}",
                f"{share(slower, Verdict.REGRESSED, part='steady-epoch'):.0%}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def judge_all(runs: Sequence[TimingRun], judged: int, baseline: int, *, factor: float) -> list[list[CheckResult]]:
    """Compare every choice of runs, with the times multiplied, with every choice of other runs; return all results.

    Args:
        runs: The runs of one environment.
        judged: Number of runs that are judged together.
        baseline: Number of runs in the baseline.
        factor: Factor by which the times of the judged runs are multiplied.
    """
    names = [timing.fullname for timing in runs[0].benchmarks]
    return [
        judge_runs([slow_down(run, factor) for run in chosen], others, names, rng=np.random.default_rng(0))
        for chosen, others in choose(runs, judged, baseline)
    ]


def count_alarmed(checks: Sequence[Sequence[CheckResult]]) -> int:
    """Return the number of checks in which a benchmark regressed."""
    return sum(any(result.verdict is Verdict.REGRESSED for result in results) for results in checks)


def share(checks: Sequence[Sequence[CheckResult]], verdict: Verdict, *, part: str = "") -> float:
    """Return the share of a verdict among the benchmarks of all checks that have `part` in the name."""
    counted = [result.verdict for results in checks for result in results if part in result.name]
    return counted.count(verdict) / len(counted)


def choose(
    runs: Sequence[TimingRun], judged: int, baseline: int
) -> Iterator[tuple[tuple[TimingRun, ...], tuple[TimingRun, ...]]]:
    """Yield every choice of runs together with every choice of the baseline from the other runs."""
    for chosen in itertools.combinations(runs, judged):
        left = [run for run in runs if run not in chosen]
        for others in itertools.combinations(left, baseline):
            yield chosen, others


def slow_down(run: TimingRun, factor: float) -> TimingRun:
    """Return the run with all times multiplied."""
    benchmarks = []
    for timing in run.benchmarks:
        stats = timing.stats
        shortest, longest, middle = (factor * seconds for seconds in (stats.min, stats.max, stats.median))
        data = [factor * seconds for seconds in stats.data]
        slower = dataclasses.replace(stats, min=shortest, max=longest, median=middle, data=data)
        benchmarks.append(dataclasses.replace(timing, stats=slower))
    return dataclasses.replace(run, benchmarks=benchmarks)


if __name__ == "__main__":
    main()
