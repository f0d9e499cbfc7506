"""How the gate of times decides on a quiet machine and on a busy one: four benchmarks next to planted neighbours.

    python benchmarks/conditions.py --out tries.jsonl --part acceptance --tries 20   # continues an earlier file
    python benchmarks/conditions.py --out tries.jsonl --part conditions --tries 2
    python benchmarks/conditions.py --out tries.jsonl --minutes 0                    # only the table

A run times the four benchmarks in rounds, with the controls before each round. On a quiet machine, each of the first
three calls begins with a run of the baseline. A try is a run and its repetition, as pytest measures again what does not
pass. More work is planted as work: the 60,000 samples of the training set instead of 48,000, and 12,500 images of the
test set instead of 10,000. A call measures in one process; calls with a growing number of tries measure in several.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from drift import cut_torn_line, read_rows
from neighbours import COMPUTES, STOPS, STREAMS, keep_busy, on_half_the_cores
from tries import BASELINE, BASELINE_RUNS, format_tries

from mnist_bench.records.config import TrainingConfig
from mnist_bench.timing.clock import CONTROLS, OthersMeter, RoundClock, time_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.timing.trial import Trial
    from mnist_bench.training.data.dataset import Prepared

ROUNDS = 6
CASES = (("perceptron", "fused"), ("mlp", "fused"), ("mlp", "epoch"))
EVALUATED = ("mlp", "epoch")
MORE = 1.25

CONDITIONS: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "none": contextlib.nullcontext,
    "one neighbour": lambda: keep_busy([COMPUTES]),
    "two neighbours": lambda: keep_busy([COMPUTES] * 2),
    "memory": lambda: keep_busy([STREAMS] * 2),
    "half the cores": on_half_the_cores,
    "half the time": lambda: keep_busy([STOPS]),
}
# What each part measures: a condition, and how many times the work.
PARTS: dict[str, Sequence[tuple[str, float]]] = {
    "acceptance": (("two neighbours", 1.0), ("none", MORE)),
    "conditions": tuple((condition, 1.0) for condition in CONDITIONS if condition != "two neighbours"),
}


def main() -> None:
    """Measure according to the options, then show the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=25, help="how long to measure; 0 shows the table only")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="one JSON line for each run")
    parser.add_argument("--part", choices=PARTS, default="acceptance")
    parser.add_argument("--tries", type=int, default=20, help="of each condition of the part, those in FILE included")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--data", default="auto", help="as for mnist-bench")
    options = parser.parse_args()
    if options.minutes > 0:
        end = time.monotonic() + 60 * options.minutes
        cut_torn_line(options.out)
        rows = read_rows(options.out) if options.out.exists() else []
        with options.out.open("a", encoding="utf-8") as stream:
            for row in measure(rows, options.part, options.tries, options.data, options.rounds):
                stream.write(json.dumps(row) + "\n")
                stream.flush()  # an interrupted run keeps the measurements
                if time.monotonic() >= end:
                    break
    print(*format_tries(read_rows(options.out)), sep="\n")


def measure(rows: Sequence[dict[str, Any]], part: str, tries: int, data: str, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the runs of a part that are not among the rows, one after the other."""
    done = Counter((row["part"], row["condition"], row["work"]) for row in rows)
    if find_next(done, part, tries) is None:
        return
    clock, controls = RoundClock(), {name: make() for name, make in CONTROLS.items()}
    works = {work: make_works(data, work, clock) for work in {1.0, *(work for _, work in PARTS[part])}}
    baseline = (BASELINE, "none", 1.0)
    kind = baseline if done[baseline] < BASELINE_RUNS else find_next(done, part, tries)
    while kind:
        done[kind] += 1
        name, condition, work = kind
        with CONDITIONS[condition]():
            timed = {case: time_rounds(call, clock, controls, rounds) for case, call in works[work].items()}
        process = {"process": os.getpid(), "at": time.time()}
        yield {"part": name, "condition": condition, "work": work, **process, "benchmarks": timed}
        kind = find_next(done, part, tries)


def find_next(done: Counter[tuple[str, str, float]], part: str, tries: int) -> tuple[str, str, float] | None:
    """Return which run is next: the second of a try, or one of the kind with the fewest; None if all are done."""
    kinds = [(part, *kind) for kind in PARTS[part] if done[(part, *kind)] < 2 * tries]
    return min(kinds, key=lambda kind: (done[kind] % 2 == 0, done[kind]), default=None)


def make_works(data: str, work: float, clock: RoundClock) -> dict[str, Callable[[], object]]:
    """Return the benchmarks by name, warmed up, with more work if wanted; they note their times on the clock."""
    from mnist_bench.timing.trial import Trial, prepare_process
    from mnist_bench.training.data.dataset import load_dataset, prepare

    prepared = prepare(load_dataset(data))
    if work != 1:
        prepared = add_work(prepared)
    works: dict[str, Callable[[], object]] = {}
    for lab, engine in CASES:
        config = TrainingConfig(lab=lab, engine=engine)
        prepare_process(config)
        trial = Trial(config, prepared, clock)
        trial.train_epoch()
        works[f"test_steady_epoch[{lab}-{engine}-cpu]"] = trial.train_epoch
        if (lab, engine) == EVALUATED:
            trial.evaluate()
            works[f"test_evaluation[{lab}-{engine}-cpu]"] = functools.partial(note_evaluation, trial, clock)
    return works


def note_evaluation(trial: Trial, clock: RoundClock) -> None:
    """Evaluate, and note the time."""
    clock.note(time_call(trial.evaluate))


def add_work(prepared: Prepared) -> Prepared:
    """Return the data with a quarter more samples to train on, those of the validation, and to evaluate."""
    quarter = len(prepared.x_test) // 4
    x_test, y_test = (np.concatenate([images, images[:quarter]]) for images in (prepared.x_test, prepared.y_test))
    return dataclasses.replace(prepared, x_train=prepared.x_fit, y_train=prepared.y_fit, x_test=x_test, y_test=y_test)


def time_rounds(work: Any, clock: RoundClock, controls: Any, rounds: int) -> dict[str, Any]:
    """Return the rounds of a benchmark: its times, the others' share and the controls, a figure for each round."""
    rows, meter = [], OthersMeter()
    for _ in range(rounds):
        taken = {name: time_call(control).wall for name, control in controls.items()}
        meter.start()
        work()
        rows.append((*clock.times[-1], meter.stop(), taken))
    wall, cpu, others, taken = zip(*rows, strict=True)
    return {"wall": wall, "cpu": cpu, "others": others, "controls": {n: [t[n] for t in taken] for n in controls}}


if __name__ == "__main__":
    main()
