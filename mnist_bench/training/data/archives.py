"""Reads the four arrays of a data set from an npz archive or from a folder of IDX files.

No file is trusted: no pickle is opened, no more bytes are unpacked than the arrays have, and each fault becomes one
line that names the file. `numpy.load` cannot promise that: it reads a header of up to 4 GB, makes an array of whatever
size the header claims, and does not notice bytes behind the end of the array.
"""

from __future__ import annotations

import gzip
import io
import re
import stat
import struct
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["SHAPES", "Arrays", "DataError", "read_arrays", "read_npz"]

SHAPES: dict[str, tuple[int, ...]] = {
    "x_train": (60000, 28, 28),
    "y_train": (60000,),
    "x_test": (10000, 28, 28),
    "y_test": (10000,),
}
"""What a data set is made of: the names that Keras's archive has, and the shapes. All are uint8."""

_IDX_STEMS = {
    "x_train": "train-images",
    "y_train": "train-labels",
    "x_test": "t10k-images",
    "y_test": "t10k-labels",
}
# The folder itself, and where torchvision puts the files below the folder that it is given.
_SUBFOLDERS = (".", "raw", "MNIST/raw")
_EITHER = "an npz archive or a folder with the four IDX files"
# Other forms in which MNIST is handed round, by how their files begin: a user is told which it is.
_OTHER_FORMS = {
    b"\0\0\x08": "one IDX file, which holds one array of the four",
    b"\x93NUMPY": "an npy file, which holds one array of the four",
    b"\x80": "a pickle",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
}
_CSV = re.compile(rb"[^,\n]*(,[^,\n]*){9}")  # ten columns or more in the first line
_START_BYTES = 4096
_CHUNK_BYTES = 1 << 18  # zipfile copies what it has at each step of a read: the time of large reads is quadratic


class DataError(ValueError):
    """Data that is missing or wrong; the message is a single line."""


class Arrays(NamedTuple):
    """The four arrays of a data set, in the order in which they are hashed."""

    x_train: npt.NDArray[np.uint8]
    y_train: npt.NDArray[np.uint8]
    x_test: npt.NDArray[np.uint8]
    y_test: npt.NDArray[np.uint8]


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_arrays(path: Path) -> Arrays:
    """Read the four arrays that lie at a path.

    Args:
        path: An npz archive with Keras's array names, or a folder with the four IDX files, gzipped or not, there or
            where torchvision puts them.

    Returns:
        The arrays: shape and dtype are right, the values are not checked.

    Raises:
        DataError: An array is missing, unreadable or of another shape or dtype.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r}: cannot be read ({_format_reason(error)}); expected {_EITHER}") from error
    if stat.S_ISDIR(mode):
        folder = next((path / inner for inner in _SUBFOLDERS if _list_idx(path / inner, "x_train")), path)
        return Arrays(*(_read_idx(folder, name, shape) for name, shape in SHAPES.items()))
    if not stat.S_ISREG(mode):  # to open a FIFO would wait for ever
        raise _unexpected(repr(str(path)), "neither a regular file nor a folder", _EITHER)
    return read_npz(path, repr(str(path)))


def read_npz(file: Path | BinaryIO, label: str) -> Arrays:
    """Read the four arrays of an npz archive.

    Args:
        file: The archive, or its path.
        label: The archive's name in messages.

    Returns:
        The arrays, as `read_arrays`.

    Raises:
        DataError: As `read_arrays`.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return Arrays(*(_read_member(archive, name, shape, label) for name, shape in SHAPES.items()))
    except (DataError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise nearly any error where an archive is damaged
        if form := _name_form(file):
            raise _unexpected(label, form, _EITHER) from error
        raise DataError(f"{label}: damaged, or no npz archive ({_format_reason(error)})") from error


def _name_form(file: Path | BinaryIO) -> str:
    """Return what a file is that is no npz archive, or nothing if that cannot be told from how the file begins."""
    try:
        if isinstance(file, Path):
            with file.open("rb") as stream:
                return _name_start(stream.read(_START_BYTES))
        file.seek(0)
        return _name_start(file.read(_START_BYTES))
    except OSError:
        return ""


def _name_start(start: bytes) -> str:
    if start[:2] == b"\x1f\x8b":
        try:
            inside = gzip.GzipFile(fileobj=io.BytesIO(start)).read1(_START_BYTES)
        except (OSError, EOFError, zlib.error):
            return ""
        return f"gzipped: {_name_start(inside) or 'a file of another form'}"
    if _CSV.match(start) and start.isascii():
        return "a CSV file"
    return next((form for begin, form in _OTHER_FORMS.items() if start.startswith(begin)), "")


def _read_member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], label: str) -> npt.NDArray[np.uint8]:
    """Read one array, once its header has shown the expected shape and dtype."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError as error:
        raise DataError(f"{label}: has no array {name!r}; expected {', '.join(SHAPES)}") from error
    label = f"{label}, array {name!r}"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # NumPy writes no others, and an LZMA header can ask for gigabytes of memory.
        raise _unexpected(label, f"zip compression method {member.compress_type}", "stored or deflated")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):  # a later version's header can be 4 GB long, and no plain array needs one
            raise _unexpected(label, f"npy format version {version}", (1, 0))
        found, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
        # Labels are often saved as int64; the digest is of their values.
        are_labels = len(shape) == 1 and dtype.kind in "iu"
        if found != shape or (dtype != np.uint8 and not are_labels):
            raise _unexpected(label, f"shape {found}, dtype {dtype}", f"shape {shape}, dtype uint8")
        content = _read_exactly(stream, prod(shape) * dtype.itemsize, label)
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
    small = array.astype(np.uint8, copy=False)
    if dtype != np.uint8 and (small != array).any():
        raise _unexpected(label, f"labels from {array.min()} to {array.max()}", "0 to 9")
    return np.ascontiguousarray(small)


def _read_idx(folder: Path, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Read one array of a folder."""
    found = _list_idx(folder, name)
    if not found:
        names = " or ".join(_list_idx_names(name))
        raise _unexpected(repr(str(folder)), f"has no file for the array {name!r}", names)
    path = found[0]
    label = repr(str(path))
    try:
        with path.open("rb") as file:
            # By content and not by name: browsers unpack a .gz while they download, and keep the name.
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            content = _read_idx_stream(gzip.GzipFile(fileobj=file) if packed else file, shape, label)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # as in read_npz
        raise DataError(f"{label}: damaged or unreadable IDX file ({_format_reason(error)})") from error
    return np.frombuffer(content, np.uint8).reshape(shape)


