"""The likeliest cause: the last sentence of a comparison in which anything is worse, also where no check names one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fixtures.records import make_digest
from fixtures.upgrade import make_mlp_probe
from mnist_bench.records.config import Case
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.comparison import Compared, compare_versions
from mnist_bench.versions.figures import FigureRules, compare_seconds, judge_family, make_time_result
from mnist_bench.versions.records import VersionRecord, update_record
from mnist_bench.versions.upgrade.answer import write_answer
from mnist_bench.versions.upgrade.cause import tell_cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.records.training import TrainingRecord

OLD = "py311-tf215"
MLP = Case("mlp", "epoch")


@pytest.fixture
def whole(make_versions: Callable[..., dict[str, VersionRecord]]) -> VersionRecord:
    """A record that lacks nothing."""
    return make_versions([OLD])[OLD]


def find_cause(base: VersionRecord, new: VersionRecord, compared: Compared | None = None) -> str:
    """Return the sentence, which is the last of the answer; "" if there is none."""
    compared = compared or compare_versions(base, new)
    told = "".join(tell_cause(compared, base, new))
    assert write_answer(compared, base, new).endswith(told)
    return told


def worsen(record: VersionRecord, *, bits: str = "other") -> VersionRecord:
    """Return the record with a lower accuracy and other final weights of each seed."""
    (results,) = record.accuracy
    digests = [make_digest(f"{bits} {seed}") for seed in results.seeds]
    lower = [value - 0.1 for value in results.test_accuracy]
    return update_record(record, accuracy=[dataclasses.replace(results, test_accuracy=lower, final_digests=digests)])


def test_nothing_worse_has_no_cause(whole: VersionRecord) -> None:
    """There is nothing to explain."""
    assert find_cause(whole, whole) == ""


def test_a_check_names_the_cause(whole: VersionRecord) -> None:
    """As in `check`, from the pattern of all checks."""
    engine, checks = next(iter(whole.checks.items()))
    failed = [
        dataclasses.replace(it, verdict=Verdict.REGRESSED, figure="one order") if "new-order" in it.name else it
        for it in checks
    ]
    told = "the order of the samples is not drawn anew in each epoch: one order (contract/new-order["
    assert find_cause(whole, update_record(whole, checks={engine: failed})).startswith(f"Likeliest cause: {told}")


def test_a_known_regression_that_base_lacks_is_a_cause(make_versions: Callable[..., dict[str, VersionRecord]]) -> None:
    """The reviewed list excuses a version, and not the step to that version."""
    base, new = make_versions([OLD, "py312-tf218"]).values()
    told = "the order of the samples is not drawn anew in each epoch: "
    assert find_cause(base, new).startswith(f"Likeliest cause: {told}")


@pytest.mark.parametrize(
    ("probed", "told"),
    [
        (
            True,
            "the first stage whose bits differ is 'forward' (mlp by {engine}), other bits, but the same kept values",
        ),
        (
            False,
            "no stage of a probe that both have differs, and of mlp by {engine} the final weights differ in 7 of 7",
        ),
    ],
    ids=["stages", "ends"],
)
def test_where_no_check_has_moved_the_first_bits_are_told(
    whole: VersionRecord,
    record: TrainingRecord,
    probed: bool,  # noqa: FBT001 - parametrised
    told: str,
) -> None:
    """No cause is invented: the sentence says that none is named, and where to look."""
    (engine,) = {results.engine for results in whole.accuracy}
    sides = [make_mlp_probe(record, bits) for bits in ("a", "b")]
    sides = [
        dataclasses.replace(
            it, config=dataclasses.replace(it.config, engine=engine), environment=whole.probes[0].environment
        )
        for it in sides
    ]
    base, new = (update_record(whole, probes=[it] if probed else []) for it in sides)
    checks = [result for results in whole.checks.values() for result in results]
    assert find_cause(base, worsen(new)).startswith(
        f"Likeliest cause: no check names one ({len(checks)} of {len(checks)} hold); {told.format(engine=engine)}"
    )


def test_a_wrong_evaluation_is_a_cause(whole: VersionRecord) -> None:
    """The same weights, and a loss that is not theirs."""
    result = CheckResult(
        name=f"accuracy/evaluation[{MLP}]", verdict=Verdict.REGRESSED, figure="reports +0.1 too much", bound="x"
    )
    told = f"the figures reported are not those of the weights: reports +0.1 too much ({result.name})"
    assert find_cause(whole, whole, Compared([result], [])) == f"Likeliest cause: {told}."


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (0.5, "the work has grown in mlp by epoch: the processor time of an epoch +65% (+6"),
        (
            0.0,
            "the waiting has grown, and the work not beyond its bound in mlp by epoch: the processor time of an epoch",
        ),
        (
            None,
            "the processor time, which would tell work from waiting, was not measured in mlp by epoch: a call of fit",
        ),
    ],
    ids=["work", "waiting", "not measured"],
)
def test_of_time_the_clock_that_makes_it_up_is_told(whole: VersionRecord, work: float | None, told: str) -> None:
    """Processor time is work; what a call of fit takes beyond that is waiting."""
    noise = 0.001 * np.random.default_rng(1).normal(size=20)
    means = {"work": work, "time": 0.6}
    family = {
        (clock, MLP): compare_seconds(clock, (mean + noise).tolist(), FigureRules())
        for clock, mean in means.items()
        if mean is not None
    }
    decisions = judge_family(family, FigureRules())
    results = [make_time_result(clock, case, decision) for (clock, case), decision in decisions.items()]
    cause = find_cause(whole, whole, Compared(results, [], decisions=decisions))
    assert cause.startswith("Likeliest cause: no check names one (")
    assert f" hold); {told}" in cause
    assert "a call of fit +82% (+82% to +8" in cause


def test_what_a_clock_without_a_decision_says_is_told(whole: VersionRecord) -> None:
    """Two versions on record were timed by themselves: the record says which clock is slower."""
    name = "time/epoch[mlp-graph]"
    timed = CheckResult(name=name, verdict=Verdict.REGRESSED, figure="x", bound="y", evidence="slower in wall time")
    cause = find_cause(whole, whole, Compared([timed], []))
    assert cause.endswith(f"; of the clocks is known: slower in wall time ({name}).")
