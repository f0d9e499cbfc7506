"""Worse trainings are told from as good ones, or the answer is that they cannot; thresholds catch disasters."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.records import make_digest, retrain
from mnist_bench.checks.accuracy import (
    check_threshold,
    compare_accuracy,
    is_decided,
    judge_threshold,
    make_comparisons,
    plan_looks,
)
from mnist_bench.checks.baselines import Reference
from mnist_bench.records.acceptance import Acceptance
from mnist_bench.records.environment import change_environment
from mnist_bench.records.training import Predictions
from mnist_bench.records.verdicts import CheckResult, Verdict, exit_status
from mnist_bench.training import labs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mnist_bench.records.training import TrainingRecord

# Mean and standard deviation over seeds on MNIST: of the accuracy, then of the loss.
FIGURES = {"perceptron": (0.9258, 0.0007, 0.2692, 0.0007), "mlp": (0.9770, 0.0010, 0.0768, 0.0031)}
LABS = list(FIGURES)


def draw(lab: str, size: int, seed: int) -> list[tuple[float, float]]:
    """Return accuracy and loss of so many trainings, as their seeds would scatter them."""
    rng = np.random.default_rng([LABS.index(lab), seed])
    mean, sd, loss, loss_sd = FIGURES[lab]
    pairs = zip(rng.normal(mean, sd, size).round(4), rng.normal(loss, loss_sd, size), strict=True)
    return [(float(accuracy), float(loss)) for accuracy, loss in pairs]


@pytest.fixture(scope="module")
def references(record: TrainingRecord) -> dict[str, Reference]:
    """100 seeds of each lab."""
    return {
        lab: Reference(
            engine="epoch",
            epochs=2,
            seeds=list(range(100)),
            test_accuracy=[accuracy for accuracy, _ in draw(lab, 100, seed=0)],
            test_loss=[loss for _, loss in draw(lab, 100, seed=0)],
            environment=record.environment,
            acceptance=Acceptance(who="a@b", when="2026-01-01T00:00:00+00:00", why="a test", forced=[]),
        )
        for lab in LABS
    }


def train(
    record: TrainingRecord, of: str, figures: Iterable[tuple[float, float | None]], **changes: Any
) -> list[TrainingRecord]:
    """Return the records of trainings of a lab with these accuracies and losses, of the seeds from 1671 on."""
    trained = []
    for seed, (accuracy, loss) in enumerate(figures, start=1671):
        figures_of = {
            "test_accuracy": accuracy,
            "test_loss": loss,
            "final_digest": make_digest(str(seed)),
            "initial_digest": make_digest(f"initial {seed}"),
        }
        fields = {"lab": of, "seed": seed} | changes
        trained.append(dataclasses.replace(retrain(record, **fields), **figures_of))
    return trained


def shift(
    figures: Iterable[tuple[float, float]], *, accuracy: float = 0.0, loss: float = 0.0
) -> list[tuple[float, float]]:
    """Return the same figures, each moved by as much."""
    return [(a + accuracy, x + loss) for a, x in figures]


def get_verdicts(results: Iterable[CheckResult]) -> dict[str, str]:
    """Return the verdicts by the names of the checks."""
    return {result.name: result.verdict.value for result in results}


@pytest.mark.parametrize("size", [10, 20])
@pytest.mark.parametrize("lab", LABS)
def test_a_shifted_copy_has_regressed(
    record: TrainingRecord, references: dict[str, Reference], lab: str, size: int
) -> None:
    """The reference's own trainings with 0.2 points less accuracy are REGRESSED, and only in accuracy."""
    copy = shift(draw(lab, 100, seed=0)[:size], accuracy=-0.002)
    results = compare_accuracy({lab: train(record, lab, copy)}, references, looks=3)
    assert get_verdicts(results)[f"accuracy/accuracy[{lab}-epoch]"] == "REGRESSED"
    assert get_verdicts(results)[f"accuracy/loss[{lab}-epoch]"] != "REGRESSED"
    assert exit_status(results) == 1


