"""The top of the page, for a person who has one minute: a sentence, what supports it, and a few figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mnist_bench.records.config import Case
from mnist_bench.records.verdicts import Verdict
from mnist_bench.stats.intervals import format_signed
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import FIT
from mnist_bench.versions.releases import MATRIX
from mnist_bench.versions.report.names import Products, join_names
from mnist_bench.versions.report.steps import make_step, say_step
from mnist_bench.versions.report.table import Tone, is_measured
from mnist_bench.versions.upgrade.answer import name_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mnist_bench.stats.intervals import Interval
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.bits import BitGroups
    from mnist_bench.versions.report.regressions import Cost, Regression
    from mnist_bench.versions.report.table import VersionRow

    Namer: TypeAlias = Callable[[str], Products]

__all__ = [
    "Headline",
    "KeyFigure",
    "count",
    "format_change",
    "format_cost",
    "format_costs",
    "is_whole",
    "make_headline",
    "pick_cost",
    "say_fault",
]

# A check that fails, as a person would say it.
_PLAIN = {
    "contract/new-order": "training visits the samples in the same order in every epoch",
    "contract/order-by-seed": "training visits the samples in the same order, whatever the seed",
    "arithmetic/figures": "a reported loss or accuracy is not the mean over the samples",
}
_MEANS = {
    "accuracy": {"accuracy/accuracy", "accuracy/guessing", "accuracy/threshold"},
    "loss": {"accuracy/loss"},
}
_NAMED = 3  # versions that a sentence names


@dataclass(frozen=True)
class KeyFigure:
    """One of the few numbers at the top, and what it counts."""

    value: str
    label: str


@dataclass(frozen=True)
class Headline:
    """The top of the page.

    Attributes:
        tone: `bad` if something regressed that no list knows, else `known`, else `open` if questions are open, else
            `good`.
        findings: What changed, in plain words: a sentence each, the largest effect first.
        support: What a reader of the findings has to know as well.
        figures: Three or four numbers.
    """

    tone: Tone
    findings: list[str]
    support: list[str]
    figures: list[KeyFigure]

    @property
    def sentence(self) -> str:
        """All findings, one after the other."""
        return " ".join(self.findings)


def make_headline(
    rows: Sequence[VersionRow],
    groups: Sequence[BitGroups],
    costs: Mapping[str, tuple[Regression, Sequence[Cost]]],
    pairs: Mapping[str, AbRecord],
    name: Namer,
) -> Headline:
    """Sum up the records.

    Args:
        rows: One for each version.
        groups: Which versions end in the same bits.
        costs: The regressions of the checks with their costs, by check.
        pairs: The comparisons of times.
        name: Names the products of a version.
    """
    fresh = [regression for regression, _ in costs.values() if not regression.known]
    known = [(regression, told) for regression, told in costs.values() if regression.known]
    worse = list(_say_worse(rows, name)) + list(_say_slower(pairs, name))
    cells = [cell for row in rows if row.record.status != "failed" for cell in row.cells.values()]
    unanswered = sum(cell.tone == "open" for cell in cells)
    missing = sum(cell.word == "NOT MEASURED" for cell in cells)
    said = [*(_say_regression(regression, name) for regression in fresh), *worse]
    said += [_say_regression(regression, name) + _say_cost(told) for regression, told in known]
    alone = not any(row.base for row in rows)
    partly = [row for row in rows if not is_whole(row)]
    doubt, measured = bool(unanswered or alone or missing or partly), any(is_measured(row.record) for row in rows)
    said.append(_say_rest(found=bool(said), doubt=doubt, measured=measured))
    support = list(_say_support(rows, unanswered, missing))
    if partly and measured:
        names = [name(row.name).full for row in partly]
        names = [*names[:_NAMED], f"{len(names) - _NAMED} more"] if len(names) > _NAMED + 1 else names
        support.append(f"Measured in part, or not at all: {join_names(names)}.")
    tone: Tone = "bad" if fresh or worse else "known" if known else "open" if doubt or not measured else "good"
    findings = [f"{sentence}." for sentence in said]
    return Headline(tone, findings, support, list(_make_figures(rows, groups, costs, pairs)))


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural if necessary."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def format_change(change: Interval, metric: str) -> str:
    """Return a change of accuracy, in percentage points, or of loss, with its interval."""
    unit = " points" if metric == "accuracy" else ""
    estimate, ends = _format_interval(change, metric)
    return f"{estimate}{unit} {ends}"


def _format_interval(change: Interval, metric: str) -> tuple[str, str]:
    scale, digits = (100, 2) if metric == "accuracy" else (1, 4)
    estimate, low, high = (format_signed(scale * end, digits) for end in (change.estimate, change.low, change.high))
    return estimate, f"({low} to {high})"


def format_cost(cost: Cost) -> str:
    """Return what a regression costs in accuracy; a loss that the interval does not prove is an upper bound."""
    low, high = (-100 * end for end in (cost.change.high, cost.change.low))
    if low > 0:
        points = f"{-100 * cost.change.estimate:.2f} points of test accuracy ({low:.2f} to {high:.2f})"
        return f"costs {_name(cost.lab)} {points}"
    if high < 0:
        return f"costs {_name(cost.lab)} no test accuracy"
    return f"costs {_name(cost.lab)} at most {high:.2f} points of test accuracy, not proven here"


def format_costs(costs: Sequence[Cost]) -> Iterator[str]:
    """Yield sentences on what a regression costs in accuracy: each proven loss, and one on all that are not proven."""
    accuracy = [cost for cost in costs if cost.metric == "accuracy"]
    unproven = [cost for cost in accuracy if _is_unproven(cost)]
    yield from (f"It {format_cost(cost)}." for cost in accuracy if cost not in unproven)
    if unproven:
        most = join_names(f"{-100 * cost.change.low:.2f} ({_name(cost.lab)})" for cost in unproven)
        yield f"A loss of test accuracy is not proven here: it is at most {most} points."


def say_fault(regression: Regression) -> str:
    """Return what is wrong, as a person would say it."""
    title = f" ({regression.title})" if regression.known else ""
    return _PLAIN.get(regression.check, f"{regression.check} fails") + title


def _say_regression(regression: Regression, name: Namer) -> str:
    """Return in words which versions have a regression."""
    fault = say_fault(regression)
    if regression.since:
        return f"From {regression.since} on, {fault}"
    if not regression.lacking and not regression.unknown:
        return f"In every version {fault}"
    return f"In {join_names(name(key).full for key in regression.having)} {fault}"


def _say_cost(costs: Sequence[Cost]) -> str:
    """Return the cost of a known regression as the rest of its sentence, of the lab that the figures name."""
    told = pick_cost(costs)
    return f", which {format_cost(told)}" if told else ""


def _say_worse(rows: Sequence[VersionRow], name: Namer) -> Iterator[str]:
    """Yield each version whose accuracy or loss is worse than that of the version before."""
    for row in rows:
        if verb := _describe_worse(row):
            own = name(row.name)
            yield own.compare(name(row.base), verb) if row.base else f"{own.full} {verb} the lab"


def _describe_worse(row: VersionRow) -> str:
    """Return the verb of a version's sentence, such as `has a worse test loss than`; "" if nothing is worse."""
    results = [result for metric in ("accuracy", "loss") for result in row.cells[metric].results]
    worse = {result.check for result in results if result.verdict is Verdict.REGRESSED}
    metrics = [metric for metric in ("accuracy", "loss") if worse & _MEANS[metric]]
    if metrics:
        return f"has a worse test {' and '.join(metrics)} than"
    if "accuracy/classes" in worse:
        return "makes more errors in one class than"
    return "reports a test loss that is not that of its weights, unlike" if worse else ""


