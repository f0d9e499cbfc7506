"""What is hollow or impossible on both sides is never green: it is named."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import change_probe as reconfigure
from fixtures.records import make_digest, make_history, make_stages, retrain
from mnist_bench.records.environment import DatasetRecord, change_environment
from mnist_bench.records.training import Predictions
from mnist_bench.records.verdicts import Verdict, exit_status
from mnist_bench.training.data.mnist import DIGEST as MNIST
from mnist_bench.versions.comparison import compare_probe_records, compare_versions
from mnist_bench.versions.doubts import find_doubts
from mnist_bench.versions.records import Planned, VersionRecord, update_record
from mnist_bench.versions.seeds import make_results, merge_results, select_seeds

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.checks.records import ProbeRecord, Stage
    from mnist_bench.records.training import TrainingRecord

OLD = "py311-tf215"


@pytest.fixture
def whole(make_versions: Callable[..., dict[str, VersionRecord]]) -> VersionRecord:
    """A record that lacks nothing."""
    return make_versions([OLD])[OLD]


def change_probe(probe: ProbeRecord, how: str) -> ProbeRecord:
    """Return a probe that is not the lab's own."""
    stages, config = probe.stages, probe.config
    settings: dict[str, dict[str, Any]] = {
        "another learning rate": {"learning_rate": 9.0},
        "another optimizer": {"optimizer": "adam"},
        "another batch size": {"batch_size": 64},
        "another model": {"hidden": (64,)},
        "not deterministic": {"deterministic": False},
    }
    if how in settings:
        return reconfigure(probe, **settings[how])
    if how == "one epoch":
        config = dataclasses.replace(config, epochs=1)
        return dataclasses.replace(probe, config=config, stages=make_stages("mlp", 1))
    upper = [dataclasses.replace(stage, name=stage.name.upper()) for stage in stages]
    other = {
        "one stage only": stages[:1],
        "a stage is missing": stages[1:],
        "upper case": upper,
        "another order": stages[::-1],
        "a further stage": [*stages, dataclasses.replace(stages[0], name="more", digest=make_digest("more"))],
        "one digest": [dataclasses.replace(stage, digest=make_digest("one")) for stage in stages],
    }
    return dataclasses.replace(probe, stages=other[how])


PROBES = {
    "another learning rate": "learning_rate 9.0, the lab's is 0.1",
    "another optimizer": "optimizer 'adam', the lab's is 'sgd'",
    "another batch size": "batch_size 64, the lab's is 128",
    "another model": "hidden (64,), the lab's is (128, 128)",
    "not deterministic": "op determinism was turned off",
    "one epoch": "1 of 5 epochs",
    "one stage only": "9 of 10 stages are missing, such as 'data order'",
    "a stage is missing": "1 of 10 stages are missing, such as 'initial weights'",
    "upper case": "10 unknown stages, such as 'INITIAL WEIGHTS'",
    "another order": "the stages are not in the order of training",
    "a further stage": "1 unknown stages, such as 'more'",
    "one digest": "10 stages have the digest of 'initial weights'",
}


def change_key(record: VersionRecord, key: str) -> VersionRecord:
    """Return the record with another numerics key of its trainings."""
    return update_record(record, accuracy=[dataclasses.replace(each, numerics_key=key) for each in record.accuracy])


