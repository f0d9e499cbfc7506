"""A file is written whole or not at all, and none is lost silently."""

from __future__ import annotations

import errno
import os
import resource
import tempfile
import threading
from pathlib import Path

import pytest

from mnist_bench.records.files import (
    check_folder,
    check_replaceable,
    find_cache_folder,
    is_taken,
    place_in,
    replace_own,
    supersede,
    write_atomically,
)


def test_writes_bytes_into_a_new_folder(tmp_path: Path) -> None:
    """The content arrives byte for byte in a new folder, which holds nothing else."""
    path = tmp_path / "new" / "folder" / "file.json"
    write_atomically(path, b"\x00\r\n\xff")
    assert path.read_bytes() == b"\x00\r\n\xff"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)], ids=oct)
def test_the_umask_decides_who_may_read(tmp_path: Path, umask: int, mode: int) -> None:
    """A new file has what the umask leaves; a file that is replaced keeps its mode."""
    path = tmp_path / "file"
    before = os.umask(umask)
    try:
        write_atomically(path, b"")
        assert path.stat().st_mode & 0o777 == mode
        path.chmod(0o640)
        write_atomically(path, b"", overwrite=True)
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


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

    kept = tmp_path.parent / f"{tmp_path.name}-kept"
    kept.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(kept))
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device \(its content was kept in ") as caught:
        write_atomically(path, b"second", overwrite=overwrite)
    (copy,) = kept.iterdir()
    assert str(copy) in str(caught.value)
    assert copy.read_bytes() == b"second"
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
    path.touch()  # nothing to lose
    replace_own(path, b"<mark> first", "<mark>")
    replace_own(path, b"<mark> second", "other", "<mark>")
    assert path.read_bytes() == b"<mark> second"
    for content in (b"somebody's", b" " * 5000 + b"<mark>"):
        path.write_bytes(content)
        with pytest.raises(FileExistsError, match=r"page\.html exists already, and was not written by this command"):
            replace_own(path, b"<mark> third", "<mark>")
        with pytest.raises(FileExistsError, match="left alone"):
            check_replaceable(path, "<mark>")
        assert path.read_bytes() == content


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The file that a link leads to is written, and the link stays."""
    (tmp_path / "far").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "far" / "file")
    write_atomically(link, b"first")
    write_atomically(link, b"second", overwrite=True)
    assert link.is_symlink()
    assert (tmp_path / "far" / "file").read_bytes() == b"second"
    with pytest.raises(FileExistsError):
        write_atomically(link, b"third")


@pytest.mark.parametrize("loop", [["a"], ["b", "a"]], ids=["itself", "two"])
def test_a_link_to_itself_is_refused(tmp_path: Path, loop: list[str]) -> None:
    """It leads to no file: it is not replaced, before the work or after, and stays a link."""
    for name, target in zip(loop, [*loop[1:], loop[0]], strict=True):
        (tmp_path / name).symlink_to(target)
    for write in (check_replaceable, lambda path: write_atomically(path, b"content", overwrite=True)):
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            write(tmp_path / "a")
    assert (tmp_path / "a").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(loop)


@pytest.mark.parametrize("inside", ["", "new"])
@pytest.mark.parametrize("link", [False, True], ids=["file", "link"])
def test_a_file_is_no_folder(tmp_path: Path, inside: str, link: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    """One line says so, instead of that a file exists; a link that leads nowhere is named."""
    place = tmp_path / "a"
    place.symlink_to("nowhere") if link else place.touch()
    words = "is a link to nowhere, where there is no folder" if link else "is a file, not a folder"
    with pytest.raises(NotADirectoryError, match=words) as caught:
        check_folder(place / inside)
    assert caught.value.filename == str(place)


def test_a_report_makes_no_folder_that_a_link_leads_to(tmp_path: Path) -> None:
    """Nobody asked for the folder at the link's other end, and other commands refuse the link."""
    (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(NotADirectoryError, match="is a link to nowhere, where there is no folder"):
        check_replaceable(tmp_path / "a" / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("way", ["itself", "link"])
def test_a_pipe_is_written_to(tmp_path: Path, way: str) -> None:
    """A pipe, also behind a link, is found fit, gets the content and stays a pipe; so it is with a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = pipe
    if way == "link":
        path = tmp_path / "link"
        path.symlink_to(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    check_replaceable(path, "mark")
    replace_own(path, b"content", "mark")
    reader.join()
    assert read == [b"content"]
    assert pipe.is_fifo()


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader may come a little later; without one, the content is kept elsewhere, and the pipe is named."""
    monkeypatch.setattr("mnist_bench.records.files._READER_SECONDS", 0.1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"nobody reads this pipe \(its content was kept in") as caught:
        write_atomically(tmp_path / "pipe", b"content", overwrite=True)
    assert caught.value.filename == str(tmp_path / "pipe")
    (kept,) = tmp_path.glob("mnist-bench-*")
    assert kept.read_bytes() == b"content"


def test_a_device_is_written_to(tmp_path: Path) -> None:
    """/dev/null stays a device; what stands before it in /dev/stdout's file stays, too."""
    write_atomically(Path("/dev/null"), b"content")
    check_replaceable(Path("/dev/null"))
    assert Path("/dev/null").is_char_device()
    out = tmp_path / "out"
    with out.open("wb", buffering=0) as stream:
        stream.write(b"before ")
        write_atomically(Path("/proc/self/fd", str(stream.fileno())), b"content", overwrite=True)
    assert out.read_bytes() == b"before content"


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK], ids=errno.errorcode.get)
def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Network drives refuse hard links: the file is written all the same, and nothing is overwritten."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "file"
    write_atomically(path, b"first")
    with pytest.raises(FileExistsError, match="file"):
        write_atomically(path, b"second")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"first")]


