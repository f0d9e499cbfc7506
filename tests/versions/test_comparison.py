"""Two records compared: each kind of difference has its verdict, and none is lost."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import change_probe, make_digest, make_history, make_stages, retrain
from fixtures.versions import make_checks
from mnist_bench.checks.names import ADDED_LATER, FAST_CHECKS, PROBE_EPOCHS, describe_size, name_fast_checks
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.records.config import Case
from mnist_bench.records.environment import change_environment
from mnist_bench.records.verdicts import CheckResult, Verdict, exit_status
from mnist_bench.training.labs import LABS
from mnist_bench.versions import comparison
from mnist_bench.versions.comparison import (
    compare_probe_records,
    compare_sides,
    compare_versions,
    format_compared,
    format_compared_json,
    format_compared_markdown,
)
from mnist_bench.versions.records import Failure, Install, Planned, VersionRecord, add_training, update_record
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.seeds import select_seeds
from mnist_bench.versions.sources import get_probe

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.versions.comparison import Compared


def make_version(record: TrainingRecord, accuracies: list[float], *, digest: str = "a") -> VersionRecord:
    """Return the record of a version with its probes, its checks and these trainings of the mlp."""
    version = VersionRecord(version=find_version("py312-tf219"), environment=record.environment, dataset=record.dataset)
    config = dataclasses.replace(record.config, lab="mlp", epochs=20)
    stages = make_stages("mlp", moved=() if digest == "a" else ("forward", "gradient"))
    probed = dataclasses.replace(config, epochs=PROBE_EPOCHS)
    probe = ProbeRecord(config=probed, environment=record.environment, dataset=record.dataset, stages=stages)
    fused = change_probe(probe, engine="fused", stages=make_stages("mlp"))
    for seed, accuracy in enumerate(accuracies):
        training = dataclasses.replace(
            retrain(record, lab="mlp", epochs=20, seed=seed),
            test_accuracy=accuracy,
            test_loss=1.05 - accuracy,
            final_digest=make_digest(f"{seed}{digest}"),
            initial_digest=make_digest(f"initial {seed}{digest}"),
        )
        version = add_training(version, training)
    install = Install(seconds=1.0, bytes=10**9, packages={"numpy": record.environment.numpy})
    planned = Planned(labs=["mlp"], seeds=list(range(len(accuracies))))
    fields: dict[str, Any] = {"probes": [probe, fused], "checks": make_checks("mlp"), "planned": planned}
    return update_record(version, imports=[2.0], install=install, **fields)


def set_verdict(checks: dict[str, list[CheckResult]], name: str, verdict: Verdict) -> dict[str, list[CheckResult]]:
    """Return the checks with another verdict of this name."""
    return {
        engine: [dataclasses.replace(one, verdict=verdict) if one.name == name else one for one in results]
        for engine, results in checks.items()
    }


MLP = Case("mlp", "epoch")
MOVED = ("forward", "gradient")
ORDER = "contract/new-order[graph]"
HOLD = {"checks/others": "PASS", "bits/mlp-fused": "IDENTICAL"}
GOOD = [0.976, 0.977, 0.978, 0.9775, 0.9765, 0.9772, 0.9768]


@pytest.fixture
def base(record: TrainingRecord) -> VersionRecord:
    """A version with seven seeds."""
    return make_version(record, GOOD)


def verdicts(compared: Compared) -> dict[str, str]:
    """Return the verdicts by name."""
    return {result.name: result.verdict.value for result in compared.results}


def find_identical(compared: Compared) -> list[str]:
    """Return the names of what is the same."""
    return [result.name for result in compared.results if result.verdict is Verdict.IDENTICAL]


def test_the_same_bits_need_no_statistics(base: VersionRecord) -> None:
    """A record compared with itself is IDENTICAL, and every check holds."""
    compared = compare_versions(base, base)
    assert verdicts(compared) == {**HOLD, "bits/mlp-epoch": "IDENTICAL"}
    assert compared.results[1].figure == "all 10 stages and the final weights of 7 seeds"
    assert exit_status(compared.results) == 0


def test_other_bits_and_the_same_accuracy(base: VersionRecord, record: TrainingRecord) -> None:
    """The first stage that differs is named, and the statistics say that nothing is worse."""
    compared = compare_versions(base, make_version(record, GOOD, digest="b"))
    accuracy = next(result for result in compared.results if result.name == "accuracy/accuracy[mlp-epoch]")
    assert accuracy.verdict is Verdict.PASS
    assert "first stage that differs: forward" in accuracy.evidence
    assert "interval" in accuracy.evidence
    assert "bits/mlp-epoch" not in verdicts(compared)


def test_a_stage_that_moved_no_training_is_no_question(base: VersionRecord, record: TrainingRecord) -> None:
    """If all seeds end in the same weights, accuracy and loss, these are IDENTICAL; otherwise they are judged."""
    predicts = update_record(base, probes=make_version(record, GOOD, digest="b").probes)
    compared = compare_versions(base, predicts)
    assert list(compared.moved) == [MLP]
    ends = {"accuracy/accuracy[mlp-epoch]": "IDENTICAL", "accuracy/loss[mlp-epoch]": "IDENTICAL"}
    assert verdicts(compared) == {**HOLD, **ends}
    (results,) = base.accuracy
    for field in ("test_loss", "test_accuracy", "final_digests"):
        values = [*getattr(results, field)]
        if field == "final_digests":
            values[0] = make_digest("other")
        else:
            values[0], values[1] = values[1], values[0]
        other = update_record(predicts, accuracy=[dataclasses.replace(results, **{field: values})])
        assert verdicts(compare_versions(base, other)).keys() >= ends.keys()
        assert not {name for name in find_identical(compare_versions(base, other)) if "fused" not in name}


@pytest.mark.parametrize(
    ("field", "value", "verdict"),
    [
        ("test_accuracy", 0.1, "REGRESSED"),
        ("test_loss", 9.0, "REGRESSED"),
        ("test_loss", None, "REGRESSED"),
    ],
    ids=["accuracy", "loss", "not finite"],
)
@pytest.mark.parametrize("probed", [True, False], ids=["probed", "trained only"])
def test_the_same_weights_with_other_figures_are_never_identical(
    base: VersionRecord, field: str, value: float | None, verdict: str, *, probed: bool
) -> None:
    """The weights agree and the figures do not: evaluation moved, and the statistics judge."""
    (results,) = base.accuracy
    before = base if probed else update_record(base, probes=[])
    now = update_record(before, accuracy=[dataclasses.replace(results, **{field: [value] * 7})])
    compared = compare_versions(before, now)
    found = verdicts(compared)
    assert not {name for name in find_identical(compared) if "fused" not in name}
    assert found[f"accuracy/{field.removeprefix('test_')}[mlp-epoch]"] == verdict
    assert exit_status(compared.results) == 1
    told = "the losses are not finite" if value is None else "and the figures are not: evaluation moved"
    assert f"{told} in 7 of 7 seeds, such as 0" in compared.moved[MLP]


def test_further_seeds_that_diverged_count(base: VersionRecord) -> None:
    """The common seeds have the same bits; a further seed of the new side did not end in a finite loss."""
    (results,) = base.accuracy
    fewer = select_seeds(results, results.seeds[:6])
    worse = dataclasses.replace(results, test_loss=[*results.test_loss[:6], None])
    before, now = (update_record(base, accuracy=[side]) for side in (fewer, worse))
    assert verdicts(compare_versions(before, now))["accuracy/loss[mlp-epoch]"] == "REGRESSED"
    assert exit_status(compare_versions(now, base).results) == 3


def test_a_worse_accuracy_is_found(base: VersionRecord, record: TrainingRecord) -> None:
    """Half a point less in each of seven seeds is REGRESSED: seven seeds are enough to say so."""
    worse = make_version(record, [accuracy - 0.005 for accuracy in GOOD], digest="b")
    compared = compare_versions(base, worse)
    assert verdicts(compared)["accuracy/accuracy[mlp-epoch]"] == "REGRESSED"
    assert exit_status(compared.results) == 1
    # The other way round nothing is worse, but so large a gain is said.
    assert verdicts(compare_versions(worse, base))["accuracy/accuracy[mlp-epoch]"] == "BETTER"


def test_too_few_seeds_are_no_answer(record: TrainingRecord) -> None:
    """Two seeds compared with two are INCONCLUSIVE, never green."""
    compared = compare_versions(make_version(record, GOOD[:2]), make_version(record, GOOD[:2], digest="b"))
    assert verdicts(compared)["accuracy/accuracy[mlp-epoch]"] == "INCONCLUSIVE"
    assert exit_status(compared.results) == 3


def test_a_disaster_needs_no_statistics(base: VersionRecord, record: TrainingRecord) -> None:
    """One full training that diverged, or is below the lab's threshold, is a regression."""
    (results,) = make_version(record, [0.95], digest="b").accuracy
    now, before = (
        update_record(base, accuracy=[dataclasses.replace(side, epochs=20, history=make_history(20))])
        for side in (dataclasses.replace(results, test_loss=[None]), *base.accuracy)
    )
    now = update_record(now, probes=now.probes[1:])
    assert verdicts(compare_versions(before, now)) == {
        **HOLD,
        "accuracy/loss[mlp-epoch]": "REGRESSED",
        "accuracy/threshold[mlp-epoch]": "REGRESSED",
        "accuracy/seeds[mlp-epoch]": "INCONCLUSIVE",  # one, of seven
        "bits/probe[mlp-fit]": "INCONCLUSIVE",
    }


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (Verdict.PASS, Verdict.REGRESSED, "REGRESSED"),
        (Verdict.REGRESSED, Verdict.REGRESSED, "REGRESSED"),
        (Verdict.PASS, Verdict.KNOWN, "REGRESSED"),  # the list excuses no version that is compared with a better one
        (Verdict.KNOWN, Verdict.PASS, "PASS"),
    ],
)
def test_checks_are_told_as_they_are_now(base: VersionRecord, before: Verdict, now: Verdict, verdict: str) -> None:
    """A check that fails now, or failed before, has a line of its own that says what it was before."""
    sides = [update_record(base, checks=set_verdict(base.checks, ORDER, verdict)) for verdict in (before, now)]
    compared = compare_versions(*sides)
    assert verdicts(compared)[ORDER] == verdict
    assert f"{before.value} in base: so much" in compared.results[0].bound