def test_trainings_of_another_environment_are_not_judged(whole: VersionRecord) -> None:
    """Their key must follow from the record's environment: nothing else says where they were trained."""
    forged = change_key(whole, "0" * 16)
    told = [result for result in compare_versions(whole, forged).results if result.name == "accuracy/key[mlp-epoch]"]
    assert [(result.verdict, result.figure) for result in told] == [
        (
            Verdict.INCONCLUSIVE,
            "not judged: numerics_key '0000000000000000' is not that of a training in the record's environment in new",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "engine"),
    [
        ({}, "epoch"),
        ({"usable_cores": 1}, "epoch"),
        ({"op_determinism": False}, "epoch"),
        ({"xla": True, "op_determinism": False}, "xla"),
        ({"flags": {"company": "7"}}, "fused"),
        ({"python": "3.9.1", "cpu": "another name"}, "epoch"),
    ],
    ids=str,
)
def test_trainings_with_a_share_of_the_cores_or_in_company_are_the_environments(
    whole: VersionRecord, changes: dict[str, Any], engine: str
) -> None:
    """What engines, workers and companies decide is not the environment's."""
    assert whole.environment
    own = change_environment(whole.environment, **changes)
    trained = [dataclasses.replace(each, engine=engine, numerics_key=own.numerics_key) for each in whole.accuracy]
    names = {result.name for result in find_doubts(whole, update_record(whole, accuracy=trained))}
    assert f"accuracy/key[mlp-{engine}]" not in names


@pytest.mark.parametrize("how", PROBES)
def test_a_probe_that_is_not_the_labs_own_is_not_judged(whole: VersionRecord, how: str) -> None:
    """Both records have it, and so both agree: the bits are not called IDENTICAL, in a record or by themselves."""
    first, second = whole.probes
    probe = change_probe(first, how)
    other = update_record(whole, probes=[probe, second])
    results = {result.name: result for result in compare_versions(other, other).results}
    told = f"{PROBES[how]}"
    assert told in results["bits/probe[mlp-epoch]"].figure
    assert results["bits/probe[mlp-epoch]"].figure.startswith("not judged: ")
    assert results["bits/mlp-epoch"].figure == "the final weights of 7 seeds"  # and no stage of the probes
    assert exit_status(list(results.values())) == 3
    bare = update_record(other, checks={}, accuracy=[], planned=Planned())
    assert exit_status(compare_versions(bare, bare).results) == 3
    (alone,) = compare_probe_records(probe, probe).results
    assert alone.verdict is Verdict.INCONCLUSIVE
    assert told in alone.evidence


def test_a_longer_probe_is_judged(whole: VersionRecord) -> None:
    """It says more than the usual one."""
    first = whole.probes[0]
    longer = dataclasses.replace(
        first, config=dataclasses.replace(first.config, epochs=20), stages=make_stages("mlp", 20)
    )
    assert compare_probe_records(longer, longer).results[0].verdict is Verdict.IDENTICAL


