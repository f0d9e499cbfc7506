"""Two version records compared: which checks fail, where the bits part, and whether accuracy or loss is worse."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnist_bench.checks.accuracy import judge_level
from mnist_bench.checks.records import compare_probes, format_difference
from mnist_bench.records.config import Case
from mnist_bench.records.serial import dump_json
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude, exit_status, worst_by_name
from mnist_bench.show.text import clean_line, escape_markdown, format_line, format_markdown, format_summary
from mnist_bench.stats.sequential import Decision
from mnist_bench.training.labs import CLASSES, check_lab, explain_short
from mnist_bench.versions.bits import align_engines, compare_bits, find_judge, is_rounding, make_probe_result
from mnist_bench.versions.doubts import find_doubts
from mnist_bench.versions.figures import FigureRules, compare_figures
from mnist_bench.versions.notes import note_basis, note_environments, note_imports, note_known, note_younger
from mnist_bench.versions.plan import find_due, find_gaps, find_too_new
from mnist_bench.versions.records import find_cases, seeds_by_case
from mnist_bench.versions.seeds import check_alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.seeds import SeedResults
    from mnist_bench.versions.upgrade.times import RoundTimes

__all__ = [
    "Compared",
    "check_disaster",
    "compare_probe_records",
    "compare_sides",
    "compare_versions",
    "format_compared",
    "format_compared_json",
    "format_compared_markdown",
    "judge_known",
    "make_inconclusive",
]

_LONGER = "the time was over first: the same command with a longer --budget and the same --out goes on"
_AGAIN = "due in every record; one that is older than a check lacks it: matrix run NAME --again measures all"
_GUESSING = math.log(CLASSES)
_FURTHER = 1.1  # the figure of a defect, over that of base, from which the defect is another one
_GREEN = (Verdict.PASS, Verdict.IDENTICAL)


@dataclass(frozen=True)
class Compared:
    """The comparison of two records.

    Attributes:
        results: The verdicts.
        notes: What gives no verdict: versions, seconds of imports, known regressions.
        moved: The cases that were measured in both records and whose bits are not the same, and where the bits part.
        decisions: The decisions on `accuracy`, `loss`, `work` and `time` of the cases that statistics have judged.
        shares: The metrics that are shares, which are told in percentage points.
    """

    results: list[CheckResult]
    notes: list[str]
    moved: dict[Case, str] = field(default_factory=dict)
    decisions: dict[tuple[str, Case], Decision] = field(default_factory=dict)
    shares: tuple[str, ...] = ("accuracy",)


def compare_sides(base: Mapping[str, VersionRecord], new: Mapping[str, VersionRecord]) -> Compared:
    """Compare what `sources.load_sides` returned: two records, or two folders of versions by their names.

    Raises:
        ValueError: As `compare_versions`; or one side is a folder of versions and the other is not.
    """
    if len(base) == len(new) == 1 and base.keys() == new.keys() == {""}:
        return compare_versions(base[""], new[""])
    if "" in base or "" in new:
        names = ", ".join([name for name in (*base, *new) if name][:3])
        raise ValueError(f"a folder of several versions ({names}, ...) can be compared with another such folder only")
    results, notes = [], []
    for name in dict.fromkeys([*base, *new]):
        if name not in base or name not in new:
            side = "base" if name in base else "new"
            results.append(make_inconclusive(f"{name}: version", f"measured in {side} only"))
            continue
        compared = compare_versions(base[name], new[name])
        results += [dataclasses.replace(result, name=f"{name}: {result.name}") for result in compared.results]
        notes += [f"{name}: {note}" for note in compared.notes]
    return Compared(results, notes)


def compare_probe_records(base: ProbeRecord, new: ProbeRecord) -> Compared:
    """Compare two probes, which may be of different engines: the bits are all there is to judge.

    Raises:
        ValueError: The probes are of different trainings or data.
    """
    differences = compare_probes(base, new)
    result = make_probe_result(base, new)
    basis = note_basis(new.dataset, [base.environment, new.environment])
    return Compared([result], [*basis, *(f"{gap.stage}: {format_difference(gap)}" for gap in differences)])


def compare_versions(
    base: VersionRecord,
    new: VersionRecord,
    rules: FigureRules | None = None,
    rounds: Sequence[RoundTimes] = (),
) -> Compared:
    """Compare two records.

    Args:
        base: The record to compare with.
        new: The record that may be worse.
        rules: How figures are judged; None for the margins of the project, in one look.
        rounds: The seconds of trainings that ran on both sides at the same time.

    Raises:
        ValueError: The records are of different data, or of trainings that differ in more than their versions.
    """
    for name in ("source", "digest"):
        sides = [getattr(record.dataset, name) for record in (base, new) if record.dataset]
        if len(set(sides)) > 1:
            raise ValueError(f"records of different data cannot be compared: {name} {sides[0]!r} and {sides[1]!r}")
    new = align_engines(base, new)
    results = [*_report_failures(base, new), *_compare_checks(base, new)]
    moved: dict[Case, str] = {}
    judged: dict[Case, str] = {}
    trained = {*seeds_by_case(base), *seeds_by_case(new)}
    for case in find_cases(base, new):
        if case in seeds_by_case(base) and case in seeds_by_case(new):
            check_alike(seeds_by_case(base)[case], seeds_by_case(new)[case])
        bits = compare_bits(case, base, new)
        if bits.moved:
            moved[case] = bits.reason
        if bits.result:
            results.append(bits.result)
        elif case in trained:
            judged[case] = bits.reason
        else:
            results.append(_judge_untrained(case, bits.reason, base, new))
    results += [result for side in new.accuracy for result in check_disaster(side)]
    figures = compare_figures(base, new, judged, rules or FigureRules(), rounds)
    results += [*figures.results, *find_doubts(base, new)]
    # What is green says nothing of what is missing, whatever its name.
    told = {result.name for result in results if not result.holds}
    results += [result for result in _report_gaps(base, new) if result.name not in told]
    if not results:
        results = [make_inconclusive("comparison", "the two records have nothing in common")]
    basis = note_basis(base.dataset or new.dataset, [base.environment, new.environment])
    notes = [*basis, *note_environments(base, new), *note_younger(base, new), *note_imports(base, new)]
    notes += note_known(base, new)
    return Compared(results, notes, moved, figures.decisions)


def _judge_untrained(case: Case, reason: str, base: VersionRecord, new: VersionRecord) -> CheckResult:
    """Return what is known of other bits of a case that nobody trained in full."""
    name = f"bits/{case}"
    if is_rounding(case, base, new):
        figure = f"rounding alone: {reason}"
        bound = "given weights, the same to 1e-5, and the oracle followed by both"
        return CheckResult(name=name, verdict=Verdict.PASS, figure=figure, bound=bound)
    if judge := find_judge(case, base, new):
        figure = f"beyond rounding, nothing moved that did not move in {judge}: {reason}"
        bound = f"judged by the trainings of {judge}, and the oracle followed by both"
        return CheckResult(name=name, verdict=Verdict.PASS, figure=figure, bound=bound)
    # Nothing says whether it is worse.
    return make_inconclusive(name, reason, bound="the same bits, or trained in full")


def format_compared(compared: Compared, answer: str = "") -> str:
    """Return the answer, if there is one, the verdicts and the notes, a line each, and a summary."""
    head = [clean_line(answer), ""] if answer else []
    lines = [format_line(result) for result in compared.results]
    notes = [f"note: {clean_line(note)}" for note in compared.notes]
    return "\n".join([*head, *lines, *notes, format_summary(compared.results)])


def format_compared_json(compared: Compared, answer: str = "") -> str:
    """Return the answer, verdicts and notes as JSON."""
    verdict = conclude(result.verdict for result in compared.results)
    status = exit_status(compared.results)
    facts = {"verdict": verdict, "exit_status": status, "checks": compared.results, "notes": compared.notes}
    return dump_json({"answer": answer, **facts})


def format_compared_markdown(compared: Compared, answer: str = "") -> str:
    """Return the answer, verdicts and notes as Markdown, for a CI job's summary."""
    head = f"{escape_markdown(answer)}\n\n" if answer else ""
    notes = "".join(f"\n- {escape_markdown(note)}" for note in compared.notes)
    return head + format_markdown(compared.results) + (f"{notes}\n" if notes else "")


