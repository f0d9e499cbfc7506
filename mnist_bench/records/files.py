"""Writing files: none is seen half-written, none that is not ours is replaced, and no result is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import tempfile
import time
from pathlib import Path
from typing import TypeAlias

__all__ = [
    "PACKAGE",
    "SCHEMA_VERSION",
    "Mark",
    "check_folder",
    "check_replaceable",
    "find_cache_folder",
    "is_taken",
    "note_folders",
    "place_in",
    "refuse_loop",
    "refuse_no_folder",
    "remove_empty_folders",
    "replace_own",
    "supersede",
    "write_atomically",
]

SCHEMA_VERSION = 1  # of every record
PACKAGE = Path(__file__).resolve().parents[1]  # the folder of mnist_bench, in a checkout or where it is installed

Mark: TypeAlias = "str | re.Pattern[bytes]"

_HEAD = 2000  # bytes of a file in which its mark stands
_NOTHING = (b"", b"[]", b"{}")  # files that contain nothing to lose, such as the summary that a CI job begins with
_STREAMS = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))  # /dev/stdout may lead to a regular file
_READER_SECONDS = 10.0  # as long as a program that reads a pipe may take to start
_made: list[Path] = []
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)  # of file systems that cannot flush to the disk


def replace_own(path: Path, content: bytes, *marks: Mark) -> None:
    """Write `content` to `path`, over what the same command wrote there before, and over nothing else.

    Args:
        path: Where to write.
        content: The bytes, which have one of the marks.
        marks: By which the command knows its own files: a text that stands near the beginning, or a pattern of the
            beginning itself, where the text alone could stand in anybody's file.

    Raises:
        FileExistsError: Another file is there.
        OSError: The file cannot be written; the message says where the content was kept.
    """
    _refuse_foreign(path, marks)
    write_atomically(path, content, overwrite=True)


def refuse_loop(path: Path) -> None:
    """Refuse a link that leads back to itself, which `os.path.realpath` takes for a file that is not there."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
    except ValueError:
        return  # a null character: what opens the file says so


def check_replaceable(path: Path, *marks: Mark, option: str = "--out") -> None:
    """Find out, before the work, whether `replace_own` can write to `path` after the work; makes the folder.

    Args:
        path: Where the file will be written.
        marks: As for `replace_own`; without marks there must be no file.
        option: The option with which the user chose the place.

    Raises:
        FileExistsError: Another file is there.
        OSError: The file cannot be written.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _is_stream(path):
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    if not marks and path.exists():
        raise FileExistsError(f"{path} exists already: choose another place with {option}")
    refuse_loop(path)
    _refuse_foreign(path, marks)
    refuse_no_folder(path.parent)
    try:
        check_folder(Path(os.path.realpath(path)).parent)
    except OSError:
        # One file of a container's folder may be mounted, and be all of the folder that can be written.
        if not (path.is_file() and os.access(path, os.W_OK)):
            raise


def note_folders(*folders: Path) -> None:
    """Note folders that were made before anything is written to them, the outermost first."""
    _made.extend(folders)


def remove_empty_folders() -> None:
    """Remove those of the noted folders that are empty: the usage was bad, or the command wrote nothing."""
    while _made:
        with contextlib.suppress(OSError):
            _made.pop().rmdir()


def check_folder(folder: Path) -> None:
    """Find out, before the work, whether files can be written to a folder; makes the folder.

    Raises:
        OSError: The folder cannot be made or written.
    """
    refuse_no_folder(folder)
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    note_folders(*reversed(missing))
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="."):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"no file can be written there: {error.strerror}", str(folder)) from error


def refuse_no_folder(folder: Path) -> None:
    """Refuse a path at which, or above which, something else is than a folder; there may be nothing at all.

    Raises:
        OSError: A file is there, or a link that leads to no folder.
    """
    for place in (folder, *folder.parents):
        if is_taken(place) and not place.is_dir():
            refuse_loop(place)
            link = f"is a link to {place.readlink()}, where there is no folder" if place.is_symlink() else ""
            what = "is a file, not a folder" if place.exists() else link
            raise NotADirectoryError(errno.ENOTDIR, what, str(place))


def place_in(folder: Path, *names: str) -> Path:
    """Return the path of these names below a folder.

    Raises:
        ValueError: The names, which may come from a record, or a link below the folder lead out of it.
    """
    path = folder.joinpath(*names)
    real = os.path.realpath(path)
    if not Path(real).is_relative_to(os.path.realpath(folder)):
        told = "" if Path(os.path.normpath(path)) == Path(real) else f", to {real}"
        raise ValueError(f"{path}: leads out of the folder {folder}{told}")
    return path


def is_taken(path: Path) -> bool:
    """Return whether something has this path: a file, a folder, or a link, wherever that leads.

    A record that is not there may be made. A folder in its place, or a link that leads nowhere, is an error.
    """
    return os.path.lexists(path)


def write_atomically(path: Path, content: bytes, *, overwrite: bool = False, keep: bool = True) -> None:
    """Write `content` to `path`: the file is there whole, or not at all.

    A link is followed, and a device or a pipe is written to.

    Args:
        path: Where to write; its folder is made.
        content: The bytes.
        overwrite: Whether a file that is there may be replaced.
        keep: Whether the content is worth keeping in the folder of temporary files, if it cannot be written.

    Raises:
        FileExistsError: The file is there, and `overwrite` is False.
        OSError: The folder cannot be made or written; the message says where the content was kept.
    """
    if _is_stream(path):
        try:
            with os.fdopen(_open_stream(path), "ab") as stream:
                stream.write(content)
        except OSError as error:  # the error of a write names no file
            why = f"{error.strerror}{_keep(content, path) if keep and path.is_fifo() else ''}"
            raise OSError(error.errno, why, str(path)) from error
        return
    refuse_loop(path)
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _put(target, content, overwrite=overwrite)
    except OSError as error:
        if not keep or (isinstance(error, FileExistsError) and target.exists()):
            raise
        raise OSError(error.errno, f"{error.strerror}{_keep(content, path)}", str(path)) from error


def _open_stream(path: Path) -> int:
    """Open a device or a pipe; a pipe's reader may come a little later, and is not waited for without end."""
    end = time.monotonic() + _READER_SECONDS
    while (handle := _open_read(path)) is None:
        if time.monotonic() > end:
            raise OSError(errno.ENXIO, "nobody reads this pipe")
        time.sleep(0.05)
    os.set_blocking(handle, True)
    return handle


