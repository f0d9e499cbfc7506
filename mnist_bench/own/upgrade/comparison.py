"""Two sides of a user's own model compared: the checks of both, the layers, the bits, and what the trainings say."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnist_bench.own.elsewhere import name_case
from mnist_bench.own.upgrade.changes import compare_changes, compare_ends
from mnist_bench.own.upgrade.doubts import find_own_doubts, find_own_gaps, find_strangers
from mnist_bench.own.upgrade.parity import compare_data, compare_layers, compare_own_bits
from mnist_bench.records.environment import NUMERICS_FIELDS, VERSION_FIELDS, explain_keys
from mnist_bench.records.verdicts import CheckResult, Verdict, worst_by_name
from mnist_bench.stats.sequential import PAIR_LOOKS
from mnist_bench.training.labs import LAB_ARITHMETIC
from mnist_bench.versions.comparison import Compared, judge_known, make_inconclusive
from mnist_bench.versions.figures import FigureRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.own.records import OwnSide
    from mnist_bench.own.upgrade.parity import Bits
    from mnist_bench.records.config import Case

__all__ = ["OWN_MARGIN", "OwnCompared", "compare_own", "make_own_rules", "name_trainings"]

OWN_MARGIN = 0.01
"""The largest loss of a share that does not matter: a point, as a user's test data have hundreds of samples, not the
lab's ten thousand."""

_MODEL_PARTS = ("model", "fit")  # of `OwnSide.failures`: the file or Keras has raised an error
_GREEN = (Verdict.PASS, Verdict.IDENTICAL)
_ANSWERS = (*_GREEN, Verdict.BETTER, Verdict.KNOWN, Verdict.REGRESSED)


@dataclass(frozen=True)
class OwnCompared(Compared):
    """The comparison of two sides of a user's own model.

    Attributes:
        settled: The names of the results that are not decided, and that no further training decides.
    """

    settled: set[str] = field(default_factory=set)


def make_own_rules(margin: float = OWN_MARGIN, *, last: bool = True) -> FigureRules:
    """Return the rules of all looks, or, if it is not the last, of a look."""
    return FigureRules(margin=margin, looks=len(PAIR_LOOKS), last=last)


def name_trainings(case: Case) -> str:
    """Return the name of the result that says that the time was over before a seed was trained."""
    return f"metric/trainings[{case}]"


def compare_own(base: OwnSide, new: OwnSide, rules: FigureRules | None = None) -> OwnCompared:
    """Compare two sides.

    Args:
        base: The side to compare with.
        new: The side that may be worse.
        rules: How figures are judged; None for a margin of one point.

    Raises:
        ValueError: The sides are of different model files.
    """
    if base.model.digest != new.model.digest:
        raise ValueError(
            f"sides of different model files cannot be compared: {base.model.name} {base.model.digest[:12]} and "
            f"{new.model.name} {new.model.digest[:12]}"
        )
    case, rules = name_case(new.model), rules or make_own_rules()
    found = OwnCompared([*_report_failures(base, new)], [])
    for result, note in _compare_checks(base, new):
        found.results.extend([result] if result else [])
        found.notes.extend([note] if note else [])
    found.results.extend([*find_own_gaps(base, new, case), *find_own_doubts(base, new, case)])
    if other_data := compare_data(base, new, case):
        found.results.append(other_data)
        return found
    if base.probe and new.probe:
        layers, notes = compare_layers(base.probe, new.probe, case)
        found.results.append(layers)
        found.notes.extend(notes)
    if "model" in {**base.failures, **new.failures}:
        found.notes.extend(_note_environments(base, new))
        return found
    bits = compare_own_bits(base, new, case)
    if bits.moved:
        found.moved[case] = bits.reason
    found.notes.extend(bits.notes)
    found.results.extend([bits.result] if bits.result else [])
    found = _compare_trainings(found, base, new, bits, rules)
    found.notes.extend(_note_environments(base, new))
    return found


