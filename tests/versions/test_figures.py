"""Figures of two versions: pairs where the random numbers are shared, classes as a family, evaluation, and seconds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.upgrade import draw_errors, make_mlp_version, move_errors
from mnist_bench.records.config import Case
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import decode, dump_json
from mnist_bench.versions import figures
from mnist_bench.versions.bits import share_case_streams
from mnist_bench.versions.figures import FigureRules, compare_figures
from mnist_bench.versions.notes import note_younger
from mnist_bench.versions.records import update_record
from mnist_bench.versions.upgrade.times import RoundTimes, TimesRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.seeds import SeedResults

MLP = Case("mlp", "epoch")


def compare(base: VersionRecord, new: VersionRecord, rounds: Sequence[RoundTimes] = ()) -> dict[str, CheckResult]:
    """Return the results by name."""
    judged = compare_figures(base, new, {MLP: "moved"}, FigureRules(looks=4), rounds)
    return {result.name: result for result in judged.results}


def test_pairs_decide_what_groups_cannot(record: TrainingRecord) -> None:
    """Six seeds that share their random numbers prove a PASS; the same figures of other streams do not."""
    errors = draw_errors(6)
    base, new = make_mlp_version(record, "a", errors), make_mlp_version(record, "b", move_errors(errors))
    assert share_case_streams(base, new, MLP)
    results = compare(base, new)
    assert {name: result.verdict.value for name, result in results.items()} == {
        "accuracy/evaluation[mlp-epoch]": "PASS",
        "accuracy/accuracy[mlp-epoch]": "PASS",
        "accuracy/loss[mlp-epoch]": "PASS",
        "accuracy/classes[mlp-epoch]": "PASS",
    }
    assert "6 pairs of seeds" in results["accuracy/accuracy[mlp-epoch]"].evidence
    other = make_mlp_version(record, "b", move_errors(errors), streams="other")
    assert not share_case_streams(base, other, MLP)
    alone = compare(base, other)
    assert "6 seeds against 6" in alone["accuracy/accuracy[mlp-epoch]"].evidence
    assert alone["accuracy/accuracy[mlp-epoch]"].verdict.value == "INCONCLUSIVE"


def test_without_probes_nothing_is_paired(record: TrainingRecord) -> None:
    """That the random numbers are shared has to be known."""
    base = make_mlp_version(record, "a", draw_errors(3))
    assert not share_case_streams(base, update_record(base, probes=[]), MLP)


def test_one_class_alone_is_found(record: TrainingRecord) -> None:
    """A class that loses 1.5 points costs 0.15 of the accuracy, which may pass; the class is named."""
    errors = draw_errors(10)
    base, new = make_mlp_version(record, "a", errors), make_mlp_version(record, "b", move_errors(errors, {8: 14}))
    results = compare(base, new)
    classes = results["accuracy/classes[mlp-epoch]"]
    assert classes.verdict.value == "REGRESSED"
    assert classes.figure.startswith("errors of class 8 changed by +1.")


def test_one_class_of_thirty_is_found_without_pairs(record: TrainingRecord) -> None:
    """Three models at four looks, and other random numbers: enough splits are drawn for the strictest of the tests."""
    cases = [Case("mlp", engine) for engine in ("graph", "epoch", "fused")]
    errors = draw_errors(20)
    base, new = (
        update_record(
            version, accuracy=[dataclasses.replace(version.accuracy[0], engine=case.engine) for case in cases]
        )
        for version in (
            make_mlp_version(record, "a", errors),
            make_mlp_version(record, "b", move_errors(errors, {8: 100}), streams="other"),
        )
    )
    judged = compare_figures(base, new, dict.fromkeys(cases, "moved"), FigureRules(looks=4))
    assert len(judged.classes) == 30
    assert not any(comparison.paired for comparison in judged.classes.values())
    classes = {result.name: result for result in judged.results}["accuracy/classes[mlp-epoch]"]
    assert classes.verdict.value == "REGRESSED"
    assert classes.figure.startswith("errors of class 8 changed by +")


def test_better_by_more_than_the_margin_is_said(record: TrainingRecord) -> None:
    """A gain of 0.5 points of accuracy is BETTER, as a leak of labels would be."""
    errors = draw_errors(10)
    base, new = (
        make_mlp_version(record, "a", errors),
        make_mlp_version(record, "b", move_errors(errors, dict.fromkeys(range(10), -5))),
    )
    assert compare(base, new)["accuracy/accuracy[mlp-epoch]"].verdict.value == "BETTER"


@pytest.mark.parametrize(
    ("before", "after", "verdict", "words"),
    [
        (0.0, 0.0003, "REGRESSED", "+0.00030 from that of the same weights in float64; base is right"),
        (0.0003, 0.0, "PASS", "base reports +0.00030 too much: the new version is right"),
        (0.0003, 0.0003, "PASS", "an old defect: base differs by +0.00030"),
    ],
    ids=["new", "mended", "both"],
)
def test_the_oracle_says_which_evaluation_is_right(
    record: TrainingRecord, before: float, after: float, verdict: str, words: str
) -> None:
    """The loss that Keras reports is held against that of the same weights in float64, on both sides."""
    errors = draw_errors(3)
    base, new = (
        make_mlp_version(record, "a", errors, loss_error=before),
        make_mlp_version(record, "b", errors, loss_error=after),
    )
    result = compare(base, new)["accuracy/evaluation[mlp-epoch]"]
    assert result.verdict.value == verdict
    assert words in result.figure


def change_predictions(version: VersionRecord, seed: int, **fields: Any) -> VersionRecord:
    """Return the version with other predictions of a seed; without any if no field is given."""
    (results,) = version.accuracy
    made = list(results.predictions)
    first = made[seed]
    made[seed] = dataclasses.replace(first, **fields) if first and fields else None
    return update_record(version, accuracy=[dataclasses.replace(results, predictions=made)])


def test_predictions_that_are_missing_are_told(record: TrainingRecord) -> None:
    """A class that is worse is not hidden by one seed whose predictions are not on record."""
    errors = draw_errors(10)
    base, new = make_mlp_version(record, "a", errors), make_mlp_version(record, "b", move_errors(errors, {8: 14}))
    result = compare(base, change_predictions(new, 4))["accuracy/classes[mlp-epoch]"]
    assert result.verdict.value == "INCONCLUSIVE"
    assert result.figure == "errors by class are not on record of all seeds: those of 9 of 10 seeds in new"
    (bare,) = (dataclasses.replace(results, predictions=[]) for results in new.accuracy)
    old = update_record(new, accuracy=[bare])
    assert "0 of 10 seeds in new" in compare(base, old)["accuracy/classes[mlp-epoch]"].figure
    # A base that is older than the field says so in a note.
    assert "accuracy/classes[mlp-epoch]" not in compare(old, base)
    told = "errors by class of mlp-epoch: not compared, as base has none on record"
    assert told in list(note_younger(old, base))
    assert not list(note_younger(base, base))


def test_a_loss_that_is_finite_by_keras_alone_is_no_answer(record: TrainingRecord) -> None:
    """The loss of the weights in float64 says nothing of the one that Keras reports, and this is told."""
    errors = draw_errors(3)
    base, new = make_mlp_version(record, "a", errors), make_mlp_version(record, "b", move_errors(errors))
    result = compare(base, change_predictions(new, 1, exact_loss=None))["accuracy/evaluation[mlp-epoch]"]
    assert (result.verdict.value, result.figure[-6:]) == ("INCONCLUSIVE", "in new")


def make_rounds(ratio: float, count: int) -> list[RoundTimes]:
    """Return rounds in which the new side takes so many times as long, within 1%."""
    rng = np.random.default_rng(3)
    walls = 0.5 + 0.005 * rng.normal(size=(count, 2, 6))
    return [
        RoundTimes(
            lab="mlp",
            engine="epoch",
            seed=seed,
            wall_a=a.tolist(),
            wall_b=(ratio * b).tolist(),
            cpu_a=a.tolist(),
            cpu_b=(ratio * b).tolist(),
        )
        for seed, (a, b) in enumerate(walls)
    ]


def test_seconds_without_the_autotuner_are_work_and_no_call_of_fit(record: TrainingRecord) -> None:
    """No user has such a call; and the work of both kinds is not mixed, as the autotuner's thread works, too."""
    errors = draw_errors(3)
    base, new = make_mlp_version(record, "a", errors), make_mlp_version(record, "b", move_errors(errors))
    prompt = [dataclasses.replace(each, as_shipped=False) for each in make_rounds(1.2, 6)]
    results = compare(base, new, prompt)
    assert [name for name in results if name.startswith("time/")] == ["time/work[mlp-epoch]"]
    assert results["time/work[mlp-epoch]"].verdict.value == "REGRESSED"
    assert not any(name.startswith("time/") for name in compare(base, new, [prompt[0], *make_rounds(1.0, 1)]))
    mixed = compare(base, new, [*prompt, *make_rounds(1.0, 2)])["time/work[mlp-epoch]"]
    assert mixed.evidence == results["time/work[mlp-epoch]"].evidence