def test_an_old_defect_in_both_is_nothing_worse(base: VersionRecord) -> None:
    """A regression of the list that both versions have is told, and is no regression of this comparison."""
    known = update_record(base, checks=set_verdict(base.checks, ORDER, Verdict.KNOWN))
    compared = compare_versions(known, known)
    assert verdicts(compared)[ORDER] == "PASS"
    assert compared.results[0].figure == "an old defect in both: so much"
    assert exit_status(compared.results) == 0


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [(0.51, 1.0, "REGRESSED"), (0.98, 1.0, "PASS"), (1.0, 0.5, "PASS"), (None, 1.0, "PASS"), (0.5, None, "PASS")],
)
def test_an_old_defect_that_grew_is_worse(before: float | None, now: float | None, verdict: str) -> None:
    """Where both have a figure, that of the new side decides, beyond a tenth."""
    old, new = (
        CheckResult(name=ORDER, verdict=Verdict.KNOWN, figure=f"{value}", bound="0.5", value=value)
        for value in (before, now)
    )
    judged = comparison.judge_known(new, old)
    assert judged.verdict.value == verdict
    assert ("no worse than base" in judged.bound) == (verdict == "PASS" and None not in (before, now))


def test_a_check_that_one_side_is_too_old_for_is_noted(base: VersionRecord) -> None:
    """A younger check of one side gives no verdict, and is not lost without a word."""
    checks = {
        engine: [result for result in results if result.check != "structure/seeds"]
        for engine, results in base.checks.items()
    }
    old = update_record(base, checks=checks)
    for sides, side in (((base, old), "new"), ((old, base), "base")):
        compared = compare_versions(*sides)
        assert exit_status(compared.results) == 0
        assert f"structure/seeds: not compared, as {side} has no such check" in compared.notes


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.REGRESSED])
def test_a_younger_check_that_is_not_green_is_told(base: VersionRecord, verdict: Verdict) -> None:
    """The other side is too old to have it: whether it holds there, nobody knows."""
    checks, older = (
        {
            engine: [
                dataclasses.replace(result, verdict=verdict) if result.check == "structure/seeds" else result
                for result in results
                if keep or result.check != "structure/seeds"
            ]
            for engine, results in base.checks.items()
        }
        for keep in (True, False)
    )
    compared = compare_versions(update_record(base, checks=checks), update_record(base, checks=older))
    assert verdicts(compared)["structure/seeds[mlp]"] == "INCONCLUSIVE"
    assert exit_status(compared.results) == 3