@pytest.mark.parametrize("seed", range(1, 5))
def test_fresh_seeds_pass(record: TrainingRecord, references: dict[str, Reference], seed: int) -> None:
    """20 new seeds of the same distribution PASS, in both metrics of both labs."""
    records = {lab: train(record, lab, draw(lab, 20, seed)) for lab in LABS}
    results = compare_accuracy(records, references, looks=3)
    assert get_verdicts(results) == {
        f"accuracy/{metric}[{lab}-epoch]": "PASS" for lab in LABS for metric in ("accuracy", "loss")
    }
    assert exit_status(results) == 0


@pytest.mark.parametrize("lab", LABS)
def test_three_scattered_seeds_are_inconclusive(
    record: TrainingRecord, references: dict[str, Reference], lab: str
) -> None:
    """So few seeds, spread so wide, tell nothing: neither green nor a regression."""
    mean, _, loss, _ = FIGURES[lab]
    scattered = [(mean - 0.004, loss + 0.01), (mean, loss), (mean + 0.004, loss - 0.01)]
    results = compare_accuracy({lab: train(record, lab, scattered)}, references, looks=1)
    assert set(get_verdicts(results).values()) == {"INCONCLUSIVE"}
    assert exit_status(results) == 3


def test_only_what_is_worse_has_regressed(record: TrainingRecord, references: dict[str, Reference]) -> None:
    """One metric of one lab that is worse leaves the others their PASS."""
    records = {
        "perceptron": train(record, "perceptron", draw("perceptron", 20, seed=1)),
        "mlp": train(record, "mlp", shift(draw("mlp", 20, seed=1), loss=0.01)),
    }
    assert get_verdicts(compare_accuracy(records, references, looks=3)) == {
        "accuracy/accuracy[perceptron-epoch]": "PASS",
        "accuracy/loss[perceptron-epoch]": "PASS",
        "accuracy/accuracy[mlp-epoch]": "PASS",
        "accuracy/loss[mlp-epoch]": "REGRESSED",
    }


@pytest.mark.parametrize("lab", LABS)
def test_better_is_no_regression(record: TrainingRecord, references: dict[str, Reference], lab: str) -> None:
    """A change for the better is no regression, and one of more than the margin is told by its own word."""
    slightly = shift(draw(lab, 20, seed=1), accuracy=0.0005, loss=-0.001)
    results = compare_accuracy({lab: train(record, lab, slightly)}, references, looks=3)
    assert set(get_verdicts(results).values()) == {"PASS"}
    better = shift(draw(lab, 20, seed=1), accuracy=0.005, loss=-0.02)
    results = compare_accuracy({lab: train(record, lab, better)}, references, looks=3)
    assert set(get_verdicts(results).values()) == {"BETTER"}
    assert exit_status(results) == 0


def test_a_result_says_what_was_measured_and_what_to_do(
    record: TrainingRecord, references: dict[str, Reference]
) -> None:
    """Figure and bound are in percentage points, the evidence states its power, the command doubles the seeds."""
    shifted = shift(draw("mlp", 100, seed=0)[:10], accuracy=-0.002)
    accuracy, loss = compare_accuracy({"mlp": train(record, "mlp", shifted)}, references, looks=3)
    mean = float(np.mean([figure for figure, _ in shifted]))
    change = 100 * (mean - float(np.mean(references["mlp"].test_accuracy)))
    assert accuracy.figure == f"{mean:.4f}, changed by {change:+.3f} points"
    assert accuracy.bound == "not worse than -0.150 points"
    assert accuracy.evidence.startswith("REGRESSED: worse mean; change ")
    assert "10 seeds against 100; would detect -0." in accuracy.evidence
    assert accuracy.command == "mnist-bench check mlp --engine epoch --seeds 20"
    margin = 1.5 * float(np.std(references["mlp"].test_loss, ddof=1))
    assert loss.bound == f"not worse than {margin:+.4f}"
    assert loss.figure.startswith("0.07")


