"""The top of the page, for a person who has one minute: a sentence, what supports it, and a few figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.timing.ab.records import format_ratio
from mnist_bench.training.labs import LABS
from mnist_bench.versions.bits import FIT
from mnist_bench.versions.releases import MATRIX, find_version
from mnist_bench.versions.report.table import Tone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mnist_bench.stats.intervals import Interval
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.bits import BitGroups
    from mnist_bench.versions.report.regressions import Cost, Regression
    from mnist_bench.versions.report.table import VersionRow

__all__ = ["Headline", "KeyFigure", "count", "format_change", "make_headline"]

# A check that fails, as a person would say it.
_PLAIN = {"contract/new-order": "training visits the samples in the same order in every epoch"}
_NAMED = 2  # versions that the sentence names
_JUDGED = ("accuracy", "loss", "time")  # the groups in which a version is worse than its predecessor


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
        sentence: What changed, in plain words.
        support: What a reader of the sentence has to know as well.
        figures: Three or four numbers.
    """

    tone: Tone
    sentence: str
    support: list[str]
    figures: list[KeyFigure]


def make_headline(
    rows: Sequence[VersionRow],
    groups: Sequence[BitGroups],
    costs: Mapping[str, tuple[Regression, Sequence[Cost]]],
    pairs: Mapping[str, AbRecord],
) -> Headline:
    """Sum up the records.

    Args:
        rows: One for each version.
        groups: Which versions end in the same bits.
        costs: The regressions of the checks with their costs, by check.
        pairs: The comparisons of times.
    """
    regressions = [regression for regression, _ in costs.values()]
    fresh = [regression for regression in regressions if not regression.known]
    known = [regression for regression in regressions if regression.known]
    worse = [(row, group) for row in rows for group in _JUDGED if row.cells[group].word == "REGRESSED"]
    cells = [cell for row in rows if row.record.status != "failed" for cell in row.cells.values()]
    unanswered = sum(cell.tone == "open" for cell in cells)
    missing = sum(cell.word == "NOT MEASURED" for cell in cells)
    by_name = {row.name: row for row in rows}
    said = [_say_regression(regression, by_name) for regression in fresh]
    said += _say_worse(worse, by_name, pairs)
    said += [_say_regression(regression, by_name) for regression in known]
    alone = not any(row.base for row in rows)
    partly = [row for row in rows if not _is_whole(row)]
    doubt, measured = bool(unanswered or alone or missing or partly), any(map(_is_measured, rows))
    rest = _say_rest(found=bool(said), doubt=doubt, measured=measured)
    support = list(_say_support(rows, unanswered, missing))
    if partly and measured:
        names = ", ".join(_name_products(row.name, by_name) for row in partly[:_NAMED])
        more = f" and {len(partly) - _NAMED} more" if len(partly) > _NAMED else ""
        support.append(f"Not installed, or not trained with every lab: {names}{more}.")
    tone: Tone = "bad" if fresh or worse else "known" if known else "open" if doubt or not measured else "good"
    return Headline(tone, f"{'. '.join([*said, rest])}.", support, list(_make_figures(rows, groups, costs, pairs)))


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
    # Adding 0 takes the sign from a zero.
    estimate, low, high = (
        f"{round(scale * value, digits) + 0.0:+.{digits}f}" for value in (change.estimate, change.low, change.high)
    )
    return estimate, f"({low} to {high})"


def _name_products(name: str, rows: Mapping[str, VersionRow]) -> str:
    """Return the products of a version, such as `TensorFlow 2.19.1 with Keras 3.9.0`; its name if they are unknown."""
    if name in rows:
        record, on_python = rows[name].record, rows[name].axis == "python"
        python = f" on Python {record.version.python}" if on_python else ""
        return f"TensorFlow {record.version.tensorflow} with Keras {record.keras}{python}"
    if name in MATRIX:  # a predecessor without a record
        spec = find_version(name)
        return f"TensorFlow {spec.tensorflow} with Keras {spec.keras}"
    return name


