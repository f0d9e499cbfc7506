"""The command `report`: what it writes, what it replaces, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.serial import dump_folded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.versions.records import VersionRecord


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
    """Of the committed records, to report.html; the headline is told, and the page may be written again."""
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
    """A file of that name that is no such page is never overwritten."""
    (tmp_path / "mine.html").write_text("mine")
    check_refused(command("report", "--out", "mine.html"), "mine.html exists already")
    assert (tmp_path / "mine.html").read_text() == "mine"


@pytest.mark.usefixtures("folder")
def test_the_documents_are_written(command: Callable[..., Any], tmp_path: Path) -> None:
    """And no page beside them, unless it is asked for."""
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
    """They say so; a page of nothing is refused, and so are named files that are not there."""
    monkeypatch.chdir(tmp_path)
    assert command("report", "--docs", "docs").status == 0
    assert "There are no records" in (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")
    check_refused(command("report"), "baselines/versions: No such file")
    check_refused(command("report", "--docs", "docs", "nowhere"), "nowhere: No such file")


def test_a_broken_record_is_named(
    command: Callable[..., Any], check_refused: Callable[..., None], folder: Path
) -> None:
    """With its file and field."""
    path = folder / "py311-tf215.json"
    path.write_text(path.read_text().replace('"status": "measured"', '"status": 7'))
    check_refused(command("report"), "py311-tf215.json: $.status: Expected `str`, got `int`")