def test_the_same_records_give_the_same_results(record: TrainingRecord, references: dict[str, Reference]) -> None:
    """Nothing in a verdict is left to chance."""
    records = {lab: train(record, lab, draw(lab, 10, seed=1)) for lab in LABS}
    assert compare_accuracy(records, references, looks=3) == compare_accuracy(records, references, looks=3)


def test_a_diverged_training_has_regressed(record: TrainingRecord, references: dict[str, Reference]) -> None:
    """One loss that is not finite is a regression of its lab, named by its seed; the other lab is judged."""
    figures: list[tuple[float, float | None]] = [*draw("mlp", 19, seed=1), (0.098, None)]
    records = {
        "mlp": train(record, "mlp", figures),
        "perceptron": train(record, "perceptron", draw("perceptron", 20, seed=1)),
    }
    results = compare_accuracy(records, references, looks=3)
    assert results[0] == CheckResult(
        name="accuracy/loss[mlp-epoch]",
        verdict=Verdict.REGRESSED,
        figure="not finite in 1 of 20 trainings",
        bound="finite",
        command="mnist-bench run mlp --engine epoch --seed 1690",
    )
    assert get_verdicts(results[1:]) == {
        "accuracy/accuracy[perceptron-epoch]": "PASS",
        "accuracy/loss[perceptron-epoch]": "PASS",
    }


def test_where_all_diverged_there_is_nothing_left_to_compare(
    record: TrainingRecord, references: dict[str, Reference]
) -> None:
    """The verdict is REGRESSED all the same, and a mean over such losses is refused."""
    records = {"mlp": train(record, "mlp", [(0.098, None)])}
    assert exit_status(compare_accuracy(records, references, looks=1)) == 1
    with pytest.raises(ValueError, match="mlp, seed 1671: the training diverged"):
        make_comparisons(records, references)


@pytest.mark.parametrize("loss", [0.07, None], ids=["sound", "diverged"])
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"seed": 5}, "mlp, seed 5: the reference has this seed, too"),
        ({"seed": 2000}, "mlp, seed 2000: two of the new trainings have this seed"),
        ({"engine": "fused"}, "mlp, seed 1671: engine is 'fused', the reference's 'epoch'"),
        ({"lab": "dropout"}, "mlp, seed 1671: lab is 'dropout', the reference's 'mlp'"),
    ],
    ids=["of-the-reference", "twice", "engine", "lab"],
)
def test_what_cannot_be_compared_is_refused(
    record: TrainingRecord,
    references: dict[str, Reference],
    config: dict[str, Any],
    message: str,
    loss: float | None,
) -> None:
    """The error names lab and seed, whether or not the training diverged."""
    trained = train(record, "mlp", [(0.977, loss)] * 2, **config)
    with pytest.raises(ValueError, match=f"^{message}"):
        compare_accuracy({"mlp": trained}, references, looks=1)


@pytest.mark.parametrize("loss", [0.07, None], ids=["sound", "diverged"])
def test_other_epochs_are_refused(record: TrainingRecord, references: dict[str, Reference], loss: float | None) -> None:
    """Two epochs are not held against twenty."""
    longer = {"mlp": dataclasses.replace(references["mlp"], epochs=20)}
    with pytest.raises(ValueError, match="mlp, seed 1671: epochs is 2, the reference's 20"):
        compare_accuracy({"mlp": train(record, "mlp", [(0.977, loss)])}, longer, looks=1)


@pytest.mark.parametrize("departure", [{"hidden": (64, 64)}, {"optimizer": "adam"}, {"dropout": 0.1}])
def test_departed_trainings_are_refused(
    record: TrainingRecord, references: dict[str, Reference], departure: dict[str, Any]
) -> None:
    """A training of another model, or by another optimizer, is not held against the lab's."""
    departed = train(record, "mlp", [(0.977, 0.08)], **departure)
    (name,) = departure
    with pytest.raises(ValueError, match=f"mlp, seed 1671: {name} is .*, the reference's is the lab's, "):
        compare_accuracy({"mlp": departed}, references, looks=1)


def test_no_trainings_are_no_pass(references: dict[str, Reference]) -> None:
    """A lab without new trainings is an error that names it."""
    with pytest.raises(ValueError, match="mlp: there are no new trainings"):
        compare_accuracy({"mlp": []}, references, looks=1)


