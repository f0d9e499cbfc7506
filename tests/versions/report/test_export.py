"""The metrics that are exported: their values, their names, and their JSON, which fits the schemas of two trackers."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from fixtures.records import make_digest, make_history, retrain
from mnist_bench.versions.records import Failure, Install, VersionRecord, add_training, update_record
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.report.export import (
    FORMATS,
    UNITS,
    Metric,
    check_format,
    collect_metrics,
    find_gaps,
    format_bencher,
    format_github_action_benchmark,
)

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord

NAME = "py312-tf219"
EXAMPLES = [
    Metric(benchmark="a", measure="environment-size", value=1.5, low=None, high=None, about="all its files"),
    Metric(benchmark="a/mlp-epoch/mnist", measure="test-loss", value=0.075, low=0.0725, high=0.0781, about="of 7"),
    Metric(benchmark="a/mlp-epoch/mnist", measure="test-error", value=0.0, low=0.0, high=0.0, about="of 7"),
]


@pytest.fixture
def measured(record: TrainingRecord) -> VersionRecord:
    """A version's record with two seeds of the perceptron, and everything else once."""
    record = retrain(record, epochs=200)
    other = dataclasses.replace(
        record,
        config=dataclasses.replace(record.config, seed=1672),
        test_accuracy=0.9175,
        test_loss=0.5,
        final_digest=make_digest("2"),
        initial_digest=make_digest("initial 2"),
    )
    version = VersionRecord(version=find_version(NAME), environment=record.environment)
    return update_record(
        add_training(add_training(version, record), other),
        imports=[2.0, 3.0, 2.5],
        install=Install(seconds=None, bytes=1_500_000, packages={}),
    )


def change_seeds(record: VersionRecord, **fields: Any) -> VersionRecord:
    """Return the record with other figures of its seeds."""
    return dataclasses.replace(record, accuracy=[dataclasses.replace(record.accuracy[0], **fields)])


def test_each_figure_has_its_name_value_and_range(measured: VersionRecord) -> None:
    """Of seeds the mean, of times the median, of several values the lowest and the highest."""
    metrics = collect_metrics({NAME: measured})
    found = {(metric.benchmark, metric.measure): (metric.value, metric.low, metric.high) for metric in metrics}
    assert found == {
        (NAME, "import-time"): (2.5, 2.0, 3.0),
        (NAME, "environment-size"): (1.5, None, None),
        (f"{NAME}/perceptron-epoch/digits", "test-loss"): (0.4375, 0.375, 0.5),
        (f"{NAME}/perceptron-epoch/digits", "test-error"): (7.25, 6.25, 8.25),
    }


def test_each_figure_says_what_it_is(measured: VersionRecord) -> None:
    """How many values of what, and the software."""
    about = {metric.measure: metric.about for metric in collect_metrics({NAME: measured})}
    software = "; TensorFlow 2.21.0, Keras 3.15.1"
    assert about["test-loss"] == f"mean of 2 seeds of 200 epochs{software}"
    assert about["environment-size"] == f"all its files{software}"


def test_the_epochs_of_a_training_have_times(measured: VersionRecord, record: TrainingRecord) -> None:
    """Of each lab and engine the first training counts, with its hardware; after one epoch there is no steady one."""
    fast, short = (
        retrain(
            record,
            engine=engine,
            epochs=len(seconds),
            history=dataclasses.replace(make_history(len(seconds)), seconds=seconds),
        )
        for engine, seconds in (("epoch", [0.5, 0.25, 0.125, 0.375]), ("graph", [0.75]))
    )
    found = collect_metrics({"": measured}, [fast, record, short])
    times = {(metric.benchmark, metric.measure): metric for metric in found if metric.measure.endswith("-epoch")}
    assert {name: (metric.value, metric.low, metric.high) for name, metric in times.items()} == {
        ("perceptron-epoch/digits", "first-epoch"): (0.5, None, None),
        ("perceptron-epoch/digits", "steady-epoch"): (0.25, 0.125, 0.375),
        ("perceptron-graph/digits", "first-epoch"): (0.75, None, None),
    }
    process = "of one process on hardware 8fa4633540bce915; TensorFlow 2.21.0, Keras 3.15.1"
    assert [metric.about for metric in times.values()][:2] == [
        f"epoch 1 {process}",
        f"median of epochs 2 to 4 {process}",
    ]
    assert {metric.measure for metric in found} == set(UNITS)


def test_a_shorter_training_is_not_called_the_labs(measured: VersionRecord) -> None:
    """A try-out never continues the chart of full trainings."""
    tried = change_seeds(measured, epochs=2, history=make_history(2))
    names = {metric.benchmark for metric in collect_metrics({NAME: tried}) if metric.measure == "test-loss"}
    assert names == {f"{NAME}/perceptron-epoch/digits/2-of-200-epochs"}


def test_trainings_have_no_version_in_their_names(measured: VersionRecord) -> None:
    """A chart of trainings goes on across an upgrade, and so shows its effect."""
    assert "perceptron-epoch/digits" in {metric.benchmark for metric in collect_metrics({"": measured})}


def test_a_loss_that_is_not_finite_is_refused(measured: VersionRecord) -> None:
    """The record, the case and the seed are named; a mean over the other seeds would hide the loss."""
    with pytest.raises(ValueError, match=rf"{NAME}/perceptron-epoch/digits: the test loss of seed 1672 is not finite"):
        collect_metrics({NAME: change_seeds(measured, test_loss=[0.5, None])})


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0], ids=["nan", "infinite", "negative"])
def test_what_is_no_figure_is_refused(measured: VersionRecord, value: float) -> None:
    """A bad value is found wherever it is among the values."""
    for imports in ([value, 2.0, 3.0], [2.0, value, 3.0], [2.0, 3.0, value]):
        with pytest.raises(ValueError, match=f"imports {value!r} is outside"):
            dataclasses.replace(measured, imports=imports)
    with pytest.raises(ValueError, match="which is no figure"):
        Metric(benchmark="b", measure="test-loss", value=1.0, low=0.5, high=value, about="")


