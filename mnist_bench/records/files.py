"""Writing files so that none is ever seen half-written, or lost without a word."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["PACKAGE", "SCHEMA_VERSION", "find_cache_folder", "replace_own", "supersede", "write_atomically"]

SCHEMA_VERSION = 1  # of every record
PACKAGE = Path(__file__).resolve().parents[1]  # the folder of mnist_bench, in a checkout or where it is installed

_HEAD = 2000  # bytes of a file in which its mark stands


def replace_own(path: Path, content: bytes, *, mark: str) -> None:
    """Write `content` to `path`, over what the same command wrote there before, and over nothing else.

    Args:
        path: Where to write.
        content: The bytes, near whose beginning the mark stands.
        mark: By which the command knows its own files.

    Raises:
        FileExistsError: Another file is there.
    """
    if path.exists() and mark.encode() not in path.read_bytes()[:_HEAD]:
        raise FileExistsError(f"{path} exists already, and was not written by this command: it is left alone")
    write_atomically(path, content, overwrite=True)


def write_atomically(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write `content` to `path`: the file is there whole, or not at all.

    Args:
        path: Where to write; its folder is made.
        content: The bytes.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        FileExistsError: The file is there, and `overwrite` is False.
        OSError: The folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)  # mkstemp makes it private; a record is meant to be read
        if overwrite:
            Path(name).replace(path)
        else:
            # A link fails where the target exists; a rename would replace it.
            os.link(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()


def supersede(path: Path, *, move: bool = False) -> None:
    """Keep a file under its name with `.superseded-N` behind it: the file itself may then be replaced.

    Args:
        path: The file; what does not exist is not kept.
        move: Whether to rename it instead of copying it; a folder can only be renamed.

    Raises:
        OSError: The folder cannot be written.
    """
    number = 1 + len(list(path.parent.glob(f"{path.stem}.superseded-*")))
    kept = path.with_name(f"{path.stem}.superseded-{number}")
    if move and path.exists():
        path.rename(kept)
    elif path.exists():
        write_atomically(kept, path.read_bytes())


def find_cache_folder() -> Path:
    """Return the folder for what can be made again: `MNIST_BENCH_CACHE`, or the user's cache folder."""
    if folder := os.environ.get("MNIST_BENCH_CACHE"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("mnist-bench"))