def _list_idx(folder: Path, name: str) -> list[Path]:
    """Return the regular files under one of the usual names; a well-known copy has folders of such names, too."""
    try:
        return [folder / candidate for candidate in _list_idx_names(name) if (folder / candidate).is_file()]
    except OSError as error:
        raise DataError(f"{str(folder)!r}: cannot be read ({_format_reason(error)})") from error


def _list_idx_names(name: str) -> list[str]:
    rank = len(SHAPES[name])
    return [f"{_IDX_STEMS[name]}{mark}idx{rank}-ubyte{end}" for mark in "-." for end in ("", ".gz")]


def _read_idx_stream(stream: _Readable, shape: tuple[int, ...], label: str) -> bytearray:
    """Read what follows the header, which is 0x0800 + rank and the dimensions, big-endian."""
    expected = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
    header = stream.read(len(expected))
    if header != expected:
        raise _unexpected(label, f"IDX header {header.hex(' ', 4)}", f"{expected.hex(' ', 4)}, shape {shape}")
    return _read_exactly(stream, prod(shape), label)


def _read_exactly(stream: _Readable, size: int, label: str) -> bytearray:
    """Read the `size` bytes that should be left in a stream, and at most one byte more."""
    content = bytearray()
    while chunk := stream.read(min(_CHUNK_BYTES, size + 1 - len(content))):
        content += chunk
    if len(content) != size:
        wrong = "too long" if len(content) > size else f"ends after {len(content)} bytes"
        raise _unexpected(label, wrong, f"{size} bytes")
    return content


def _unexpected(label: str, wrong: str, expected: object) -> DataError:
    return DataError(f"{label}: {wrong}; expected {expected}")


def _format_reason(error: BaseException) -> str:
    """Return an error's message on a single line."""
    words = getattr(error, "strerror", None) or str(error)  # an OSError's own text repeats the path
    return " ".join(words.split()) or type(error).__name__
