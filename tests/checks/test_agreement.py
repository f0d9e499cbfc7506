"""What was asked for, where it ran, the layers and the seconds of a record agree, or are named."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import change_probe, make_layers, make_stages, retrain, run_as
from mnist_bench.checks.acceptance import find_objections
from mnist_bench.checks.agreement import explain_test_set, explain_versions, find_contradictions
from mnist_bench.checks.names import PROBE_EPOCHS
from mnist_bench.checks.records import ProbeRecord, find_oddities
from mnist_bench.records.environment import DatasetRecord, change_environment, company_flag
from mnist_bench.records.serial import dump_json, load, save
from mnist_bench.records.training import Predictions, TrainingRecord
from mnist_bench.training.data import digits, mnist

if TYPE_CHECKING:
    from pathlib import Path

CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"engine": "graph"}, {"xla": True}, "the engine graph ran with XLA"),
    ({"engine": "fused"}, {"xla": False}, "the engine fused ran without XLA"),
    ({}, {"op_determinism": False}, "op determinism was to be on, and it was off"),
    ({"engine": "xla"}, {"op_determinism": True}, "op determinism was to be off, and it was on"),
    ({"device": "gpu"}, {}, "the device 'gpu' was asked for, and it ran on 'cpu'"),
    ({"data": "mnist"}, {}, "data 'mnist' was asked for, and these are 'digits'"),
    ({}, {"keras": "2.1.0"}, "Keras 2.1.0 does not go with TensorFlow 2.21.0"),
    ({}, {"keras": "2.15.0"}, "Keras 2.15.0 does not go with TensorFlow 2.21.0"),
    ({}, {"tensorflow": "2.14.1", "keras": "3.0.5"}, "Keras 3.0.5 does not go with TensorFlow 2.14.1"),
    ({}, {"tensorflow": "2.8.0.600", "keras": "2.9.0rc1"}, "Keras 2.9.0rc1 does not go with TensorFlow 2.8.0.600"),
    ({}, {"python": "2.7.18"}, "Python 2.7.18 cannot run this package, which needs 3.10"),
]


@pytest.fixture
def probe(mlp: TrainingRecord) -> ProbeRecord:
    """A probe of the mlp."""
    config = dataclasses.replace(mlp.config, epochs=PROBE_EPOCHS)
    return ProbeRecord(config=config, environment=mlp.environment, dataset=mlp.dataset, stages=make_stages("mlp"))


@pytest.mark.parametrize(("config", "environment", "told"), CASES)
def test_what_ran_is_what_was_asked_for(
    mlp: TrainingRecord, probe: ProbeRecord, config: dict[str, Any], environment: dict[str, Any], told: str
) -> None:
    """A training and a probe are told of in the same words; the record can be made all the same."""
    asked = dataclasses.replace(mlp.config, **config)
    there = change_environment(run_as(asked, mlp.environment), **environment)
    assert [*find_contradictions(dataclasses.replace(mlp, config=asked, environment=there))] == [told]
    asked = dataclasses.replace(probe.config, **config)
    assert find_oddities(dataclasses.replace(probe, config=asked, environment=there)) == [told]


def test_what_may_be_anything(record: TrainingRecord, mlp: TrainingRecord, probe: ProbeRecord) -> None:
    """`auto`, a path, other widths, a single epoch, and an engine that this version does not know."""
    newer = change_environment(record.environment, device="gpu", xla=True, op_determinism=False)
    sound = [
        record,
        mlp,
        retrain(record, data="/some/path.npz", device="auto"),
        retrain(record, engine="xla", deterministic=False),
        retrain(record, lab="mlp", hidden=(32, 16)),
        retrain(record, epochs=1),
        dataclasses.replace(record, config=dataclasses.replace(record.config, engine="newer"), environment=newer),
    ]
    assert [each for training in sound for each in find_contradictions(training)] == []
    assert find_oddities(change_probe(probe, engine="fused")) == []


@pytest.mark.parametrize(
    "versions",
    [
        {"tensorflow": "2.16.2", "keras": "2.16.0"},  # tf_keras
        {"tensorflow": "2.15.1", "keras": "3.0.5"},
        {"tensorflow": "2.22.0-dev20260905", "keras": "3.15.0.dev2026"},
        {"tensorflow": "2.14.0.600", "keras": "2.14.0"},
        {"tensorflow": "3.0.0", "keras": "4.0.0", "python": "3.20"},
        {"tensorflow": "git", "keras": "0", "python": ""},
    ],
    ids=str,
)
def test_versions_that_go_together(record: TrainingRecord, versions: dict[str, str]) -> None:
    """tf_keras, Keras 3 by hand, nightlies, vendors' builds, and what no version of this package can know."""
    assert [*explain_versions(change_environment(record.environment, **versions))] == []