def test_the_worse_verdict_of_a_check_counts(base: VersionRecord) -> None:
    """A check of one name that holds by one engine and fails by another has failed, in whichever order they stand."""
    bad = CheckResult(name="structure/layers[mlp]", verdict=Verdict.REGRESSED, figure="2", bound="1")
    graph, fused = base.checks["graph"], [*base.checks["fused"], bad]
    for checks in ({"graph": graph, "fused": fused}, {"fused": fused, "graph": graph}):
        compared = compare_versions(base, update_record(base, checks=checks))
        assert verdicts(compared)["structure/layers[mlp]"] == "REGRESSED"
    only = CheckResult(name="contract/new-order[xla]", verdict=Verdict.REGRESSED, figure="2", bound="1")
    compared = compare_versions(base, update_record(base, checks={**base.checks, "xla": [only]}))
    assert verdicts(compared)["contract/new-order[xla]"] == "REGRESSED"


def test_what_only_one_has_is_never_green(base: VersionRecord) -> None:
    """A check, a training or a whole version that was measured in one record only."""
    for checks in ({}, {"graph": []}):
        found = verdicts(compare_versions(update_record(base, checks=checks), base))
        assert (found["checks/graph"], found["checks/fused"]) == ("INCONCLUSIVE", "INCONCLUSIVE")
    fewer = {**base.checks, "graph": [one for one in base.checks["graph"] if one.name != ORDER]}
    assert verdicts(compare_versions(update_record(base, checks=fewer), base))[ORDER] == "INCONCLUSIVE"
    compared = compare_versions(base, update_record(base, accuracy=[], probes=[]))
    assert verdicts(compared)["accuracy/mlp-epoch"] == "INCONCLUSIVE"
    nothing = VersionRecord(version=base.version)
    assert exit_status(compare_versions(nothing, nothing).results) == 3
    failed = update_record(
        nothing, failures=[Failure(layer="install", what="environment", reason="no wheel", lines=[])]
    )
    assert verdicts(compare_versions(nothing, failed)) == {"version/install[environment of new]": "INCONCLUSIVE"}


