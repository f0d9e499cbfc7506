"""The likeliest cause of what a comparison found worse: one sentence with numbers, from the pattern of all checks."""

from __future__ import annotations

import dataclasses
from math import exp
from typing import TYPE_CHECKING

from mnist_bench.checks.diagnosis import diagnose
from mnist_bench.checks.records import compare_probes, format_difference
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.intervals import format_signed
from mnist_bench.versions.bits import align_engines, is_rounding
from mnist_bench.versions.records import probes_by_case, seeds_by_case

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.checks.records import Difference
    from mnist_bench.records.config import Case
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.stats.sequential import Decision
    from mnist_bench.versions.comparison import Compared
    from mnist_bench.versions.records import VersionRecord

__all__ = ["MOVED", "find_first_difference", "tell_cause"]

MOVED = {
    "initial weights": "draws other initial weights",
    "data order": "visits the samples in another order",
    "dropout mask": "draws other dropout masks",
    "forward": "rounds predictions differently",
    "loss": "rounds the loss differently",
    "gradient": "rounds gradients differently",
    "update": "rounds updates differently",
    "evaluation": "evaluates differently",
}
"""What a version does where a stage is the first that moved, in the order of training."""

_EVALUATION = "accuracy/evaluation"
_CLOCKS = {"work": "the processor time of an epoch", "time": "a call of fit"}


def tell_cause(compared: Compared, base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield the likeliest cause if anything is worse; where no check names one, that, and what is known.

    Args:
        compared: The verdicts.
        base: The version to compare with.
        new: The version that may be worse.
    """
    worse = [result for result in compared.results if result.verdict is Verdict.REGRESSED]
    if worse:
        yield f"Likeliest cause: {_explain(worse, compared, base, new)}."


def find_first_difference(
    base: VersionRecord, new: VersionRecord, among: Sequence[str] = ()
) -> tuple[Case, Difference] | None:
    """Return the case and the stage that differ first in the probes of both, in the order of `MOVED`.

    Args:
        base: The version to compare with.
        new: The other version.
        among: The cases to look at, as texts; if none of them was probed, those that were trained; else all.
    """
    new = align_engines(base, new)
    old, now = probes_by_case(base), probes_by_case(new)
    both = [case for case in old if case in now]
    trained = [case for case in both if case in seeds_by_case(new)]
    cases = [case for case in both if str(case) in among] or trained or both
    found = [(case, gap) for case in cases for gap in compare_probes(old[case], now[case])[:1]]
    return min(found, key=lambda pair: _place(pair[1]), default=None)


def _place(difference: Difference) -> int:
    return list(MOVED).index(difference.stage) if difference.stage in MOVED else len(MOVED)


def _explain(worse: Sequence[CheckResult], compared: Compared, base: VersionRecord, new: VersionRecord) -> str:
    names = {result.name for result in worse}
    every = [result for results in new.checks.values() for result in results]
    # A regression that is on the reviewed list is one here if base does not have it.
    judged = [dataclasses.replace(it, verdict=Verdict.REGRESSED) if it.name in names else it for it in every]
    if cause := diagnose(judged):
        return cause.sentence
    if wrong := next((result for result in worse if result.check == _EVALUATION), None):
        return f"the figures reported are not those of the weights: {wrong.figure} ({wrong.name})"
    held = sum(result.holds for result in every)
    parts = [f"no check names one ({held} of {len(every)} hold)" if every else "no check was run that could name one"]
    figures = [result for result in worse if result.layer != "time"]
    parts += [_explain_bits(figures, compared, base, new)] if figures else []
    times = [result for result in worse if result.layer == "time"]
    parts += [_explain_time(times, compared)] if times else []
    return "; ".join(parts)


def _explain_bits(figures: Sequence[CheckResult], compared: Compared, base: VersionRecord, new: VersionRecord) -> str:
    """Return where the bits of what is worse part first, as far as that is on record."""
    cases = [result.case for result in figures]
    if first := find_first_difference(base, new, cases):
        case, gap = first
        rounding = ", and rounding explains each stage" if is_rounding(case, base, align_engines(base, new)) else ""
        return f"the first stage whose bits differ is {gap.stage!r} ({_name(case)}), {format_difference(gap)}{rounding}"
    moved = [(case, reason) for case, reason in compared.moved.items() if str(case) in cases]
    if moved:
        case, reason = moved[0]
        return f"no stage of a probe that both have differs, and of {_name(case)} {reason}"
    return "no bits that both have differ"


def _explain_time(times: Sequence[CheckResult], compared: Compared) -> str:
    """Return whether work or waiting makes up the time of the lab that slowed down most, as far as that is known."""
    slower = {key: it for key, it in compared.decisions.items() if key[0] in _CLOCKS and it.verdict == "REGRESSED"}
    if not slower:
        return f"of the clocks is known: {times[0].evidence or times[0].figure} ({times[0].name})"
    (_, case), _ = max(slower.items(), key=lambda item: item[1].change.estimate)
    work, whole = (compared.decisions.get((clock, case)) for clock in _CLOCKS)
    told = [
        f"{_CLOCKS[clock]} {_percent(it)}" for clock, it in zip(_CLOCKS, (work, whole), strict=True) if it is not None
    ]
    return f"{_weigh(work)} in {_name(case)}: {', '.join(told)}"


def _weigh(work: Decision | None) -> str:
    """Return which clock makes up a change: processor time is work, what a call of `fit` takes beyond is waiting."""
    if work is None:
        return "the processor time, which would tell work from waiting, was not measured"
    if work.verdict == "REGRESSED":
        return "the work has grown"
    if work.verdict == "PASS":
        return "the waiting has grown, and the work not beyond its bound"
    return "whether work or waiting has grown is not decided"


def _percent(decision: Decision) -> str:
    low, middle, high = (
        format_signed(100 * (exp(end) - 1), 0)
        for end in (decision.change.low, decision.change.estimate, decision.change.high)
    )
    return f"{middle}% ({low}% to {high}%)"


def _name(case: Case) -> str:
    return f"{case.lab} by {case.engine}"