def make_predictions(*, errors: int, exact: float) -> list[Predictions | None]:
    """Return the predictions of seven seeds, of a test set of 1000 images."""
    return [
        Predictions(
            digest=make_digest(f"predictions {seed}"),
            class_sizes=[100] * 10,
            class_errors=[errors // 10] * 10,
            exact_loss=0.1,
            exact_accuracy=exact,
        )
        for seed in range(7)
    ]


def change_trainings(record: VersionRecord, how: str) -> VersionRecord:
    """Return a record with trainings that cannot be, or are not the lab's."""
    (results,) = record.accuracy
    fields: dict[str, dict[str, Any]] = {
        "a loss of nothing": {"test_loss": [0.0] * 7},
        "a loss below the wrong answers'": {"test_loss": [0.01] * 7},
        "a loss beyond reason": {"test_loss": [1e30] * 7},
        "another learning rate": {"departures": {"learning_rate": "9.0"}},
        "an accuracy of other predictions": {"predictions": make_predictions(errors=100, exact=0.9)},
        "an accuracy of other weights": {"predictions": make_predictions(errors=30, exact=0.9)},
        "no whole number of images": {"test_accuracy": [x + 1e-5 for x in results.test_accuracy]},
        "records that contradict themselves": {"contradictions": ["", "no biases", "", "no layers", "", "", ""]},
        "weights that never moved": {"initial_digests": results.final_digests},
        "a curve without a loss": {"history": dataclasses.replace(make_history(20), val_loss=[None] * 20)},
        "a curve of guesses": {"history": dataclasses.replace(make_history(20), val_accuracy=[0.098] * 20)},
        "a curve of nothing": {"history": dataclasses.replace(make_history(20), loss=[0.0] * 20)},
        "a curve that is a line": {"history": dataclasses.replace(make_history(20), val_accuracy=[0.97] * 20)},
        "a curve below the wrong answers'": {
            "history": dataclasses.replace(make_history(20), accuracy=[*[0.0] * 19, 0.97])
        },
        "epochs of no time": {"history": dataclasses.replace(make_history(20), seconds=[0.0] * 20)},
        "validations of no time": {"history": dataclasses.replace(make_history(20), val_seconds=[0.0] * 20)},
        "one loss of all seeds": {"test_loss": [0.08] * 7},
    }
    if how == "one curve of two labs":
        ends = {"final_digests": list(map(make_digest, "abcdefg")), "initial_digests": []}
        other = dataclasses.replace(results, lab="dropout", **ends)
        return update_record(record, accuracy=[results, other], planned=Planned(labs=["mlp"], seeds=results.seeds))
    if how == "one end of two labs":
        other = dataclasses.replace(results, lab="dropout")
        return update_record(record, accuracy=[results, other], planned=Planned(labs=["mlp"], seeds=results.seeds))
    return update_record(record, accuracy=[dataclasses.replace(results, **fields[how])])


TRAININGS = {
    "a loss of nothing": ("accuracy/possible[mlp-epoch]", "a loss of 0 and an accuracy of 0.97", 3),
    "a loss below the wrong answers'": ("accuracy/possible[mlp-epoch]", "a loss of 0.01 and an accuracy of 0.97", 3),
    "a loss beyond reason": ("accuracy/guessing[mlp-epoch]", "a loss of 1e+30, the highest of 7", 1),
    "an accuracy of other predictions": ("accuracy/possible[mlp-epoch]", "0.9000 by its own errors", 3),
    "an accuracy of other weights": ("accuracy/possible[mlp-epoch]", "0.9700 by its own errors and 0.9000 by NumPy", 3),
    "no whole number of images": ("accuracy/possible[mlp-epoch]", "is of no whole number of 10,000 images", 3),
    "records that contradict themselves": ("accuracy/agreement[mlp-epoch]", "seed 1672: no biases, and 1 more", 3),
    "weights that never moved": ("accuracy/possible[mlp-epoch]", "ends in its initial weights: nothing was tr", 3),
    "a curve without a loss": ("accuracy/possible[mlp-epoch]", "val_loss is not finite after the last epoch", 3),
    "a curve of guesses": ("accuracy/possible[mlp-epoch]", "val_accuracy is 0.0980 after the last epoch, and 0.97", 3),
    "a curve of nothing": ("accuracy/possible[mlp-epoch]", "loss is 0 after every epoch", 3),
    "a curve that is a line": ("accuracy/possible[mlp-epoch]", "val_accuracy is 0.97 after every epoch", 3),
    "a curve below the wrong answers'": (
        "accuracy/possible[mlp-epoch]",
        "loss 0.5038 and accuracy 0.0000 after epoch 1 cannot be of one training",
        3,
    ),
    "epochs of no time": ("accuracy/possible[mlp-epoch]", "seconds of an epoch is 0", 3),
    "validations of no time": ("accuracy/possible[mlp-epoch]", "val_seconds of an epoch is 0", 3),
    "one loss of all seeds": ("accuracy/figures[mlp-epoch]", "all 7 seeds have the test loss 0.08, and end in", 3),
    "one curve of two labs": ("accuracy/curves[dropout-epoch]", "the curves are those of mlp-epoch, which ends in", 3),
    "another learning rate": ("accuracy/training[mlp-epoch]", "trained with learning_rate 9.0, not as the lab", 3),
    "one end of two labs": ("bits/labs[dropout]", "mlp and dropout end in the same weights", 3),
}


@pytest.mark.parametrize("how", TRAININGS)
def test_figures_that_cannot_be_are_told(whole: VersionRecord, how: str) -> None:
    """Both sides agree on them, and the bits are the same: they are named nevertheless."""
    other = change_trainings(whole, how)
    compared = compare_versions(other, other)
    name, told, status = TRAININGS[how]
    assert told in {result.name: result.figure for result in compared.results}[name]
    assert exit_status(compared.results) == status


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"backend": "jax"}, "backend jax, not the lab's tensorflow: set by KERAS_BACKEND"),
        ({"precision": "mixed_float16"}, "precision mixed_float16, not the lab's float32"),
        ({"keras": "2.1.0"}, "Keras 2.1.0 does not go with TensorFlow 2.15.1"),
        ({"python": "2.7.18"}, "Python 2.7.18 cannot run this package"),
    ],
    ids=str,
)
def test_an_environment_that_is_not_the_labs_is_told(whole: VersionRecord, fields: dict[str, str], told: str) -> None:
    """Both sides have it and the same bits: nothing is green as if it were the lab's own, with or without probes."""
    assert whole.environment
    there = change_environment(whole.environment, **fields)
    probes = [
        dataclasses.replace(probe, environment=change_environment(probe.environment, **fields))
        for probe in whole.probes
    ]
    trained = [dataclasses.replace(each, numerics_key=there.numerics_key) for each in whole.accuracy]
    other = update_record(whole, environment=there, probes=probes, accuracy=trained)
    for both in (other, update_record(other, probes=[], planned=Planned())):
        compared = compare_versions(both, both)
        figures = {result.name: result.figure for result in compared.results}
        assert figures["version/environment"].startswith(f"not judged: {told}")
        assert exit_status(compared.results) == 3
    (alone,) = compare_probe_records(probes[0], probes[0]).results
    assert alone.verdict is Verdict.INCONCLUSIVE
    assert told in alone.evidence