def lack(record: VersionRecord, what: str) -> VersionRecord:
    """Return the record without something that is due."""
    (results,), (probe, fused), checks = record.accuracy, record.probes, record.checks
    one = select_seeds(results, results.seeds[:1])
    short = dataclasses.replace(results, epochs=2, history=make_history(2))
    fields: dict[str, dict[str, Any]] = {
        "trainings": {"accuracy": []},
        "probes": {"probes": []},
        "all checks": {"checks": {}},
        "empty checks": {"checks": {"graph": [], "fused": checks["fused"]}},
        "all checks but one": {"checks": {**checks, "fused": checks["fused"][:1]}},
        "a contract": {"checks": {**checks, "graph": [one for one in checks["graph"] if one.name != ORDER]}},
        "the checks of an engine": {"checks": {"graph": checks["graph"]}},
        "the probe of an engine": {"probes": [probe]},
        "seeds but one": {"accuracy": [one], "planned": Planned(labs=["mlp"], seeds=[0])},
        "epochs": {"accuracy": [short]},
        "a lab": {"planned": Planned(labs=["mlp", "dropout"], seeds=[0])},
        "an engine": {"planned": Planned(labs=["mlp"], checked=["xla"], probed=["xla"], seeds=[0])},
        "a seed": {"planned": Planned(labs=["mlp"], trained=["epoch"], seeds=[0, 1671])},
        "a plan": {"planned": None},
        "an install": {"install": None},
        "packages": {"install": Install(seconds=1.0, bytes=10**9, packages={})},
        "imports": {"imports": []},
        "what was planned": {"planned": Planned(labs=["mlp"]), "checks": {"graph": checks["graph"]}, "probes": [fused]},
    }
    return update_record(record, **fields[what])


