"""Two records beside each other: what holds no more, where the bits part, whether accuracy is worse."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.checks.accuracy import make_metric_result
from mnist_bench.checks.records import compare_probes, describe_difference, format_difference
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.serial import dump_json
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude, exit_status
from mnist_bench.show.text import escape_markdown, format_line, format_markdown, format_summary
from mnist_bench.stats.sequential import ACCURACY_MARGIN, Comparison, judge, loss_margin
from mnist_bench.training.labs import check_lab
from mnist_bench.versions.bits import NO_ANSWERS, align_engines, compare_bits, count_same_ends
from mnist_bench.versions.notes import note_environments, note_known, note_times
from mnist_bench.versions.records import find_cases, seeds_by_case

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.versions.records import SeedResults, VersionRecord

__all__ = [
    "Compared",
    "check_disaster",
    "compare_probe_records",
    "compare_sides",
    "compare_versions",
    "format_compared",
    "format_compared_json",
    "format_compared_markdown",
]

_GREEN = (Verdict.PASS, Verdict.IDENTICAL)


@dataclass(frozen=True)
class Compared:
    """What two records say beside each other.

    Attributes:
        results: The verdicts.
        notes: What gives none: versions, leads on times, known regressions.
        moved: The cases that both were measured in and whose bits are not the same, each with where they part.
    """

    results: list[CheckResult]
    notes: list[str]
    moved: dict[str, str] = field(default_factory=dict)


def compare_sides(base: Mapping[str, VersionRecord], new: Mapping[str, VersionRecord]) -> Compared:
    """Compare what `sides.load_sides` gave: one record with one, or two folders of versions by their names.

    Raises:
        ValueError: As `compare_versions`; or one is a folder of versions and the other is not.
    """
    if len(base) == len(new) == 1 and base.keys() == new.keys() == {""}:
        return compare_versions(base[""], new[""])
    if "" in base or "" in new:
        names = ", ".join([*base, *new][:3])
        raise ValueError(f"a folder of several versions ({names}, ...) compares with another such folder only")
    results, notes = [], []
    for name in dict.fromkeys([*base, *new]):
        if name not in base or name not in new:
            where = "base" if name in base else "new"
            results.append(_inconclusive(f"{name}: version", f"measured in {where} only"))
            continue
        compared = compare_versions(base[name], new[name])
        results += [dataclasses.replace(it, name=f"{name}: {it.name}") for it in compared.results]
        notes += [f"{name}: {note}" for note in compared.notes]
    return Compared(results, notes)


def compare_probe_records(base: ProbeRecord, new: ProbeRecord) -> Compared:
    """Compare two probes, which may be of different engines: the bits are all there is to judge.

    Raises:
        ValueError: They are of different trainings or data.
    """
    differences = compare_probes(base, new)
    result = CheckResult(
        name=f"bits/{new.config.lab}-{new.config.engine}",
        verdict=Verdict.REGRESSED if differences else Verdict.IDENTICAL,
        figure=describe_difference(base, new),
        bound="the same bits in every stage",
    )
    return Compared([result], [f"{it.stage}: {format_difference(it)}" for it in differences])


def compare_versions(base: VersionRecord, new: VersionRecord) -> Compared:
    """Compare two records.

    Args:
        base: The one to be held against.
        new: The one that may be worse.

    Raises:
        ValueError: They are of different data, or of trainings that differ in more than their versions.
    """
    for name in ("source", "digest"):
        sides = [getattr(it.dataset, name) for it in (base, new) if it.dataset]
        if len(set(sides)) > 1:
            raise ValueError(f"records of different data cannot be compared: {name} {sides[0]!r} and {sides[1]!r}")
    new = align_engines(base, new)
    results = [*_report_failures(base, new), *_compare_checks(base, new)]
    notes = list(note_environments(base, new))
    moved: dict[str, str] = {}
    apart: dict[str, str] = {}
    for case in find_cases(base, new):
        reason, result = compare_bits(case, base, new)
        if reason and reason not in NO_ANSWERS:
            apart[case] = reason
        if result:
            results.append(result)
        elif case in seeds_by_case(base) or case in seeds_by_case(new):
            moved[case] = reason
        else:
            notes.append(f"{case}: {reason}; it was not trained in full, so nothing says whether it is worse")
    results += _compare_accuracy(base, new, moved)
    notes += [*note_times(base, new), *note_known(base, new)]
    if not results:
        results = [_inconclusive("comparison", "the two records have nothing in common")]
    return Compared(results, notes, apart)


def format_compared(compared: Compared) -> str:
    """Return the verdicts, a line each, the notes, and what it comes to."""
    lines = [format_line(result) for result in compared.results]
    return "\n".join([*lines, *(f"note: {note}" for note in compared.notes), format_summary(compared.results)])


def format_compared_json(compared: Compared) -> str:
    """Return verdicts and notes as JSON."""
    verdict = conclude(result.verdict for result in compared.results)
    status = exit_status(compared.results)
    return dump_json({"verdict": verdict, "exit_status": status, "checks": compared.results, "notes": compared.notes})


def format_compared_markdown(compared: Compared) -> str:
    """Return verdicts and notes as Markdown, for a CI job's summary."""
    notes = "".join(f"\n- {escape_markdown(note)}" for note in compared.notes)
    return format_markdown(compared.results) + (f"{notes}\n" if notes else "")


