"""The search for the version at which a verdict changes, over records that are made up."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from fixtures.records import ENVIRONMENT, make_digest, make_stages, retrain
from mnist_bench.checks.baselines import find_folder
from mnist_bench.checks.names import ADDED_LATER, FAST_CHECKS, PROBE_EPOCHS
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.bisection import Question, ask, bisect, list_open
from mnist_bench.versions.folder import load_folder
from mnist_bench.versions.records import Planned, VersionRecord, add_training, update_record
from mnist_bench.versions.releases import find_version

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord

PATH = ["py311-tf214", "py311-tf215", "py312-tf216", "py312-tf217", "py312-tf218", "py312-tf219"]
ORDER = Question(check="contract/new-order", lab="mlp", engine="epoch")


def make_record(name: str, verdict: Verdict | None) -> VersionRecord:
    """Return a version's record with this verdict on the contract, or without a verdict."""
    checks = (
        []
        if verdict is None
        else [
            CheckResult(name="contract/new-order[epoch]", verdict=verdict, figure="1", bound="0"),
        ]
    )
    others = [CheckResult(name="contract/new-order[fused]", verdict=Verdict.PASS, figure="1", bound="0")]
    begun = VersionRecord(version=find_version(name), environment=ENVIRONMENT)
    return update_record(begun, checks={"epoch": checks, "fused": others})


def make_truth(first_bad: int, *, silent: tuple[int, ...] = ()) -> dict[str, VersionRecord]:
    """Return what measuring each version would give: PASS before the first bad version, KNOWN from there on."""
    return {
        name: make_record(name, None if place in silent else Verdict.KNOWN if place >= first_bad else Verdict.PASS)
        for place, name in enumerate(PATH)
    }


@pytest.mark.parametrize("first_bad", range(1, len(PATH)))
def test_the_change_is_found_wherever_it_is(first_bad: int) -> None:
    """The search measures the two ends, and then halves what lies between."""
    truth = make_truth(first_bad)
    turn = bisect(ORDER, PATH, {}, truth.__getitem__)
    assert (turn.good, turn.bad) == (PATH[first_bad - 1], PATH[first_bad])
    assert (turn.skipped, turn.odd) == ([], [])
    assert len(turn.measured) <= 5


def test_versions_with_records_are_not_measured() -> None:
    """If every version has a record, nothing is measured."""
    turn = bisect(ORDER, PATH, make_truth(2), lambda name: pytest.fail(f"{name} was measured"))
    assert (turn.good, turn.bad, turn.measured) == ("py311-tf215", "py312-tf216", [])


def test_what_is_on_record_is_asked_first() -> None:
    """A version without a record is not measured where the records around it have the answer."""
    truth = make_truth(1)
    del truth["py312-tf216"]  # in the middle of the path
    turn = bisect(ORDER, PATH, truth, lambda name: pytest.fail(f"{name} was measured"))
    assert (turn.good, turn.bad, turn.measured) == ("py311-tf214", "py311-tf215", [])


@pytest.mark.parametrize("check", ["contract/new-oder", "contract", "new-order", "contract/new-order[epoch]", "Bits"])
def test_a_check_that_nobody_makes_is_refused(check: str) -> None:
    """A misspelt check would have every version measured, and none would have an answer."""
    with pytest.raises(ValueError, match=rf"unknown check '{re.escape(check)}': choose from bits, accuracy, struct"):
        Question(check=check, lab="mlp", engine="epoch")


def test_each_check_on_record_can_be_asked() -> None:
    """The checks to choose from are those that the committed records have."""
    records = load_folder(find_folder() / "versions").values()
    found = {result.check for it in records for results in it.checks.values() for result in results}
    assert set(FAST_CHECKS) - ADDED_LATER <= found <= set(FAST_CHECKS)


def test_versions_without_an_answer_are_passed_over() -> None:
    """The verdict then changes at one of several versions, and the skipped ones are named."""
    truth = make_truth(3, silent=(2, 3))
    turn = bisect(ORDER, PATH, {}, truth.__getitem__)
    assert (turn.good, turn.bad, turn.skipped) == ("py311-tf215", "py312-tf218", ["py312-tf216", "py312-tf217"])


def test_a_verdict_that_changes_more_than_once_is_found() -> None:
    """A later record that holds is named, although the search never asked that version."""
    truth = make_truth(2) | {"py312-tf218": make_record("py312-tf218", Verdict.PASS)}
    turn = bisect(ORDER, PATH, truth, truth.__getitem__)
    assert (turn.bad, turn.odd) == ("py312-tf216", ["py312-tf218"])


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (make_truth(0), "py311-tf214: contract/new-order does not hold: there is no change of the verdict to find"),
        (make_truth(9), "py312-tf219: contract/new-order holds: there is no change of the verdict to find"),
        (make_truth(3, silent=(5,)), "py312-tf219: contract/new-order gives no answer: "),
    ],
    ids=["good", "bad", "silent"],
)
def test_ends_that_are_not_what_they_should_be(truth: dict[str, VersionRecord], message: str) -> None:
    """The good version must hold, and the bad version must not."""
    with pytest.raises(ValueError, match=message):
        bisect(ORDER, PATH, {}, truth.__getitem__)


def test_what_might_be_measured() -> None:
    """Only what lies between the nearest answers; everything if the ends have no answer."""
    truth = make_truth(2)
    assert list_open(ORDER, PATH, {}) == [PATH[0], PATH[-1], *PATH[1:-1]]
    some = {name: truth[name] for name in (PATH[0], PATH[3], PATH[5])}
    assert list_open(ORDER, PATH, some) == ["py311-tf215", "py312-tf216"]
    assert list_open(ORDER, PATH, truth) == []


def test_bits_and_accuracy_are_compared_with_the_good_version(record: TrainingRecord) -> None:
    """Probes answer about bits, statistics about accuracy; with too few seeds the statistics do not answer."""
    record = retrain(record, lab="mlp", epochs=20)
    config = record.config

    def make(digest: str, accuracy: float, seeds: int = 7) -> VersionRecord:
        planned = Planned(labs=["mlp"], seeds=list(range(seeds)))
        version = VersionRecord(version=find_version(PATH[0]), environment=record.environment, planned=planned)
        for seed in range(seeds):
            fields = {
                "final_digest": make_digest(f"{digest}{seed}"),
                "initial_digest": make_digest(f"initial {digest}{seed}"),
                "test_accuracy": accuracy + seed * 1e-4,
                "test_loss": 0.375 + seed * 1e-3,
            }
            training = dataclasses.replace(record, config=dataclasses.replace(config, seed=seed), **fields)
            version = add_training(version, training)
        probed = dataclasses.replace(config, epochs=PROBE_EPOCHS)
        stages = make_stages("mlp", digest=digest)
        probe = ProbeRecord(config=probed, environment=record.environment, dataset=record.dataset, stages=stages)
        return update_record(version, probes=[probe])

    good = make("a", 0.977)
    bits, accuracy = (Question(check=check, lab="mlp", engine="epoch") for check in ("bits", "accuracy"))
    assert ask(bits, good, good) is True
    assert ask(bits, make("b", 0.977), good) is False
    assert ask(bits, VersionRecord(version=good.version), good) is None
    hollow = update_record(good, probes=[dataclasses.replace(good.probes[0], stages=good.probes[0].stages[:1])])
    assert ask(bits, hollow, hollow) is None
    assert ask(accuracy, good, good) is True
    assert ask(accuracy, make("b", 0.90), good) is False
    assert ask(accuracy, make("b", 0.9705, seeds=1), good) is None
    assert ask(accuracy, VersionRecord(version=good.version), good) is None