def _open_read(path: Path) -> int | None:
    """Open a device or a pipe; None where nobody reads a pipe."""
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO or not path.is_fifo():
            raise
        return None


def _put(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write to a temporary file next to `path`, and give that file its name."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less what the umask takes away
    except OSError:
        if not (overwrite and path.is_file()):
            raise
        path.write_bytes(content)  # a single file that is mounted into a folder which cannot be written
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            _flush(stream.fileno())
        if overwrite:
            with contextlib.suppress(OSError):
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        else:
            _take_name(temporary, path)
        _rename(temporary, path, content)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _flush(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _take_name(temporary: Path, path: Path) -> None:
    """Give a file a name that is free, or fail if the name is taken: a rename would replace the other file."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise FileExistsError(error.errno, error.strerror, str(path)) from error
    except OSError:  # network drives, FUSE and folders mounted into containers have no hard links
        path.open("xb").close()


def _rename(temporary: Path, path: Path, content: bytes) -> None:
    try:
        temporary.replace(path)
    except OSError:
        if not path.is_file():
            raise
        path.write_bytes(content)  # such as a single file that is mounted into a container


def _keep(content: bytes, path: Path) -> str:
    """Keep what could not be written among the temporary files, and say where."""
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix="mnist-bench-", suffix=f"-{path.name}"[-100:])
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()  # a part of the content helps nobody
        return ""
    return f" (its content was kept in {name})"


def _is_stream(path: Path) -> bool:
    """Return whether a path is a device or a pipe, which can be written to and not replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or (path.parent in _STREAMS and not stat.S_ISDIR(mode))


def _refuse_foreign(path: Path, marks: tuple[Mark, ...]) -> None:
    if not path.is_file() or _is_stream(path):
        return
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        empty = not stream.read(1) and head.strip() in _NOTHING
    if not empty and not any(_has_mark(head, mark) for mark in marks):
        raise FileExistsError(f"{path} exists already, and was not written by this command: it is left alone")


def _has_mark(head: bytes, mark: Mark) -> bool:
    return mark.encode() in head if isinstance(mark, str) else mark.match(head) is not None


def supersede(path: Path, *, move: bool = False) -> None:
    """Keep a file under its name with `.superseded-N` behind it: the file itself may then be replaced.

    Args:
        path: The file; what does not exist is not kept.
        move: Whether to rename it instead of copying it; a folder can only be renamed.

    Raises:
        OSError: The folder cannot be written.
    """
    ending = re.compile(rf"{re.escape(path.stem)}\.superseded-(\d+)")
    taken = [int(match[1]) for other in path.parent.glob("*") if (match := ending.fullmatch(other.name))]
    # Behind the highest, not the count: someone may have removed an earlier one.
    kept = path.with_name(f"{path.stem}.superseded-{max(taken, default=0) + 1}")
    if move and path.exists():
        path.rename(kept)
    elif path.exists():
        write_atomically(kept, path.read_bytes())


def find_cache_folder() -> Path:
    """Return the folder for what can be made again: `MNIST_BENCH_CACHE`, or the user's cache folder."""
    if named := os.environ.get("MNIST_BENCH_CACHE"):
        return Path(named)
    import platformdirs

    # In a container the user may have no home: platformdirs raises an error, or leaves the tilde in the path.
    with contextlib.suppress(RuntimeError):
        folder = Path(platformdirs.user_cache_dir("mnist-bench"))
        if folder.is_absolute():
            return folder
    return Path(tempfile.gettempdir(), f"mnist-bench-cache-{os.getuid()}")
