"""Does `mnist-bench compare --only time` keep its word here? This interpreter against itself, many times.

Three series: nothing planted, a sleep of a tenth of each epoch, a tenth more work. Each comparison is kept as
it ends: started again, the script goes on where it was. It wants a quiet machine, and takes three times RUNS times
the budget at most.
"""

from __future__ import annotations

import argparse
import collections
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.timing.ab.ratio import format_ratio
from mnist_bench.timing.ab.rounds import BUDGET_SECONDS, AbPlan, run_series
from mnist_bench.timing.ab.verdict import judge_record
from mnist_bench.training.data.dataset import load_dataset

if TYPE_CHECKING:
    from mnist_bench.timing.ab.records import AbRecord

SERIES = {"nothing": None, "sleep": "sleep:0.1", "work": "work:0.1"}
WORDS = ("faster", "same", "slower", "inconclusive")


def main() -> int:
    """Run the series and print a table of the verdicts; return 1 if they are not what is promised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lab", default="mlp")
    parser.add_argument("--engine", default="epoch")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--budget", type=float, default=BUDGET_SECONDS)
    parser.add_argument("--data", default="auto")
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("results", "calibrate_ab"))
    options = parser.parse_args()
    dataset = load_dataset(options.data)
    counts = {}
    for name in options.series:
        fault = SERIES[name]
        python = Path(sys.executable)
        plan = AbPlan(
            python_a=python,
            python_b=python,
            lab=options.lab,
            engine=options.engine,
            dataset=dataset,
            budget_seconds=options.budget,
            fault_b=fault,
        )
        records = run_series(plan, options.out / f"{options.lab}-{options.engine}" / name, options.runs, show_run)
        counts[name] = collections.Counter(judge_record(record).speed for record in records)
        counts[name]["seconds"] = round(sum(record.seconds for record in records) / len(records))
    print(f"| planted in B | {' | '.join(WORDS)} | seconds a run |\n|{' --- |' * (len(WORDS) + 2)}")
    for name, count in counts.items():
        print(f"| {SERIES[name] or name} | {' | '.join(str(count[it]) for it in (*WORDS, 'seconds'))} |")
    return 0 if keeps_its_word(counts, options.runs) else 1


def show_run(number: int, record: AbRecord) -> None:
    """Print a line a run."""
    rounds = len(record.processes) // 2
    ratios = f"wall {format_ratio(record.wall)}, processor {format_ratio(record.cpu)}"
    print(f"{record.fault_b or 'nothing'} {number}: {record.verdict} after {rounds} rounds; {ratios}", flush=True)


def keeps_its_word(counts: dict[str, collections.Counter[str]], runs: int) -> bool:
    """Return whether one in twenty alarmed at most, and nineteen in twenty of each fault were found."""
    quiet = [count for name, count in counts.items() if not SERIES[name]]
    slowed = [count for name, count in counts.items() if SERIES[name]]
    alarms = max((count["faster"] + count["slower"] for count in quiet), default=0)
    found = min((count["slower"] for count in slowed), default=runs)
    return alarms <= runs / 20 and found >= runs * 19 / 20


if __name__ == "__main__":
    sys.exit(main())
