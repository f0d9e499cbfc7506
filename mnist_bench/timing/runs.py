"""Several runs of the benchmarks: whether they belong together, and the fastest of each benchmark."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from mnist_bench.timing.records import Notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.timing.records import Timing, TimingRun

__all__ = ["find_copies", "pick_fastest", "refuse_bad_references", "refuse_strangers"]


def refuse_strangers(runs: Sequence[TimingRun]) -> None:
    """Refuse runs that do not belong together.

    Raises:
        ValueError: There is no run, the runs differ in TensorFlow, data or hardware, or a run is given twice,
            even with another date.
    """
    if not runs:
        raise ValueError("there is no run")
    for name, values in (
        ("dataset", {run.benchmarks[0].extra_info.dataset for run in runs}),
        ("tensorflow", {run.tensorflow for run in runs}),
        ("dataset_digest", {run.dataset_digest for run in runs}),
        ("hardware key", {run.machine.hardware_key for run in runs}),
    ):
        if len(values) > 1:
            raise ValueError(f"the runs do not belong together, they differ in their {name}: {sorted(values)}")
    for a, b in itertools.combinations(runs, 2):
        if same := find_copies(a, b):
            dates = f", with the dates {a.datetime} and {b.datetime}" if a.datetime != b.datetime else ""
            raise ValueError(f"the same run was given twice{dates}: {same[0]} has the same rounds in both")


def refuse_bad_references(runs: Sequence[TimingRun], references: Sequence[TimingRun]) -> None:
    """Refuse, as a baseline, a run in which a test failed, and one of the very runs that are to be judged.

    Raises:
        ValueError: There is such a run; the message names a benchmark.
    """
    for reference in references:
        if reference.mnist_bench.failed:
            raise ValueError(f"a run in which {reference.mnist_bench.failed[0]} failed is no baseline")
        for run in runs:
            if same := find_copies(run, reference):
                raise ValueError(f"a run is its own baseline: {same[0]} has the same rounds in both")


def find_copies(a: TimingRun, b: TimingRun) -> list[str]:
    """Return the benchmarks that took the same time in every round of both runs: no clock measures that twice."""
    rounds = {timing.fullname: timing.stats.data for timing in a.benchmarks if timing.stats.data}
    return [timing.fullname for timing in b.benchmarks if rounds.get(timing.fullname) == timing.stats.data]


def pick_fastest(runs: Sequence[TimingRun]) -> TimingRun:
    """Merge several runs into one: each benchmark from the run in which the median was smallest.

    Other work on the machine only adds time, so the fastest run is nearest to the true time (Chen and Revels, Robust
    benchmarking in noisy environments, 2016): a disturbance of the machine is in one run, a regression in all runs. A
    test that failed in any run counts as failed.

    Raises:
        ValueError: There is no run, a run is given twice, or the runs do not belong together.
    """
    refuse_strangers(runs)
    fastest: dict[str, Timing] = {}
    for timing in itertools.chain.from_iterable(run.benchmarks for run in runs):
        best = fastest.setdefault(timing.fullname, timing)
        if timing.stats.median < best.stats.median:
            fastest[timing.fullname] = timing
    failed = sorted({name for run in runs for name in run.mnist_bench.failed})
    return dataclasses.replace(runs[0], benchmarks=list(fastest.values()), mnist_bench=Notes(failed=failed))
