"""Any version compared with any other, whatever lies between: a sentence, and bits, accuracy, loss, time and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.versions.records import find_cases
from mnist_bench.versions.report.facts import Changes, Fact, tell_bits, tell_checks, tell_metric, tell_time
from mnist_bench.versions.report.headline import format_cost, pick_cost, say_fault
from mnist_bench.versions.report.names import Products, join_names
from mnist_bench.versions.report.regressions import Cost, Regression
from mnist_bench.versions.report.sharing import Sharing
from mnist_bench.versions.report.steps import Step, find_steps, format_step, list_moved, say_step
from mnist_bench.versions.report.table import Tone, compare_cells, is_measured

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FACTS", "Choice", "Chooser", "pack_choices"]

FACTS = ("bits", "accuracy", "loss", "time", "checks")
_SPEEDS = {"same": "training takes as long", "faster": "training is {}", "inconclusive": "the time is not decided"}


@dataclass(frozen=True)
class Choice:
    """One version compared with another.

    Attributes:
        tone: As that of a headline.
        sentence: What changed, to stand behind `From ... to ...: `, the largest effect first.
        facts: By name of `FACTS`.
    """

    tone: Tone
    sentence: str
    facts: dict[str, Fact]


@dataclass(frozen=True)
class Chooser:
    """What any two versions of a page are compared by.

    Attributes:
        sharing: The records, and the trainings that versions of the same bits share.
        pairs: The comparisons of times, by the name of the newer version.
        costs: What is broken and what it costs, by check.
        name: Names the products of a version.
    """

    sharing: Sharing
    pairs: Mapping[str, AbRecord]
    costs: Mapping[str, tuple[Regression, Sequence[Cost]]]
    name: Callable[[str], Products]

    def judge(self, base: str, name: str) -> Choice:
        """Compare two versions as `mnist-bench compare` does, with the seeds that versions of the same bits share."""
        old, new = self.sharing.pair(base, name)
        compared, cells = compare_cells(new, old, None)
        changes, steps = self._find_changes(base, name), find_steps(self.pairs, base, name)
        cases = find_cases(old, new)
        facts = {
            "bits": tell_bits(cells["bits"], compared, old, new),
            "accuracy": tell_metric("accuracy", cells["accuracy"], compared, cases),
            "loss": tell_metric("loss", cells["loss"], compared, cases),
            "time": tell_time(steps, self.name),
            "checks": tell_checks(changes, compared),
        }
        said = [*self._say_worse(changes, facts, steps), *_say_rest(changes, facts, steps)]
        return Choice(_find_tone(changes, facts), f"{'; '.join(said)}.", facts)

    def _find_changes(self, base: str, name: str) -> Changes:
        there = [regression for regression, _ in self.costs.values()]
        new = [each for each in there if name in each.having and base not in each.having]
        return Changes(
            fresh=[each for each in new if not each.known],
            known=[each for each in new if each.known],
            both=[each for each in there if name in each.having and base in each.having],
            gone=[each for each in there if base in each.having and name in each.lacking],
        )

    def _say_worse(self, changes: Changes, facts: Mapping[str, Fact], steps: Sequence[Step]) -> Iterator[str]:
        """Yield what is worse, the largest effect first."""
        bad = [metric for metric in ("accuracy", "loss") if facts[metric].word == "REGRESSED"]
        if bad:
            yield f"the test {' and '.join(bad)} {'are' if bad[1:] else 'is'} worse"
        yield from map(say_fault, changes.fresh)
        moved = list_moved(steps)
        if len(steps) == 1 and steps[0].verdict == "slower":
            yield f"training is {format_step(steps[0])}"
        # What one step loses, another may win: only steps in one direction say something of the whole way.
        elif moved and all(step.verdict == "slower" for step in moved):
            yield from (f"on the way, {say_step(step, self.name)}" for step in moved)
        for regression in changes.known:
            cost = pick_cost(self.costs[regression.check][1])
            yield say_fault(regression) + (f", which {format_cost(cost)}" if cost else "")


def pack_choices(chooser: Chooser) -> dict[str, Any]:
    """Return every pair of measured versions as JSON: texts stand once, and pairs hold their places.

    Returns:
        `names`: the versions as `[key, name]`; `facts`: names of the facts; `texts`; and `pairs`: of each version to
        come from, of each to go to, None or `[tone, sentence, [[word, tone, text], ...]]`, all of them places in
        `texts`.
    """
    names = [name for name, record in chooser.sharing.records.items() if is_measured(record)]
    texts: dict[str, int] = {}

    def place(*parts: str) -> list[int]:
        return [texts.setdefault(text, len(texts)) for text in parts]

    def pack(choice: Choice) -> list[Any]:
        facts = [place(fact.word, fact.tone, fact.text) for fact in choice.facts.values()]
        return [*place(choice.tone, choice.sentence), facts]

    pairs = [[None if base == name else pack(chooser.judge(base, name)) for name in names] for base in names]
    full = [[name, chooser.name(name).full] for name in names]
    return {"names": full, "facts": list(FACTS), "texts": list(texts), "pairs": pairs}


def _say_rest(changes: Changes, facts: Mapping[str, Fact], steps: Sequence[Step]) -> Iterator[str]:
    """Yield what is not worse, and what nobody knows."""
    worse = bool(changes.fresh or changes.known or any(fact.word == "REGRESSED" for fact in facts.values()))
    doubt = [name for name in FACTS if facts[name].tone in ("open", "none")]
    if not worse:
        yield "nothing is shown to be worse" if doubt else "nothing is worse"
    elif not doubt:
        yield "nothing else is worse"
    yield from (f"the {regression.title} is gone" for regression in changes.gone)
    if changes.both:
        number = "one old defect" if len(changes.both) == 1 else f"{len(changes.both)} old defects"
        yield f"{number} in both ({join_names(regression.title for regression in changes.both)})"
    words = {facts[metric].word for metric in ("accuracy", "loss")}
    if words <= {"IDENTICAL", "PASS"}:
        yield f"accuracy and loss are {'the same, bit for bit' if words == {'IDENTICAL'} else 'as good'}"
    better = [metric for metric in ("accuracy", "loss") if facts[metric].word == "BETTER"]
    if better:
        yield f"the test {' and '.join(better)} {'are' if better[1:] else 'is'} better than chance explains"
    unsure = [metric for metric in doubt if metric in ("accuracy", "loss")]
    if unsure:
        yield f"whether {' or '.join(unsure)} got worse is not decided"
    if "bits" in doubt:
        yield "some of the bits are not judged"
    if len(steps) == 1 and steps[0].verdict != "slower":
        yield _SPEEDS[steps[0].verdict].format(format_step(steps[0]))
    elif len(steps) != 1:
        yield "the two were not timed against each other"


def _find_tone(changes: Changes, facts: Mapping[str, Fact]) -> Tone:
    if changes.fresh or any(fact.tone == "bad" for fact in facts.values()):
        return "bad"
    if changes.known or any(fact.tone == "known" for fact in facts.values()):
        return "known"
    return "good" if all(fact.tone in ("good", "moved") for fact in facts.values()) else "open"