@pytest.mark.parametrize(
    ("source", "digest", "told"),
    [
        ("mnist", "0" * 64, "the data are called mnist, and their digest is 00000000, MNIST's is 06b0d1f1"),
        ("digits", mnist.DIGEST, "the data are called digits, and their digest is 06b0d1f1, MNIST's is 06b0d1f1"),
        ("mnist", mnist.DIGEST, None),
    ],
)
def test_data_that_are_not_what_they_are_called(
    mlp: TrainingRecord, probe: ProbeRecord, source: str, digest: str, told: str | None
) -> None:
    """The digest says what MNIST is."""
    changes = {"dataset": DatasetRecord(source=source, digest=digest)}
    asked = dataclasses.replace(mlp.config, data="auto")
    wanted = [told] if told else []
    assert [*find_contradictions(dataclasses.replace(mlp, config=asked, **changes))] == wanted
    asked = dataclasses.replace(probe.config, data="auto")
    assert find_oddities(dataclasses.replace(probe, config=asked, **changes)) == wanted


@pytest.mark.parametrize("known", [mnist, digits], ids=["mnist", "digits"])
@pytest.mark.parametrize("one", [0, 1])
def test_predictions_of_another_test_set_are_named(mlp: TrainingRecord, known: Any, one: int) -> None:
    """The images of each class are those of the data, and of other data nothing is known."""
    sizes = [known.TEST_CLASS_SIZES[0] + one, *known.TEST_CLASS_SIZES[1:]]
    made = Predictions(digest="2" * 64, class_sizes=sizes, class_errors=[0] * 10, exact_loss=0.1, exact_accuracy=1)
    told = [*explain_test_set(dataclasses.replace(mlp.dataset, digest=known.DIGEST), made)]
    assert len(told) == one
    assert all("are not those of" in each for each in told)
    assert [*explain_test_set(mlp.dataset, made)] == []


