"""The command `matrix report`: what it writes, replaces and refuses."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import edit_record, write_record
from mnist_bench.records import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.versions.records import VersionRecord


@pytest.fixture
def folder(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Two versions' records where the command looks for them in a checkout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist_bench").mkdir()
    (tmp_path / "mnist_bench" / "__init__.py").touch()
    folder = tmp_path / "baselines" / "versions"
    folder.mkdir(parents=True)
    for name, record in make_versions(["py311-tf215", "py312-tf216"], seeds=2).items():
        write_record(folder / f"{name}.json", record)
    return folder


def test_the_page_is_written(command: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    """The page of the committed records is report.html; the headline is printed, and the page may be written again."""
    for _ in "ab":
        status, out, err = command("matrix", "report")
        assert (status, err) == (0, "")
        assert out.startswith("From Keras 3.0.5 on, training visits the samples in the same order")
        assert out.endswith("Page: report.html\n")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert command("matrix", "report", folder / "py311-tf215.json", "--out", tmp_path / "sub" / "one.html").status == 0
    assert "py312-tf216" not in (tmp_path / "sub" / "one.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("folder")
def test_what_the_former_command_wrote_is_replaced(command: Callable[..., Any], tmp_path: Path) -> None:
    """The command was called `report` before."""
    for _ in range(2):
        assert command("matrix", "report", "--out", "page.html", "--docs", "docs").status == 0
        for name in ("page.html", "docs/results.md", "docs/images/versions.svg"):
            path = tmp_path / name
            text = path.read_text(encoding="utf-8")
            assert "mnist-bench matrix report" in text
            path.write_text(text.replace("mnist-bench matrix report", "mnist-bench report"), encoding="utf-8")


@pytest.mark.usefixtures("folder")
def test_another_file_is_left_alone(
    command: Callable[..., Any], check_refused: Callable[..., None], tmp_path: Path
) -> None:
    """A file that this command did not make is never overwritten."""
    (tmp_path / "mine.html").write_text("mine")
    check_refused(command("matrix", "report", "--out", "mine.html"), "mine.html exists already")
    assert (tmp_path / "mine.html").read_text() == "mine"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "baselines"], "baselines: Is a directory"),
        (["--docs", "mine.html"], "mine.html: is a file, not a folder"),
    ],
)
def test_places_are_tried_before_the_work(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    """What cannot be written is told before the records are read."""
    monkeypatch.setattr("mnist_bench.versions.report.collection.load_collection", None)
    (tmp_path / "mine.html").write_text("mine")
    check_refused(command("matrix", "report", *arguments), message)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["results.md", "images/versions.svg", "../docs/results.md"])
def test_a_page_in_the_place_of_a_document_is_refused(
    check_refused: Callable[..., Any], command: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    """Before the document is written."""
    check_refused(command("matrix", "report", "--docs", "docs", "--out", f"docs/{name}"), "--docs writes to this file")
    assert not list(tmp_path.glob("docs/*"))


@pytest.mark.usefixtures("folder")
def test_the_pictures_stay_in_the_folder_of_the_documents(
    check_refused: Callable[..., Any], command: Callable[..., Any], tmp_path: Path
) -> None:
    """A link that leads out of the folder is refused."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "docs" / "images").symlink_to(tmp_path / "mine")
    check_refused(command("matrix", "report", "--docs", "docs"), "docs/images: leads out of the folder docs")
    assert not list((tmp_path / "mine").iterdir())


@pytest.mark.usefixtures("folder")
def test_of_the_documents_none_is_written_if_one_is_another_s(command: Callable[..., Any], tmp_path: Path) -> None:
    """A picture that this command did not draw stays, and no text is written that shows it."""
    (tmp_path / "docs" / "images").mkdir(parents=True)
    (tmp_path / "docs" / "images" / "versions.svg").write_text("mine")
    assert command("matrix", "report", "--docs", "docs").status == 2
    assert not (tmp_path / "docs" / "results.md").exists()


@pytest.mark.usefixtures("folder")
def test_the_documents_are_written(command: Callable[..., Any], tmp_path: Path) -> None:
    """Without a page, unless --out asks for one."""
    assert (
        command("matrix", "report", "--docs", "docs").out
        == "Written: docs/results.md\nWritten: docs/images/versions.svg\n"
    )
    assert (tmp_path / "docs" / "results.md").is_file()
    assert not (tmp_path / "report.html").exists()
    assert command("matrix", "report", "--docs", "docs", "--out", "page.html").status == 0
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
    assert command("matrix", "report", "--docs", "docs").status == 0
    assert "There are no records" in (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")
    check_refused(command("matrix", "report"), "versions: No such file")
    check_refused(command("matrix", "report", "--docs", "docs", "nowhere"), "nowhere: No such file")


def test_a_broken_record_is_named(
    command: Callable[..., Any], check_refused: Callable[..., None], folder: Path
) -> None:
    """The message has the file and the field."""
    path = folder / "py311-tf215.json"
    edit_record(path, '"status": "measured"', '"status": 7')
    check_refused(command("matrix", "report"), "py311-tf215.json: $.status: Expected `str`, got `int`")


def test_records_that_the_wheel_ships_are_found(
    command: Callable[..., Any], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside a checkout the package's own records are read."""
    shipped = tmp_path / "site-packages" / "mnist_bench" / "shipped_baselines" / "versions"
    shutil.copytree(folder, shipped)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(files, "PACKAGE", shipped.parents[1])
    names = sorted(path.stem for path in shipped.glob("*.json"))
    assert command("matrix", "report").status == 0
    assert "not measured yet" not in command("compare", names[0], names[-1]).err
    listed = command("matrix", "list").out.splitlines()
    assert any(line.startswith(names[0]) and " measured " in line for line in listed)
    dry = command("matrix", "bisect", names[0], names[-1], "--engine", "graph", "--dry-run")
    assert dry.status == 0
    assert not {names[0], names[-1]} & set(dry.out.splitlines())
    # What `matrix run` leaves here comes first, and that is said.
    assert command("matrix", "add", "mine", "--tensorflow", "2.19.1").status == 0
    listed = command("matrix", "list")
    assert any(line.startswith("mine ") for line in listed.out.splitlines())
    assert listed.err == (
        "mnist-bench: reading baselines/versions of the working folder, not the records that come with mnist-bench: "
        f"these are {shipped}\n"
    )
