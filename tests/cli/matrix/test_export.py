"""The command `matrix export`: what it writes and refuses."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import write_record
from fixtures.records import make_digest, make_history, retrain
from fixtures.versions import begin_version
from mnist_bench.records.serial import load, save
from mnist_bench.versions.records import Failure, VersionRecord, add_training, update_record
from mnist_bench.versions.releases import find_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

FORMAT = ("--format", "bencher")


@pytest.fixture
def trained(record: TrainingRecord, tmp_path: Path) -> Path:
    """A folder of two versions' records, each with one training."""
    record = retrain(record, epochs=200)
    for name in ("py311-tf215", "py312-tf219"):
        version = begin_version(find_version(name))
        version = add_training(version, dataclasses.replace(record, environment=version.environment))
        save(version, tmp_path / f"{name}.json", folded=True)
    return tmp_path


def test_export_a_folder_of_versions(command: Callable[..., Any], trained: Path) -> None:
    """The figures of each version, on stdout and nothing else there."""
    answer = command("matrix", "export", trained, *FORMAT)
    assert (answer.status, answer.err) == (0, "")
    names = [f"{name}/perceptron-epoch/digits" for name in ("py311-tf215", "py312-tf219")]
    assert list(json.loads(answer.out)) == names
    assert json.loads(command("matrix", "export", trained / "py312-tf219.json", *FORMAT).out).keys() == {names[1]}


def test_export_to_a_file(command: Callable[..., Any], trained: Path) -> None:
    """A job writes the figures to the same place each time."""
    out = trained / "out" / "figures.json"
    for _ in range(2):
        assert command("matrix", "export", trained, "--format", "github-action-benchmark", "--out", out) == (0, "", "")
    assert [figure["unit"] for figure in json.loads(out.read_text())] == ["nats", "% of the test images"] * 2


def test_export_trainings(command: Callable[..., Any], record: TrainingRecord, tmp_path: Path) -> None:
    """Several seeds are one figure with its range, whether named one by one or by their folder."""
    for seed in (1671, 1672):
        history = dataclasses.replace(make_history(200), seconds=[0.5, *[0.25] * 199])
        training = dataclasses.replace(
            retrain(record, seed=seed, epochs=200, history=history),
            test_loss=seed / 1000,
            initial_digest=make_digest(f"initial {seed}"),
            final_digest=make_digest(str(seed)),
        )
        save(training, tmp_path / f"{seed}.json")
    answer = command("matrix", "export", tmp_path, *FORMAT)
    measures = json.loads(answer.out)["perceptron-epoch/digits"]
    assert measures["test-loss"] == {"value": 1.6715, "lower_value": 1.671, "upper_value": 1.672}
    assert (measures["first-epoch"], measures["steady-epoch"]) == (
        {"value": 0.5},
        {"value": 0.25, "lower_value": 0.25, "upper_value": 0.25},
    )
    assert command("matrix", "export", *sorted(tmp_path.glob("*.json")), *FORMAT) == answer


def test_export_names_gaps(command: Callable[..., Any], trained: Path) -> None:
    """What failed has no figure, and a chart that ends without a word would not be seen."""
    path = trained / "py312-tf219.json"
    version = load(path, VersionRecord)
    failure = Failure(layer="accuracy", what="mlp-epoch", reason="no", lines=[])
    write_record(path, update_record(version, failures=[failure]))
    answer = command("matrix", "export", trained, *FORMAT)
    assert answer.status == 0
    assert answer.err == "mnist-bench: no figures: py312-tf219: accuracy of mlp-epoch failed\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"source": "digits"', '"source": "mnist"', "py312-tf219.json are of different data (digits "),
        ('"schema_version": 1', '"schema_version": 2', "py312-tf219.json: schema_version is 2, this version reads 1"),
        ('"test_loss": [0.375]', '"test_loss": [null]', "the test loss of seed 1671 is not finite"),
        ('"test_loss": [0.375]', '"test_loss": [1e999]', "py312-tf219.json: "),
        ('"test_loss": [0.375]', '"test_loss": [0.375, 0.5]', "py312-tf219.json: "),
        ('"test_loss"', '"loss"', "py312-tf219.json: "),
        ('"name": "py312-tf219"', '"name": "py311-tf215"', "py312-tf219.json are both records of py311-tf215"),
        ('"kind": "version"', '"kind": "ab"', "py312-tf219.json: kind is 'ab', expected"),
    ],
    ids=["data", "schema", "diverged", "infinite", "columns", "field", "twice", "kind"],
)
def test_export_refuses(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    edit: Callable[..., Path],
    trained: Path,
    old: str,
    new: str,
    message: str,
) -> None:
    """Records that do not belong together, or were edited by hand, are one line and 2; no file is written."""
    edit(trained / "py312-tf219.json", old, new, name="py312-tf219.json")
    out = trained / "out" / "figures.json"
    check_refused(command("matrix", "export", trained, *FORMAT, "--out", out), message)
    assert not out.exists()


def test_export_refuses_bad_usage(
    command: Callable[..., Any], check_refused: Callable[..., None], trained: Path
) -> None:
    """No records, no format, an unknown one, an empty folder, a file that is not there."""
    check_refused(command("matrix", "export", *FORMAT), "Missing argument")
    check_refused(command("matrix", "export", trained), "Missing option '--format'")
    check_refused(
        command("matrix", "export", trained, "--format", "asv"), "unknown format 'asv': choose from github-action"
    )
    (trained / "empty").mkdir()
    check_refused(command("matrix", "export", trained / "empty", *FORMAT), "empty: no records (*.json) there")
    check_refused(command("matrix", "export", trained / "none.json", *FORMAT), "none.json: No such file or directory")


def test_export_refuses_what_is_mixed(
    command: Callable[..., Any], check_refused: Callable[..., None], trained: Path, record: TrainingRecord
) -> None:
    """Versions and trainings, and seeds of two data sets."""
    save(record, trained / "training.json")
    check_refused(command("matrix", "export", trained, *FORMAT), "records of versions are mixed with other records")
    config = dataclasses.replace(record.config, seed=7)
    dataset = dataclasses.replace(record.dataset, source="mnist")
    save(dataclasses.replace(record, config=config, dataset=dataset), trained / "other.json")
    files = [trained / "training.json", trained / "other.json"]
    check_refused(command("matrix", "export", *files, *FORMAT), "records of different data are mixed")