@pytest.mark.parametrize(
    ("seeds", "looks"),
    [(1, [1]), (5, [5]), (7, [5, 7]), (10, [5, 10]), (20, [5, 10, 20]), (50, [5, 10, 20, 50])],
)
def test_looks_end_with_the_last_seed(seeds: int, looks: list[int]) -> None:
    """The gate looks after 5, 10 and 20 seeds as far as there are so many, and when all are there."""
    assert plan_looks(seeds) == looks


@pytest.mark.parametrize(
    ("verdicts", "decided"),
    [
        (["PASS", "PASS"], True),
        (["PASS", "INCONCLUSIVE", "REGRESSED"], True),
        (["PASS", "INCONCLUSIVE"], False),
    ],
)
def test_looks_stop_both_ways(verdicts: list[str], decided: bool) -> None:  # noqa: FBT001
    """One REGRESSED or nothing INCONCLUSIVE ends the gate."""
    results = [
        CheckResult(name="accuracy/loss[mlp-epoch]", verdict=Verdict(verdict), figure="", bound="")
        for verdict in verdicts
    ]
    assert is_decided(results) is decided


def train_to(record: TrainingRecord, lab: str, *accuracies: float, **changes: Any) -> list[TrainingRecord]:
    """Return the records of trainings of a lab that reached these accuracies, of the seeds from 1671 on."""
    epochs = labs.LABS[lab].epochs if lab in labs.LABS else 20
    return train(record, lab, [(accuracy, 0.1) for accuracy in accuracies], **{"epochs": epochs, **changes})


@pytest.mark.parametrize("lab", labs.LABS)
def test_the_threshold_itself_is_reached(record: TrainingRecord, lab: str) -> None:
    """At the threshold a training passes; one image of 10,000 below it, it has regressed."""
    threshold = labs.LABS[lab].threshold
    reached, missed = train_to(record, lab, threshold, threshold - 0.0001)
    assert judge_threshold(reached) is Verdict.PASS
    assert judge_threshold(missed) is Verdict.REGRESSED


def test_a_figure_that_its_weights_do_not_have_reaches_nothing(record: TrainingRecord) -> None:
    """Where the weights themselves are below the threshold, no reported accuracy is enough."""
    (told,) = train_to(record, "mlp", 0.99)
    predictions = Predictions(
        digest="0" * 64, class_sizes=[100] * 10, class_errors=[10] * 10, exact_loss=0.3, exact_accuracy=0.9
    )
    assert judge_threshold(dataclasses.replace(told, predictions=predictions)) is Verdict.REGRESSED
    better = dataclasses.replace(predictions, exact_accuracy=0.99)
    assert judge_threshold(dataclasses.replace(told, predictions=better)) is Verdict.PASS


def test_the_mean_of_the_seeds_decides(record: TrainingRecord) -> None:
    """One sound seed in 500 ends below the threshold: that is no regression of several; a mean below it is."""
    assert check_threshold(train_to(record, "mlp", 0.977, 0.9689, 0.978)).verdict is Verdict.PASS
    assert check_threshold(train_to(record, "mlp", 0.9689)).verdict is Verdict.REGRESSED
    assert check_threshold(train_to(record, "mlp", 0.977, 0.9499, 0.978)) == CheckResult(
        name="accuracy/threshold[mlp-epoch]",
        verdict=Verdict.REGRESSED,
        figure="0.9683, the mean of 3 seeds",
        bound="≥ 0.97",
        command="mnist-bench run mlp --engine epoch --seed 1672",
    )


@pytest.mark.parametrize("accuracy", [0.1, 0.977], ids=["below", "above"])
def test_a_training_cut_short_is_not_judged(record: TrainingRecord, accuracy: float) -> None:
    """Two epochs of twenty are neither green nor REGRESSED, however good."""
    (training,) = train_to(record, "mlp", accuracy)
    short = retrain(training, epochs=2)
    assert judge_threshold(short) is Verdict.INCONCLUSIVE
    result = check_threshold([training, short])
    assert result.figure.endswith("of 2 seeds, not judged: 2 of 20 epochs")
    assert result.verdict is (Verdict.INCONCLUSIVE if accuracy > 0.97 else Verdict.REGRESSED)


