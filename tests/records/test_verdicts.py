"""Verdicts have exit statuses, the worst verdict decides, and nothing checked is never green."""

from __future__ import annotations

import math
import re
from itertools import chain, combinations

import pytest

from mnist_bench.records.verdicts import EXIT_STATUS, RAISED, CheckResult, Verdict, conclude, exit_status

GREEN = {Verdict.IDENTICAL, Verdict.PASS, Verdict.BETTER, Verdict.KNOWN}


def make_result(verdict: Verdict) -> CheckResult:
    """Return a result with this verdict."""
    return CheckResult(name="layer/check[case]", verdict=verdict, figure="1", bound="2")


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.IDENTICAL, 0),
        (Verdict.PASS, 0),
        (Verdict.KNOWN, 0),
        (Verdict.REGRESSED, 1),
        (Verdict.MISSING, 3),
        (Verdict.INCONCLUSIVE, 3),
        (Verdict.UNREADABLE, 3),
        (Verdict.NO_BASELINE, 4),
    ],
)
def test_each_verdict_has_its_exit_status(verdict: Verdict, status: int) -> None:
    """A single check ends with the status of its verdict, and holds if the status is 0."""
    assert EXIT_STATUS[verdict] == status
    assert exit_status([make_result(verdict)]) == status
    assert make_result(verdict).holds is (status == 0)


@pytest.mark.parametrize("layer", ["structure", "arithmetic", "contract", "reproducibility"])
@pytest.mark.parametrize("verdict", [Verdict.IDENTICAL, Verdict.BETTER, Verdict.MISSING, Verdict.NO_BASELINE])
def test_a_check_without_a_baseline_has_no_verdict_of_one(layer: str, verdict: Verdict) -> None:
    """A record that says so was edited: BETTER would be green."""
    with pytest.raises(ValueError, match=f"{layer}/check: the verdict is {verdict.value}, which no check of {layer}"):
        CheckResult(name=f"{layer}/check", verdict=verdict, figure="1", bound="2")


@pytest.mark.parametrize(("value", "bound"), [(1.0, "< 50%"), (0.5, "< 50%"), (0.1, "< 1e-4"), (2.0, "< 1.5")])
def test_a_value_beyond_its_bound_does_not_pass(value: float, bound: str) -> None:
    """The same value may be KNOWN, and one within the bound may PASS."""
    with pytest.raises(
        ValueError, match=f"arithmetic/x: the verdict is PASS, the value {value:g} and the bound {bound}"
    ):
        CheckResult(name="arithmetic/x", verdict=Verdict.PASS, figure="3", bound=bound, value=value)
    CheckResult(name="arithmetic/x", verdict=Verdict.KNOWN, figure="3", bound=bound, value=value)
    CheckResult(name="arithmetic/x", verdict=Verdict.PASS, figure="3", bound=bound, value=5e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("contract/new-order[epoch]", 3.0), ("contract/new-order[epoch]", -0.1), ("own/order", math.nan)],
)
def test_a_value_that_a_check_cannot_have_is_refused(name: str, value: float) -> None:
    """The contracts' values are shares of the samples; no value is negative or endless."""
    with pytest.raises(ValueError, match=re.escape(f"{name}: value {value!r} is outside 0 to ")):
        CheckResult(name=name, verdict=Verdict.KNOWN, figure="3", bound="1", value=value)


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.KNOWN])
def test_a_check_that_raised_does_not_hold(verdict: Verdict) -> None:
    """No list of known regressions has an error that Keras raises."""
    with pytest.raises(ValueError, match=f"contract/x: the verdict is {verdict.value}, and the figure 'raised an err"):
        CheckResult(name="contract/x", verdict=verdict, figure=RAISED, bound="2")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("contract/new-order[epoch]", ("contract", "contract/new-order", "epoch")),
        ("accuracy/loss[mlp-epoch]", ("accuracy", "accuracy/loss", "mlp-epoch")),
        ("bits/mlp-epoch", ("bits", "bits/mlp-epoch", "")),
        ("comparison", ("comparison", "comparison", "")),
    ],
)
def test_a_name_has_parts(name: str, parts: tuple[str, str, str]) -> None:
    """The layer, the check and the case are read from the name, of which each may lack the last."""
    result = CheckResult(name=name, verdict=Verdict.PASS, figure="1", bound="2")
    assert (result.layer, result.check, result.case) == parts


def test_every_verdict_has_an_exit_status() -> None:
    """No verdict is left out, and none has 2, which is for bad usage."""
    assert set(EXIT_STATUS) == set(Verdict)
    assert 2 not in EXIT_STATUS.values()


@pytest.mark.parametrize(
    ("verdicts", "said", "status"),
    [
        ("IDENTICAL PASS", "PASS", 0),
        ("PASS KNOWN IDENTICAL", "KNOWN", 0),
        ("KNOWN NO_BASELINE", "NO_BASELINE", 4),
        ("NO_BASELINE INCONCLUSIVE PASS", "INCONCLUSIVE", 3),
        ("INCONCLUSIVE MISSING NO_BASELINE", "MISSING", 3),
        ("INCONCLUSIVE REGRESSED NO_BASELINE", "REGRESSED", 1),
        ("PASS PASS PASS REGRESSED", "REGRESSED", 1),
    ],
)
def test_the_worst_verdict_speaks_for_all(verdicts: str, said: str, status: int) -> None:
    """A regression outranks a missing answer, and both outrank green verdicts, in any order."""
    group = [Verdict(verdict) for verdict in verdicts.split()]
    for order in (group, group[::-1]):
        assert conclude(order) is Verdict(said)
        assert exit_status(map(make_result, order)) == status


def test_only_green_verdicts_are_green_together() -> None:
    """No mixture of verdicts ends with 0 unless each of them does."""
    mixtures = chain.from_iterable(combinations(Verdict, size) for size in range(1, len(Verdict) + 1))
    for mixture in mixtures:
        assert (exit_status(map(make_result, mixture)) == 0) == (set(mixture) <= GREEN), mixture


def test_nothing_checked_is_not_green() -> None:
    """An empty list has no verdict, and its exit status is that of a check without an answer."""
    with pytest.raises(ValueError, match="no checks ran"):
        conclude([])
    assert exit_status([]) == 3