@pytest.mark.parametrize("split", [0.0, 1.0, -1.0])
def test_a_split_that_validates_on_nothing_is_named(mlp: TrainingRecord, split: float) -> None:
    """Every history has the curves of a validation."""
    (told,) = find_contradictions(retrain(mlp, validation_split=split))
    assert told == f"validation_split {split:g} leaves nothing to validate on, or to train on"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"backend": "jax"}, "backend jax, not the lab's tensorflow: set by"),
        ({"precision": "mixed_float16"}, "precision mixed_float16, not the lab's float32: set by"),
    ],
)
def test_a_probe_by_another_arithmetic_is_named(probe: ProbeRecord, fields: dict[str, str], told: str) -> None:
    """The bits of two such probes are not those of the lab's training."""
    (odd,) = find_oddities(dataclasses.replace(probe, environment=change_environment(probe.environment, **fields)))
    assert odd.startswith(told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layers": []}, "layers of no weights, and the lab's are of 10 units with 7,850 parameters"),
        ({"layers": [(1, 3, 3)]}, "layers of 1 units with 3 parameters, and the lab's are of 10 units with 7,850"),
        ({"layers": "mlp"}, "layers of 128 units with 100,480 parameters, 128 units with 16,512 parameters, 10 units"),
        ({"layers": [(10, 7840, 7840)]}, "layers of 10 units with 7,840 parameters, and the lab's are of 10 units"),
        ({"layers": [(10, 7850, 10**12)]}, "1,000,000,000,000 of the 7,850 parameters of a layer are trained"),
        ({"layers": [(10, 7850, 10)]}, "10 of the 7,850 parameters of a layer are trained"),
        ({"first_epoch": 0.0}, "seconds.first_epoch is 0.0, and 0.5 follows from the history"),
        ({"epoch": 1e9}, "seconds.epoch is 1000000000.0, and 0.25 follows from the history"),
        ({"epoch": None}, "seconds.epoch is None, and 0.25 follows from the history"),
    ],
)
def test_layers_and_seconds(record: TrainingRecord, tmp_path: Path, change: dict[str, Any], told: str) -> None:
    """The layers are the lab's, and the seconds those of the history; else the record is written, and is no reference.

    A Keras that forgets the biases leaves such a record.
    """
    if layers := change.get("layers"):
        dense = record.layers[0]
        rows = [
            dataclasses.replace(dense, units=units, parameters=parameters, trainable=trainable)
            for units, parameters, trainable in (() if layers == "mlp" else layers)
        ]
        changed = dataclasses.replace(record, layers=rows or make_layers("mlp"))
    elif "layers" in change:
        changed = dataclasses.replace(record, layers=[])
    else:
        changed = dataclasses.replace(record, seconds=dataclasses.replace(record.seconds, **change))
    path = tmp_path / "record.json"
    save(changed, path)
    assert dump_json(load(path, TrainingRecord)) == dump_json(changed)
    (found,) = find_contradictions(changed)
    assert found.startswith(told)
    assert f"perceptron-epoch, seed 1671: {found}" in find_objections([changed], [])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"kind": "Conv2D"}, "a layer with weights is Conv2D, and the lab's are Dense"),
        ({"kind": "Dropout", "parameters": 0, "trainable": 0}, "there is a layer Dropout, and the lab has none"),
        ({"activation": "relu", "parameters": 0, "trainable": 0}, "the last layer is relu, and the lab's is softmax"),
    ],
)
def test_the_kinds_of_layers_are_the_labs(record: TrainingRecord, row: dict[str, Any], told: str) -> None:
    """Another kind with the same parameters, a dropout that the lab has not, another last activation."""
    other = dataclasses.replace(record.layers[0], **row)
    rows = [other] if row.get("kind") == "Conv2D" else [record.layers[0], other]
    assert [*find_contradictions(dataclasses.replace(record, layers=rows))] == [told]


def test_what_no_machine_does_is_told(record: TrainingRecord) -> None:
    """A GPU that is not there, epochs of no time, and a company by an engine that has none."""
    there = change_environment(record.environment, device="gpu")
    gpu = dataclasses.replace(record, environment=there, config=dataclasses.replace(record.config, device="gpu"))
    assert [*find_contradictions(gpu)] == ["it ran on a GPU, and there is none"]
    none = [0.0] * len(record.history.seconds)
    idle = dataclasses.replace(
        record,
        history=dataclasses.replace(record.history, seconds=none),
        seconds=dataclasses.replace(record.seconds, first_epoch=0.0, epoch=0.0),
    )
    assert [*find_contradictions(idle)] == ["an epoch took 0 seconds"]
    flags = {**record.environment.flags, **company_flag(5)}
    company = dataclasses.replace(record, company=5, environment=change_environment(record.environment, flags=flags))
    assert [*find_contradictions(company)] == ["5 seeds were trained in one program, which the engine epoch cannot"]


def test_a_probe_without_any_value_is_named(probe: ProbeRecord) -> None:
    """Initial weights are never all 0."""
    stages = [dataclasses.replace(stage, values=[0.0] * len(stage.values)) for stage in probe.stages]
    assert find_oddities(dataclasses.replace(probe, stages=stages)) == ["every value of every stage is 0"]
