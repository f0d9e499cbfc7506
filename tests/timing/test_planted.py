"""Faults of time and memory: what is measured for each, and which cause is named."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.ab import judge_again
from mnist_bench.checks.faults.registry import CLOCKED, FAULTS
from mnist_bench.checks.selftest.report import is_right
from mnist_bench.timing import planted
from mnist_bench.timing.ab.start import STARTS
from tests.timing.test_memory import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mnist_bench.checks.selftest.records import Outcome
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.timing.ab.rounds import AbPlan
    from mnist_bench.timing.memory import MemoryRecord
    from mnist_bench.training.data.dataset import Dataset


@pytest.fixture
def run(
    make_ab: Callable[..., AbRecord], monkeypatch: pytest.MonkeyPatch, tiny: Dataset
) -> Callable[[Sequence[str]], tuple[list[Outcome], list[AbPlan], list[str]]]:
    """A function that plants faults where nothing is trained; it returns outcomes, plans, and what memory was asked."""
    plans: list[AbPlan] = []
    asked: list[str] = []

    def compare(plan: AbPlan) -> AbRecord:
        plans.append(plan)
        name, _, strength = (plan.fault_b or "").partition(":")
        wall = 1 + float(strength) * (name in ("sleep", "work", "core-lost"))
        cpu = wall if name == "work" else 1.0
        parts = {"import": 1.5 if name == "import-slow" else 1.0}
        parts["first epoch"] = 2.0 if name == "compiled-again" and strength != "1" else wall
        record, rng, processes = make_ab(), np.random.default_rng(1), []
        for times in record.processes:
            share = 1.0 if times.side == "b" else 0.0
            start = {part: float(np.exp(0.01 * rng.normal()) * parts[part] ** share) for part in STARTS}
            own = {"wall": [it * wall**share for it in times.wall], "cpu": [it * cpu**share for it in times.cpu]}
            processes.append(dataclasses.replace(times, start=start, **own))
        return judge_again(dataclasses.replace(record, processes=processes, fault_b=plan.fault_b))

    def measure(_lab: str, _engine: str, *, data: str, fault: str = "") -> MemoryRecord:
        assert data == "tiny"
        asked.append(fault)
        grown = {"leak:100": 100, "leak:1": 1}.get(fault, 0)
        sizes = [size + grown * epoch for epoch, size in enumerate(RECORD.epochs_mb)]
        peak = max(*sizes, RECORD.peak_mb * {"memory-twice:4": 1.8, "memory-twice:1": 1.2}.get(fault, 1))
        return dataclasses.replace(RECORD, epochs_mb=sizes, peak_mb=peak)

    monkeypatch.setattr(planted, "compare", compare)
    monkeypatch.setattr(planted, "find_cores", lambda: (0, 1))
    monkeypatch.setattr(planted, "measure_memory", measure)

    def plant(faults: Sequence[str]) -> tuple[list[Outcome], list[AbPlan], list[str]]:
        outcomes = list(planted.run_cost_faults(faults, engine="graph", source="tiny", dataset=tiny))
        return outcomes, plans, asked

    return plant


def test_each_is_seen_and_named(run: Callable[..., Any]) -> None:
    """Those of some size; a fiftieth more time, and one compilation, are within what counts as none."""
    faults = [key for fault in FAULTS.values() if fault.family == CLOCKED for key in fault.keys]
    outcomes, _, asked = run(faults)
    unseen = {it.key for it in outcomes if it.first is None}
    assert unseen == {"sleep:0.02", "work:0.02", "compiled-again:1"}
    assert [(it.key, it.first, it.cause, it.sentence) for it in outcomes if it.first and not is_right(it)] == []
    assert asked == ["", "leak:100", "leak:1", "memory-twice:4", "memory-twice:1"]


def test_a_lost_process_is_no_find(
    run: Callable[..., Any], make_ab: Callable[..., AbRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither after some rounds, whose start may look slower, nor before the first, which ends no self-test."""
    record = make_ab(slowdown=1.5)
    processes = [
        dataclasses.replace(it, start={"import": 1.0 + (it.side == "b"), "first epoch": 1.0}) for it in record.processes
    ]
    slower = judge_again(dataclasses.replace(record, processes=processes))
    broken = dataclasses.replace(slower, failure="B: killed", verdict="inconclusive", finding="B: killed")
    monkeypatch.setattr(planted, "compare", lambda _: broken)
    ((outcome,), *_) = run(["sleep:0.2"])
    assert (outcome.first, outcome.seen_by) == (None, [])
    assert outcome.problems[0].endswith("B: killed")

    def fail(_: AbPlan) -> AbRecord:
        raise ValueError("B: its process was killed")

    monkeypatch.setattr(planted, "compare", fail)
    ((outcome,), *_) = run(["sleep:0.2"])
    assert outcome.problems == ["time/epoch[mlp-epoch]: B: its process was killed"]


def test_one_core_measures_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two processes can be timed against each other there."""
    faults = ["sleep:0.2", "leak:1", "import-slow:2", "memory-twice:1"]
    monkeypatch.setattr(planted, "find_cores", lambda: (0, 1))
    assert planted.find_unmeasurable(faults) == []
    monkeypatch.setattr(planted, "find_cores", lambda: None)
    assert planted.find_unmeasurable(faults) == ["sleep:0.2", "import-slow:2"]


def test_the_causes_are_in_words(run: Callable[..., Any]) -> None:
    """With numbers."""
    outcomes, _, _ = run(["sleep:0.2", "work:0.2", "import-slow:2", "compiled-again:20", "leak:1"])
    sleep, work, slow, compiled, leak = [it.sentence for it in outcomes]
    assert sleep.startswith("training waits: an epoch is slower in wall time")
    assert work.startswith("an epoch needs +")
    assert slow.startswith("the import is slower: +")
    assert compiled.startswith("the first epoch is slower: +")
    assert leak == "growth: +1.00 MB an epoch, +0.00 in the baseline"


def test_what_is_rare_is_timed_for_longer(run: Callable[..., Any]) -> None:
    """A process has one start; where both sides train together, each has one core whatever happens."""
    _, (sleep, slow, core), _ = run(["sleep:0.1", "import-slow:1", "core-lost:1"])
    assert (slow.budget_seconds, slow.early) == (2 * sleep.budget_seconds, False)
    assert (sleep.layout, slow.layout, core.layout) == ("together", "together", "in turn")
    assert {plan.python_a for plan in (sleep, slow, core)} == {sleep.python_b}
