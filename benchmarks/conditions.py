"""How the gate of times decides on a busy machine: benchmarks next to planted neighbours.

    python benchmarks/conditions.py --out conditions.jsonl --minutes 20               # continues an earlier file
    python benchmarks/conditions.py --out conditions.jsonl --minutes 0                # only the table

A run times the four benchmarks in rounds, with the controls before each round, in one process; the conditions come in
turn. Three runs without neighbours are the baseline: those in which others used least of the cores, as the table says.
All other runs are judged in pairs, as a run and its repetition: unchanged, and with all times multiplied by 1.25; with
all that the gate asks, and by the controls alone. Choose a quiet machine, or read the load in the table.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from drift import cut_torn_line, read_rows

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.clock import CONTROLS, OthersMeter, RoundClock, time_call
from mnist_bench.timing.gate import judge_runs
from mnist_bench.timing.records import convert_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.timing.records import TimingRun

ROUNDS = 6
_BASELINE = 3
CASES = (("perceptron", "fused"), ("mlp", "fused"), ("mlp", "epoch"))

# What runs next to the benchmarks: programs for a neighbour that computes, and for one that streams memory.
_BUSY = "x = 1\nwhile True: x = (31 * x + 7) % 65521"
_MEMORY = "import numpy\na = numpy.zeros(8_000_000)\nb = a.copy()\nwhile True: numpy.copyto(a, b)"
CONDITIONS: dict[str, list[str]] = {
    "none": [],
    "one neighbour": [_BUSY],
    "two neighbours": [_BUSY] * 2,
    "memory": [_MEMORY] * 2,
}


def main() -> None:
    """Measure according to the options, then show the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20, help="how long to measure; 0 shows the table only")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="one JSON line for each run")
    parser.add_argument("--data", default="auto", help="as for mnist-bench")
    options = parser.parse_args()
    if options.minutes > 0:
        cut_torn_line(options.out)
        with options.out.open("a", encoding="utf-8") as stream:
            for row in measure(options.data, options.minutes):
                stream.write(json.dumps(row) + "\n")
                stream.flush()  # an interrupted run keeps the measurements
    print(*format_table(read_rows(options.out)), sep="\n")


def format_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the verdicts of each condition's pairs of runs, as rows of Markdown."""
    quiet = sorted((row for row in rows if row["condition"] == "none"), key=find_others)[:_BASELINE]
    if len(quiet) < _BASELINE:
        return [f"too few runs: {_BASELINE} without neighbours are needed as the baseline"]
    kept = ", ".join(f"{find_others(row):.0%} by others at load {row['load']:.1f}" for row in quiet)
    lines = [
        f"Baseline: {kept}.",
        "",
        "| condition | pairs | load | asked | unchanged: with a REGRESSED | unchanged: PASS |",
    ]
    lines[-1] += " 1.25 times: REGRESSED | 1.25 times: PASS |"
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for condition in CONDITIONS:
        left = [row for row in rows if row["condition"] == condition and row not in quiet]
        pairs = [*zip(left[::2], left[1::2], strict=False)]
        for asked in ("all", "controls") if pairs else ():
            same, more = (
                [judge_pair(pair, quiet, factor, others=asked == "all") for pair in pairs] for factor in (1, 1.25)
            )
            alarmed = sum(Verdict.REGRESSED in verdicts for verdicts in same)
            loads = statistics.median(row["load"] for row in left)
            cells = [condition, str(len(pairs)), f"{loads:.1f}", asked, str(alarmed)]
            cells += [share(same, Verdict.PASS), share(more, Verdict.REGRESSED), share(more, Verdict.PASS)]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def share(checks: Sequence[Sequence[Verdict]], verdict: Verdict) -> str:
    """Return the share of a verdict among all benchmarks of all checks."""
    verdicts = [*itertools.chain(*checks)]
    return f"{verdicts.count(verdict) / len(verdicts):.0%}"


def find_others(row: dict[str, Any]) -> float:
    """Return the share of the cores that others used in the middle round of the run; 1 if that is unknown."""
    shares = [share for timed in row["benchmarks"].values() for share in timed["others"]]
    return 1.0 if None in shares else statistics.median(shares)


def judge_pair(
    pair: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]], factor: float, *, others: bool
) -> list[Verdict]:
    """Return the verdicts of a run and its repetition, with all times multiplied."""
    now = [make_run(row, factor, others=others) for row in pair]
    before = [make_run(row, 1, others=others) for row in baseline]
    names = [timing.fullname for timing in now[0].benchmarks]
    return [result.verdict for result in judge_runs(now, before, names, rng=np.random.default_rng(0))]


