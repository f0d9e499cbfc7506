"""What the records come to, for a person who has one minute: a sentence, what it rests on, and a few figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.timing.ab.records import format_ratio
from mnist_bench.versions.bitgroups import FIT
from mnist_bench.versions.report.table import Tone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mnist_bench.stats.intervals import Interval
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.bitgroups import Alike
    from mnist_bench.versions.report.regressions import Cost, Regression
    from mnist_bench.versions.report.table import Row

__all__ = ["Figure", "Headline", "count", "format_change", "make_headline"]

# A failing check as a person would say it.
_PLAIN = {"contract/new-order": "training visits the samples in the same order in every epoch"}
# What is no answer, though nothing went wrong.
_MISSING = {"NOT MEASURED": "not measured yet", "LEAD": "timed alone, beside nothing"}
_NAMED = 2  # that the sentence names
_JUDGED = ("accuracy", "loss", "time")  # a regression there is one of a version beside its predecessor


@dataclass(frozen=True)
class Figure:
    """One of the few numbers at the top: what it is, and of what."""

    value: str
    label: str


@dataclass(frozen=True)
class Headline:
    """The top of the page.

    Attributes:
        tone: `bad` where something regressed that no list knows, `known`, `open` where questions are, else `good`.
        sentence: What changed, in plain words.
        support: What else has to be said in the same breath.
        figures: Three or four numbers.
    """

    tone: Tone
    sentence: str
    support: list[str]
    figures: list[Figure]


def make_headline(
    rows: Sequence[Row],
    alike: Sequence[Alike],
    costs: Mapping[str, tuple[Regression, Sequence[Cost]]],
    pairs: Mapping[str, AbRecord],
) -> Headline:
    """Say what the records come to.

    Args:
        rows: A version each.
        alike: Which end in the same bits.
        costs: The regressions of the checks with what they cost, by check.
        pairs: The comparisons of times.
    """
    regressions = [regression for regression, _ in costs.values()]
    fresh = [it for it in regressions if not it.known]
    known = [it for it in regressions if it.known]
    worse = [(row, group) for row in rows for group in _JUDGED if row.cells[group].word == "REGRESSED"]
    cells = [cell for row in rows if row.record.status != "failed" for cell in row.cells.values()]
    unanswered = sum(cell.tone == "open" for cell in cells)
    missing = {word: sum(cell.word == word for cell in cells) for word in _MISSING}
    said = [*map(_say_regression, fresh), *_say_worse(worse, pairs), *map(_say_regression, known)]
    alone = not any(row.base for row in rows)
    doubt, measured = bool(unanswered or alone or any(missing.values())), any(_is_measured(it) for it in rows)
    rest = _say_rest(found=bool(said), doubt=doubt, measured=measured)
    support = list(_say_support(rows, unanswered, missing))
    tone: Tone = "bad" if fresh or worse else "known" if known else "open" if doubt or not measured else "good"
    return Headline(tone, f"{'. '.join([*said, rest])}.", support, list(_make_figures(rows, alike, costs, pairs)))


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it needs one."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def format_change(change: Interval, metric: str) -> str:
    """Return a change of accuracy, in percentage points, or of loss, with its interval."""
    scale, unit, digits = (100, " points", 2) if metric == "accuracy" else (1, "", 4)
    # Adding 0 takes the sign from a zero.
    estimate, low, high = (
        f"{round(scale * it, digits) + 0.0:+.{digits}f}" for it in (change.estimate, change.low, change.high)
    )
    return f"{estimate}{unit} ({low} to {high})"


def _say_regression(it: Regression) -> str:
    """Return where a regression is, in words."""
    what = _PLAIN.get(it.check, f"{it.check} fails") + (f", the {it.title}" if it.known else "")
    if it.since:
        return f"From {it.since} on, {what}"
    if not it.lacking and not it.unknown:
        return f"In every version {what}"
    names = it.having if len(it.having) <= 3 else [*it.having[:2], f"{len(it.having) - 2} more"]  # noqa: PLR2004
    return f"In {', '.join(names[:-1])}{' and ' if names[1:] else ''}{names[-1]} {what}"


def _say_worse(worse: Sequence[tuple[Row, str]], pairs: Mapping[str, AbRecord]) -> list[str]:
    """Return which versions are worse than their predecessors in a verdict; the first two by name."""
    said = [
        f"{row.name} is slower than {pairs[row.name].python_a}"
        if group == "time"
        else f"{row.name} has a worse {group} than {row.base or 'the lab'}"
        for row, group in worse[:_NAMED]
    ]
    more = len(worse) - len(said)
    return [*said, *([f"So {'is' if more == 1 else 'are'} {more} more"] if more else [])]


def _say_rest(*, found: bool, doubt: bool, measured: bool) -> str:
    if not measured:
        return "Nothing is measured yet"
    if doubt:
        return "Nothing else is shown to be worse" if found else "Nothing is shown to be worse, but not all is answered"
    return "Nothing else got worse" if found else "Nothing got worse"


def _say_support(rows: Sequence[Row], unanswered: int, missing: Mapping[str, int]) -> Iterator[str]:
    seeds = [len(it.seeds) for row in rows for it in row.record.accuracy] or [0]
    few = count(max(seeds), "seed") if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)} seeds"
    if rows and not any(row.base for row in rows):
        yield "No version has an older one beside it here, so nothing is compared."
    undecided = sum(row.cells[it].word == "INCONCLUSIVE" for row in rows for it in ("accuracy", "loss"))
    if undecided:
        yield (
            f"{count(undecided, 'verdict')} on accuracy or loss cannot be given: "
            f"the bits moved, and {few} a lab leave room for a loss that matters."
        )
    others = unanswered - undecided
    parts = {"without an answer": others} | {text: missing[word] for word, text in _MISSING.items()}
    told = [f"{number:,} {text}" for text, number in parts.items() if number]
    if told:
        yield f"Of the other fields of the table below: {', '.join(told)}."


def _make_figures(
    rows: Sequence[Row],
    alike: Sequence[Alike],
    costs: Mapping[str, tuple[Regression, Sequence[Cost]]],
    pairs: Mapping[str, AbRecord],
) -> Iterator[Figure]:
    measured = [row for row in rows if _is_measured(row)]
    failed = sum(row.record.status == "failed" for row in rows)
    more = f", {failed} could not be installed" if failed else ""
    yield Figure(f"{len(measured)} of {len(rows)}", f"versions measured{more}")
    fits = [it for it in alike if it.way == FIT]
    if fits:
        best = next((it for it in fits if it.lab == "mlp"), fits[0])
        versions = sum(map(len, best.groups))
        yield Figure(str(len(best.groups)), f"different results, bit for bit, of {versions} versions ({best.lab}, fit)")
    yield from _tell_cost(costs.values())
    if pairs:
        slower = [pair for pair in pairs.values() if pair.verdict == "slower"]
        worst = max(pairs.values(), key=lambda it: it.wall.estimate)
        label = f"steps slower than the one before; the largest {format_ratio(worst.wall)}, {worst.python_b}"
        yield Figure(f"{len(slower)} of {len(pairs)}", label)
    else:
        yield Figure("–", "times beside the predecessor: not measured")  # noqa: RUF001 - a dash


def _tell_cost(costs: Iterable[tuple[Regression, Sequence[Cost]]]) -> Iterator[Figure]:
    """Yield what the first regression that has a cost costs the mlp."""
    for regression, its in costs:
        told = [it for it in its if it.metric == "accuracy"]
        if told:
            cost = next((it for it in told if it.lab == "mlp"), told[0])
            value, _, ends = format_change(cost.change, "accuracy").partition(" points ")
            yield Figure(value, f"points of {cost.lab} accuracy with the {regression.title} {ends}")
            return


def _is_measured(row: Row) -> bool:
    return row.record.status in ("measured", "partial")