def _say_slower(pairs: Mapping[str, AbRecord], name: Namer) -> Iterator[str]:
    """Yield each version that is slower than the one before, the slowest step first."""
    slower = [pair for pair in pairs.values() if pair.verdict == "slower"]
    for pair in sorted(slower, key=lambda pair: -pair.wall.estimate):
        yield say_step(make_step(pair), name)


def _say_rest(*, found: bool, doubt: bool, measured: bool) -> str:
    if not measured:
        return "Nothing is measured yet"
    if doubt:
        return "Nothing else is shown to be worse" if found else "Nothing is shown to be worse, but questions are open"
    return "Nothing else got worse" if found else "Nothing got worse"


def _say_support(rows: Sequence[VersionRow], unanswered: int, missing: int) -> Iterator[str]:
    seeds = [len(results.seeds) for row in rows for results in row.record.accuracy] or [0]
    few = count(max(seeds), "seed") if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)} seeds"
    if rows and not any(row.base for row in rows):
        yield "No version is shown with an older version, so nothing is compared."
    undecided = [_list_reasons(row, group) for row in rows for group in ("accuracy", "loss") if _is_open(row, group)]
    by_chance = undecided.count([])
    if by_chance:
        yield (
            f"{count(by_chance, 'verdict')} on accuracy or loss {'is' if by_chance == 1 else 'are'} open: the bits "
            f"moved, and with {few} a lab a loss that matters cannot be excluded."
        )
    if reasons := list(dict.fromkeys(reason for listed in undecided for reason in listed)):
        number = len(undecided) - by_chance
        told = [*reasons[:_NAMED], f"{len(reasons) - _NAMED} more"] if len(reasons) > _NAMED + 1 else reasons
        word = "is" if number == 1 else "are"
        yield f"{count(number, 'verdict')} on accuracy or loss {word} open: {'; '.join(told)}."
    others = {"without an answer": unanswered - len(undecided), "not measured yet": missing}
    told = [f"{number:,} {text}" for text, number in others.items() if number]
    if told:
        yield f"Of the other fields of the table below: {', '.join(told)}."


