"""Two probes tell which stage of training moved first, by how much, and why; unlike probes are refused."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import write_record
from fixtures.records import make_digest, run_as
from mnist_bench.checks.names import PROBE_EPOCHS, list_stages
from mnist_bench.checks.records import (
    Difference,
    ProbeRecord,
    Stage,
    compare_probes,
    describe_difference,
    format_difference,
    judge_probes,
)
from mnist_bench.records.environment import NUMERICS_FIELDS, change_environment, make_key
from mnist_bench.records.serial import dump_json, load
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

STAGES = {"initial weights": [0.5, -0.25], "data order": [3.0, 1.0, 2.0], "gradient": [0.5, -2.0]}


def make_stages(**changes: Any) -> list[Stage]:
    """Return the stages, some with other values and so another digest; `_` in a name is a space."""
    stages = STAGES | {name.replace("_", " "): values for name, values in changes.items()}
    return [Stage(name=name, digest=make_digest(repr(values)), values=values) for name, values in stages.items()]


@pytest.fixture
def probe(record: TrainingRecord) -> ProbeRecord:
    """A probe of three stages."""
    return ProbeRecord(
        config=record.config, environment=record.environment, dataset=record.dataset, stages=make_stages()
    )


def change(probe: ProbeRecord, **stages: list[float]) -> ProbeRecord:
    """Return the probe with other values in some stages."""
    return dataclasses.replace(probe, stages=make_stages(**stages))


def test_the_same_stages_differ_in_nothing(probe: ProbeRecord) -> None:
    """Equal digests are all it takes."""
    assert compare_probes(probe, probe) == []
    assert describe_difference(probe, probe) == "identical in all 3 stages"


def test_the_first_stage_that_differs_comes_first(probe: ProbeRecord) -> None:
    """Differences stand in the order of training, each relative to the largest value on either side."""
    moved = change(probe, gradient=[0.5, -1.5], data_order=[1.0, 3.0, 4.0])
    assert compare_probes(probe, moved) == [Difference("data order", 0.5), Difference("gradient", 0.25)]
    assert compare_probes(moved, probe) == compare_probes(probe, moved)
    assert describe_difference(probe, moved) == (
        "first stage that differs: data order, moved by 0.5 of its size; 1 of 3 stages alike"
    )


def test_bits_may_move_where_no_kept_value_does(probe: ProbeRecord) -> None:
    """A digest covers all values, of which a few are kept: the stage differs all the same."""
    stages = make_stages()
    stages[1] = dataclasses.replace(stages[1], digest=make_digest("other"))
    (difference,) = compare_probes(probe, dataclasses.replace(probe, stages=stages))
    assert difference == Difference("data order", 0.0)
    assert format_difference(difference) == "other bits, but the same kept values"


@pytest.mark.parametrize(
    ("first", "second", "size"),
    [
        ([0.0, 1.0], [0.0, 1.001], 0.001 / 1.001),
        ([-4.0], [4.0], 2.0),
        ([0.0], [0.0], 0.0),
        ([], [], 0.0),
        ([1.0], [1.0, 2.0], None),
        ([1e308], [-1e308], float("inf")),
    ],
    ids=["relative", "sign", "zeros", "none", "number", "overflow"],
)
def test_the_size_of_a_difference(
    probe: ProbeRecord, first: list[float], second: list[float], size: float | None
) -> None:
    """The size is relative to the largest value; where the numbers of values differ, it is None."""
    a, b = (change(probe, gradient=values) for values in (first, second))
    b = dataclasses.replace(b, stages=[*b.stages[:2], dataclasses.replace(b.stages[2], digest=make_digest("other"))])
    (difference,) = compare_probes(a, b)
    assert difference == Difference("gradient", size if size is None else pytest.approx(size))
    assert format_difference(difference)


def test_a_stage_on_one_side_differs_at_its_place(probe: ProbeRecord) -> None:
    """A stage that one probe lacks is a difference at its place in the other probe."""
    mask = Stage(name="dropout mask", digest=make_digest("a mask"), values=[1.0])
    first, *rest = change(probe, gradient=[0.5, -1.0]).stages
    longer = dataclasses.replace(probe, stages=[first, mask, *rest])
    assert compare_probes(probe, longer) == [
        Difference("dropout mask", None, "second"),
        Difference("gradient", 0.5),
    ]
    assert compare_probes(longer, probe) == [Difference("dropout mask", None, "first"), Difference("gradient", 0.5)]
    assert describe_difference(probe, longer) == (
        "first stage that differs: dropout mask, only in the second probe; 2 of 4 stages alike"
    )
    ahead = dataclasses.replace(probe, stages=[mask, *probe.stages])
    assert compare_probes(probe, ahead) == [Difference("dropout mask", None, "second")]


def test_stages_of_other_names_all_differ(probe: ProbeRecord) -> None:
    """Probes without a common stage differ in every stage."""
    changed = dataclasses.replace(probe, stages=[Stage(name="all of it", digest=make_digest(""), values=[])])
    assert len(compare_probes(probe, changed)) == 4
    assert describe_difference(probe, changed).endswith("0 of 4 stages alike")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lab", "mlp", "lab cannot be compared: 'perceptron' and 'mlp'"),
        ("seed", 7, "seed cannot be compared: 1671 and 7"),
        ("epochs", 5, "epochs cannot be compared: 2 and 5"),
        ("batch_size", 64, "batch_size cannot be compared: 128 and 64"),
        ("learning_rate", 0.5, "learning_rate cannot be compared: 0.1 and 0.5"),
        ("optimizer", "adam", "optimizer cannot be compared: 'sgd' and 'adam'"),
        ("dropout", 0.5, "dropout cannot be compared: None and 0.5"),
        ("validation_split", 0.1, "validation_split cannot be compared: 0.2 and 0.1"),
    ],
)
def test_probes_of_other_trainings_are_refused(probe: ProbeRecord, field: str, value: Any, message: str) -> None:
    """The field that must be equal is named, with both values."""
    changed = dataclasses.replace(probe, config=dataclasses.replace(probe.config, **{field: value}))
    with pytest.raises(ValueError, match=f"probes that differ in their {message}"):
        compare_probes(probe, changed)


@pytest.mark.parametrize(("field", "value"), [("source", "mnist"), ("digest", "0" * 64)])
def test_probes_of_other_data_are_refused(probe: ProbeRecord, field: str, value: str) -> None:
    """Data is known by its source and by its digest."""
    changed = dataclasses.replace(probe, dataset=dataclasses.replace(probe.dataset, **{field: value}))
    with pytest.raises(ValueError, match=f"their dataset {field} cannot be compared: .* and '{value}'"):
        compare_probes(probe, changed)


@pytest.mark.parametrize(("field", "value"), [("engine", "fused"), ("data", "elsewhere"), ("device", "gpu")])
def test_probes_of_other_engines_are_compared(probe: ProbeRecord, field: str, value: str) -> None:
    """Engine, data path and device may differ: they are what is under test."""
    config = dataclasses.replace(probe.config, **{field: value})
    environment = change_environment(run_as(config, probe.environment), device=value if field == "device" else "cpu")
    changed = dataclasses.replace(probe, config=config, environment=environment)
    assert compare_probes(probe, changed) == []


def test_what_may_explain_a_difference_is_named(probe: ProbeRecord) -> None:
    """Fields of the numerics key that differ follow with both values; other fields do not."""
    environment = change_environment(
        probe.environment, keras="2.15.0", flags={"XLA_FLAGS": "--x"}, python="3.10.0", numpy="1.22.0"
    )
    changed = dataclasses.replace(change(probe, data_order=[1.0, 2.0, 3.0]), environment=environment)
    because = "; flags {} and {'XLA_FLAGS': '--x'}; keras '3.15.1' and '2.15.0'"
    assert describe_difference(probe, changed).endswith(f"2 of 3 stages alike{because}")
    same = dataclasses.replace(probe, environment=environment)
    assert describe_difference(probe, same) == f"identical in all 3 stages{because}"


def test_a_probe_is_read_back(probe: ProbeRecord, tmp_path: Path) -> None:
    """A file gives back what was written, and no acceptance where there was none."""
    path = tmp_path / "probe.json"
    write_record(path, probe)
    assert load(path, ProbeRecord) == probe
    assert load(path, ProbeRecord).acceptance is None
    # Its key is a digest of the fields that are named above.
    fields = dataclasses.asdict(probe.environment)
    assert make_key(fields, NUMERICS_FIELDS) != make_key(fields | {"keras": "2.15.0"}, NUMERICS_FIELDS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda document: document.pop("stages"), "$: Object missing required field `stages`"),
        (lambda document: document["stages"].clear(), "$: stages: expected one or more, each once, not []"),
        (
            lambda document: document["stages"].append(document["stages"][0]),
            "$: stages: expected one or more, each once, not ['initial",
        ),
        (lambda document: document["stages"][1].pop("digest"), "$.stages[1]: Object missing required field `digest`"),
        (
            lambda document: document["stages"][1].update(values=["1"]),
            "$.stages[1].values[0]: Expected `float`, got `str`",
        ),
        (lambda document: document["stages"][1].update(values=[float("nan")]), "not JSON: JSON is malformed"),
        (lambda document: document.update(schema_version=0), "schema_version is 0, this version reads 1"),
        (lambda document: document.update(kind="training"), "kind is 'training', expected 'probe'"),
    ],
    ids=["missing", "empty", "twice", "digest", "type", "nan", "schema", "kind"],
)
def test_a_wrong_probe_is_named(
    probe: ProbeRecord, tmp_path: Path, damage: Callable[[dict[str, Any]], None], message: str
) -> None:
    """One line names the file and the field."""
    fields = json.loads(dump_json(probe))
    damage(fields)
    path = tmp_path / "probe.json"
    write_record(path, fields)
    with pytest.raises(RecordError, match="^" + re.escape(f"{path}: {message}")):
        load(path, ProbeRecord)


def test_no_stage_is_made_of_bad_values() -> None:
    """What JSON could not hold never becomes a stage."""
    with pytest.raises(ValueError, match="stage 'loss' holds a value that is not finite"):
        Stage(name="loss", digest=make_digest(""), values=[0.0, float("inf")])


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("forward", 1.0, Verdict.IDENTICAL),
        ("forward", 1.0 + 2.1e-8, Verdict.INCONCLUSIVE),
        ("forward", 1.1, Verdict.REGRESSED),
        ("update", 1.0 + 1e-4, Verdict.REGRESSED),
        ("weights after epoch 5", 1.07, Verdict.INCONCLUSIVE),
        ("initial weights", -1.0, Verdict.INCONCLUSIVE),
    ],
)
def test_other_bits_alone_are_not_worse(mlp: TrainingRecord, name: str, value: float, verdict: Verdict) -> None:
    """What rounding explains is no regression and no answer either: only trainings say whether it is worse."""
    a, b = (
        ProbeRecord(
            config=dataclasses.replace(mlp.config, epochs=PROBE_EPOCHS),
            environment=mlp.environment,
            dataset=mlp.dataset,
            stages=[
                Stage(name=stage, digest=make_digest(f"{stage} {figure}"), values=[figure])
                for stage in list_stages(LABS["mlp"], PROBE_EPOCHS)
                for figure in [kept if stage == name else 1.0]
            ],
        )
        for kept in (1.0, value)
    )
    assert judge_probes(a, b) is verdict


def test_values_that_contradict_a_digest_are_refused(mlp: TrainingRecord) -> None:
    """The same arrays have the same values: one of the two records was edited, and nothing has regressed."""
    a, b = (
        ProbeRecord(
            config=mlp.config,
            environment=mlp.environment,
            dataset=mlp.dataset,
            stages=[Stage(name="forward", digest=make_digest("same"), values=[figure])],
        )
        for figure in (1.0, 2.0)
    )
    with pytest.raises(ValueError, match="stage 'forward' has the same digest in both"):
        judge_probes(a, b)
