"""How often the gate of times is wrong: runs of one environment, compared with each other.

    python benchmarks/calibrate_gate.py baselines/timings/*/*_tf2.21.0_*.json     # or any runs of one environment

Every choice of runs is compared with every choice of other runs as the baseline: unchanged, when each REGRESSED is a
false alarm, and with all times multiplied by 1.5, when each benchmark that is not REGRESSED was missed. The choices
share runs, so they give less information than the same number of independent runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.calibration import judge_all, share
from mnist_bench.timing.records import load_run
from mnist_bench.timing.runs import refuse_strangers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.records.verdicts import CheckResult

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


def count_alarmed(checks: Sequence[Sequence[CheckResult]]) -> int:
    """Return the number of checks in which a benchmark regressed."""
    return sum(any(result.verdict is Verdict.REGRESSED for result in results) for results in checks)


if __name__ == "__main__":
    main()
