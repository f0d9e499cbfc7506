"""How often the gate of times is wrong: runs of one environment, judged beside one another.

    python benchmarks/calibrate_gate.py baselines/timings/*/*_tf2.21.0_*.json     # or any runs of one environment

Every choice of runs is judged beside every choice of others as the baseline: as they are, where whatever regresses is
a false alarm, and with all times made half as long again, where whatever does not is missed. The choices share their
runs, so their number says less than as many runs of their own would.
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
    """Judge every choice of runs, their times multiplied, beside every choice of others; return what each check said.

    Args:
        runs: Of one environment.
        judged: Runs that are judged together.
        baseline: Runs that are the baseline.
        factor: By which the times of the judged ones are multiplied.
    """
    names = [timing.fullname for timing in runs[0].benchmarks]
    return [
        judge_runs([slow_down(run, factor) for run in chosen], others, names, rng=np.random.default_rng(0))
        for chosen, others in choose(runs, judged, baseline)
    ]


def count_alarmed(checks: Sequence[Sequence[CheckResult]]) -> int:
    """Return in how many checks something regressed."""
    return sum(any(result.verdict is Verdict.REGRESSED for result in results) for results in checks)


def share(checks: Sequence[Sequence[CheckResult]], verdict: Verdict, *, part: str = "") -> float:
    """Return a verdict's share among the benchmarks of all checks, or of those that have `part` in their names."""
    counted = [result.verdict for results in checks for result in results if part in result.name]
    return counted.count(verdict) / len(counted)


def choose(
    runs: Sequence[TimingRun], judged: int, baseline: int
) -> Iterator[tuple[tuple[TimingRun, ...], tuple[TimingRun, ...]]]:
    """Yield every choice of runs and, of those that are left, of the baseline."""
    for chosen in itertools.combinations(runs, judged):
        left = [run for run in runs if run not in chosen]
        for others in itertools.combinations(left, baseline):
            yield chosen, others


def slow_down(run: TimingRun, factor: float) -> TimingRun:
    """Return the run with all its times multiplied."""
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