def test_data_that_are_not_mnist_are_told(whole: VersionRecord) -> None:
    """A record of trainings alone has them, and so has a test set that is not that of its data."""
    assert whole.dataset
    bare = update_record(whole, probes=[], checks={}, planned=Planned())
    other = update_record(bare, dataset=dataclasses.replace(whole.dataset, source="mnist"))
    figures = {result.name: result.figure for result in compare_versions(other, other).results}
    assert figures["version/data"].startswith("not judged: the data are called mnist, and their digest is")
    seeds = [dataclasses.replace(whole.accuracy[0], predictions=make_predictions(errors=30, exact=0.97))]
    mnist = update_record(bare, dataset=DatasetRecord(source="mnist", digest=MNIST), accuracy=seeds)
    figures = {result.name: result.figure for result in compare_versions(mnist, mnist).results}
    assert figures["accuracy/test-set[mlp-epoch]"].startswith("not judged: seed 1671: class_sizes [100, 100, ")
    assert "version/data" not in figures


def test_what_contradicts_itself_stays_with_its_seed(record: TrainingRecord) -> None:
    """Of two seeds that come into a record, one ran with XLA, which nobody asked for."""
    sound = retrain(record, seed=2)
    xla = change_environment(record.environment, xla=True)
    first = make_results(dataclasses.replace(record, environment=xla))
    assert first.contradictions == ["the engine epoch ran with XLA"]
    second = dataclasses.replace(
        make_results(sound),
        numerics_key=first.numerics_key,
        initial_digests=[make_digest("first")],
        final_digests=[make_digest("last")],
    )
    both = merge_results(first, second)
    assert (both.seeds, both.contradictions) == ([2, 1671], ["", "the engine epoch ran with XLA"])
    assert select_seeds(both, [2]).contradictions == []
    with pytest.raises(ValueError, match="perceptron: 1 contradictions of 2 seeds"):
        dataclasses.replace(both, contradictions=["none"])


