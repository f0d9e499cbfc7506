"""The judgement of a run of the benchmarks beside stored ones. It measures nothing: it sees records only."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.timing.records import pick_fastest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from mnist_bench.stats.intervals import Interval
    from mnist_bench.timing.records import Timing, TimingRun

__all__ = ["BOUNDS", "CONTROL", "judge_nothing", "judge_runs", "name_check"]

# How many times as long a benchmark may take, by what it is compared by (docs/benchmarks.md has the figures).
# Beside itself one environment took up to 1.9 times as long in a single run, and of two runs' fastest 99% took at
# most 1.27. On other hardware time is divided by a control's, and no control is the same mixture of work as an
# epoch: with one core for two, epochs took 0.8 to 1.6 times as many units of it. The controls are the CPU's: what a
# GPU did has no unit.
BOUNDS = {"time": 1.25, "control": 2.0}
_ONE_RUN = 2.0  # from here on a single run is believed

# The control whose time moves most nearly as the epochs' does, by any engine (the same place).
CONTROL = "sgemm"

_AGAIN = "pytest '{}' --benchmark-json again.json; mnist-bench timings check RUN.json again.json"

_LIST = "pytest benchmarks --collect-only -q | mnist-bench timings manifest"

_NOTHING = "was due by the manifest"


@dataclass(frozen=True)
class _Pair:
    """A benchmark now and before, brought to figures that may be compared: one vector a run."""

    by: str
    unit: str
    before: list[list[float]]
    now: list[list[float]]


def judge_runs(
    runs: Sequence[TimingRun], references: Sequence[TimingRun], expected: Iterable[str], *, rng: np.random.Generator
) -> list[CheckResult]:
    """Judge each benchmark that is there or was due.

    Args:
        runs: One, or several, of which each benchmark is judged where it was fastest.
        references: The runs that are the baseline, one or more, of one machine and one TensorFlow.
        expected: The benchmarks that were due, by their full names.
        rng: Source of the resamples.

    Returns:
        For each: MISSING where it was due and was not measured, or its test failed; NO_BASELINE where there is
        nothing to hold it against; REGRESSED where the ratio to the baseline is beyond the bound and its
        interval excludes 1, in two runs at least or by far; PASS where the interval lies within the bound; else
        INCONCLUSIVE.

    Raises:
        ValueError: The runs do not belong together, or one lacks the control that is wanted.
    """
    run = pick_fastest(runs)
    times_measured = Counter(timing.fullname for it in runs for timing in it.benchmarks)
    measured = {timing.fullname: timing for timing in run.benchmarks}
    due = set(expected)
    results = []
    for name in sorted(due | set(measured)):
        if name in run.mnist_bench.failed:
            results.append(_missing(name, "its test failed"))
        elif name not in measured:
            results.append(_missing(name, "not in this run: renamed, deselected or not collected"))
        elif name not in due:
            results.append(_no_baseline(name, "not in the manifest", _LIST))
        else:
            results.append(_judge(measured[name], references, rng, alone=times_measured[name] == 1))
    return results


def judge_nothing(expected: Iterable[str], reason: str) -> list[CheckResult]:
    """Return MISSING for each benchmark that was due where none was measured."""
    return [_missing(name, reason) for name in sorted(expected)]


def _judge(timing: Timing, references: Sequence[TimingRun], rng: np.random.Generator, *, alone: bool) -> CheckResult:
    """Judge one benchmark that was measured; alone in one run."""
    from mnist_bench.stats.intervals import bootstrap_rounds_interval

    earlier = [it for reference in references for it in reference.benchmarks if it.fullname == timing.fullname]
    if not earlier:
        return _no_baseline(timing.fullname, "no accepted run has it", "mnist-bench timings accept RUN.json --why ...")
    digests = {it.extra_info.dataset_digest for it in earlier}
    if digests != {timing.extra_info.dataset_digest}:
        return _no_baseline(timing.fullname, f"the baseline is on other data: {min(digests)[:12]}", "mnist-bench data")
    if not all(it.stats.data for it in (timing, *earlier)):
        return _no_baseline(timing.fullname, "the rounds were not saved", "pytest benchmarks --benchmark-save-data ...")
    if timing.extra_info.device == "gpu" and not _same_hardware(timing, earlier):
        return _no_baseline(
            timing.fullname,
            "a GPU's time has no unit on other hardware",
            "mnist-bench timings accept RUN.json --why ...",
        )
    pair = _pair(timing, earlier)
    interval = bootstrap_rounds_interval(pair.before, pair.now, rng=rng)
    bound = BOUNDS[pair.by]
    verdict = _decide(interval, bound, max(bound, _ONE_RUN) if alone else bound)
    return CheckResult(
        name=name_check(timing.fullname),
        verdict=verdict,
        figure=f"{interval.estimate:.2f} of the baseline's {pair.unit}, {interval.low:.2f} to {interval.high:.2f}",
        bound=f"≤ {bound:.2f}",
        evidence=_explain(timing, earlier),
        command="" if verdict is Verdict.PASS else _AGAIN.format(timing.fullname),
    )


def _decide(interval: Interval, bound: float, certain: float) -> Verdict:
    """Two criteria: the ratio must be beyond what is certain, and the interval must not hold 1."""
    if interval.estimate > certain and interval.low > 1:
        return Verdict.REGRESSED
    return Verdict.PASS if interval.high <= bound else Verdict.INCONCLUSIVE


def _pair(timing: Timing, earlier: Sequence[Timing]) -> _Pair:
    """Return the times themselves on the same hardware, else those divided by the best control's of the round."""
    if _same_hardware(timing, earlier):
        return _Pair("time", "time", [it.stats.data for it in earlier], [timing.stats.data])
    before, now = ([_divide(it) for it in side] for side in (earlier, [timing]))
    return _Pair("control", f"time in units of {CONTROL} (other hardware)", before, now)