def _report_failures(base: VersionRecord, new: VersionRecord) -> Iterator[CheckResult]:
    for side, record in (("base", base), ("new", new)):
        for failure in record.failures:
            yield _inconclusive(f"version/{failure.layer}[{failure.what} of {side}]", f"failed: {failure.reason}")


def _compare_checks(base: VersionRecord, new: VersionRecord) -> Iterator[CheckResult]:
    """Yield each check that is not green in both, and in one line how many are."""
    before, now = ({it.name: it for its in record.checks.values() for it in its} for record in (base, new))
    alike = 0
    for engine in dict.fromkeys([*base.checks, *new.checks]):
        if engine not in base.checks or engine not in new.checks:
            where = "base" if engine in base.checks else "new"
            yield _inconclusive(f"checks/{engine}", f"checked in {where} only")
    # An engine that one of them was not checked by has had its line.
    skipped = {
        it.name
        for record in (base, new)
        for engine in {*base.checks} ^ {*new.checks}
        for it in record.checks.get(engine, [])
    }
    for name in dict.fromkeys([*before, *now]):
        if name in skipped:
            continue
        if name not in before or name not in now:
            where = "base" if name in before else "new"
            yield _inconclusive(name, f"checked in {where} only")
        elif before[name].verdict in _GREEN and now[name].verdict in _GREEN:
            alike += 1
        else:
            # What does not hold now is told as it is, whether it held before or not.
            was = f"{before[name].verdict.value} in base: {before[name].figure}"
            yield dataclasses.replace(now[name], bound=f"{now[name].bound}; {was}")
    if alike:
        yield CheckResult(name="checks/others", verdict=Verdict.PASS, figure=f"{alike} hold in both", bound="all hold")


def _compare_accuracy(base: VersionRecord, new: VersionRecord, moved: dict[str, str]) -> Iterator[CheckResult]:
    """Yield what the statistics say of the cases whose bits have moved, all of them one family."""
    comparisons: dict[str, Comparison] = {}
    for case, reason in moved.items():
        old, now = seeds_by_case(base).get(case), seeds_by_case(new).get(case)
        if old is None or now is None:
            yield _inconclusive(f"accuracy/{case}", "trained in one of the two only")
            continue
        if old.epochs != now.epochs:
            raise ValueError(f"{case}: trained for {old.epochs} and for {now.epochs} epochs: cannot be compared")
        yield from check_disaster(now)
        same = count_same_ends(old, now)
        if same:
            # What moved, such as the rounding of predictions, moved no training: there is nothing to judge.
            for metric in ("accuracy", "loss"):
                yield CheckResult(
                    name=f"accuracy/{metric}[{case}]",
                    verdict=Verdict.IDENTICAL,
                    figure=f"the final weights, accuracy and loss of {same} seeds",
                    bound="the same bits",
                    evidence=reason,
                )
            continue
        losses = [[loss for loss in it.test_loss if loss is not None] for it in (old, now)]
        if len(losses[0]) == len(old.seeds) and len(losses[1]) == len(now.seeds):
            margin = loss_margin(losses[0])
            comparisons[f"loss {case}"] = Comparison(losses[0], losses[1], "higher", margin)
            comparisons[f"accuracy {case}"] = Comparison(old.test_accuracy, now.test_accuracy, "lower", ACCURACY_MARGIN)
    if not comparisons:
        return
    # The same records give the same verdict: the random splits have a fixed seed.
    for name, decision in judge(comparisons, rng=np.random.default_rng(FIRST_SEED), looks=1).items():
        metric, _, case = name.partition(" ")
        values = np.asarray(comparisons[name].sample).tolist()
        result = make_metric_result(f"accuracy/{metric}[{case}]", metric, decision, values)
        yield dataclasses.replace(result, evidence=f"{result.evidence}. {moved[case]}")


def check_disaster(results: SeedResults) -> Iterator[CheckResult]:
    """Yield a regression where a training diverged, or one of the lab's own length is below its threshold."""
    case, lab = f"{results.lab}-{results.engine}", check_lab(results.lab)
    diverged = results.test_loss.count(None)
    if diverged:
        figure = f"not finite in {diverged} of {len(results.seeds)} trainings"
        yield CheckResult(name=f"accuracy/loss[{case}]", verdict=Verdict.REGRESSED, figure=figure, bound="finite")
    lowest = min(results.test_accuracy)
    if results.epochs == lab.epochs and lowest < lab.threshold:
        yield CheckResult(
            name=f"accuracy/threshold[{case}]",
            verdict=Verdict.REGRESSED,
            figure=f"{lowest:.4f}, the lowest of {len(results.seeds)}",
            bound=f"≥ {lab.threshold:.2f}",
        )


def _inconclusive(name: str, figure: str) -> CheckResult:
    return CheckResult(name=name, verdict=Verdict.INCONCLUSIVE, figure=figure, bound="there in both")
