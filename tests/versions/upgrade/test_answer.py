"""The first line of a comparison says nothing that the records do not."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import make_digest
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.comparison import Compared, compare_versions
from mnist_bench.versions.records import VersionRecord, update_record
from mnist_bench.versions.upgrade.answer import begin_answer, write_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OLD = "py311-tf215"


@pytest.fixture
def whole(make_versions: Callable[..., dict[str, VersionRecord]]) -> VersionRecord:
    """A record that lacks nothing."""
    return make_versions([OLD])[OLD]


def answer(base: VersionRecord, new: VersionRecord, round_seconds: Mapping[str, float] | None = None) -> str:
    """Return the answer on two records."""
    return write_answer(compare_versions(base, new), base, new, round_seconds)


@pytest.mark.parametrize(
    ("column", "value", "moved"),
    [("test_accuracy", 0.1, False), ("test_loss", 0.2, False), ("test_loss", None, False), ("final_digests", "", True)],
)
def test_bits_that_are_the_same_are_not_called_other_bits(
    whole: VersionRecord,
    column: str,
    value: Any,
    moved: bool,  # noqa: FBT001 - parametrised
) -> None:
    """Other figures of the same weights are no other bits; other weights are, whatever the probes say."""
    (results,) = whole.accuracy
    values = [make_digest(f"other {seed}") for seed in results.seeds] if moved else [value] * len(results.seeds)
    other = update_record(whole, accuracy=[dataclasses.replace(results, **{column: values})])
    told = answer(whole, other)
    assert ("ends trainings in other bits" in told) is moved
    assert "ends every training in the same bits" not in told


@pytest.mark.parametrize(("round_seconds", "told"), [(None, False), ({}, True)], ids=["records", "environments"])
def test_records_have_no_budget(
    whole: VersionRecord,
    round_seconds: Mapping[str, float] | None,
    told: bool,  # noqa: FBT001 - parametrised
) -> None:
    """Where a lab was not trained, only two environments that are measured now can be given more time."""
    untrained = update_record(whole, accuracy=[])
    line = answer(untrained, untrained, round_seconds)
    assert line.startswith("Not decided: no answer on ")
    assert ("(--budget)" in line) is told


def test_a_check_that_could_not_be_read_is_no_green_answer(whole: VersionRecord) -> None:
    """Nothing says that a check which another fault hides would hold."""
    engine, checks = next(iter(whole.checks.items()))
    hidden = dataclasses.replace(checks[0], verdict=Verdict.UNREADABLE)
    unread = update_record(whole, checks={**whole.checks, engine: [hidden, *checks[1:]]})
    assert answer(unread, unread).startswith(f"Not decided: no answer on {hidden.name}")


@pytest.mark.parametrize(
    ("labs", "told"),
    [
        (["mlp"], "arithmetic/figures fails (off by 1e-03, mlp)."),
        (["mlp", "dropout"], "arithmetic/figures fails in 2 labs (off by 1e-03, mlp)."),
    ],
)
def test_a_check_that_fails_in_several_labs_is_told_once(labs: list[str], told: str) -> None:
    """The sentence has room for three findings, which one cause would fill."""
    results = [
        CheckResult(
            name=f"arithmetic/figures[{lab}-{engine}]",
            verdict=Verdict.REGRESSED,
            figure=f"off by 1e-03, {lab}",
            bound="1e-05",
        )
        for lab in labs
        for engine in ("epoch", "fused")  # which are no two labs
    ]
    compared = Compared(results=results, notes=[])
    assert begin_answer(Verdict.REGRESSED, compared, "A", None) == f"Do not upgrade unseen to A: {told}"
