"""Writing files so that none is ever seen half-written, or lost without a word."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["write_atomically"]


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
