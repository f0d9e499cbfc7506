"""What is broken, since when, and the cost; versions of the same bits are one sample."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING

import pytest

from fixtures.records import make_digest, make_history
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.versions.report.regressions import find_regressions, measure_costs

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.versions.records import VersionRecord

NAMES = ["py311-tf214", "py311-tf215", "py312-tf216", "py312-tf217"]


@pytest.fixture
def records(make_versions: Callable[..., dict[str, VersionRecord]]) -> dict[str, VersionRecord]:
    """Two versions with Keras 2 and two with Keras 3, whose shuffle is frozen."""
    return make_versions(NAMES)


def set_verdict(record: VersionRecord, verdict: Verdict) -> VersionRecord:
    """Return the record with another verdict on the order of the data."""
    checks = [
        dataclasses.replace(check, verdict=verdict) if check.layer == "contract" else check
        for check in record.checks["graph"]
    ]
    return dataclasses.replace(record, checks={**record.checks, "graph": checks})


def test_a_known_regression_has_its_start(records: dict[str, VersionRecord]) -> None:
    """Every Keras from 3.0.5 on has the regression and none before; its name is that of the reviewed list."""
    (found,) = find_regressions(records)
    assert (found.check, found.title, found.known) == ("contract/new-order", "frozen shuffle", True)
    assert (found.having, found.lacking, found.unknown) == (NAMES[2:], NAMES[:2], [])
    assert (found.since, found.engines) == ("Keras 3.0.5", ["graph"])
    assert found.link.startswith("https://")


def test_without_a_clear_start_none_is_told(records: dict[str, VersionRecord]) -> None:
    """There is no start if the check holds in a newer version, or in none."""
    records[NAMES[3]] = set_verdict(records[NAMES[3]], Verdict.PASS)
    assert find_regressions(records)[0].since is None
    assert find_regressions({NAMES[2]: records[NAMES[2]]})[0].since is None


def test_a_regression_that_no_list_names_comes_first(records: dict[str, VersionRecord]) -> None:
    """Check and figure describe it; one version that REGRESSED makes a regression unknown."""
    bad = CheckResult(name="structure/layers[mlp]", verdict=Verdict.REGRESSED, figure="9 layers", bound="6")
    record = records[NAMES[0]]
    records[NAMES[0]] = dataclasses.replace(record, checks={"graph": [bad, *record.checks["graph"][1:]]})
    first, second = find_regressions(records)
    assert (first.check, first.title, first.known) == ("structure/layers", "structure/layers", False)
    assert first.reason == "9 layers, against 6"
    assert second.known
    records[NAMES[2]] = set_verdict(records[NAMES[2]], Verdict.REGRESSED)
    assert not any(regression.known for regression in find_regressions(records))


def test_a_version_that_was_not_checked_neither_has_nor_lacks_a_regression(records: dict[str, VersionRecord]) -> None:
    """An INCONCLUSIVE check is no answer either."""
    records[NAMES[0]] = dataclasses.replace(records[NAMES[0]], checks={})
    records[NAMES[1]] = set_verdict(records[NAMES[1]], Verdict.INCONCLUSIVE)
    (found,) = find_regressions(records)
    assert (found.lacking, found.unknown) == ([], NAMES[:2])
    assert measure_costs(found, records) == []


def test_the_cost_has_its_interval(records: dict[str, VersionRecord]) -> None:
    """Two versions of the same bits count once: seven seeds a side, of one kind of bits each."""
    costs = measure_costs(find_regressions(records)[0], records)
    assert [(cost.lab, cost.metric, cost.seeds, cost.samples) for cost in costs] == [
        ("mlp", "accuracy", (7, 7), (1, 1)),
        ("mlp", "loss", (7, 7), (1, 1)),
    ]
    accuracy = costs[0]
    assert accuracy.change.estimate == pytest.approx(accuracy.having - accuracy.lacking)
    assert accuracy.lacking == pytest.approx(statistics.fmean(records[NAMES[0]].accuracy[0].test_accuracy))
    assert accuracy.change.low < accuracy.change.estimate < accuracy.change.high
    assert accuracy.change.level == pytest.approx(0.95)


def test_what_is_reported_wrong_has_no_cost(records: dict[str, VersionRecord]) -> None:
    """A loss that is reported wrong trains no worse network."""
    found = dataclasses.replace(find_regressions(records)[0], check="arithmetic/figures")
    assert measure_costs(found, records) == []


def test_other_bits_of_one_seed_are_averaged(records: dict[str, VersionRecord]) -> None:
    """Other bits are no further seeds: the interval does not shrink as that of fourteen seeds would."""
    (results,) = records[NAMES[3]].accuracy
    moved = dataclasses.replace(results, final_digests=[make_digest(f"x{seed}") for seed in results.seeds])
    before = measure_costs(find_regressions(records)[0], records)[0]
    records[NAMES[3]] = dataclasses.replace(records[NAMES[3]], accuracy=[moved])
    after = measure_costs(find_regressions(records)[0], records)[0]
    assert (after.seeds, after.samples) == ((7, 7), (1, 2))
    assert after.change == before.change


def test_trainings_of_several_lengths_have_no_cost(records: dict[str, VersionRecord]) -> None:
    """A training of fewer epochs is no sample of the lab's training."""
    (results,) = records[NAMES[3]].accuracy
    short = dataclasses.replace(
        results, epochs=1, history=make_history(1), final_digests=list(map(make_digest, "tuvwxyz"))
    )
    records[NAMES[3]] = dataclasses.replace(records[NAMES[3]], accuracy=[short])
    assert measure_costs(find_regressions(records)[0], records) == []


def fail(checks: list[CheckResult]) -> list[CheckResult]:
    """Return the checks as those of `fused`, of which KNOWN ones have REGRESSED: the list names no engine of ours."""
    known = Verdict.KNOWN
    return [
        dataclasses.replace(
            check,
            name=check.name.replace("graph]", "fused]"),
            verdict=Verdict.REGRESSED if check.verdict is known else check.verdict,
        )
        for check in checks
    ]


def test_what_only_fused_has_costs_fit_nothing(records: dict[str, VersionRecord]) -> None:
    """The full trainings are by `fit`, which does not have the regression."""
    (found,) = find_regressions(
        {n: dataclasses.replace(r, checks={"fused": fail(r.checks["graph"])}) for n, r in records.items()}
    )
    assert found.engines == ["fused"]
    assert measure_costs(found, records) == []


def test_a_training_that_diverged_has_no_loss_to_count(records: dict[str, VersionRecord]) -> None:
    """The cost counts one loss less."""
    for name in NAMES[2:]:
        (results,) = records[name].accuracy
        losses = [None, *results.test_loss[1:]]
        records[name] = dataclasses.replace(records[name], accuracy=[dataclasses.replace(results, test_loss=losses)])
    assert [cost.seeds for cost in measure_costs(find_regressions(records)[0], records)] == [(7, 7), (7, 6)]