def make_run(row: dict[str, Any], factor: float, *, others: bool) -> TimingRun:
    """Return a run of this script as one of the benchmarks'; versions and data are the same in all."""
    benchmarks = []
    for name, timed in row["benchmarks"].items():
        data = [factor * seconds for seconds in timed["wall"]]
        lab, engine, device = name.partition("[")[2].removesuffix("]").split("-")
        information = {
            "lab": lab,
            "engine": engine,
            "device": device,
            "numerics_key": "here",
            "hardware_key": "here",
            "tensorflow": "here",
            "keras": "here",
            "dataset": "here",
            "dataset_digest": "0" * 64,
            "cpu_seconds": timed["cpu"],
            "controls": timed["controls"],
            "others": timed["others"] if others and None not in timed["others"] else [],
            **dict.fromkeys(("samples_per_second", "gflop_per_second", "peak_memory_mb")),
        }
        stats = {"min": min(data), "max": max(data), "median": statistics.median(data), "rounds": len(data)}
        group = "steady epoch" if "steady" in name else "evaluation"
        benchmarks.append(
            {"fullname": name, "group": group, "stats": {**stats, "data": data}, "extra_info": information}
        )
    machine = {
        "hardware_key": "here",
        "system": "here",
        "machine": "here",
        "cpu": "here",
        "instruction_set": "here",
        "cores": 1,
        "usable_cores": 1,
        "device": "cpu",
        "gpu_names": [],
    }
    info = {"system": "here", "python_implementation": "here", "python_version": "3", "mnist_bench": machine}
    commit = {"id": "", "dirty": True}
    run = {"machine_info": info, "commit_info": commit, "benchmarks": benchmarks, "datetime": ""}
    return convert_run({**run, "mnist_bench": {"failed": []}}, "a run")


def measure(data: str, minutes: float) -> Iterator[dict[str, Any]]:
    """Yield one run after the other, each in the next condition."""
    works, clock = make_works(data)
    controls = {name: make() for name, make in CONTROLS.items()}
    end = time.monotonic() + 60 * minutes
    for condition, programs in itertools.cycle(CONDITIONS.items()):
        if time.monotonic() >= end:
            return
        with keep_busy(programs):
            timed = {name: time_rounds(work, clock, controls) for name, work in works.items()}
        yield {"condition": condition, "at": time.time(), "load": os.getloadavg()[0], "benchmarks": timed}


def make_works(data: str) -> tuple[dict[str, Callable[[], object]], RoundClock]:
    """Return the benchmarks by name, warmed up, and the clock on which they note their times."""
    from mnist_bench.timing.trial import Trial, prepare_process
    from mnist_bench.training.data.dataset import load_dataset, prepare

    prepared, clock = prepare(load_dataset(data)), RoundClock()
    works: dict[str, Callable[[], object]] = {}
    for lab, engine in CASES:
        config = TrainingConfig(lab=lab, engine=engine)
        prepare_process(config)
        trial = Trial(config, prepared, clock)
        trial.train_epoch()
        works[f"test_steady_epoch[{lab}-{engine}-cpu]"] = trial.train_epoch
    trial.evaluate()
    works["test_evaluation[mlp-epoch-cpu]"] = lambda: clock.note(time_call(trial.evaluate))
    return works, clock


def time_rounds(work: Any, clock: RoundClock, controls: Any) -> dict[str, Any]:
    """Return the rounds of a benchmark: its times, the others' share and the controls, a figure for each round."""
    rows, meter = [], OthersMeter()
    for _ in range(ROUNDS):
        taken = {name: time_call(control).wall for name, control in controls.items()}
        meter.start()
        work()
        rows.append((*clock.times[-1], meter.stop(), taken))
    wall, cpu, others, taken = zip(*rows, strict=True)
    return {"wall": wall, "cpu": cpu, "others": others, "controls": {n: [t[n] for t in taken] for n in controls}}


@contextlib.contextmanager
def keep_busy(programs: list[str]) -> Iterator[None]:
    """Keep these programs running next to this one."""
    commands = [[sys.executable, "-c", program] for program in programs]
    processes = [subprocess.Popen(command) for command in commands]  # noqa: S603 - our own programs
    time.sleep(0.5 if programs else 0)
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
