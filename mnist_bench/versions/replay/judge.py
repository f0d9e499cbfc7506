"""Whether a replayed regression was seen: by a check that tells of it on the bad side and holds on the good one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.replay.regression import Regression

if TYPE_CHECKING:
    from mnist_bench.versions.replay.records import Answer, ReplayRecord

__all__ = ["ENVIRONMENT", "Outcome", "find_outcome"]

ENVIRONMENT = "structure/environment"
"""The check that does not run where TensorFlow cannot be imported: all of the suite that such a side can say."""


@dataclass(frozen=True)
class Outcome:
    """What the suite says of a regression.

    Attributes:
        regression: The regression.
        seen_by: The results on the bad side that tell of it, in the order of the checks.
        alarms: The results on the good side that say that something is wrong.
        bad_unanswered: The results on the bad side that say nothing, such as a check that did not run.
        good_unanswered: Those on the good side, such as times that are not decided.
        both: Regressions that are on a reviewed list, and that both sides have.
    """

    regression: Regression
    seen_by: list[CheckResult]
    alarms: list[CheckResult]
    bad_unanswered: list[CheckResult]
    good_unanswered: list[CheckResult]
    both: list[str]

    @property
    def first(self) -> CheckResult | None:
        """The check that saw the regression first, if any did."""
        return self.seen_by[0] if self.seen_by else None

    @property
    def expected(self) -> bool:
        """Whether the check that should see it is one of those that did."""
        return self.regression.check in {result.check for result in self.seen_by}


def find_outcome(regression: Regression, record: ReplayRecord) -> Outcome | None:
    """Return what the suite says of a regression; None if a side was not asked."""
    bad, good = (record.find(question) for question in regression.questions)
    return _judge(regression, bad, good) if bad and good else None


def _judge(regression: Regression, bad: Answer, good: Answer) -> Outcome:
    told_there = {result.name for result in good.results if _tells(result)}
    told_here = [result for result in bad.results if _tells(result)]
    return Outcome(
        regression=regression,
        seen_by=[result for result in told_here if result.name not in told_there],
        alarms=[result for result in good.results if _tells(result) and not result.holds],
        bad_unanswered=_list_unanswered(bad),
        good_unanswered=_list_unanswered(good),
        both=[result.check for result in told_here if result.name in told_there],
    )


def _list_unanswered(answer: Answer) -> list[CheckResult]:
    return [result for result in answer.results if not result.holds and not _tells(result)]


def _tells(result: CheckResult) -> bool:
    """Return whether a result says that something is wrong; one that is on the reviewed list does."""
    lost = result.check == ENVIRONMENT and not result.holds
    return lost or result.verdict in (Verdict.REGRESSED, Verdict.KNOWN)
