"""What the gate says of a try: a run of some benchmarks and its repetition, judged against runs of a baseline."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.records.environment import HARDWARE_FIELDS, make_key
from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.gate import judge_runs
from mnist_bench.timing.records import convert_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.timing.records import TimingRun

__all__ = ["BASELINE", "BASELINE_RUNS", "find_others", "format_tries", "judge_try", "pair_up"]

BASELINE = "baseline"
BASELINE_RUNS = 3

Row = dict[str, Any]
_EPOCH = "1970-01-01T00:00:00+00:00"  # the gate asks for no date


def format_tries(rows: Sequence[Row]) -> list[str]:
    """Return the verdicts on each kind of tries, as rows of Markdown."""
    baseline = [row for row in rows if row["part"] == BASELINE][:BASELINE_RUNS]
    if len(baseline) < BASELINE_RUNS:
        return [f"too few runs: {BASELINE_RUNS} of the baseline are needed"]
    head = ["condition", "work", "tries", "by others", "REGRESSED", "PASS", "benchmarks REGRESSED", "benchmarks PASS"]
    lines = [
        "Baseline: others used " + ", ".join(f"{find_others(row):.0%}" for row in baseline) + " of the cores.",
        "",
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
    ]
    for (condition, work), pairs in pair_up(rows).items():
        # A quiet machine's unchanged runs also say what the gate does if each time is a quarter longer.
        for factor in (1.0, 1.25) if (condition, work) == ("none", 1.0) else (1.0,):
            tries = [judge_try(pair, baseline, factor) for pair in pairs]
            others = statistics.median(find_others(row) for pair in pairs for row in pair)
            name = f"{work:g}" if factor == 1 else f"times multiplied by {factor:g}"
            cells = [condition, name, str(len(tries)), f"{others:.0%}", *count(tries)]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def count(tries: Sequence[Sequence[Verdict]]) -> list[str]:
    """Return how many tries had a REGRESSED and how many only PASS; the same of the benchmarks of all tries."""
    benchmarks = [verdict for verdicts in tries for verdict in verdicts]
    return [
        str(sum(Verdict.REGRESSED in verdicts for verdicts in tries)),
        str(sum(set(verdicts) == {Verdict.PASS} for verdicts in tries)),
        f"{benchmarks.count(Verdict.REGRESSED)} of {len(benchmarks)}",
        f"{benchmarks.count(Verdict.PASS)} of {len(benchmarks)}",
    ]


def pair_up(rows: Sequence[Row]) -> dict[tuple[str, float], list[tuple[Row, Row]]]:
    """Return the complete tries by condition and work, in the order in which they were measured."""
    kinds: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        if row["part"] != BASELINE:
            kinds.setdefault((row["condition"], row["work"]), []).append(row)
    pairs = {kind: [*zip(runs[::2], runs[1::2], strict=False)] for kind, runs in kinds.items()}
    return {kind: tries for kind, tries in pairs.items() if tries}


def find_others(row: Row) -> float:
    """Return the share of the cores that others used in the middle round of the run; 1 if that is unknown."""
    shares = [share for timed in row["benchmarks"].values() for share in timed["others"]]
    return 1.0 if None in shares else statistics.median(shares)


def judge_try(pair: Sequence[Row], baseline: Sequence[Row], factor: float = 1.0) -> list[Verdict]:
    """Return the verdicts of a run and its repetition, with all times multiplied."""
    now, before = [make_run(row, factor) for row in pair], [make_run(row) for row in baseline]
    names = [timing.fullname for timing in now[0].benchmarks]
    return [result.verdict for result in judge_runs(now, before, names, rng=np.random.default_rng(0))]


def make_run(row: Row, factor: float = 1.0) -> TimingRun:
    """Return a row as a run of the benchmarks; versions and data are the same in all."""
    machine: dict[str, Any] = dict.fromkeys(("system", "machine", "cpu", "instruction_set"), "here")
    # Fewer cores are in the hardware key; what else happens to the machine no key can see.
    machine |= {"cores": 2, "usable_cores": 1 if row["condition"] == "half the cores" else 2, "device": "cpu"}
    key = make_key({**machine, "gpus": []}, HARDWARE_FIELDS)
    machine |= {"hardware_key": key, "gpu_names": []}
    benchmarks = [make_benchmark(name, timed, key, factor) for name, timed in row["benchmarks"].items()]
    info = {"system": "here", "python_implementation": "here", "python_version": "3", "mnist_bench": machine}
    run = {"machine_info": info, "commit_info": {"id": "", "dirty": True}, "benchmarks": benchmarks, "datetime": _EPOCH}
    return convert_run({**run, "mnist_bench": {"failed": []}}, "a run")


def make_benchmark(name: str, timed: dict[str, Any], hardware_key: str, factor: float) -> dict[str, Any]:
    """Return a benchmark in the form in which pytest-benchmark saves it."""
    data = [factor * seconds for seconds in timed["wall"]]
    lab, engine, device = name.partition("[")[2].removesuffix("]").split("-")
    information = {
        "lab": lab,
        "engine": engine,
        "device": device,
        "hardware_key": hardware_key,
        "dataset_digest": "0" * 64,
        **dict.fromkeys(("numerics_key", "tensorflow", "keras", "dataset"), "here"),
        **dict.fromkeys(("samples_per_second", "gflop_per_second", "peak_memory_mb")),
        "cpu_seconds": timed["cpu"],
        "controls": timed["controls"],
        "others": [] if None in timed["others"] else timed["others"],
    }
    stats = {"min": min(data), "max": max(data), "median": statistics.median(data), "rounds": len(data), "data": data}
    group = "steady epoch" if "steady" in name else "evaluation"
    return {"fullname": name, "group": group, "stats": stats, "extra_info": information}