def test_labs_whose_probes_end_in_the_same_weights_are_told(whole: VersionRecord) -> None:
    """A dropout layer that drops nothing ends so."""
    first, second = whole.probes
    stages = make_stages("dropout")
    stages[-1] = dataclasses.replace(stages[-1], digest=first.stages[-1].digest)
    config = dataclasses.replace(first.config, lab="dropout")
    other = update_record(whole, probes=[first, second, dataclasses.replace(first, config=config, stages=stages)])
    assert "bits/labs[dropout]" in [result.name for result in compare_versions(other, other).results]


def change_starts(record: VersionRecord, name: str) -> VersionRecord:
    """Return the record with initial digests, of a name, in all trainings."""
    accuracy = [
        dataclasses.replace(it, initial_digests=[make_digest(f"{name} {it.lab} {seed}") for seed in it.seeds])
        for it in record.accuracy
    ]
    return dataclasses.replace(record, accuracy=accuracy)


def test_a_training_that_ends_where_its_probe_is_is_told(whole: VersionRecord) -> None:
    """Of many more epochs: one as short as the probe may end there."""
    results, *rest = whole.accuracy
    probe = next(it for it in whole.probes if it.config.case == results.case)
    early = dataclasses.replace(results, final_digests=[probe.stages[-1].digest, *results.final_digests[1:]])
    told = {it.name: it.figure for it in find_doubts(*[dataclasses.replace(whole, accuracy=[early, *rest])] * 2)}
    assert f"seed {results.seeds[0]} ends after {results.epochs} epochs" in told[f"accuracy/ends[{results.case}]"]
    config = dataclasses.replace(probe.config, epochs=results.epochs)
    probes = [dataclasses.replace(it, config=config) if it is probe else it for it in whole.probes]
    short = dataclasses.replace(whole, accuracy=[early, *rest], probes=probes)
    assert f"accuracy/ends[{results.case}]" not in {it.name for it in find_doubts(short, short)}


def test_the_same_end_has_the_same_start(whole: VersionRecord) -> None:
    """No training gets from other initial weights to the same final ones; without digests nothing is known."""
    base, same = change_starts(whole, "a"), change_starts(whole, "a")
    assert [*find_doubts(base, same)] == []
    accuracy = [dataclasses.replace(it, initial_digests=[]) for it in whole.accuracy]
    assert [*find_doubts(base, dataclasses.replace(whole, accuracy=accuracy))] == []
    told = [*find_doubts(base, change_starts(whole, "b"))]
    assert {it.name.partition("[")[0] for it in told} == {"accuracy/starts"}
    assert f"seed {whole.accuracy[0].seeds[0]} ends in the same weights in both, and begins with" in told[0].figure


STREAMS = {
    "start of an engine": (
        "bits/start[mlp]",
        "the initial weights of mlp with seed 1671 differs between the probe of mlp-epoch and the probe of mlp-fused",
    ),
    "order of a lab": (
        "bits/order[epoch]",
        "in batches of 128 differs between the probe of mlp-epoch and the probe of perceptron-epoch",
    ),
}


@pytest.mark.parametrize("how", STREAMS)
def test_one_seed_has_one_start_and_one_order(whole: VersionRecord, how: str) -> None:
    """No engine moves the initial weights, and no lab the order: both sides agree, and are named nevertheless."""
    first, second = whole.probes
    fields: dict[str, dict[str, Any]] = {
        "start of an engine": {"probes": [first, reconfigure(second, stages=move_stage(second, "initial weights"))]},
        "order of a lab": {"probes": [first, second, reconfigure(first, lab="perceptron", stages=OTHER_STAGES)]},
    }
    other = dataclasses.replace(whole, **fields[how])
    results = {result.name: result for result in compare_versions(other, other).results}
    name, told = STREAMS[how]
    assert told in results[name].figure
    assert exit_status(list(results.values())) == 3