def test_no_figures_are_refused(measured: VersionRecord) -> None:
    """An empty export would look as if all was well."""
    with pytest.raises(ValueError, match="no figures in the records of py312-tf219"):
        collect_metrics({NAME: VersionRecord(version=find_version(NAME))})
    with pytest.raises(ValueError, match="py312-tf219: the record does not say on which data"):
        collect_metrics({NAME: dataclasses.replace(measured, dataset=None)})


def test_a_figure_that_is_there_twice_is_refused(measured: VersionRecord) -> None:
    """A tracker would keep only one of the two figures."""
    twice = dataclasses.replace(measured)
    object.__setattr__(twice, "accuracy", measured.accuracy * 2)  # a record that was read has none twice
    with pytest.raises(ValueError, match=f"{NAME}/perceptron-epoch/digits: two figures for test-loss"):
        collect_metrics({NAME: twice})


def test_gaps_are_named(measured: VersionRecord) -> None:
    """A gap is what failed, or a version of which nothing was measured."""
    failed = update_record(measured, failures=[Failure(layer="accuracy", what="mlp-epoch", reason="no", lines=[])])
    planned = VersionRecord(version=find_version(NAME))
    assert find_gaps({"a": measured}) == []
    assert find_gaps({"a": failed, "b": planned}) == ["a: accuracy of mlp-epoch failed", "b: nothing measured yet"]


def test_a_metric_is_frozen(measured: VersionRecord) -> None:
    """A metric cannot change after its values were checked."""
    metric = collect_metrics({NAME: measured})[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        metric.value = math.nan  # type: ignore[misc]


def check_schema(name: str, document: Any) -> None:
    """Check a document against the schema of that format."""
    path = Path(__file__).parents[2] / "schemas" / f"{name}.schema.json"
    jsonschema.validate(document, json.loads(path.read_text()), cls=jsonschema.Draft202012Validator)


def test_github_action_benchmark() -> None:
    """One entry for each metric, in their order; a range if there are several values."""
    entries = json.loads(format_github_action_benchmark(EXAMPLES))
    assert entries == [
        {"name": "a/environment-size", "unit": "MB", "value": 1.5, "extra": "all its files"},
        {
            "name": "a/mlp-epoch/mnist/test-loss",
            "unit": "nats",
            "value": 0.075,
            "range": "0.0725 to 0.0781",
            "extra": "of 7",
        },
        {
            "name": "a/mlp-epoch/mnist/test-error",
            "unit": "% of the test images",
            "value": 0.0,
            "range": "0 to 0",
            "extra": "of 7",
        },
    ]


def test_bencher() -> None:
    """The measures of a benchmark are together, with both ends or none."""
    ends = {"lower_value": 0.0, "upper_value": 0.0}
    assert json.loads(format_bencher(EXAMPLES)) == {
        "a": {"environment-size": {"value": 1.5}},
        "a/mlp-epoch/mnist": {
            "test-loss": {"value": 0.075, "lower_value": 0.0725, "upper_value": 0.0781},
            "test-error": {"value": 0.0, **ends},
        },
    }


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_fits_its_schema(name: str) -> None:
    """Every measure fits, and every metric occurs once."""
    about = "mean of 7 seeds"
    metrics = [Metric(benchmark="b", measure=unit, value=2.0, low=1.0, high=3.0, about=about) for unit in UNITS]
    document = json.loads(FORMATS[name]([*EXAMPLES, *metrics]))
    check_schema(name, document)
    names = [entry["name"] for entry in document] if isinstance(document, list) else list(document)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("github-action-benchmark", lambda document: document.clear()),
        ("github-action-benchmark", lambda document: document[0].pop("unit")),
        ("github-action-benchmark", lambda document: document[0].update(value="1.5")),
        ("github-action-benchmark", lambda document: document[0].update(value=None)),
        ("github-action-benchmark", lambda document: document[0].update(range=0.5)),
        ("bencher", lambda document: document.clear()),
        ("bencher", lambda document: document["a"].clear()),
        ("bencher", lambda document: document["a"]["environment-size"].pop("value")),
        ("bencher", lambda document: document["a"]["environment-size"].update(value=None)),
        ("bencher", lambda document: document["a"]["environment-size"].update(lower_value=1.0)),
        ("bencher", lambda document: document["a"].update({"Test loss": {"value": 1.0}})),
        ("bencher", lambda document: document.update({"a" * 1025: document["a"]})),
    ],
    ids=[
        *("none", "no-unit", "text", "null", "range"),
        *("empty", "no-measure", "no-value", "no-number", "one-end", "no-slug", "long-name"),
    ],
)
def test_the_schemas_find_faults(name: str, change: Any) -> None:
    """A document of the format fits; with one change it does not."""
    document = json.loads(FORMATS[name](EXAMPLES))
    check_schema(name, document)
    change(document)
    with pytest.raises(jsonschema.ValidationError):
        check_schema(name, document)


def test_an_unknown_format_is_named() -> None:
    """The message lists the formats."""
    assert check_format("bencher") == "bencher"
    with pytest.raises(ValueError, match="unknown format 'asv': choose from github-action-benchmark, bencher"):
        check_format("asv")