@pytest.mark.parametrize("changes", [{"precision": "float16"}, {"backend": "jax"}], ids=str)
def test_a_training_of_another_arithmetic_is_not_judged(record: TrainingRecord, changes: dict[str, str]) -> None:
    """Whether it reaches the threshold or not, or has diverged."""
    for accuracy in (0.1, 0.977):
        (training,) = train_to(record, "mlp", accuracy)
        other = dataclasses.replace(training, environment=change_environment(training.environment, **changes))
        for told in (other, dataclasses.replace(other, test_loss=None)):
            assert judge_threshold(told) is Verdict.INCONCLUSIVE
        result = check_threshold([other])
        assert result.verdict is Verdict.INCONCLUSIVE
        assert f"not judged: {next(iter(changes))} {next(iter(changes.values()))}, not the lab's" in result.figure


def test_a_training_that_diverged_passes_no_threshold(record: TrainingRecord) -> None:
    """However good the accuracy: a loss that is not finite is no sound training."""
    (training,) = train_to(record, "mlp", 0.977)
    diverged = dataclasses.replace(training, test_loss=None)
    assert judge_threshold(diverged) is Verdict.REGRESSED
    assert check_threshold([training, diverged]).verdict is Verdict.REGRESSED


def test_trainings_above_the_threshold_pass(record: TrainingRecord) -> None:
    """If all trainings reach the threshold, the check passes."""
    assert check_threshold(train_to(record, "perceptron", 0.92, 0.92)).holds


def test_an_unknown_lab_is_bad_input(record: TrainingRecord) -> None:
    """A record may come from anywhere: an unknown lab is an error that names it, not a crash."""
    with pytest.raises(ValueError, match="unknown lab 'cnn'"):
        check_threshold(train_to(record, "cnn", 0.99))


@pytest.mark.parametrize(
    "departure", [{"hidden": (512, 512)}, {"dropout": 0.0}, {"optimizer": "adam"}, {"learning_rate": 0.2}]
)
def test_the_threshold_says_nothing_of_another_training(record: TrainingRecord, departure: dict[str, Any]) -> None:
    """However good, a training that departs from the lab neither passes nor fails the lab's threshold."""
    (departed,) = train_to(record, "dropout", 0.99, **departure)
    assert judge_threshold(departed) is Verdict.NO_BASELINE
    assert not check_threshold([departed]).holds


def test_seeds_without_an_effect_are_refused(record: TrainingRecord, references: dict[str, Reference]) -> None:
    """New trainings of two seeds with the same weights are one training, counted twice."""
    trained = [
        dataclasses.replace(training, final_digest=make_digest("x"))
        for training in train(record, "mlp", [(0.9, 0.1)] * 2)
    ]
    with pytest.raises(ValueError, match="mlp: the seeds 1671 and 1672 end in the same weights"):
        make_comparisons({"mlp": trained}, references)


@pytest.mark.parametrize(("name", "event"), [("initial_digest", "start from"), ("final_digest", "end in")])
def test_a_new_seed_with_the_weights_of_the_reference_is_refused(
    name: str, event: str, record: TrainingRecord, references: dict[str, Reference]
) -> None:
    """The reference's seeds and the new ones are one sample each: no training may be in both."""
    reference = dataclasses.replace(
        references["mlp"], **{f"{name}s": [make_digest(f"r{seed}")[:16] for seed in range(100)]}
    )
    (new,) = train(record, "mlp", [(0.9, 0.1)])
    make_comparisons({"mlp": [new]}, {"mlp": reference})
    twin = dataclasses.replace(new, **{name: make_digest("r7")})
    told = f"mlp: the seeds 7 and 1671, the first in the reference, {event} the same weights"
    with pytest.raises(ValueError, match=told):
        make_comparisons({"mlp": [twin]}, {"mlp": reference})
