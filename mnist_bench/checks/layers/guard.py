"""One check run so that whatever it raises is its result, and the checks after it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.records.verdicts import RAISED, CheckResult, Verdict
from mnist_bench.training.backend import KerasError, explain_error

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["guard"]


def guard(name: str, check: Callable[[], CheckResult]) -> CheckResult:
    """Return a check's result; where it raises, REGRESSED if Keras's own training did, otherwise INCONCLUSIVE."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer to this check and to no other
        regressed = isinstance(error, KerasError)
        return CheckResult(
            name=name,
            verdict=Verdict.REGRESSED if regressed else Verdict.INCONCLUSIVE,
            figure=RAISED if regressed else "did not run",
            bound="runs to its end",
            evidence=explain_error(error),
        )