LACKS = {
    "trainings": {"accuracy/trainings[mlp-fit]": "none in base; none in new"},
    "probes": {"bits/probe[mlp-fit]": "none in base; none in new"},
    "all checks": {"checks/graph": "no check in base; no check in new", "checks/fused": "no check in base"},
    "empty checks": {"checks/graph": "no check in base; no check in new"},
    "all checks but one": {"arithmetic/figures[mlp-fused]": "not checked in base; not checked in new"},
    "a contract": {ORDER: "not checked in base; not checked in new"},
    "the checks of an engine": {"checks/fused": "no check in base; no check in new"},
    "the probe of an engine": {"bits/probe[mlp-fused]": "none in base; none in new"},
    "seeds but one": {"accuracy/seeds[mlp-epoch]": "seed 0 alone: one seed has no spread in base"},
    "epochs": {"accuracy/epochs[mlp-epoch]": "not judged: 2 of 20 epochs"},
    "a lab": {"accuracy/trainings[dropout-fit]": "none in base", "bits/probe[dropout-fit]": "none in base"},
    "an engine": {"bits/probe[mlp-xla]": "none in base", "checks/xla": "no check in base"},
    "a seed": {"accuracy/seeds[mlp-epoch]": "1 of 2 seeds are missing, such as 1671 in base"},
    "a plan": {"accuracy/trainings[dropout-fit]": "none in base; none in new", "accuracy/seeds[mlp-epoch]": "5 of"},
    "an install": {"version/install": "no packages in base; no packages in new"},
    "packages": {"version/install": "no packages in base; no packages in new"},
    "imports": {"version/import": "no seconds in base; no seconds in new"},
    "what was planned": {"checks/fused": "no check in base", "bits/probe[mlp-fit]": "none in base; none in new"},
}


@pytest.mark.parametrize("what", LACKS)
def test_less_than_what_was_due_is_never_green(base: VersionRecord, what: str) -> None:
    """What neither record has, and what one was planned with, is named: nothing that is left makes it green."""
    for sides in ((lack(base, what), lack(base, what)), (base, lack(base, what))):
        if what == "epochs" and sides[0] is base:
            continue  # trainings of two lengths are refused
        compared = compare_versions(*sides)
        assert exit_status(compared.results) == 3
    figures = {result.name: result.figure for result in compare_versions(lack(base, what), lack(base, what)).results}
    for name, figure in LACKS[what].items():
        assert figure in figures[name]