@pytest.mark.parametrize(
    ("ratio", "count", "verdict"),
    [(1.0, 6, "PASS"), (1.2, 6, "REGRESSED"), (0.8, 6, "PASS"), (1.2, 2, None)],
    ids=["same", "slower", "faster", "too few"],
)
def test_seconds_are_judged_by_pairs_of_trainings(
    record: TrainingRecord, ratio: float, count: int, verdict: str | None
) -> None:
    """An epoch that takes 20% longer is REGRESSED; a faster one is no suspicion."""
    errors = draw_errors(3)
    base, new = make_mlp_version(record, "a", errors), make_mlp_version(record, "b", move_errors(errors))
    results = compare(base, new, make_rounds(ratio, count))
    work, fit = (results.get(f"time/{clock}[mlp-epoch]") for clock in ("work", "fit"))
    assert (work.verdict.value if work else None) == verdict
    # A call of fit may take a quarter longer before the wall clock alone says so.
    assert (fit.verdict.value if fit else None) == (verdict and "PASS")
    if verdict == "REGRESSED" and work and fit:
        assert work.figure.startswith("an epoch's processor time is 1.2")
        assert fit.figure.startswith("a call of fit, as shipped, takes 1.2")


def test_times_are_read_and_refused(record: TrainingRecord) -> None:
    """A record of times comes back as it was; a round twice, other lengths and two machines are refused."""
    rounds = make_rounds(1.0, 2)
    times = TimesRecord(a=record.environment, b=record.environment, rounds=rounds)
    assert decode(dump_json(times), TimesRecord, origin="test") == times
    with pytest.raises(ValueError, match="a seed of a lab was timed twice"):
        dataclasses.replace(times, rounds=[rounds[0], rounds[0]])
    with pytest.raises(ValueError, match="as many on both sides"):
        dataclasses.replace(rounds[0], wall_a=[0.5])
    with pytest.raises(ValueError, match="times of two machines cannot be compared: cpu"):
        dataclasses.replace(times, b=change_environment(record.environment, cpu="Another"))


