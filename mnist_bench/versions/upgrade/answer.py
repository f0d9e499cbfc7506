"""The answer to "may we upgrade?": one sentence on verdict, bits, accuracy, loss and time, for a reader in a hurry."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

from mnist_bench.checks.known import find_known, load_known
from mnist_bench.records.verdicts import Verdict, conclude
from mnist_bench.stats.planning import find_needed_seeds
from mnist_bench.stats.sequential import GROUP_LOOKS, PAIR_LOOKS
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import align_engines, count_same_ends
from mnist_bench.versions.records import seeds_by_case
from mnist_bench.versions.report.names import name_pair
from mnist_bench.versions.upgrade.cause import MOVED, find_first_difference, tell_cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mnist_bench.records.config import Case
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.stats.sequential import Decision
    from mnist_bench.versions.comparison import Compared
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.seeds import SeedResults

__all__ = [
    "begin_answer",
    "describe_change",
    "estimate_minutes",
    "excludes_zero",
    "name_lab",
    "name_records",
    "tell_clocks",
    "tell_small_loss",
    "write_answer",
]

_OPEN = (Verdict.INCONCLUSIVE, Verdict.UNREADABLE, Verdict.MISSING, Verdict.NO_BASELINE)
_LAB_NAMES = {"mlp": "MLP", "dropout": "MLP with dropout"}
_CLOCKS = {
    "time": ("A call of fit, as shipped,", "longer", "shorter"),
    "work": ("The processor time of an epoch", "longer", "shorter"),
}
_LISTED = 3  # findings in the sentence; the table has all


def write_answer(
    compared: Compared, base: VersionRecord, new: VersionRecord, round_seconds: Mapping[str, float] | None = None
) -> str:
    """Return the answer in a few short sentences; the last is the likeliest cause, if anything is worse.

    Args:
        compared: The verdicts.
        base: The version to compare with.
        new: The version that may be worse.
        round_seconds: How long one more seed of each lab takes, to say how long a decision would take; None for
            records, of which nothing more is measured.
    """
    verdict = conclude(result.verdict for result in compared.results)
    parts = [begin_answer(verdict, compared, name_records(base, new)[1], round_seconds)]
    parts += [*_tell_bits(compared, base, new), *_tell_figures(compared)]
    parts += [*_tell_old_defects(base, new), *tell_cause(compared, base, new)]
    return " ".join(parts)


def name_records(base: VersionRecord, new: VersionRecord) -> tuple[str, str]:
    """Return the products of both versions in the reader's words, such as `TensorFlow 2.19 with Keras 3.9`."""
    old, now = (
        (record.environment.tensorflow if record.environment else record.version.tensorflow, record.keras)
        for record in (base, new)
    )
    return name_pair(old, now)


def estimate_minutes(compared: Compared, round_seconds: Mapping[str, float]) -> float | None:
    """Return in how many minutes more trainings would decide what is open; None if that is not known."""
    seconds: dict[str, float] = {}
    for (_, case), decision in compared.decisions.items():
        if Verdict(decision.verdict) is not Verdict.INCONCLUSIVE:
            continue
        needed, most = find_needed_seeds(decision), (PAIR_LOOKS if decision.paired else GROUP_LOOKS)[-1]
        if needed is None or case.lab not in round_seconds or decision.sample_size >= most:
            return None
        more = (needed - decision.sample_size) * round_seconds[case.lab]
        seconds[case.lab] = max(seconds.get(case.lab, 0.0), more)
    return sum(seconds.values()) / 60 if seconds else None


def begin_answer(verdict: Verdict, compared: Compared, new: str, round_seconds: Mapping[str, float] | None) -> str:
    """Return the first sentence: whether to upgrade, and what is worse or open.

    Args:
        verdict: What all results come to.
        compared: The verdicts.
        new: The products of the new side, in the reader's words.
        round_seconds: As for `write_answer`.
    """
    if verdict is Verdict.REGRESSED:
        told = _tell_all_worse(compared)
        more = f"; {len(told) - _LISTED} more below" if len(told) > _LISTED else ""
        return f"Do not upgrade unseen to {new}: {'; '.join(told[:_LISTED])}{more}."
    if verdict in _OPEN:
        return _tell_open(compared, round_seconds)
    return "Upgrade: nothing is worse."