def _compare_trainings(found: OwnCompared, base: OwnSide, new: OwnSide, bits: Bits, rules: FigureRules) -> OwnCompared:
    case = name_case(new.model)
    if not base.trainings or not new.trainings:
        if base.checks and new.checks and not base.failures and not new.failures:  # more than the bits was asked for
            found.results.append(make_inconclusive(name_trainings(case), "none", bound="a seed on both sides"))
        return found
    if strangers := find_strangers(base, new):
        name = f"metric/agreement[{case}]"
        found.results.append(make_inconclusive(name, f"not judged: {strangers}", bound="the same of all seeds"))
        return dataclasses.replace(found, settled={name})
    if bits.same_ends:
        changes = compare_ends(base, new, case, bits.same_ends, bits.reason)
    else:
        changes = compare_changes(base, new, case, rules, bits.reason)
    found.results.extend(changes.results)
    found.notes.extend(changes.notes)
    found.decisions.update(changes.decisions)
    return dataclasses.replace(found, shares=changes.shares, settled=changes.settled)


def _report_failures(base: OwnSide, new: OwnSide) -> Iterator[CheckResult]:
    """Yield what could not be measured.

    A model that cannot be built, or not be trained, in the new environment only is a regression. A process that dies
    without an error of its own says nothing of the model.
    """
    for part in dict.fromkeys([*base.failures, *new.failures]):
        name = (
            f"{'metric' if part.startswith('seed') else 'structure'}/{part.replace(' ', '-')}[{name_case(new.model)}]"
        )
        failed = {
            side: record.failures[part] for side, record in (("base", base), ("new", new)) if part in record.failures
        }
        if list(failed) == ["new"] and part in _MODEL_PARTS:
            yield CheckResult(name=name, verdict=Verdict.REGRESSED, figure=failed["new"], bound="no error, as in base")
        else:
            figure = "; ".join(f"failed in {side}: {reason}" for side, reason in failed.items())
            yield make_inconclusive(name, figure)


def _compare_checks(base: OwnSide, new: OwnSide) -> Iterator[tuple[CheckResult | None, str]]:
    """Yield the verdict on each check that is not green in both, in one line how many are, and notes.

    A check that reads nothing on either side, such as of a layer that cannot be re-computed in float64, gives no
    verdict: it was never able to say anything of this model.
    """
    before, now = (worst_by_name(side.checks) for side in (base, new))
    alike = 0
    for name in dict.fromkeys([*before, *now]):
        old, result = before.get(name), now.get(name)
        if (old is None and "model" in base.failures) or (result is None and "model" in new.failures):
            continue  # the failure says it all
        if old is None or result is None:
            yield make_inconclusive(name, f"checked in {'base' if old else 'new'} only"), ""
        elif old.verdict in _GREEN and result.verdict in _GREEN:
            alike += 1
        elif result.verdict in (Verdict.REGRESSED, Verdict.KNOWN):
            yield judge_known(result, old), ""
        elif result.verdict not in _ANSWERS and old.verdict not in _ANSWERS:
            yield None, f"{name} says nothing of this model, in either environment: {result.figure}"
        else:
            was = f"{old.verdict.value} in base: {old.figure}"
            yield dataclasses.replace(result, bound=f"{result.bound}; {was}"), ""
    if alike:
        yield (
            CheckResult(name="checks/others", verdict=Verdict.PASS, figure=f"{alike} hold in both", bound="all hold"),
            "",
        )


def _note_environments(base: OwnSide, new: OwnSide) -> Iterator[str]:
    """Yield the versions that differ, and what else may move the bits."""
    a, b = base.environment, new.environment
    measured = base.probe is not None and new.probe is not None  # else one is the fingerprint of an idle interpreter
    arithmetic = {name: getattr(a, name) for name in LAB_ARITHMETIC}
    if arithmetic != LAB_ARITHMETIC and arithmetic == {name: getattr(b, name) for name in LAB_ARITHMETIC}:
        yield f"both by {', '.join(f'{name} {value}' for name, value in arithmetic.items())}"
    for name, (x, y) in explain_keys(a, b, VERSION_FIELDS).items():
        yield f"{name}: {x} and {y}"
    for name, (x, y) in explain_keys(a, b, NUMERICS_FIELDS).items():
        if name != "keras" and measured:
            yield f"{name}: {x!r} and {y!r}, which may move the bits"