def check_disaster(results: SeedResults) -> Iterator[CheckResult]:
    """Yield a regression if a training diverged or the seeds miss the lab's threshold; no verdict if cut short."""
    lab, short = check_lab(results.lab), explain_short(results.lab, results.epochs)
    diverged = results.test_loss.count(None)
    if diverged:
        figure = f"not finite in {diverged} of {len(results.seeds)} trainings"
        name = f"accuracy/loss[{results.case}]"
        yield CheckResult(name=name, verdict=Verdict.REGRESSED, figure=figure, bound="finite")
    if results.departures:
        return  # the lab's threshold says nothing of another training
    if short:
        yield make_inconclusive(f"accuracy/epochs[{results.case}]", short, bound="trained in full")
        return
    worst = max((loss for loss in results.test_loss if loss is not None), default=0.0)
    if worst > _GUESSING:
        yield CheckResult(
            name=f"accuracy/guessing[{results.case}]",
            verdict=Verdict.REGRESSED,
            figure=f"a loss of {worst:.4g}, the highest of {len(results.seeds)}",
            bound=f"≤ {_GUESSING:.2f}, as of an even guess",
        )
    reached, figure = judge_level(results.lab, results.test_accuracy)
    if results.epochs == lab.epochs and not reached:
        yield CheckResult(
            name=f"accuracy/threshold[{results.case}]",
            verdict=Verdict.REGRESSED,
            figure=figure,
            bound=f"≥ {lab.threshold:.2f}",
        )


