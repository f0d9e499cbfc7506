"""What a check says: a verdict with its figure and its bound, and what many of them come to."""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnist_bench.records.fields import check_range
from mnist_bench.records.readings import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EXIT_STATUS", "RAISED", "CheckResult", "Verdict", "conclude", "exit_status", "rank", "worst_by_name"]


class Verdict(str, enum.Enum):
    """What a check says. IDENTICAL and PASS are green; KNOWN is a regression that a reviewed file lists.

    BETTER is said of a figure that is better beyond chance, by more than the margin: nothing is worse, but a leak or
    another metric looks like that. MISSING is said of a benchmark that was due and was not measured. UNREADABLE is
    said of a check that could read nothing, because an earlier stage of the training is broken.
    """

    IDENTICAL = "IDENTICAL"
    PASS = "PASS"  # noqa: S105 - no password
    BETTER = "BETTER"
    KNOWN = "KNOWN"
    REGRESSED = "REGRESSED"
    MISSING = "MISSING"
    INCONCLUSIVE = "INCONCLUSIVE"
    UNREADABLE = "UNREADABLE"
    NO_BASELINE = "NO_BASELINE"


RAISED = "raised an error"
"""The figure of a check in which Keras raised: no known regression, whatever list has that check."""

# 2 is for bad usage and bad input, as everywhere. A check without an answer is never green.
EXIT_STATUS = {
    Verdict.IDENTICAL: 0,
    Verdict.PASS: 0,
    Verdict.BETTER: 0,
    Verdict.KNOWN: 0,
    Verdict.REGRESSED: 1,
    Verdict.MISSING: 3,
    Verdict.INCONCLUSIVE: 3,
    Verdict.UNREADABLE: 3,
    Verdict.NO_BASELINE: 4,
}

# The worst first: what a list of verdicts comes to is the first of these that is in it.
_RANKS = (
    Verdict.REGRESSED,
    Verdict.MISSING,
    Verdict.INCONCLUSIVE,
    Verdict.UNREADABLE,
    Verdict.NO_BASELINE,
    Verdict.KNOWN,
    Verdict.BETTER,
    Verdict.PASS,
    Verdict.IDENTICAL,
)


# These checks need no baseline, and have no figure that could be better.
_LESS_THAN = re.compile(r"< (\d+(?:\.\d+)?(?:e-?\d+)?)(%?)", re.ASCII)
_ABSOLUTE = frozenset({"structure", "arithmetic", "contract", "reproducibility"})
_NEVER_ABSOLUTE = frozenset({Verdict.IDENTICAL, Verdict.BETTER, Verdict.MISSING, Verdict.NO_BASELINE})


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check's answer.

    Attributes:
        name: `layer/check[case]`, such as `contract/new-order[epoch]`.
        verdict: The answer.
        figure: What was measured, in words and numbers.
        bound: What it was held against.
        evidence: More, for a reader who asks why.
        command: What shows more.
        value: The figure as a number, where a known regression has a bound for it: larger is worse. Of a contract, the
            share of the samples, from 0 to 1.
        readings: What was read in numbers, where the check does not hold and has any.
    """

    name: str
    verdict: Verdict
    figure: str
    bound: str
    evidence: str = ""
    command: str = ""
    value: float | None = None
    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse a verdict that no check of this layer gives, or that contradicts figure or value."""
        check_range(f"{self.name}: value", self.value, high=1 if self.layer == "contract" else math.inf)
        if self.layer in _ABSOLUTE and self.verdict in _NEVER_ABSOLUTE:
            raise ValueError(f"{self.name}: the verdict is {self.verdict.value}, which no check of {self.layer} gives")
        if self.figure == RAISED and self.holds:
            raise ValueError(f"{self.name}: the verdict is {self.verdict.value}, and the figure {RAISED!r}")
        below = _LESS_THAN.fullmatch(self.bound)
        if below and self.value is not None and self.verdict is Verdict.PASS:
            allowed = float(below[1]) / (100 if below[2] else 1)
            if not self.value < allowed:
                told = f"the verdict is PASS, the value {self.value:g} and the bound {self.bound}"
                raise ValueError(f"{self.name}: {told}")

    @property
    def layer(self) -> str:
        """The layer of the check, such as `contract`."""
        return self.name.partition("/")[0]

    @property
    def check(self) -> str:
        """The name without the case, such as `contract/new-order`."""
        return self.name.partition("[")[0]

    @property
    def case(self) -> str:
        """What the check was run on, such as `epoch` or `mlp-epoch`: the text in brackets, "" without any."""
        return self.name.partition("[")[2].removesuffix("]")

    @property
    def holds(self) -> bool:
        """Whether the check is green or a known regression."""
        return EXIT_STATUS[self.verdict] == 0


def conclude(verdicts: Iterable[Verdict]) -> Verdict:
    """Return what a list of verdicts comes to: the worst of them.

    Raises:
        ValueError: The list is empty: nothing was checked, and that is no PASS.
    """
    there = set(verdicts)
    if not there:
        raise ValueError("no checks ran")
    return next(verdict for verdict in _RANKS if verdict in there)


def rank(verdict: Verdict) -> int:
    """Return the place of a verdict among all, from 0 for the worst."""
    return _RANKS.index(verdict)


def worst_by_name(results: Iterable[CheckResult]) -> dict[str, CheckResult]:
    """Return the results by name; of several of one name that with the worst verdict."""
    worst: dict[str, CheckResult] = {}
    for result in results:
        other = worst.setdefault(result.name, result)
        if rank(result.verdict) < rank(other.verdict):
            worst[result.name] = result
    return worst


def exit_status(results: Iterable[CheckResult]) -> int:
    """Return the exit status that a list of results asks for; 3 for an empty one."""
    verdicts = [result.verdict for result in results]
    return EXIT_STATUS[conclude(verdicts)] if verdicts else EXIT_STATUS[Verdict.INCONCLUSIVE]
