"""The commands `report` and `export`: what they write, replace and refuse."""

from __future__ import annotations

import dataclasses
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.records import make_history
from mnist_bench.records import files
from mnist_bench.records.serial import dump_folded, load, save
from mnist_bench.versions.records import Failure, VersionRecord, add_training, update_record
from mnist_bench.versions.releases import find_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

FORMAT = ("--format", "bencher")


@pytest.fixture
def folder(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Two versions' records where the command looks for them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "baselines" / "versions"
    folder.mkdir(parents=True)
    for name, record in make_versions(["py311-tf215", "py312-tf216"], seeds=2).items():
        (folder / f"{name}.json").write_text(dump_folded(record))
    return folder


def test_the_page_is_written(command: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    """The page of the committed records is report.html; the headline is printed, and the page may be written again."""
    for _ in "ab":
        status, out, err = command("report")
        assert (status, err) == (0, "")
        assert out.startswith("From Keras 3.0.5 on, training visits the samples in the same order")
        assert out.endswith("Page: report.html\n")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert command("report", folder / "py311-tf215.json", "--out", tmp_path / "sub" / "one.html").status == 0
    assert "py312-tf216" not in (tmp_path / "sub" / "one.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("folder")
def test_another_file_is_left_alone(
    command: Callable[..., Any], check_refused: Callable[..., None], tmp_path: Path
) -> None:
    """A file that this command did not make is never overwritten."""
    (tmp_path / "mine.html").write_text("mine")
    check_refused(command("report", "--out", "mine.html"), "mine.html exists already")
    assert (tmp_path / "mine.html").read_text() == "mine"


@pytest.mark.usefixtures("folder")
def test_the_documents_are_written(command: Callable[..., Any], tmp_path: Path) -> None:
    """Without a page, unless --out asks for one."""
    assert command("report", "--docs", "docs").out == "Written: docs/results.md\nWritten: docs/images/versions.svg\n"
    assert (tmp_path / "docs" / "results.md").is_file()
    assert not (tmp_path / "report.html").exists()
    assert command("report", "--docs", "docs", "--out", "page.html").status == 0
    assert (tmp_path / "page.html").is_file()


def test_documents_before_there_are_records(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The documents say so; a page of nothing is refused, and so are named files that are not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "mnist_bench")
    assert command("report", "--docs", "docs").status == 0
    assert "There are no records" in (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")
    check_refused(command("report"), "versions: No such file")
    check_refused(command("report", "--docs", "docs", "nowhere"), "nowhere: No such file")


def test_a_broken_record_is_named(
    command: Callable[..., Any], check_refused: Callable[..., None], folder: Path
) -> None:
    """The message has the file and the field."""
    path = folder / "py311-tf215.json"
    path.write_text(path.read_text().replace('"status": "measured"', '"status": 7'))
    check_refused(command("report"), "py311-tf215.json: $.status: Expected `str`, got `int`")


@pytest.fixture
def trained(record: TrainingRecord, tmp_path: Path) -> Path:
    """A folder of two versions' records, each with one training."""
    config = dataclasses.replace(record.config, epochs=200)
    record = dataclasses.replace(record, config=config, history=make_history(200))
    for name in ("py311-tf215", "py312-tf219"):
        version = add_training(VersionRecord(version=find_version(name)), record)
        (tmp_path / f"{name}.json").write_text(dump_folded(version))
    return tmp_path


def test_export_a_folder_of_versions(command: Callable[..., Any], trained: Path) -> None:
    """The figures of each version, on stdout and nothing else there."""
    answer = command("export", trained, *FORMAT)
    assert (answer.status, answer.err) == (0, "")
    names = [f"{name}/perceptron-epoch/digits" for name in ("py311-tf215", "py312-tf219")]
    assert list(json.loads(answer.out)) == names
    assert json.loads(command("export", trained / "py312-tf219.json", *FORMAT).out).keys() == {names[1]}


def test_export_to_a_file(command: Callable[..., Any], trained: Path) -> None:
    """A job writes the figures to the same place each time."""
    out = trained / "out" / "figures.json"
    for _ in range(2):
        assert command("export", trained, "--format", "github-action-benchmark", "--out", out) == (0, "", "")
    assert [figure["unit"] for figure in json.loads(out.read_text())] == ["nats", "% of the test images"] * 2


def test_export_trainings(command: Callable[..., Any], record: TrainingRecord, tmp_path: Path) -> None:
    """Several seeds are one figure with its range, whether named one by one or by their folder."""
    for seed in (1671, 1672):
        config = dataclasses.replace(record.config, seed=seed, epochs=200)
        history = dataclasses.replace(make_history(200), seconds=[0.5, *[0.25] * 199])
        training = dataclasses.replace(
            record, config=config, history=history, test_loss=seed / 1000, final_digest=str(seed)
        )
        save(training, tmp_path / f"{seed}.json")
    answer = command("export", tmp_path, *FORMAT)
    measures = json.loads(answer.out)["perceptron-epoch/digits"]
    assert measures["test-loss"] == {"value": 1.6715, "lower_value": 1.671, "upper_value": 1.672}
    assert (measures["first-epoch"], measures["steady-epoch"]) == (
        {"value": 0.5},
        {"value": 0.25, "lower_value": 0.25, "upper_value": 0.25},
    )
    assert command("export", *sorted(tmp_path.glob("*.json")), *FORMAT) == answer


def test_export_names_gaps(command: Callable[..., Any], trained: Path) -> None:
    """What failed has no figure, and a chart that ends without a word would not be seen."""
    path = trained / "py312-tf219.json"
    version = load(path, VersionRecord)
    failure = Failure(layer="accuracy", what="mlp-epoch", reason="no", lines=[])
    path.write_text(dump_folded(update_record(version, failures=[failure])))
    answer = command("export", trained, *FORMAT)
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
    check_refused(command("export", trained, *FORMAT, "--out", out), message)
    assert not out.exists()


def test_export_refuses_bad_usage(
    command: Callable[..., Any], check_refused: Callable[..., None], trained: Path
) -> None:
    """No records, no format, an unknown one, an empty folder, a file that is not there."""
    check_refused(command("export", *FORMAT), "Missing argument 'RECORDS...'")
    check_refused(command("export", trained), "Missing option '--format'")
    check_refused(command("export", trained, "--format", "asv"), "unknown format 'asv': choose from github-action")
    (trained / "empty").mkdir()
    check_refused(command("export", trained / "empty", *FORMAT), "empty: no records (*.json) there")
    check_refused(command("export", trained / "none.json", *FORMAT), "none.json: No such file or directory")


def test_export_refuses_what_is_mixed(
    command: Callable[..., Any], check_refused: Callable[..., None], trained: Path, record: TrainingRecord
) -> None:
    """Versions and trainings, and seeds of two data sets."""
    save(record, trained / "training.json")
    check_refused(command("export", trained, *FORMAT), "records of versions are mixed with other records")
    config = dataclasses.replace(record.config, seed=7)
    dataset = dataclasses.replace(record.dataset, source="mnist")
    save(dataclasses.replace(record, config=config, dataset=dataset), trained / "other.json")
    files = [trained / "training.json", trained / "other.json"]
    check_refused(command("export", *files, *FORMAT), "records of different data are mixed")


def test_records_that_the_wheel_ships_are_found(
    command: Callable[..., Any], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside a checkout `report`, `compare`, `matrix list` and `bisect-versions` read the package's own records."""
    shipped = tmp_path / "site-packages" / "mnist_bench" / "shipped_baselines" / "versions"
    shutil.copytree(folder, shipped)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(files, "PACKAGE", shipped.parents[1])
    names = sorted(path.stem for path in shipped.glob("*.json"))
    assert command("report").status == 0
    assert "not measured yet" not in command("compare", names[0], names[-1]).err
    listed = command("matrix", "list").out.splitlines()
    assert any(line.startswith(names[0]) and " measured " in line for line in listed)
    dry = command("bisect-versions", names[0], names[-1], "--dry-run")
    assert dry.status == 0
    assert not {names[0], names[-1]} & set(dry.out.splitlines())