def _tell_open(compared: Compared, round_seconds: Mapping[str, float] | None) -> str:
    results = [result for result in compared.results if result.verdict in _OPEN]
    names = list(dict.fromkeys(result.name for result in results))
    listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    minutes = estimate_minutes(compared, round_seconds or {})
    about = f"{minutes:.0f} more minutes" if minutes and minutes >= 1.5 else "one more minute"  # noqa: PLR2004 - rounded
    more = f" About {about} would decide the figures (--budget)." if minutes else ""
    if round_seconds is not None and any(result.check == "accuracy/trainings" for result in results):
        more = " Not every lab could be trained in the time: give more (--budget)."
    return f"Not decided: no answer on {listed}; nothing else is worse.{more}"


def _tell_all_worse(compared: Compared) -> list[str]:
    """Return what is worse in words; a check that fails in several labs once, with the figure of the first."""
    worse = [result for result in compared.results if result.verdict is Verdict.REGRESSED]
    metrics = [(result, _tell_metric(result, compared)) for result in worse]
    labs: dict[str, set[str]] = {}
    for result, metric in metrics:
        if not metric:
            labs.setdefault(result.check, set()).add(result.case.rpartition("-")[0])  # a contract names no lab
    told: dict[str, str] = {}
    for result, metric in metrics:
        count = 0 if metric else len(labs[result.check])
        where = f" in {count} labs" if count > 1 else ""
        told.setdefault(metric or result.check, metric or f"{result.check} fails{where} ({result.figure})")
    return [*told.values()]


def _tell_metric(result: CheckResult, compared: Compared) -> str:
    """Return what a metric or a clock has done, in words; "" of a check that no statistics decide."""
    metric = result.check.partition("/")[2]
    for (name, case), decision in compared.decisions.items():
        if str(case) != result.case or name != ("time" if metric == "fit" else metric):
            continue
        if "spread" in decision.finding and not excludes_zero(decision):
            return f"{name_lab(case)} varies more from seed to seed in {name}"
        clock = name in _CLOCKS
        told = _tell_slower(case, compared) if clock else describe_change(name, decision, share=name in compared.shares)
        return f"{name_lab(case)} {told}"
    return result.figure if result.layer == "time" else ""


def _tell_slower(case: Case, compared: Compared) -> str:
    """Return by how much a lab is slower: what users wait for first, and then the processor time, the diagnosis."""
    fit, work = (compared.decisions.get((clock, case)) for clock in ("time", "work"))
    told = [describe_change("time", fit, share=False)] if fit and fit.change.low > 0 else []
    told += [describe_change("work", work, share=False)] if work and work.verdict == "REGRESSED" else []
    return " and ".join(told)


def describe_change(metric: str, decision: Decision, *, share: bool) -> str:
    """Return what a metric has done, such as `loses 0.21 points of accuracy (0.17 to 0.25, margin 0.15)`.

    Args:
        metric: The metric, `work` or `time`.
        decision: The decision on that.
        share: Whether the metric is a share, which is told in percentage points.
    """
    ends = sorted((abs(decision.change.low), abs(decision.change.high)))
    middle, rises = abs(decision.change.estimate), decision.change.estimate > 0
    if metric == "work":
        return f"needs {_percent(decision, 'more', 'less')} processor time an epoch"
    if metric == "time":
        return f"takes {_percent(decision, 'longer', 'less time')} to fit"
    if share:
        low, high = (100 * end for end in ends)
        word, margin = "gains" if rises else "loses", 100 * decision.margin
        return f"{word} {100 * middle:.2f} points of {metric} ({low:.2f} to {high:.2f}, margin {margin:.2f})"
    word = "grows" if rises else "falls"
    return f"has a {metric} that {word} by {middle:.4f} ({ends[0]:.4f} to {ends[1]:.4f}, margin {decision.margin:.4f})"


