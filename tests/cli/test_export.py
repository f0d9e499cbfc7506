"""The command `export`: what it writes, says of gaps, and refuses."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.serial import dump_folded, load, save
from mnist_bench.versions.records import Failure, VersionRecord, add_training, put
from mnist_bench.versions.releases import find_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

FORMAT = ("--format", "bencher")


@pytest.fixture
def versions(record: TrainingRecord, tmp_path: Path) -> Path:
    """A folder of two versions' records, each with one training."""
    for name in ("py311-tf215", "py312-tf219"):
        it = add_training(VersionRecord(version=find_version(name)), record)
        (tmp_path / f"{name}.json").write_text(dump_folded(it))
    return tmp_path


def edit(path: Path, old: str, new: str) -> Path:
    """Change a file by hand; return its path."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def check_refused(answer: Any, message: str) -> None:
    """Check that a command refused with this one line on stderr, and printed nothing else."""
    assert (answer.status, answer.out) == (2, "")
    assert re.fullmatch(f"mnist-bench: .*{re.escape(message)}.*\n", answer.err), answer.err


def test_export_a_folder_of_versions(command: Callable[..., Any], versions: Path) -> None:
    """The figures of each version, on stdout and nothing else there."""
    answer = command("export", versions, *FORMAT)
    assert (answer.status, answer.err) == (0, "")
    names = [f"{name}/perceptron-epoch/digits" for name in ("py311-tf215", "py312-tf219")]
    assert list(json.loads(answer.out)) == names
    assert json.loads(command("export", versions / "py312-tf219.json", *FORMAT).out).keys() == {names[1]}


def test_export_to_a_file(command: Callable[..., Any], versions: Path) -> None:
    """A job writes it to the same place each time."""
    out = versions / "out" / "figures.json"
    for _ in range(2):
        assert command("export", versions, "--format", "github-action-benchmark", "--out", out) == (0, "", "")
    assert [it["unit"] for it in json.loads(out.read_text())] == ["nats", "% of the test images"] * 2


def test_export_trainings(command: Callable[..., Any], record: TrainingRecord, tmp_path: Path) -> None:
    """Several seeds are one figure with its range, whether named one by one or by their folder."""
    for seed in (1671, 1672):
        config = dataclasses.replace(record.config, seed=seed)
        it = dataclasses.replace(record, config=config, test_loss=seed / 1000)
        save(it, tmp_path / f"{seed}.json")
    answer = command("export", tmp_path, *FORMAT)
    measures = json.loads(answer.out)["perceptron-epoch/digits"]
    assert measures["test-loss"] == {"value": 1.6715, "lower_value": 1.671, "upper_value": 1.672}
    assert (measures["first-epoch"], measures["steady-epoch"]) == ({"value": 0.5}, {"value": 0.25})
    assert command("export", *sorted(tmp_path.glob("*.json")), *FORMAT) == answer


def test_gaps_are_said(command: Callable[..., Any], versions: Path) -> None:
    """What failed has no figure, and a chart that ends without a word would not be seen."""
    path = versions / "py312-tf219.json"
    it = load(path, VersionRecord)
    failure = Failure(layer="accuracy", what="mlp-epoch", reason="no", lines=[])
    path.write_text(dump_folded(put(it, failures=[failure])))
    answer = command("export", versions, *FORMAT)
    assert answer.status == 0
    assert answer.err == "mnist-bench: no figures: py312-tf219: accuracy of mlp-epoch failed\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"source": "digits"', '"source": "mnist"', "records of different data cannot be exported together: digits ("),
        ('"schema_version": 1', '"schema_version": 2', "py312-tf219.json: schema_version is 2, this version reads 1"),
        ('"test_loss": [0.375]', '"test_loss": [null]', "the test loss of seed 1671 is not finite"),
        ('"test_loss": [0.375]', '"test_loss": [1e999]', "py312-tf219.json: "),
        ('"test_loss": [0.375]', '"test_loss": [0.375, 0.5]', "py312-tf219.json: "),
        ('"test_loss"', '"loss"', "py312-tf219.json: "),
        ('"name": "py312-tf219"', '"name": "py311-tf215"', "two records of one version are there"),
        ('"kind": "version"', '"kind": "ab"', "py312-tf219.json: kind is 'ab', expected"),
    ],
    ids=["data", "schema", "diverged", "infinite", "columns", "field", "twice", "kind"],
)
def test_export_refuses(command: Callable[..., Any], versions: Path, old: str, new: str, message: str) -> None:
    """Records that do not belong together, or were edited by hand, are one line and 2; no file is written."""
    edit(versions / "py312-tf219.json", old, new)
    out = versions / "out" / "figures.json"
    check_refused(command("export", versions, *FORMAT, "--out", out), message)
    assert not out.exists()


def test_export_refuses_bad_usage(command: Callable[..., Any], versions: Path, tmp_path: Path) -> None:
    """No records, no format, an unknown one, an empty folder, a file that is not there."""
    check_refused(command("export", *FORMAT), "Missing argument 'RECORDS...'")
    check_refused(command("export", versions), "Missing option '--format'")
    check_refused(command("export", versions, "--format", "asv"), "unknown format 'asv': choose from github-action")
    (tmp_path / "empty").mkdir()
    check_refused(command("export", tmp_path / "empty", *FORMAT), "empty: no records (*.json) there")
    check_refused(command("export", tmp_path / "none.json", *FORMAT), "none.json: No such file or directory")


def test_export_refuses_what_is_mixed(command: Callable[..., Any], versions: Path, record: TrainingRecord) -> None:
    """Versions and trainings, and seeds of two data sets."""
    save(record, versions / "training.json")
    check_refused(command("export", versions, *FORMAT), "records of versions and other records are mixed there")
    config = dataclasses.replace(record.config, seed=7)
    dataset = dataclasses.replace(record.dataset, source="mnist")
    save(dataclasses.replace(record, config=config, dataset=dataset), versions / "other.json")
    files = [versions / "training.json", versions / "other.json"]
    check_refused(command("export", *files, *FORMAT), "records of different data are mixed there")