def _is_open(row: VersionRow, group: str) -> bool:
    return row.record.status != "failed" and row.cells[group].word == "INCONCLUSIVE"


def _list_reasons(row: VersionRow, group: str) -> list[str]:
    """Return why a field has no answer, where it is not the statistics that have none yet."""
    decided = {f"accuracy/{metric}[{case}]" for metric, case in row.compared.decisions} if row.compared else set()
    word = row.cells[group].word
    unanswered = [each for each in row.cells[group].results if not each.holds and each.verdict.value == word]
    return [f"{each.case or each.check}: {each.figure}" for each in unanswered if each.name not in decided]


def _make_figures(
    rows: Sequence[VersionRow],
    groups: Sequence[BitGroups],
    costs: Mapping[str, tuple[Regression, Sequence[Cost]]],
    pairs: Mapping[str, AbRecord],
) -> Iterator[KeyFigure]:
    yield _count_versions(rows)
    fits = [column for column in groups if column.method == FIT]
    if fits:
        best = next((column for column in fits if column.lab == "mlp"), fits[0])
        label = f"different results, bit for bit, of {sum(map(len, best.groups))} versions ({_name(best.lab)}, fit)"
        yield KeyFigure(str(len(best.groups)), label)
    yield from _tell_cost(costs.values())
    if pairs:
        slower = [pair for pair in pairs.values() if pair.verdict == "slower"]
        amounts = sorted(100 * (pair.wall.estimate - 1) for pair in slower)
        by = f", by {amounts[0]:.0f}{f' to {amounts[-1]:.0f}' if amounts[1:] else ''}%" if amounts else ""
        label = f"versions train slower than the one before{by}"
        yield KeyFigure(f"{len(slower)} of {len(pairs)}", label)
    else:
        yield KeyFigure("–", "times compared with the version before: not measured")  # noqa: RUF001 - a dash


def _count_versions(rows: Sequence[VersionRow]) -> KeyFigure:
    """Return how many versions are complete, and how many of the others are partial, failed or not run."""
    names = {row.name for row in rows}
    # The matrix has versions without a record, too. Records of versions that are all a user's own are no part of it.
    without = [name for name in MATRIX if name not in names] if names & set(MATRIX) else []
    complete, failed = sum(map(is_whole, rows)), sum(row.record.status == "failed" for row in rows)
    partial = sum(is_measured(row.record) for row in rows) - complete
    others = {
        "in part": partial,
        "could not be installed": failed,
        "not run": len(without) + len(rows) - complete - partial - failed,
    }
    more = "".join(f", {number} {text}" for text, number in others.items() if number)
    return KeyFigure(f"{complete} of {len(rows) + len(without)}", f"versions measured completely{more}")


def _tell_cost(costs: Iterable[tuple[Regression, Sequence[Cost]]]) -> Iterator[KeyFigure]:
    """Yield what a regression costs the mlp: of several that have a cost the first whose cost is proven."""
    told = [(regression, cost) for regression, all_costs in costs if (cost := pick_cost(all_costs))]
    if not told:
        return
    regression, cost = min(told, key=lambda each: _is_unproven(each[1]))
    value, ends = _format_interval(cost.change, "accuracy")
    unproven, points = _is_unproven(cost), f"points of accuracy of {_name(cost.lab)}"
    listed = f"{'to' if unproven else 'with'} the {regression.title}"
    fault = listed if regression.known else f"where {say_fault(regression)}"
    if unproven:
        yield KeyFigure(f"≤ {-100 * cost.change.low:.2f}", f"{points} lost {fault}, not proven here: {value} {ends}")
    else:
        yield KeyFigure(value, f"{points} {fault} {ends}")


def _is_unproven(cost: Cost) -> bool:
    return cost.change.low <= 0 <= cost.change.high


def _name(lab: str) -> str:
    return name_lab(Case(lab, FIT))


def pick_cost(costs: Sequence[Cost]) -> Cost | None:
    """Return the cost in accuracy of the mlp, or of the first lab that has one."""
    told = [cost for cost in costs if cost.metric == "accuracy"]
    return next((cost for cost in told if cost.lab == "mlp"), told[0] if told else None)


def is_whole(row: VersionRow) -> bool:
    """Return whether everything of a version was measured, and every lab was trained."""
    record = row.record
    measured = is_measured(record) and not record.failures
    return measured and {results.lab for results in record.accuracy} >= LABS.keys()
