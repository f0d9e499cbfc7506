"""The figures that are exported: what they come to, how they are called, and what is none."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.versions.records import EpochTimes, Failure, Install, VersionRecord, add_training, put
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.report.export import UNITS, Figure, collect_figures, find_gaps

if TYPE_CHECKING:
    from mnist_bench.records.training import TrainingRecord

NAME = "py312-tf219"


@pytest.fixture
def measured(record: TrainingRecord) -> VersionRecord:
    """A version's record with two seeds of the perceptron, and everything else once."""
    reseeded = dataclasses.replace(
        record, config=dataclasses.replace(record.config, seed=1672), test_accuracy=0.9175, test_loss=0.5
    )
    version = VersionRecord(version=find_version(NAME), environment=record.environment)
    return put(
        add_training(add_training(version, record), reseeded),
        imports=[2.0, 3.0, 2.5],
        install=Install(seconds=None, bytes=1_500_000, packages={}),
        times=[EpochTimes(lab="mlp", engine="graph", hardware_key="fedc", seconds=[0.5, 0.25, 0.125, 0.375])],
    )


def change_seeds(record: VersionRecord, **fields: Any) -> VersionRecord:
    """Return the record with other figures of its seeds."""
    return dataclasses.replace(record, accuracy=[dataclasses.replace(record.accuracy[0], **fields)])


def test_each_figure_has_its_name_value_and_range(measured: VersionRecord) -> None:
    """Of seeds the mean, of times the median, of several values the lowest and the highest."""
    figures = collect_figures({NAME: measured})
    found = {(figure.benchmark, figure.measure): (figure.value, figure.low, figure.high) for figure in figures}
    assert found == {
        (NAME, "import-time"): (2.5, 2.0, 3.0),
        (NAME, "environment-size"): (1.5, None, None),
        (f"{NAME}/perceptron-epoch/digits", "test-loss"): (0.4375, 0.375, 0.5),
        (f"{NAME}/perceptron-epoch/digits", "test-error"): (7.25, 6.25, 8.25),
        (f"{NAME}/mlp-graph/digits", "first-epoch"): (0.5, None, None),
        (f"{NAME}/mlp-graph/digits", "steady-epoch"): (0.25, 0.125, 0.375),
    }
    assert {figure.measure for figure in figures} == set(UNITS)


def test_each_figure_says_what_it_is(measured: VersionRecord) -> None:
    """How many values of what, and the software; of times the hardware, too."""
    about = {figure.measure: figure.about for figure in collect_figures({NAME: measured})}
    software = "; TensorFlow 2.21.0, Keras 3.15.1"
    assert about["test-loss"] == f"mean of 2 seeds of 2 epochs{software}"
    assert about["environment-size"] == f"all its files{software}"
    assert about["first-epoch"] == f"epoch 1 of one process on hardware fedc{software}"
    assert about["steady-epoch"] == f"median of epochs 2 to 4 of one process on hardware fedc{software}"


def test_trainings_have_no_version_in_their_names(measured: VersionRecord) -> None:
    """A chart of trainings goes on across an upgrade, which is what it is to show."""
    assert "perceptron-epoch/digits" in {figure.benchmark for figure in collect_figures({"": change_seeds(measured)})}


def test_one_epoch_is_no_steady_one(measured: VersionRecord) -> None:
    """Nothing stands for what was not measured."""
    times = [dataclasses.replace(measured.times[0], seconds=[0.5])]
    measures = [figure.measure for figure in collect_figures({NAME: dataclasses.replace(measured, times=times)})]
    assert "first-epoch" in measures
    assert "steady-epoch" not in measures


def test_a_loss_that_is_not_finite_is_refused(measured: VersionRecord) -> None:
    """The record, the case and the seed are named; the other seeds' mean would hide it."""
    with pytest.raises(ValueError, match=rf"{NAME}/perceptron-epoch/digits: the test loss of seed 1672 is not finite"):
        collect_figures({NAME: change_seeds(measured, test_loss=[0.5, None])})


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0], ids=["nan", "infinite", "negative"])
def test_what_is_no_figure_is_refused(measured: VersionRecord, value: float) -> None:
    """Wherever it stands among the values."""
    for imports in ([value, 2.0, 3.0], [2.0, value, 3.0], [2.0, 3.0, value]):
        with pytest.raises(ValueError, match=f"{NAME}: import-time is {value!r}, which is no figure"):
            collect_figures({NAME: dataclasses.replace(measured, imports=imports)})
    with pytest.raises(ValueError, match="which is no figure"):
        Figure(benchmark="b", measure="test-loss", value=1.0, low=0.5, high=value, about="")


def test_mixed_data_is_refused(measured: VersionRecord) -> None:
    """A stand-in's figures never stand beside MNIST's, and two data sets of one name are two."""
    assert measured.dataset is not None
    changed = dataclasses.replace(measured, dataset=dataclasses.replace(measured.dataset, digest="f" * 64))
    with pytest.raises(ValueError, match=r"records of different data .*: digits \(.{12}\), digits \(ffffffffffff\)"):
        collect_figures({NAME: measured, "other": changed})


def test_no_figures_are_refused(measured: VersionRecord) -> None:
    """An empty export would look as if all were well."""
    with pytest.raises(ValueError, match="no figures in the records of py312-tf219"):
        collect_figures({NAME: VersionRecord(version=find_version(NAME))})
    with pytest.raises(ValueError, match="py312-tf219: it does not say on which data"):
        collect_figures({NAME: dataclasses.replace(measured, dataset=None)})


def test_a_figure_that_is_there_twice_is_refused(measured: VersionRecord) -> None:
    """A tracker would keep one of the two."""
    twice = dataclasses.replace(measured, accuracy=measured.accuracy * 2)
    with pytest.raises(ValueError, match=f"{NAME}/perceptron-epoch/digits: test-loss is there twice"):
        collect_figures({NAME: twice})


def test_gaps_are_named(measured: VersionRecord) -> None:
    """What failed and what was never begun; a record without either has none."""
    failed = put(measured, failures=[Failure(layer="accuracy", what="mlp-epoch", reason="no", lines=[])])
    planned = VersionRecord(version=find_version(NAME))
    assert find_gaps({"a": measured}) == []
    assert find_gaps({"a": failed, "b": planned}) == ["a: accuracy of mlp-epoch failed", "b: nothing measured yet"]


def test_a_figure_is_frozen(measured: VersionRecord) -> None:
    """Nobody moves a figure after it was checked."""
    figure = collect_figures({NAME: measured})[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        figure.value = math.nan  # type: ignore[misc]