def _tell_bits(compared: Compared, base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield what moved first."""
    old, now = seeds_by_case(base), seeds_by_case(align_engines(base, new))
    first, second = name_records(base, new)
    if old and old.keys() == now.keys() and all(count_same_ends(old[case], now[case]) for case in old):
        yield f"{second} ends every training in the same bits{f' as {first}' if first != second else ''}."
        return
    if not compared.moved:
        return
    first_gap = find_first_difference(base, new)
    if not first_gap and not any(_end_apart(old[case], now[case]) for case in old if case in now):
        return  # the same weights with other figures: the table names those, and no bit of a training moved
    stage = first_gap[1].stage if first_gap else ""
    yield f"{second} {MOVED.get(stage, 'ends trainings in other bits')}."


def _end_apart(old: SeedResults, now: SeedResults) -> bool:
    """Return whether a seed of both ends in other weights."""
    ends = dict(zip(now.seeds, now.final_digests, strict=True))
    return any(ends.get(seed, digest) != digest for seed, digest in zip(old.seeds, old.final_digests, strict=True))


def _tell_figures(compared: Compared) -> Iterator[str]:
    """Yield how much accuracy, loss and seconds have changed at most, or by how much where that is beyond chance."""
    told = {key: decision for key, decision in compared.decisions.items() if decision.verdict != "REGRESSED"}
    within = [
        decision
        for (name, case), decision in told.items()
        if name == "accuracy" and decision.verdict == "PASS" and not tell_small_loss(case, decision)
    ]
    for (name, case), decision in told.items():
        if name not in _CLOCKS and decision.verdict == "BETTER":
            what = describe_change(name, decision, share=name in compared.shares)
            yield f"Look why {name_lab(case)} {what}: that is better than chance allows."
        elif name == "accuracy" and (small := tell_small_loss(case, decision)):
            yield small
    if within:
        most = max(max(abs(decision.change.low), abs(decision.change.high)) for decision in within)
        sizes = sorted({decision.sample_size for decision in within})
        pairs = "pairs" if all(decision.paired for decision in within) else "seeds"
        count = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        yield f"Accuracy is the same within {100 * most:.2f} points ({count} {pairs} a lab)."
    yield from tell_clocks(compared.decisions)


def tell_small_loss(case: Case, decision: Decision) -> str:
    """Return a loss of accuracy that is beyond chance and within the margin, in words; "" if there is none."""
    if decision.verdict != "PASS" or not decision.worsened or not excludes_zero(decision):
        return ""
    low, high = sorted((abs(100 * decision.change.low), abs(100 * decision.change.high)))
    return (
        f"The accuracy of {name_lab(case)} is worse by {abs(100 * decision.change.estimate):.2f} points "
        f"({low:.2f} to {high:.2f}), within the margin of {100 * decision.margin:.2f}."
    )


def tell_clocks(decisions: Mapping[tuple[str, Case], Decision]) -> Iterator[str]:
    """Yield how much the seconds have changed that are not worse, and were not told with those that are."""
    slower = {case for (name, case), each in decisions.items() if name == "work" and each.verdict == "REGRESSED"}
    told = {case for case in slower if (fit := decisions.get(("time", case))) and fit.change.low > 0}
    for clock, text in _CLOCKS.items():
        passed = {case: each for (name, case), each in decisions.items() if name == clock and each.verdict == "PASS"}
        times = {case: each for case, each in passed.items() if clock != "time" or case not in told}
        if times:
            yield _tell_times(times, *text)


def _tell_times(times: Mapping[Case, Decision], what: str, more: str, less: str) -> str:
    case, decision = max(times.items(), key=lambda item: abs(item[1].change.estimate))
    if not excludes_zero(decision):
        most = max(max(-each.change.low, each.change.high) for each in times.values())
        return f"{what} is the same within {100 * (exp(most) - 1):.0f}%."
    return f"{what} of {name_lab(case)} is {_percent(decision, more, less)}."


def _tell_old_defects(base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield the defects of the reviewed list that both versions have."""
    old, now = (_list_defects(record) for record in (base, new))
    names = [name for name in now if name in old]
    if names:
        word = "One old defect is" if len(names) == 1 else f"{len(names)} old defects are"
        yield f"{word} in both: {', '.join(names)}."


def _list_defects(record: VersionRecord) -> list[str]:
    if record.environment is None:
        return []
    found = [
        find_known(result.check, engine, vars(record.environment), load_known())
        for engine, results in record.checks.items()
        for result in results
        if result.verdict is Verdict.KNOWN
    ]
    return list(dict.fromkeys(entry.name for entry in found if entry))


def excludes_zero(decision: Decision) -> bool:
    """Return whether a change is beyond chance, in either direction."""
    return not decision.change.low <= 0 <= decision.change.high


def _percent(decision: Decision, more: str, less: str) -> str:
    low, middle, high = (
        100 * (exp(value) - 1) for value in (decision.change.low, decision.change.estimate, decision.change.high)
    )
    if middle >= 0:
        return f"{middle:.0f}% {more} ({low:.0f} to {high:.0f}%)"
    return f"{-middle:.0f}% {less} ({-high:.0f} to {-low:.0f}%)"


def name_lab(case: Case) -> str:
    """Return a lab in the reader's words, such as `the MLP with dropout`; of a user's own model its name."""
    return f"the {_LAB_NAMES.get(case.lab, case.lab)}" if case.lab in LABS else case.lab
