"""Verdicts on a run of the benchmarks, compared with stored runs. Nothing is measured here."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.timing.records import LEAST_ROUNDS
from mnist_bench.timing.runs import pick_fastest
from mnist_bench.timing.state import compare_states

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from mnist_bench.stats.intervals import Interval
    from mnist_bench.timing.machine import Machine
    from mnist_bench.timing.records import Timing, TimingRun
    from mnist_bench.timing.state import State

__all__ = ["BOUNDS", "CONTROL", "judge_nothing", "judge_runs", "name_check"]

# How many times slower a benchmark may be, by how it is compared (docs/benchmarks.md has the figures). Steady epochs
# have the most rounds and differ least between runs. On other hardware, times are divided by a control's, and no
# control is the same mixture of work as an epoch: on one core instead of two, epochs took 0.8 to 1.6 times as many
# units. The controls run on the CPU, so times on a GPU have no unit.
_STEADY = "steady epoch"
BOUNDS = {_STEADY: 1.15, "time": 1.25, "control": 2.0}
_ONE_RUN = 2.0  # a single run is enough for REGRESSED above this ratio

# Of all controls, the time of this one follows the epochs' best, for every engine (docs/benchmarks.md).
CONTROL = "sgemm"

_AGAIN = "pytest '{}' --benchmark-json again.json; mnist-bench timings check RUN.json again.json"

_LIST = "pytest benchmarks --collect-only -q | mnist-bench timings manifest"

_DUE = "due by the manifest"


@dataclass(frozen=True)
class _Pair:
    """A benchmark now and before, in figures that can be compared: one vector for each run."""

    by: str
    unit: str
    before: list[list[float]]
    now: list[list[float]]

    @property
    def fastest(self) -> float:
        """The fastest round now, compared with the fastest of the baseline: what disturbs a round only adds time."""
        return min(map(min, self.now)) / min(map(min, self.before))


def judge_runs(
    runs: Sequence[TimingRun], references: Sequence[TimingRun], expected: Iterable[str], *, rng: np.random.Generator
) -> list[CheckResult]:
    """Judge each benchmark that was measured or was due.

    Args:
        runs: One or more runs; of several runs, the fastest run of each benchmark is judged.
        references: The runs of the baseline, one or more, of one machine and one TensorFlow.
        expected: The full names of the benchmarks that were due.
        rng: Source of the resamples.

    Returns:
        For each benchmark: MISSING if it was due and not measured, or the test failed; NO_BASELINE if there is
        nothing to compare with; REGRESSED if the ratio to the baseline is above the bound and the interval
        excludes 1, in at least two runs, or in one run above a higher bound, on a machine that is what it was at the
        baseline by the controls and by what other processes used of it; PASS if the ratio and the interval lie within
        the bounds and both sides have `LEAST_ROUNDS`; otherwise INCONCLUSIVE.

    Raises:
        ValueError: The runs do not belong together, or a run lacks a control that is needed.
    """
    fastest = pick_fastest(runs)
    times_measured = Counter(timing.fullname for run in runs for timing in run.benchmarks)
    measured = {timing.fullname: timing for timing in fastest.benchmarks}
    due = set(expected)
    results = []
    for name in sorted(due | set(measured)):
        if name in fastest.mnist_bench.failed:
            results.append(_missing(name, "the test failed"))
        elif name not in measured:
            results.append(_missing(name, "not in this run: renamed, deselected or not collected"))
        elif name not in due:
            results.append(_no_baseline(name, "not in the manifest", _LIST))
        else:
            results.append(_judge(measured[name], fastest.machine, references, rng, alone=times_measured[name] == 1))
    return results


def judge_nothing(expected: Iterable[str], reason: str) -> list[CheckResult]:
    """Return MISSING for each benchmark that was due, for a session that measured none."""
    return [_missing(name, reason) for name in sorted(expected)]


def _judge(
    timing: Timing, machine: Machine, references: Sequence[TimingRun], rng: np.random.Generator, *, alone: bool
) -> CheckResult:
    """Judge a benchmark that was measured in several runs, or alone in one run."""
    from mnist_bench.stats.intervals import bootstrap_rounds_interval

    earlier = [old for reference in references for old in reference.benchmarks if old.fullname == timing.fullname]
    alike = all(reference.machine.is_like(machine) for reference in references) and _same_keys(timing, earlier)
    lacking = _find_lack(timing, earlier, alike=alike)
    if lacking:
        return _no_baseline(timing.fullname, *lacking)
    pair = _pair(timing, earlier, alike=alike)
    interval = bootstrap_rounds_interval(pair.before, pair.now, rng=rng)
    state = compare_states(timing, earlier)
    bound = BOUNDS[pair.by]
    verdict = _decide(pair, interval, state, max(bound, _ONE_RUN) if alone else bound)
    fewest = min(measured.stats.rounds for measured in (timing, *earlier))
    if verdict is Verdict.PASS and fewest < LEAST_ROUNDS:
        verdict = Verdict.INCONCLUSIVE
    return CheckResult(
        name=name_check(timing.fullname),
        verdict=verdict,
        figure=f"{interval.estimate:.2f} of the baseline's {pair.unit}, {interval.low:.2f} to {interval.high:.2f}",
        bound=f"≤ {bound:.2f}",
        evidence=_explain(timing, earlier, fewest, pair, state if verdict is Verdict.INCONCLUSIVE else None),
        command="" if verdict is Verdict.PASS else _AGAIN.format(timing.fullname),
    )


def _find_lack(timing: Timing, earlier: Sequence[Timing], *, alike: bool) -> tuple[str, str] | None:
    """Return why a benchmark cannot be compared, and the command that helps; None if it can."""
    accept = "mnist-bench timings accept RUN.json --why ..."
    if not earlier:
        return "no accepted run has this benchmark", accept
    digests = {old.extra_info.dataset_digest for old in earlier}
    if digests != {timing.extra_info.dataset_digest}:
        return f"the baseline has other data: {min(digests)[:12]}", "mnist-bench data"
    if not all(measured.stats.data for measured in (timing, *earlier)):
        return "the rounds were not saved", "pytest benchmarks --benchmark-save-data ..."
    if timing.extra_info.device == "gpu" and not alike:
        return "times on a GPU can be compared on the same hardware only", accept
    return None


def _decide(pair: _Pair, interval: Interval, state: State | None, certain: float) -> Verdict:
    """Apply the criteria of a regression, then those of a pass.

    A regression is above the certain bound in time and in units of the controls, the interval excludes 1, and the
    machine is what it was. On other hardware the pair is in units already, and their median is steadier than their
    extremes.
    """
    bound = BOUNDS[pair.by]
    ratio = pair.fastest
    if pair.by != _STEADY:  # their rounds are few, and the fastest of three says less
        ratio = interval.estimate if pair.by == "control" else min(pair.fastest, interval.estimate)
    units = ratio if state is None or pair.by == "control" else ratio / max(1.0, state.fastest)
    if ratio > certain and units > bound and interval.low > 1:
        return Verdict.INCONCLUSIVE if _excuse(pair, state) else Verdict.REGRESSED
    if state is not None and state.is_faster and pair.by != "control" and ratio / state.fastest > bound:
        return Verdict.INCONCLUSIVE
    passes = interval.high <= max(bound, BOUNDS["time"]) and (pair.by == "control" or pair.fastest <= bound)
    return Verdict.PASS if passes else Verdict.INCONCLUSIVE


def _excuse(pair: _Pair, state: State | None) -> str:
    """Return why a longer time says nothing of the benchmark; empty if it does."""
    if state is None or (pair.by == "control" and not state.is_busy):
        return ""
    return state.busy_words if pair.by == "control" else state.excuse


def _pair(timing: Timing, earlier: Sequence[Timing], *, alike: bool) -> _Pair:
    """Return the times on the same hardware, otherwise the times divided by those of the best control."""
    if alike:
        by = _STEADY if timing.group == _STEADY else "time"
        return _Pair(by, "time", [old.stats.data for old in earlier], [timing.stats.data])
    before, now = ([_divide(measured) for measured in side] for side in (earlier, [timing]))
    return _Pair("control", f"time in units of {CONTROL} (other hardware)", before, now)


def _same_keys(timing: Timing, earlier: Sequence[Timing]) -> bool:
    return {old.extra_info.hardware_key for old in earlier} == {timing.extra_info.hardware_key}


def _divide(timing: Timing) -> list[float]:
    """Return each round's time divided by the control's time just before.

    Raises:
        ValueError: The run lacks the control.
    """
    if CONTROL not in timing.extra_info.controls:
        raise ValueError(f"{timing.fullname}: the control {CONTROL!r} was not measured with this benchmark")
    return [time / unit for time, unit in zip(timing.stats.data, timing.extra_info.controls[CONTROL], strict=True)]


def _explain(timing: Timing, earlier: Sequence[Timing], fewest: int, pair: _Pair, state: State | None) -> str:
    """Return what stands behind a verdict: first why there is none, then the times, then versions that differ."""
    before, now = earlier[0].extra_info, timing.extra_info
    words = [_excuse(pair, state)]
    if words[0] and min(before.cpu_seconds + now.cpu_seconds) > 0:
        ratio = statistics.median(now.cpu_seconds) / statistics.median(before.cpu_seconds)
        words.append(f"processor time {ratio:.2f} of the baseline's")
    words += _compare_counts(before.counts, now.counts)
    if fewest < LEAST_ROUNDS:
        words.append(f"{fewest} rounds are too few, at least {LEAST_ROUNDS} are needed")
    medians = ", ".join(f"{old.stats.median:.4g}" for old in earlier)
    words.append(f"median {timing.stats.median:.4g} s of {timing.stats.rounds} rounds, the baseline's {medians} s")
    words.append(f"fastest round {pair.fastest:.2f} of the baseline's fastest")
    if (before.tensorflow, before.keras) != (now.tensorflow, now.keras):
        words.append(f"TensorFlow {before.tensorflow}, Keras {before.keras} then, {now.tensorflow}, {now.keras} now")
    return "; ".join(filter(None, words))


def _compare_counts(before: dict[str, list[int]], now: dict[str, list[int]]) -> list[str]:
    """Return how the counts of instructions and cycles moved, where both sides have them: more to read, no verdict."""
    return [
        f"{name} {statistics.median(now[name]) / middle:.3f} of the baseline's"
        for name in before
        if now.get(name) and (middle := statistics.median(before[name] or [0]))
    ]


def _missing(name: str, reason: str) -> CheckResult:
    return CheckResult(name=name_check(name), verdict=Verdict.MISSING, figure=reason, bound=_DUE)


def _no_baseline(name: str, reason: str, command: str) -> CheckResult:
    return CheckResult(
        name=name_check(name),
        verdict=Verdict.NO_BASELINE,
        figure=reason,
        bound="nothing to compare with",
        command=command,
    )


def name_check(fullname: str) -> str:
    """Return the name of a benchmark's check: `timing/evaluation[x]` for `test_evaluation.py::test_evaluation[x]`."""
    name, bracket, case = fullname.rpartition("::")[2].partition("[")
    return f"timing/{re.sub('^test_', '', name).replace('_', '-')}{bracket}{case}"