def _say_regression(regression: Regression, rows: Mapping[str, VersionRow]) -> str:
    """Return in words which versions have a regression."""
    title = f", the {regression.title}" if regression.known else ""
    fault = _PLAIN.get(regression.check, f"{regression.check} fails") + title
    if regression.since:
        return f"From {regression.since} on, {fault}"
    if not regression.lacking and not regression.unknown:
        return f"In every version {fault}"
    names = [_name_products(name, rows) for name in regression.having]
    if len(names) > _NAMED + 1:
        names = [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    return f"In {', '.join(names[:-1])}{' and ' if names[1:] else ''}{names[-1]} {fault}"


def _say_worse(
    worse: Sequence[tuple[VersionRow, str]], rows: Mapping[str, VersionRow], pairs: Mapping[str, AbRecord]
) -> list[str]:
    """Return which versions are worse than their predecessors in a verdict; the first two by name."""
    said = []
    for row, group in worse[:_NAMED]:
        base = pairs[row.name].python_a if group == "time" else row.base
        fault = "is slower than" if group == "time" else f"has a worse {group} than"
        said.append(f"{_name_products(row.name, rows)} {fault} {_name_products(base, rows) if base else 'the lab'}")
    more = len(worse) - len(said)
    return [*said, *([f"There {'is' if more == 1 else 'are'} {count(more, 'more such verdict')}"] if more else [])]


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
    undecided = sum(row.cells[group].word == "INCONCLUSIVE" for row in rows for group in ("accuracy", "loss"))
    if undecided:
        yield (
            f"{count(undecided, 'verdict')} on accuracy or loss {'is' if undecided == 1 else 'are'} open: the bits "
            f"moved, and with {few} a lab a loss that matters cannot be excluded."
        )
    others = {"without an answer": unanswered - undecided, "not measured yet": missing}
    told = [f"{number:,} {text}" for text, number in others.items() if number]
    if told:
        yield f"Of the other fields of the table below: {', '.join(told)}."


def _make_figures(
    rows: Sequence[VersionRow],
    groups: Sequence[BitGroups],
    costs: Mapping[str, tuple[Regression, Sequence[Cost]]],
    pairs: Mapping[str, AbRecord],
) -> Iterator[KeyFigure]:
    failed = sum(row.record.status == "failed" for row in rows)
    more = f", {failed} could not be installed" if failed else ""
    yield KeyFigure(f"{sum(map(_is_measured, rows))} of {len(rows)}", f"versions measured{more}")
    fits = [column for column in groups if column.method == FIT]
    if fits:
        best = next((column for column in fits if column.lab == "mlp"), fits[0])
        label = f"different results, bit for bit, of {sum(map(len, best.groups))} versions ({best.lab}, fit)"
        yield KeyFigure(str(len(best.groups)), label)
    yield from _tell_cost(costs.values())
    if pairs:
        slower = [pair for pair in pairs.values() if pair.verdict == "slower"]
        worst = max(pairs.values(), key=lambda pair: pair.wall.estimate)
        name = _name_products(worst.python_b, {row.name: row for row in rows})
        label = f"versions slower than the one before; the largest step {format_ratio(worst.wall)}, to {name}"
        yield KeyFigure(f"{len(slower)} of {len(pairs)}", label)
    else:
        yield KeyFigure("–", "times compared with the predecessor: not measured")  # noqa: RUF001 - a dash


def _tell_cost(costs: Iterable[tuple[Regression, Sequence[Cost]]]) -> Iterator[KeyFigure]:
    """Yield what the first regression that has a cost costs the mlp."""
    for regression, all_costs in costs:
        told = [cost for cost in all_costs if cost.metric == "accuracy"]
        if told:
            cost = next((cost for cost in told if cost.lab == "mlp"), told[0])
            value, ends = _format_interval(cost.change, "accuracy")
            yield KeyFigure(value, f"points of {cost.lab} accuracy with the {regression.title} {ends}")
            return


def _is_whole(row: VersionRow) -> bool:
    """Return whether a version could be measured, and was trained with every lab."""
    return _is_measured(row) and {results.lab for results in row.record.accuracy} >= LABS.keys()


def _is_measured(row: VersionRow) -> bool:
    return row.record.status in ("measured", "partial")