def _same_hardware(timing: Timing, earlier: Sequence[Timing]) -> bool:
    return {it.extra_info.hardware_key for it in earlier} == {timing.extra_info.hardware_key}


def _divide(timing: Timing) -> list[float]:
    """Return each round's time over the control's beside it.

    Raises:
        ValueError: The run has no such control.
    """
    if CONTROL not in timing.extra_info.controls:
        raise ValueError(f"{timing.fullname}: the control {CONTROL!r} was not measured beside it")
    return [time / unit for time, unit in zip(timing.stats.data, timing.extra_info.controls[CONTROL], strict=True)]


def _explain(timing: Timing, earlier: Sequence[Timing]) -> str:
    """Say in seconds what was compared, and by which versions where they differ."""
    before, now = earlier[0].extra_info, timing.extra_info
    medians = ", ".join(f"{it.stats.median:.4g}" for it in earlier)
    words = f"median {timing.stats.median:.4g} s of {timing.stats.rounds} rounds, the baseline's {medians} s"
    if (before.tensorflow, before.keras) != (now.tensorflow, now.keras):
        words += f"; TensorFlow {before.tensorflow}, Keras {before.keras} then, {now.tensorflow}, {now.keras} now"
    return words


def _missing(name: str, reason: str) -> CheckResult:
    return CheckResult(name=name_check(name), verdict=Verdict.MISSING, figure=reason, bound=_NOTHING)


def _no_baseline(name: str, reason: str, command: str) -> CheckResult:
    return CheckResult(
        name=name_check(name),
        verdict=Verdict.NO_BASELINE,
        figure=reason,
        bound="nothing to compare with",
        command=command,
    )


def name_check(fullname: str) -> str:
    """Return the check of a benchmark: `timing/evaluation[x]` of `test_evaluation.py::test_evaluation[x]`."""
    name, bracket, case = fullname.rpartition("::")[2].partition("[")
    return f"timing/{re.sub('^test_', '', name).replace('_', '-')}{bracket}{case}"