def test_what_is_green_hides_no_gap(base: VersionRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is told, whatever name a result that holds has."""
    green = CheckResult(name="accuracy/trainings[mlp-fit]", verdict=Verdict.PASS, figure="1", bound="0")
    monkeypatch.setattr(comparison, "_compare_checks", lambda *_: iter([green]))
    bare = update_record(base, accuracy=[])
    assert exit_status(compare_versions(bare, bare).results) == 3


def test_a_version_with_one_probe_is_no_bare_probe(base: VersionRecord) -> None:
    """A record of which one probe is left lacks all the rest of what is due."""
    left = update_record(base, accuracy=[], checks={}, imports=[], probes=base.probes[:1])
    assert get_probe({"": left}) is None
    assert get_probe({"": dataclasses.replace(left, planned=Planned())}) == base.probes[0]
    assert exit_status(compare_versions(left, left).results) == 3


def test_a_threshold_is_missed_by_the_mean(record: TrainingRecord) -> None:
    """One sound seed in 500 ends below the threshold; where the mean does, a disaster is told."""
    base, tail, bad = (make_version(record, [*GOOD[1:], lowest]) for lowest in (GOOD[0], 0.969, 0.9))
    assert "accuracy/threshold[mlp-epoch]" not in verdicts(compare_versions(base, tail))
    assert verdicts(compare_versions(base, bad))["accuracy/threshold[mlp-epoch]"] == "REGRESSED"


def test_a_younger_check_is_told(base: VersionRecord) -> None:
    """Records that are older than a check lack it on both sides: what to do is said."""
    old = lack(base, "a contract")
    (result,) = [one for one in compare_versions(old, old).results if one.name == ORDER]
    assert result.evidence.startswith("due in every record; one that is older than a check lacks it: matrix run NAME")


def test_an_engine_that_one_side_has_beyond_what_is_due_is_told_once(base: VersionRecord) -> None:
    """One line says that its checks, and one that its probe, cannot be compared."""
    figures = dict.fromkeys(name_fast_checks(["mlp"], "xla"), "1")
    figures["structure/layers[mlp]"] = describe_size(LABS["mlp"])
    further = [CheckResult(name=name, verdict=Verdict.PASS, figure=it, bound="1") for name, it in figures.items()]
    probe = change_probe(base.probes[0], engine="xla")
    more = update_record(base, checks={**base.checks, "xla": further}, probes=[*base.probes, probe])
    told = {name: verdict for name, verdict in verdicts(compare_versions(base, more)).items() if "xla" in name}
    assert told == {"checks/xla": "INCONCLUSIVE", "bits/mlp-xla": "INCONCLUSIVE"}


def test_gathered_trainings_belong_to_no_plan(base: VersionRecord) -> None:
    """Of trainings in a folder nothing else is due: the same bits are IDENTICAL."""
    gathered = update_record(base, checks={}, probes=[], planned=Planned())
    assert verdicts(compare_versions(gathered, gathered)) == {"bits/mlp-epoch": "IDENTICAL"}


def test_moved_bits_of_what_was_not_trained_are_no_answer(base: VersionRecord, record: TrainingRecord) -> None:
    """Nothing says whether it is worse, and that is never a mere note."""
    sides = [update_record(version, accuracy=[]) for version in (base, make_version(record, GOOD, digest="b"))]
    compared = compare_versions(*sides)
    assert verdicts(compared) == {
        **HOLD,
        "bits/mlp-epoch": "INCONCLUSIVE",
        "accuracy/trainings[mlp-fit]": "INCONCLUSIVE",
    }
    assert compared.results[1].figure == compared.moved[MLP]
    assert compared.results[1].bound == "the same bits, or trained in full"
    bare = [update_record(version, checks={}, planned=Planned()) for version in sides]
    compared = compare_versions(*bare)
    assert verdicts(compared) == {"bits/mlp-epoch": "INCONCLUSIVE", "bits/mlp-fused": "IDENTICAL"}


def test_rounding_alone_is_no_regression(base: VersionRecord) -> None:
    """Other bits that stay within rounding, where both follow the oracle, hold; of an odd probe they say nothing."""
    name = "arithmetic/oracle[mlp-fused]"
    others = {engine: [it for it in checks if it.name != name] for engine, checks in base.checks.items()}
    oracle = CheckResult(name=name, verdict=Verdict.PASS, figure="1e-7", bound="2e-4")
    followed = {**others, "fused": [*others["fused"], oracle]}
    epoch, fused = base.probes
    moved = [dataclasses.replace(it, digest=make_digest("x")) if it.name == "forward" else it for it in fused.stages]
    old = dataclasses.replace(base, checks=followed)
    new = dataclasses.replace(old, probes=[epoch, dataclasses.replace(fused, stages=moved)])
    assert verdicts(compare_versions(old, new))["bits/mlp-fused"] == "PASS"
    alone = dataclasses.replace(new, checks=others)
    assert verdicts(compare_versions(old, alone))["bits/mlp-fused"] == "INCONCLUSIVE"
    odd = dataclasses.replace(new, probes=[epoch, dataclasses.replace(fused, stages=moved[:-1])])
    assert verdicts(compare_versions(old, odd))["bits/mlp-fused"] == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("by_fit", "fused", "verdict"),
    [
        (("initial weights", "forward"), ("initial weights", "forward"), "PASS"),
        (("initial weights", "forward"), ("forward",), "PASS"),
        (("forward",), ("initial weights", "forward"), "INCONCLUSIVE"),
    ],
)
def test_what_moved_by_fit_too_is_judged_by_the_trainings_of_fit(
    base: VersionRecord, record: TrainingRecord, by_fit: tuple[str, ...], fused: tuple[str, ...], verdict: str
) -> None:
    """Who draws other initial weights draws them for each engine; what moved in `fused` alone nobody has judged."""
    oracle = CheckResult(name="arithmetic/oracle[mlp-fused]", verdict=Verdict.PASS, figure="1e-7", bound="2e-4")
    checks = {engine: [it for it in checks if it.name != oracle.name] for engine, checks in base.checks.items()}
    old = update_record(base, checks={**checks, "fused": [*checks["fused"], oracle]})
    probes = [
        dataclasses.replace(
            probe,
            stages=[
                dataclasses.replace(
                    it, digest=make_digest(it.name + " moved"), values=[0.9 * value for value in it.values]
                )
                if it.name in names
                else it
                for it in probe.stages
            ],
        )
        for probe, names in zip(base.probes, (by_fit, fused), strict=True)
    ]
    trained = make_version(record, GOOD, digest="b").accuracy
    new = update_record(old, probes=probes, accuracy=trained)
    assert verdicts(compare_versions(old, new))["bits/mlp-fused"] == verdict
    untrained = update_record(new, accuracy=[])
    assert verdicts(compare_versions(old, untrained))["bits/mlp-fused"] == "INCONCLUSIVE"
    unchecked = update_record(new, checks=checks)
    assert verdicts(compare_versions(old, unchecked))["bits/mlp-fused"] == "INCONCLUSIVE"


def test_stages_without_values_are_no_rounding(base: VersionRecord) -> None:
    """Nothing says how far such a stage moved."""
    bare = [
        dataclasses.replace(probe, stages=[dataclasses.replace(stage, values=[]) for stage in probe.stages])
        for probe in base.probes
    ]
    moved = [
        dataclasses.replace(
            bare[1], stages=[dataclasses.replace(s, values=[]) for s in make_stages("mlp", moved=MOVED)]
        )
    ]
    sides = [update_record(base, probes=[bare[0], fused]) for fused in (bare[1], *moved)]
    assert verdicts(compare_versions(*sides))["bits/mlp-fused"] == "INCONCLUSIVE"


def test_final_weights_that_differ_are_other_bits(base: VersionRecord, record: TrainingRecord) -> None:
    """The probe follows few epochs: the same stages with other final weights are not the same training."""
    other = update_record(make_version(record, GOOD, digest="b"), probes=base.probes)
    accuracy = next(one for one in compare_versions(base, other).results if one.name == "accuracy/accuracy[mlp-epoch]")
    assert accuracy.evidence.endswith("the final weights differ in 7 of 7 seeds, such as 0")


def test_an_engine_that_stands_in_is_compared(base: VersionRecord) -> None:
    """One version trained by `epoch` and the other, which cannot, by `graph`: these have the same bits."""
    (probe, fused), (results,) = base.probes, base.accuracy
    config = dataclasses.replace(probe.config, engine="graph")
    other = update_record(
        base,
        probes=[dataclasses.replace(probe, config=config), fused],
        accuracy=[dataclasses.replace(results, engine="graph")],
    )
    assert verdicts(compare_versions(base, other))["bits/mlp-epoch"] == "IDENTICAL"
    assert verdicts(compare_versions(other, base))["bits/mlp-graph"] == "IDENTICAL"


def test_times_and_versions_are_notes(base: VersionRecord, record: TrainingRecord) -> None:
    """The ratio of import times is a hint, but not on other hardware. Known regressions of a version are named."""
    environment = change_environment(record.environment, keras="2.15.0")
    probes = [
        dataclasses.replace(probe, environment=change_environment(probe.environment, keras="2.15.0"))
        for probe in base.probes
    ]
    older = update_record(base, environment=environment, probes=probes)
    notes = compare_versions(older, update_record(base, imports=[1.0])).notes
    assert "keras: 2.15.0 and 3.15.1" in notes
    assert "import: 0.50 times as long (2.000 s, 1.000 s); not timed together, so only a hint" in notes
    assert any(note.startswith("new has the known regression 'frozen shuffle' in epoch: https") for note in notes)
    other = update_record(base, environment=change_environment(record.environment, cpu="Another"))
    assert "times cannot be compared: another cpu" in compare_versions(base, other).notes


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("digest", "records of different data cannot be compared: digest"),
        ("epochs", "mlp-epoch: trained for 20 and for 1 epochs: cannot be compared"),
        ("model", "mlp-epoch: trained with the lab's own settings and with learning_rate 9.0: cannot be compared"),
    ],
)
def test_what_cannot_be_compared(base: VersionRecord, field: str, message: str) -> None:
    """Other data or another length of training is refused, and the message says which."""
    if field == "digest":
        dataset = dataclasses.replace(base.dataset, digest=make_digest("other"))
        other = dataclasses.replace(base, dataset=dataset, probes=[])
    elif field == "model":
        other = update_record(
            base, accuracy=[dataclasses.replace(base.accuracy[0], departures={"learning_rate": "9.0"})]
        )
    else:
        (results,) = base.accuracy
        short = dataclasses.replace(
            results, epochs=1, history=make_history(1), final_digests=list(map(make_digest, "tuvwxyz"))
        )
        other = update_record(base, probes=[], accuracy=[short])
    with pytest.raises(ValueError, match=re.escape(message)):
        compare_versions(base, other)


def test_folders_are_compared_by_name(base: VersionRecord) -> None:
    """Each version is compared with the other folder's version of that name; without one it is INCONCLUSIVE."""
    compared = compare_sides({"a": base, "b": base}, {"a": base, "c": base})
    assert verdicts(compared) == {
        "a: checks/others": "PASS",
        "a: bits/mlp-epoch": "IDENTICAL",
        "a: bits/mlp-fused": "IDENTICAL",
        "b: version": "INCONCLUSIVE",
        "c: version": "INCONCLUSIVE",
    }
    with pytest.raises(ValueError, match="a folder of several versions"):
        compare_sides({"": base}, {"a": base, "b": base})
    assert verdicts(compare_sides({"": base}, {"": base}))["bits/mlp-epoch"] == "IDENTICAL"


def test_two_probes_may_be_of_two_engines(base: VersionRecord, record: TrainingRecord) -> None:
    """Bare probes of any two engines are compared: IDENTICAL or moved, with a note for each stage."""
    (before, fused), (now, _) = base.probes, make_version(record, GOOD, digest="b").probes
    assert verdicts(compare_probe_records(before, fused)) == {"bits/mlp-fused": "IDENTICAL"}
    compared = compare_probe_records(before, now)
    assert verdicts(compared) == {"bits/mlp-epoch": "INCONCLUSIVE"}
    assert "judge it by trainings" in compared.results[0].evidence
    assert [note.split(":")[0] for note in compared.notes[1:]] == ["forward", "gradient"]
    assert compared.notes[0] == "data digits (the stand-in, not MNIST); backend tensorflow, float32"


def test_the_three_forms(base: VersionRecord, record: TrainingRecord) -> None:
    """Text, JSON and Markdown say the same; HTML in a record stays text in Markdown."""
    known = set_verdict(base.checks, ORDER, Verdict.KNOWN)
    checks = {
        engine: [dataclasses.replace(one, figure="<b>|") if one.name == ORDER else one for one in results]
        for engine, results in known.items()
    }
    compared = compare_versions(base, update_record(make_version(record, GOOD, digest="b"), checks=checks))
    text = format_compared(compared, "The answer <i>.")
    assert text.splitlines()[:2] == ["The answer <i>.", ""]
    assert text.splitlines()[-1].startswith("REGRESSED: 1 IDENTICAL, 3 PASS, 1 REGRESSED")
    facts: dict[str, Any] = json.loads(format_compared_json(compared, "The answer <i>."))
    assert (facts["verdict"], facts["exit_status"], len(facts["checks"])) == ("REGRESSED", 1, 5)
    assert (facts["answer"], facts["notes"]) == ("The answer <i>.", compared.notes)
    markdown = format_compared_markdown(compared, "The answer <i>.")
    assert markdown.startswith("The answer &lt;i&gt;.\n\n")
    assert "&lt;b&gt;\\|" in markdown
    assert "<b>" not in markdown
    assert "not timed together, so only a hint" in markdown


def test_the_cases_whose_bits_moved_are_told(base: VersionRecord, record: TrainingRecord) -> None:
    """The reason says where the bits part; a case that was measured in one record only has not moved."""
    moved = compare_versions(base, make_version(record, GOOD, digest="b")).moved
    assert list(moved) == [MLP]
    assert moved[MLP].startswith("first stage that differs: forward")
    assert compare_versions(base, base).moved == {}
    assert compare_versions(base, update_record(base, probes=[], accuracy=[])).moved == {}


@pytest.mark.parametrize("name", sorted(ADDED_LATER))
def test_a_check_that_did_not_exist_is_not_missing(name: str, base: VersionRecord) -> None:
    """A record of before the check has none of it; a record that has it for another case lacks one."""
    assert name in FAST_CHECKS
    checks = {engine: [it for it in results if it.check != name] for engine, results in base.checks.items()}
    old = update_record(base, checks=checks)
    for compared in (compare_versions(old, base), compare_versions(base, old)):
        assert not {told for told, verdict in verdicts(compared).items() if told.startswith(name)}
        assert exit_status(compared.results) == 0
    lost = next(it for it in base.checks["graph"] if it.check == name)
    rest = {engine: [it for it in results if it.name != lost.name] for engine, results in base.checks.items()}
    partial = verdicts(compare_versions(base, update_record(base, checks=rest)))
    if name == "structure/seeds":  # the one of the one lab
        assert lost.name not in partial
    else:
        assert partial[lost.name] == "INCONCLUSIVE"
    worse = dataclasses.replace(lost, verdict=Verdict.REGRESSED)
    broken = update_record(base, checks=checks | {"graph": [*checks["graph"], worse]})
    assert verdicts(compare_versions(old, broken))[lost.name] == "REGRESSED"
