"""A version's record: what it refuses, how trainings come into it, and how it reads as a file."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import make_history
from mnist_bench.records.serial import RecordError, convert, dump_folded
from mnist_bench.versions.records import (
    Failure,
    VersionRecord,
    add_training,
    load_version,
    load_versions,
    make_times,
    put,
)
from mnist_bench.versions.releases import find_version

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord


@pytest.fixture
def empty() -> VersionRecord:
    """The record of a version that nothing was measured of."""
    return VersionRecord(version=find_version("py312-tf219"))


def reseed(record: TrainingRecord, seed: int, **fields: Any) -> TrainingRecord:
    """Return the training of another seed."""
    config = dataclasses.replace(record.config, seed=seed)
    return dataclasses.replace(record, config=config, **fields)


def test_trainings_come_in_by_seed(empty: VersionRecord, record: TrainingRecord) -> None:
    """In whatever order they end, the seeds stand in theirs, and the curves are the first seed's."""
    second, first = reseed(record, 1672, final_digest="2" * 64), reseed(record, 1671, test_loss=None)
    history = dataclasses.replace(record.history, loss=[1.23456789, 0.5])
    first = dataclasses.replace(first, history=history)
    whole = add_training(add_training(empty, second), first)
    (results,) = whole.accuracy
    assert (results.seeds, results.test_loss) == ([1671, 1672], [None, 0.375])
    assert results.final_digests == ["1" * 64, "2" * 64]
    assert results.history.loss == [1.23457, 0.5]
    assert (whole.status, whole.dataset) == ("measured", record.dataset)
    assert add_training(add_training(empty, first), second).accuracy == whole.accuracy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed", "seeds [1671, 1671] are not each there once"),
        ("numerics_key", "numerics_key is 'other', of the seeds that are there '0123456789abcdef'"),
        ("dataset", "trained on other data than the record's"),
        ("epochs", "epochs is 1, of the seeds that are there 2"),
    ],
)
def test_a_training_that_does_not_belong(
    empty: VersionRecord, record: TrainingRecord, change: str, message: str
) -> None:
    """A seed twice, other data, another environment or another length is refused, and named."""
    training = reseed(record, 1671 if change == "seed" else 1672)
    if change == "numerics_key":
        environment = dataclasses.replace(record.environment, numerics_key="other")
        training = dataclasses.replace(training, environment=environment)
    if change == "dataset":
        training = dataclasses.replace(training, dataset=dataclasses.replace(record.dataset, digest="other"))
    if change == "epochs":
        config = dataclasses.replace(training.config, epochs=1)
        training = dataclasses.replace(training, config=config, history=make_history(1))
    with pytest.raises(ValueError, match=re.escape(message)):
        add_training(add_training(empty, record), training)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seeds": [1, 2]}, "columns of different lengths"),
        ({"test_accuracy": [1.5]}, "test_accuracy [1.5] is outside 0 to 1"),
        ({"test_loss": [-1.0]}, "test_loss [-1.0] is negative"),
    ],
)
def test_results_that_cannot_be(
    empty: VersionRecord, record: TrainingRecord, fields: dict[str, Any], message: str
) -> None:
    """A file edited by hand is found out."""
    (results,) = add_training(empty, record).accuracy
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(results, **fields)


def test_the_status_follows_the_failures(empty: VersionRecord) -> None:
    """A record with a failure is failed, one without is not; what says otherwise is refused."""
    failure = Failure(layer="import", what="seconds", reason="no", lines=[])
    assert empty.status == "planned"
    assert put(empty, imports=[1.0]).status == "measured"
    failed = put(empty, failures=[failure])
    assert failed.status == "failed"
    assert put(failed, failures=[]).status == "measured"
    assert put(empty, failures=[dataclasses.replace(failure, layer="probes")]).status == "partial"
    with pytest.raises(ValueError, match="status is 'measured', with 1 failures"):
        VersionRecord(version=empty.version, status="measured", failures=[failure])


def test_the_file_is_read_back_and_is_small(empty: VersionRecord, record: TrainingRecord, tmp_path: Path) -> None:
    """Each list of numbers is a line; strings that look like one stay as they are."""
    lines = ["[\n  1,\n  2\n]", "3"]
    whole = add_training(empty, record)
    whole = put(
        whole,
        times=[make_times(record)],
        imports=[1.5, 2e-7, 3.0],
        failures=[Failure(layer="times", what="mlp-epoch", reason="no", lines=lines)],
    )
    path = tmp_path / "py312-tf219.json"
    path.write_text(dump_folded(whole))
    assert load_version(path) == whole
    assert load_versions(tmp_path) == {"py312-tf219": whole}
    assert '"imports": [1.5, 2e-7, 3.0],' in path.read_text()
    assert '"seconds": [0.5, 0.25]' in path.read_text()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("py312-tf219", '"kind": "version"', '"kind": "probe"', "kind is 'probe', expected 'version'"),
        ("py312-tf219", '"schema_version": 1', '"schema_version": 9', "schema_version is 9"),
        ("py312-tf219", '"status": "planned"', '"status": "fine"', "$.status: Invalid enum value 'fine'"),
        ("py312-tf218", "", "", "it is the record of 'py312-tf219', not of 'py312-tf218'"),
    ],
)
def test_a_file_that_is_none(empty: VersionRecord, tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    """The message names the file, the field and what is wrong."""
    path = tmp_path / f"{name}.json"
    path.write_text(dump_folded(empty).replace(old, new))
    with pytest.raises(RecordError, match=re.escape(f"{path}: ")) as caught:
        load_version(path)
    assert message in str(caught.value)


def test_the_probe_of_other_data_is_refused(empty: VersionRecord, record: TrainingRecord) -> None:
    """A record is of one data set."""
    text = json.loads(dump_folded(add_training(empty, record)))
    probe = {
        "config": dataclasses.asdict(record.config),
        "environment": dataclasses.asdict(record.environment),
        "dataset": {"source": "mnist", "digest": "other"},
        "stages": [{"name": "forward", "digest": "0", "values": [0.5]}],
    }
    with pytest.raises(RecordError, match="the probe of perceptron is of other data than the record"):
        convert({**text, "probes": [probe]}, VersionRecord, origin="memory")