@pytest.mark.parametrize("refused", ["replace", "open"])
def test_a_single_mounted_file_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """A file that a container mounts can be neither replaced nor, in a closed folder, have another next to it."""
    path = tmp_path / "file"
    path.write_bytes(b"first")

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(Path, "replace", refuse) if refused == "replace" else monkeypatch.setattr(os, "open", refuse)
    write_atomically(path, b"second", overwrite=True)
    monkeypatch.undo()
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"second")]


def test_a_disk_that_cannot_flush_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have no fsync: what was written is kept."""

    def refuse(_handle: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    write_atomically(tmp_path / "file", b"first")
    assert (tmp_path / "file").read_bytes() == b"first"


@pytest.mark.parametrize("name", ["folder", "file/below", "/proc/version/below", "/proc/nothing"])
def test_what_cannot_be_written_is_found_before_the_work(tmp_path: Path, name: str) -> None:
    """A folder in the file's place, a file in the folder's, and a file system that takes nothing."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"folder|file|/proc"):
        check_replaceable(tmp_path / name, "mark")


def test_trying_leaves_nothing(tmp_path: Path) -> None:
    """The folder is made, and is empty; without a mark a file in the way is named."""
    check_replaceable(tmp_path / "new" / "file")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "new" / "file").touch()
    with pytest.raises(FileExistsError, match="file exists already"):
        check_replaceable(tmp_path / "new" / "file")


@pytest.mark.parametrize("names", [("..", "x"), ("a", "../../x"), ("/etc/x",)], ids=str)
def test_a_path_stays_in_its_folder(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Names that lead out of the folder are refused; others are joined."""
    assert place_in(tmp_path, "a", "b.json") == tmp_path / "a" / "b.json"
    with pytest.raises(ValueError, match="leads out of the folder"):
        place_in(tmp_path, *names)


def test_a_link_below_a_folder_leads_nowhere_else(tmp_path: Path) -> None:
    """A link to another place is refused, where it leads is told; the folder itself may be one, and one within it."""
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    (folder / "inner").mkdir()
    other.mkdir()
    (folder / "out").symlink_to(other)
    (folder / "in").symlink_to(folder / "inner")
    (other / "back").symlink_to(folder)
    with pytest.raises(ValueError, match=f"leads out of the folder {folder}, to {other / 'x.json'}"):
        place_in(folder, "out", "x.json")
    assert place_in(folder, "in", "x.json") == folder / "in" / "x.json"
    assert place_in(other / "back", "x.json") == other / "back" / "x.json"


@pytest.mark.parametrize("kind", ["file", "folder", "loop", "dangling"])
def test_a_path_is_taken_by_anything(tmp_path: Path, kind: str) -> None:
    """A file, a folder, a link to itself and one that leads nowhere; nothing else."""
    path = tmp_path / "path"
    assert not is_taken(path)
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.touch()
    else:
        path.symlink_to(path if kind == "loop" else tmp_path / "gone")
    assert is_taken(path)


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


def test_a_number_of_what_was_superseded_is_used_once(tmp_path: Path) -> None:
    """Where an earlier file was removed, the others stay; names that look like it do not count."""
    path = tmp_path / "record.json"
    for number in (2, 10):
        (tmp_path / f"record.superseded-{number}").write_bytes(b"kept")
    (tmp_path / "record.superseded-99.json").touch()
    path.write_bytes(b"new")
    supersede(path, move=True)
    assert (tmp_path / "record.superseded-11").read_bytes() == b"new"
    assert (tmp_path / "record.superseded-2").read_bytes() == b"kept"


def test_a_device_that_is_full_is_named() -> None:
    """The error says which file could not be written."""
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(Path("/dev/full"), b"text")
    assert caught.value.filename == "/dev/full"


def test_a_part_of_the_content_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder of temporary files is full, too, nothing stays there."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_atomically(tmp_path / "record.json", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(tmp_path / "record.json")
    assert [*(tmp_path / "temporary").iterdir()] == []


def test_a_user_without_a_home_has_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: neither an error nor a folder called `~` in the working folder."""
    for name in ("HOME", "XDG_CACHE_HOME", "MNIST_BENCH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    folder = Path(tempfile.gettempdir(), f"mnist-bench-cache-{os.getuid()}")
    assert find_cache_folder() == folder
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _name: "~/.cache/mnist-bench")
    assert find_cache_folder() == folder
