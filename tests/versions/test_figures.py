"""Figures of two versions: pairs where the random numbers are shared, classes as a family, evaluation, and seconds."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fixtures.records import make_history
from mnist_bench.checks.records import ProbeRecord, Stage
from mnist_bench.records.config import Case
from mnist_bench.records.serial import decode, dump_json
from mnist_bench.records.training import Predictions
from mnist_bench.versions.bits import share_streams
from mnist_bench.versions.figures import FigureRules, compare_figures
from mnist_bench.versions.records import VersionRecord, add_training, update_record
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.upgrade.times import RoundTimes, TimesRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.records.verdicts import CheckResult

MLP = Case("mlp", "epoch")
SIZES = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_side(
    record: TrainingRecord,
    bits: str,
    errors: Sequence[Sequence[int]],
    *,
    streams: str = "same",
    loss_error: float = 0.0,
) -> VersionRecord:
    """Return a version whose k-th seed made these errors in each class, and reports a loss that errs by so much."""
    version = VersionRecord(version=find_version("py312-tf219"), environment=record.environment, dataset=record.dataset)
    config = dataclasses.replace(record.config, lab="mlp", epochs=20)
    names = ("initial weights", "data order", "forward")
    stages = [
        Stage(name=name, digest=digest(name + (bits if name == "forward" else streams)), values=[0.5]) for name in names
    ]
    for seed, row in enumerate(errors):
        wrong = sum(row) / sum(SIZES)
        training = dataclasses.replace(
            record,
            config=dataclasses.replace(config, seed=seed),
            history=make_history(20),
            test_accuracy=1 - wrong,
            test_loss=3 * wrong + loss_error,
            initial_digest=digest(f"{seed}"),
            final_digest=digest(f"{seed}{bits}"),
            predictions=Predictions(
                digest=digest(f"{seed}{bits}p"),
                class_sizes=SIZES,
                class_errors=list(row),
                exact_loss=3 * wrong,
                exact_accuracy=1 - wrong,
            ),
        )
        version = add_training(version, training)
    probe = ProbeRecord(config=config, environment=record.environment, dataset=record.dataset, stages=stages)
    return update_record(version, probes=[probe])


def draw(seeds: int, *, seed: int = 0) -> list[list[int]]:
    """Return errors by class as full trainings make them: about 25 of a thousand, alike for all classes of a seed."""
    rng = np.random.default_rng(seed)
    return [rng.poisson(23 * (1 + 0.05 * rng.normal()), size=10).tolist() for _ in range(seeds)]


def jitter(errors: list[list[int]], worse: dict[int, int] | None = None) -> list[list[int]]:
    """Return the errors after rounding moved a few images of each class, and `worse` more of some classes."""
    rng = np.random.default_rng(1)
    extra = np.zeros(10, int)
    for place, images in (worse or {}).items():
        extra[place] = images
    moved = [rng.poisson(1, size=10) - rng.poisson(1, size=10) + extra for _ in errors]
    return [(np.array(row) + by).clip(0).tolist() for row, by in zip(errors, moved, strict=True)]


def compare(base: VersionRecord, new: VersionRecord, rounds: Sequence[RoundTimes] = ()) -> dict[str, CheckResult]:
    """Return the results by name."""
    judged = compare_figures(base, new, {MLP: "moved"}, FigureRules(looks=4), rounds)
    return {result.name: result for result in judged.results}


def test_pairs_decide_what_groups_cannot(record: TrainingRecord) -> None:
    """Six seeds that share their random numbers prove a PASS; the same figures of other streams do not."""
    errors = draw(6)
    base, new = make_side(record, "a", errors), make_side(record, "b", jitter(errors))
    assert share_streams(base, new, MLP)
    results = compare(base, new)
    assert {name: result.verdict.value for name, result in results.items()} == {
        "accuracy/evaluation[mlp-epoch]": "PASS",
        "accuracy/accuracy[mlp-epoch]": "PASS",
        "accuracy/loss[mlp-epoch]": "PASS",
        "accuracy/classes[mlp-epoch]": "PASS",
    }
    assert "6 pairs of seeds" in results["accuracy/accuracy[mlp-epoch]"].evidence
    other = make_side(record, "b", jitter(errors), streams="other")
    assert not share_streams(base, other, MLP)
    alone = compare(base, other)
    assert "6 seeds against 6" in alone["accuracy/accuracy[mlp-epoch]"].evidence
    assert alone["accuracy/accuracy[mlp-epoch]"].verdict.value == "INCONCLUSIVE"


def test_without_probes_nothing_is_paired(record: TrainingRecord) -> None:
    """That the random numbers are shared has to be known."""
    base = make_side(record, "a", draw(3))
    assert not share_streams(base, update_record(base, probes=[]), MLP)


def test_one_class_alone_is_found(record: TrainingRecord) -> None:
    """A class that loses 1.5 points costs 0.15 of the accuracy, which may pass; the class is named."""
    errors = draw(10)
    base, new = make_side(record, "a", errors), make_side(record, "b", jitter(errors, {8: 14}))
    results = compare(base, new)
    classes = results["accuracy/classes[mlp-epoch]"]
    assert classes.verdict.value == "REGRESSED"
    assert classes.figure.startswith("errors of class 8 changed by +1.")


def test_better_by_more_than_the_margin_is_said(record: TrainingRecord) -> None:
    """A gain of 0.5 points of accuracy is BETTER, as a leak of labels would be."""
    errors = draw(10)
    base, new = (
        make_side(record, "a", errors),
        make_side(record, "b", jitter(errors, dict.fromkeys(range(10), -5))),
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
    errors = draw(3)
    base, new = make_side(record, "a", errors, loss_error=before), make_side(record, "b", errors, loss_error=after)
    result = compare(base, new)["accuracy/evaluation[mlp-epoch]"]
    assert result.verdict.value == verdict
    assert words in result.figure


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
            cpu_b=b.tolist(),
        )
        for seed, (a, b) in enumerate(walls)
    ]


@pytest.mark.parametrize(
    ("ratio", "count", "verdict"),
    [(1.0, 6, "PASS"), (1.2, 6, "REGRESSED"), (0.8, 6, "PASS"), (1.2, 2, None)],
    ids=["same", "slower", "faster", "too few"],
)
def test_seconds_are_judged_by_pairs_of_trainings(
    record: TrainingRecord, ratio: float, count: int, verdict: str | None
) -> None:
    """An epoch that takes 20% longer is REGRESSED; a faster one is no suspicion."""
    errors = draw(3)
    base, new = make_side(record, "a", errors), make_side(record, "b", jitter(errors))
    result = compare(base, new, make_rounds(ratio, count)).get("time/fit[mlp-epoch]")
    assert (result.verdict.value if result else None) == verdict
    if verdict == "REGRESSED" and result:
        assert result.figure.startswith("an epoch takes 1.2")


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
        dataclasses.replace(times, b=dataclasses.replace(record.environment, cpu="Another"))