def make_lab(results: SeedResults, lab: str, engine: str) -> SeedResults:
    """Return the trainings as those of another lab, whose losses are others, too."""
    losses = [loss and loss + 0.001 * len(lab) for loss in results.test_loss]
    return dataclasses.replace(results, lab=lab, engine=engine, test_loss=losses)


def test_the_order_of_the_labs_and_the_engine_decide_nothing(record: TrainingRecord) -> None:
    """The same figures give the same p-values, whichever lab a record has first and whichever engine trained it."""
    errors = {"a": draw_errors(3), "b": draw_errors(4)}
    sides = [make_mlp_version(record, bits, rows, streams=bits) for bits, rows in errors.items()]
    figures._judge_frozen.cache_clear()
    told = []
    for labs in (("mlp", "dropout"), ("dropout", "mlp")):
        for engine in ("epoch", "graph"):
            records = [
                dataclasses.replace(
                    side,
                    probes=[],
                    accuracy=[make_lab(side.accuracy[0], lab, engine) for lab in labs],
                )
                for side in sides
            ]
            cases = {Case(lab, engine): "moved" for lab in labs}
            results = compare_figures(records[0], records[1], cases, FigureRules()).results
            told.append(sorted((result.name.replace(engine, ""), result.evidence) for result in results))
    assert len(told[0]) == 8
    assert told == [told[0]] * 4
    assert figures._judge_frozen.cache_info().misses == len(("main", "classes"))
