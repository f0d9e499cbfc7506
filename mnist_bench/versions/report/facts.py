"""What changed from one version to another in one respect: a word, and a text for a reader who knows neither record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.checks.records import compare_probes, format_difference
from mnist_bench.records.verdicts import Verdict, conclude
from mnist_bench.stats.intervals import format_signed
from mnist_bench.timing.ab.verdict import VERDICTS
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import FIT, SAME_BITS, align_engines
from mnist_bench.versions.records import probes_by_case
from mnist_bench.versions.report.headline import count
from mnist_bench.versions.report.names import join_names
from mnist_bench.versions.report.regressions import Regression
from mnist_bench.versions.report.steps import format_step, list_moved, say_step
from mnist_bench.versions.report.table import TONES, Cell, Tone
from mnist_bench.versions.upgrade.answer import name_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mnist_bench.checks.records import Difference, ProbeRecord
    from mnist_bench.records.config import Case
    from mnist_bench.stats.sequential import Decision
    from mnist_bench.versions.comparison import Compared
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.report.names import Products
    from mnist_bench.versions.report.steps import Step

__all__ = ["Changes", "Fact", "explain_move", "tell_bits", "tell_checks", "tell_metric", "tell_time"]

_OTHERS = ("bits", "accuracy", "time")  # layers of results that have facts of their own


@dataclass(frozen=True)
class Fact:
    """What changed in one respect.

    Attributes:
        word: A verdict, or another word of the table; IN STEPS of versions that were timed over others only; NOT WORSE
            of checks that fail in both versions.
        tone: What the word means.
        text: The same in words and numbers, on one or more lines.
    """

    word: str
    tone: Tone
    text: str


@dataclass(frozen=True)
class Changes:
    """The defects of two versions.

    Attributes:
        fresh: New ones that no list names.
        known: New ones of the reviewed list.
        both: Those of both versions.
        gone: Those of the older version that the newer one does not have.
    """

    fresh: list[Regression]
    known: list[Regression]
    both: list[Regression]
    gone: list[Regression]


def tell_metric(metric: str, cell: Cell, compared: Compared | None, cases: Sequence[Case]) -> Fact:
    """Return accuracy or loss, lab by lab: each change with its interval; labs of which the same is said share it.

    Args:
        metric: `accuracy` or `loss`.
        cell: The verdict.
        compared: What the verdict rests on.
        cases: The cases of both versions.
    """
    labs = {str(case): case for case in sorted(cases, key=lambda case: _order(case.lab))}
    decisions = compared.decisions if compared else {}
    told = {
        f"accuracy/{metric}[{case}]": _tell_change(metric, decision)
        for (name, case), decision in decisions.items()
        if name == metric
    }
    said: dict[str, list[str]] = {}
    for result in sorted(cell.results, key=lambda result: [*labs].index(result.case) if result.case in labs else -1):
        if result.verdict is Verdict.IDENTICAL:
            text = f"{result.bound} in {result.figure}"
        else:
            text = told.get(result.name) or f"{result.figure}; bound: {result.bound}"
        case = labs.get(result.case)
        said.setdefault(text, []).append(name_lab(case) if case else result.case)
    parts = [f"{join_names(dict.fromkeys(names))}: {text}" for text, names in said.items()]
    return Fact(cell.word, cell.tone, "\n".join(parts) or cell.figure)


def _tell_change(metric: str, decision: Decision) -> str:
    """Return a change with its interval and its margin, accuracy in points, and how many seeds it rests on."""
    scale, digits, unit = (100, 2, " points") if metric == "accuracy" else (1, 4, "")
    change = decision.change
    estimate, low, high = (format_signed(scale * end, digits) for end in (change.estimate, change.low, change.high))
    sizes = decision.reference_size, decision.sample_size
    seeds = f"{sizes[0]} pairs of seeds" if decision.paired else f"{sizes[0]} and {sizes[1]} seeds"
    ends = f"{100 * change.level:.4g}% interval {low} to {high}"
    return f"{estimate}{unit} ({ends}), margin {scale * decision.margin:.{digits}f}; {seeds}"


def tell_bits(cell: Cell, compared: Compared | None, base: VersionRecord, new: VersionRecord) -> Fact:
    """Return in which stage of training the bits part first, by lab and method."""
    if cell.tone == "good":
        return Fact(cell.word, cell.tone, "the same in every stage and at the end of every training")
    if cell.tone != "moved" or compared is None:
        return Fact(cell.word, cell.tone, cell.figure)
    new = align_engines(base, new)
    said: dict[str, dict[str, list[str]]] = {}
    for case, reason in sorted(compared.moved.items(), key=lambda item: _order(item[0].lab)):
        method = f"Keras's {FIT}" if case.engine in SAME_BITS else f"the engine {case.engine}"
        said.setdefault(method, {}).setdefault(_find_stage(case, base, new) or reason, []).append(name_lab(case))
    parts = [
        f"{method}: {', '.join(f'{text} ({join_names(labs)})' for text, labs in places.items())}"
        for method, places in said.items()
    ]
    # Without full trainings nothing says whether other bits are worse.
    unjudged = [result.name for result in cell.results if result.verdict is Verdict.INCONCLUSIVE]
    if unjudged:
        parts.append(f"not trained in full, and so not judged: {join_names(unjudged)}")
    tone: Tone = "open" if unjudged else cell.tone
    return Fact(cell.word, tone, "first stage that differs\n" + "\n".join(parts))


def tell_time(steps: Sequence[Step], name: Callable[[str], Products]) -> Fact:
    """Return the time as measured of the pair; or else the steps over other versions, which give no verdict."""
    if not steps:
        return Fact("NOT MEASURED", "none", "not timed against each other, nor over the versions between")
    if not steps[1:]:
        (step,) = steps
        word = VERDICTS[step.verdict].value
        return Fact(word, TONES.get(word, "open"), f"{step.verdict}: {format_step(step)}, {step.workload}")
    told = [say_step(step, name) for step in list_moved(steps)]
    same, doubt = (sum(step.verdict == verdict for step in steps) for verdict in ("same", "inconclusive"))
    told += [f"{count(same, 'step')} without a difference"] if same else []
    told += [f"{count(doubt, 'step')} not decided"] if doubt else []
    return Fact("IN STEPS", "open", "not timed against each other; over the versions between:\n" + "\n".join(told))


def tell_checks(changes: Changes, compared: Compared | None) -> Fact:
    """Return what the checks from structure to reproducibility say: new defects first, old ones last."""
    if compared is None:
        return Fact("INCONCLUSIVE", "open", "the two versions cannot be compared")
    results = [result for result in compared.results if result.layer not in _OTHERS]
    verdict = conclude(result.verdict for result in results) if results else Verdict.INCONCLUSIVE
    text = "; ".join(_list_changes(changes, sum(result.verdict is Verdict.INCONCLUSIVE for result in results)))
    if changes.fresh or verdict is Verdict.REGRESSED:
        return Fact("REGRESSED", "bad", text or "a check fails")
    if changes.known:
        return Fact("KNOWN", "known", text)
    if verdict not in (Verdict.PASS, Verdict.IDENTICAL, Verdict.KNOWN):
        return Fact("INCONCLUSIVE", "open", text or "nothing was checked in both")
    if changes.both:
        return Fact("NOT WORSE", "good", f"{text}; all others hold in both")
    return Fact("PASS", "good", f"{text}; all others hold in both" if text else "all hold in both")


def _list_changes(changes: Changes, missing: int) -> Iterator[str]:
    yield from (f"new: {regression.title}" for regression in (*changes.fresh, *changes.known))
    yield from (f"gone: {regression.title}" for regression in changes.gone)
    yield from (f"old, in both: {regression.title}" for regression in changes.both)
    if missing:
        yield f"{count(missing, 'check')} without an answer"


def _order(lab: str) -> int:
    return list(LABS).index(lab) if lab in LABS else len(LABS)


def explain_move(case: Case, base: VersionRecord, new: VersionRecord) -> str:
    """Return the first stage that differs and how many stages are alike; "" if only the ends of trainings tell."""
    probes, differences = _compare_stages(case, base, align_engines(base, new))
    if not differences:
        return ""
    stages = len({stage.name for probe in probes for stage in probe.stages})
    first = f"{differences[0].stage} first: {format_difference(differences[0])}"
    return f"{first}; {stages - len(differences)} of {stages} stages alike"


def _find_stage(case: Case, base: VersionRecord, new: VersionRecord) -> str:
    """Return the first stage that differs in the probes of a case; "" if only the ends of trainings tell."""
    _, differences = _compare_stages(case, base, new)
    return differences[0].stage if differences else ""


def _compare_stages(
    case: Case, base: VersionRecord, new: VersionRecord
) -> tuple[list[ProbeRecord], Sequence[Difference]]:
    probes = [probe for record in (base, new) if (probe := probes_by_case(record).get(case))]
    return probes, compare_probes(*probes) if probes[1:] else []
