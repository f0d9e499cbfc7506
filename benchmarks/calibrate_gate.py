"""How often the gate of times is wrong: runs of one environment, judged beside one another.

    python benchmarks/calibrate_gate.py baselines/timings/*/*_tf2.21.0_*.json     # or any runs of one environment

Every choice of runs is judged beside every choice of others as the baseline: as they are, where whatever regresses is
a false alarm, and with all times made half as long again, where whatever does not is missed. The choices share their
runs, so their number says less than as many runs of their own would.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from mnist_bench.timinggate import judge_runs
from mnist_bench.timingruns import load_run, refuse_strangers
from mnist_bench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.timingruns import TimingRun

SLOWER = 1.5
CHOICES = ((1, 2), (2, 2), (2, 3), (3, 2), (3, 3))  # runs judged, runs as the baseline


class Rates(NamedTuple):
    """What many checks said.

    Attributes:
        checks: How many there were.
        alarmed: In how many something regressed.
        shares: The share of each verdict among all benchmarks of all checks.
        ratios: Of each of these the ratio that was judged.
    """

    checks: int
    alarmed: int
    shares: dict[Verdict, float]
    ratios: list[float]


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
            same, slower, steady = (
                rate(runs, judged, baseline, factor=factor, part=part)
                for factor, part in ((1.0, ""), (SLOWER, ""), (SLOWER, "steady-epoch"))
            )
            found = f"{slower.shares[Verdict.REGRESSED]:.0%} | {steady.shares[Verdict.REGRESSED]:.0%}"
            passed = f"{same.shares[Verdict.PASS]:.0%}"
            spread = f"{np.quantile(same.ratios, 0.99):.2f}, {max(same.ratios):.2f}"
            print(
                f"| {judged} | {baseline} | {same.checks} | {spread} | {same.alarmed} | {passed} | {found} |",
                flush=True,
            )


def rate(runs: Sequence[TimingRun], judged: int, baseline: int, *, factor: float, part: str = "") -> Rates:
    """Judge every choice of runs, their times multiplied, beside every choice of others.

    Args:
        runs: Of one environment.
        judged: Runs that are judged together.
        baseline: Runs that are the baseline.
        factor: By which the times of the judged ones are multiplied.
        part: In the names of the benchmarks that count; all if empty.
    """
    names = [timing.fullname for timing in runs[0].benchmarks]
    checks = alarmed = 0
    counts: Counter[Verdict] = Counter()
    ratios: list[float] = []
    for chosen, others in choose(runs, judged, baseline):
        now = [slow_down(run, factor) for run in chosen]
        results = [it for it in judge_runs(now, others, names, rng=np.random.default_rng(0)) if part in it.name]
        ratios += [float(result.figure.partition(" ")[0]) for result in results]
        verdicts = Counter(result.verdict for result in results)
        checks, alarmed, counts = checks + 1, alarmed + bool(verdicts[Verdict.REGRESSED]), counts + verdicts
    return Rates(checks, alarmed, {verdict: counts[verdict] / max(counts.total(), 1) for verdict in Verdict}, ratios)


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
        slower = msgspec.structs.replace(stats, min=shortest, max=longest, median=middle, data=data)
        benchmarks.append(msgspec.structs.replace(timing, stats=slower))
    return msgspec.structs.replace(run, benchmarks=benchmarks)


if __name__ == "__main__":
    main()