OTHER_STAGES = make_stages("perceptron")


def move_stage(probe: ProbeRecord, name: str) -> list[Stage]:
    """Return the stages of a probe, one of them with another digest."""
    return [
        dataclasses.replace(stage, digest=make_digest("moved")) if stage.name == name else stage
        for stage in probe.stages
    ]


@pytest.mark.parametrize(("lab", "told"), [("dropout", []), ("perceptron", ["bits/labs[perceptron]"])])
def test_labs_of_other_shapes_begin_with_other_weights(whole: VersionRecord, lab: str, told: list[str]) -> None:
    """The mlp and the dropout lab have the same layers, and may begin alike; the perceptron has others."""
    one = select_seeds(whole.accuracy[0], whole.accuracy[0].seeds[:1])
    one = dataclasses.replace(one, lab="mlp", initial_digests=[make_digest("one")])
    other = dataclasses.replace(one, lab=lab, final_digests=[make_digest("other")])
    alike = dataclasses.replace(whole, accuracy=[one, other], probes=[])
    names = [it.name for it in find_doubts(alike, alike) if it.name.startswith("bits/labs")]
    assert names == told


def test_trainings_are_as_long_as_they_were_planned(whole: VersionRecord) -> None:
    """A plan of three epochs has no trainings of two hundred."""
    planned = dataclasses.replace(whole.planned, epochs=3)
    told = [*find_doubts(whole, dataclasses.replace(whole, planned=planned))]
    assert any("epochs, and 3 were planned in new" in it.figure for it in told)


def test_curves_of_the_same_weights_are_the_same(whole: VersionRecord) -> None:
    """Another curve that ends in the same bits is another training: one of the two was edited."""
    (results,) = whole.accuracy
    history = make_history(20)
    near = dataclasses.replace(history, val_loss=[loss + 0.0005 for loss in history.val_loss])
    far = dataclasses.replace(history, loss=[*history.loss[:19], 0.9])
    for curve, told in ((near, []), (far, ["loss of epoch 20 is"])):
        other = update_record(whole, accuracy=[dataclasses.replace(results, history=curve)])
        compared = compare_versions(whole, other)
        figures = [result.figure[:19] for result in compared.results if result.name == "accuracy/curves[mlp-epoch]"]
        assert figures == [text[:19] for text in told]
        assert exit_status(compared.results) == (3 if told else 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"digest": "b" * 64, "class_errors": [3] * 10}, ""),
        ({"class_errors": [3] * 10}, "the errors by class of seed 1671 differ"),
        ({"exact_loss": 0.2}, "exact_loss of seed 1671 is 0.1 and 0.2"),
        ({"exact_loss": None}, "exact_loss of seed 1671 is 0.1 and None"),
        ({"exact_accuracy": 0.9}, "exact_accuracy of seed 1671 is 0.98 and 0.9"),
    ],
    ids=["same", "rounding", "errors", "loss", "no loss", "accuracy"],
)
def test_predictions_of_the_same_weights_are_the_same(whole: VersionRecord, change: dict[str, Any], told: str) -> None:
    """Beyond rounding, the same weights predict the same: one of the two records was edited."""
    (results,) = whole.accuracy
    made = Predictions(
        digest="a" * 64, class_sizes=[100] * 10, class_errors=[2] * 10, exact_loss=0.1, exact_accuracy=0.98
    )
    others = [dataclasses.replace(made, digest=make_digest(f"{seed}")) for seed in results.seeds[1:]]
    base, new = (
        update_record(whole, accuracy=[dataclasses.replace(results, predictions=[first, *others])])
        for first in (made, dataclasses.replace(made, **change))
    )
    figures = {result.name: result.figure for result in find_doubts(base, new)}
    expected = f"{told}, although both trainings end in the same weights" if told else None
    assert figures.get("accuracy/predictions[mlp-epoch]") == expected
