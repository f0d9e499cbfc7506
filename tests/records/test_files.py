"""A file is written whole or not at all, and none is lost silently."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from mnist_bench.records.files import replace_own, supersede, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_writes_bytes_into_a_new_folder(tmp_path: Path) -> None:
    """The content arrives byte for byte in a new folder, which holds nothing else."""
    path = tmp_path / "new" / "folder" / "file.json"
    write_atomically(path, b"\x00\r\n\xff")
    assert path.read_bytes() == b"\x00\r\n\xff"
    assert list(path.parent.iterdir()) == [path]


def test_the_file_can_be_read_by_others(tmp_path: Path) -> None:
    """A record can be read by every user, although its temporary file could not."""
    path = tmp_path / "file"
    write_atomically(path, b"")
    assert path.stat().st_mode & 0o777 == 0o644


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    """An existing file stays as it is, the error names it, and no temporary file stays."""
    path = tmp_path / "file"
    write_atomically(path, b"first")
    with pytest.raises(FileExistsError, match="file"):
        write_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_overwrites_when_asked(tmp_path: Path) -> None:
    """A file is replaced as a whole: readers of the old file keep the old content."""
    path = tmp_path / "file"
    write_atomically(path, b"first")
    with path.open("rb") as reader:
        write_atomically(path, b"second", overwrite=True)
        assert reader.read() == b"first"
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overwrite: bool,  # noqa: FBT001 - parametrised
) -> None:
    """Where the disk is full, the old file stays, and no half of the new one."""
    path = tmp_path / "file"
    if overwrite:
        path.write_bytes(b"first")

    def fail(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"second", overwrite=overwrite)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == (
        [("file", b"first")] if overwrite else []
    )


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    """A file in the place of the folder is named."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_atomically(tmp_path / "file" / "it", b"")


def test_only_a_file_of_one_s_own_is_replaced(tmp_path: Path) -> None:
    """A file with the mark near its beginning is replaced; any other file stays, and is named."""
    path = tmp_path / "page.html"
    replace_own(path, b"<mark> first", mark="<mark>")
    replace_own(path, b"<mark> second", mark="<mark>")
    assert path.read_bytes() == b"<mark> second"
    for content in (b"somebody's", b" " * 5000 + b"<mark>"):
        path.write_bytes(content)
        with pytest.raises(FileExistsError, match=r"page\.html exists already, and was not written by this command"):
            replace_own(path, b"<mark> third", mark="<mark>")
        assert path.read_bytes() == content


def test_what_is_superseded_is_kept_under_a_numbered_name(tmp_path: Path) -> None:
    """A file is copied or renamed, a folder renamed; what does not exist is not kept."""
    path, folder = tmp_path / "record.json", tmp_path / "raw"
    path.write_bytes(b"first")
    folder.mkdir()
    supersede(path)
    supersede(path, move=True)
    supersede(folder, move=True)
    supersede(path, move=True)
    names = ["raw.superseded-1", "record.superseded-1", "record.superseded-2"]
    assert sorted(kept.name for kept in tmp_path.iterdir()) == names
    assert {(tmp_path / name).read_bytes() for name in names[1:]} == {b"first"}