def _report_failures(base: VersionRecord, new: VersionRecord) -> Iterator[CheckResult]:
    for side, record in (("base", base), ("new", new)):
        for failure in record.failures:
            name = f"version/{failure.layer}[{failure.what} of {side}]"
            yield make_inconclusive(name, f"failed: {failure.reason}")


def _report_gaps(base: VersionRecord, new: VersionRecord) -> Iterator[CheckResult]:
    """Yield what is due and is not in both records; of a version that failed, the failure says it all."""
    due = find_due(base, new)
    if due is None or "failed" in (base.status, new.status):
        return
    sides = {"base": dict(find_gaps(base, due)), "new": dict(find_gaps(new, due))}
    for name in dict.fromkeys(name for gaps in sides.values() for name in gaps):
        figures = [f"{gaps[name]} in {side}" for side, gaps in sides.items() if name in gaps]
        both = len(figures) > 1
        evidence = "" if not both else _AGAIN if due.whole else _LONGER
        yield make_inconclusive(name, "; ".join(figures), evidence=evidence)


def _compare_checks(base: VersionRecord, new: VersionRecord) -> Iterator[CheckResult]:
    """Yield each check that is not green in both records, and in one line how many are."""
    before, now = (
        worst_by_name(result for checks in record.checks.values() for result in checks) for record in (base, new)
    )
    # The checks by an engine that only one record has are told in one line.
    skipped: set[str] = set()
    for engine in dict.fromkeys([*base.checks, *new.checks]):
        having = {side: record for side, record in (("base", base), ("new", new)) if record.checks.get(engine)}
        if len(having) == 1:
            ((side, record),) = having.items()
            yield make_inconclusive(f"checks/{engine}", f"checked in {side} only")
            others = {result.name for name, checks in record.checks.items() if name != engine for result in checks}
            skipped |= {result.name for result in record.checks[engine]} - others
    too_new = find_too_new(base) | find_too_new(new)
    alike = 0
    for name in dict.fromkeys([*before, *now]):
        old, result = before.get(name), now.get(name)
        if old and result and old.verdict in _GREEN and result.verdict in _GREEN:
            alike += 1
        elif result and result.verdict is Verdict.KNOWN:
            yield judge_known(result, old)
        elif result and (old or result.verdict is Verdict.REGRESSED):
            # A check that fails now is reported whether it held before or not.
            was = f"{old.verdict.value} in base: {old.figure}" if old else "not checked in base"
            yield dataclasses.replace(result, bound=f"{result.bound}; {was}")
        elif name not in skipped and (name.partition("[")[0] not in too_new or not _is_green(old or result)):
            yield make_inconclusive(name, f"checked in {'base' if old else 'new'} only")
    if alike:
        yield CheckResult(name="checks/others", verdict=Verdict.PASS, figure=f"{alike} hold in both", bound="all hold")


def _is_green(result: CheckResult | None) -> bool:
    return result is not None and result.verdict in _GREEN


def judge_known(result: CheckResult, old: CheckResult | None) -> CheckResult:
    """Return what a regression that may be old means for a comparison: worse only if the base does not have it.

    Args:
        result: A regression of the new side.
        old: The same check of the base, if it was checked.
    """
    values = (old.value if old else None), result.value
    further = values[0] is not None and values[1] is not None and values[1] > _FURTHER * values[0]
    if old and old.verdict in (Verdict.KNOWN, Verdict.REGRESSED) and not further:
        bound = f"{'a defect of base' if None in values else 'no worse than base'}: {old.figure}"
        return dataclasses.replace(
            result, verdict=Verdict.PASS, figure=f"an old defect in both: {result.figure}", bound=bound
        )
    was = f"{old.verdict.value} in base: {old.figure}" if old else "not checked in base"
    return dataclasses.replace(result, verdict=Verdict.REGRESSED, bound=f"{result.bound}; {was}")


def make_inconclusive(name: str, figure: str, *, bound: str = "measured in both", evidence: str = "") -> CheckResult:
    """Return the result of what could not be compared."""
    return CheckResult(name=name, verdict=Verdict.INCONCLUSIVE, figure=figure, bound=bound, evidence=evidence)
