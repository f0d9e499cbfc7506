"""Archives are read whole or refused in one line."""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnist_bench.records.environment import digest_arrays
from mnist_bench.training.data.archives import SHAPES, Arrays, DataError, read_arrays, read_npz

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IDX_STEMS = {
    "x_train": "train-images",
    "y_train": "train-labels",
    "x_test": "t10k-images",
    "y_test": "t10k-labels",
}


def pack_npz(arrays: dict[str, Any], *, save: Callable[..., None] = np.savez) -> bytes:
    """Return an npz archive as bytes."""
    content = io.BytesIO()
    save(content, **arrays)
    return content.getvalue()


def pack_members(arrays: Arrays, compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    """Return an npz archive of raw members: the arrays' own, unless given."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, array in arrays._asdict().items():
            archive.writestr(f"{name}.npy", members.get(name, pack_npy(array)))
    return content.getvalue()


def pack_npy(array: np.ndarray) -> bytes:
    """Return one array in the npy format."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def pack_idx(array: np.ndarray) -> bytes:
    """Return one array in the IDX format."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def write_folder(folder: Path, arrays: Arrays, *, mark: str = "-", packed: bool = False) -> None:
    """Write the four IDX files."""
    folder.mkdir(exist_ok=True)
    for name, array in arrays._asdict().items():
        path = folder / f"{IDX_STEMS[name]}{mark}idx{array.ndim}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(pack_idx(array), 1) if packed else pack_idx(array))


def assert_same(found: Arrays, expected: Arrays) -> None:
    """Assert equal values, shapes and dtypes."""
    for array, known in zip(found, expected, strict=True):
        assert (array.shape, array.dtype) == (known.shape, known.dtype)
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, known)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_npz(toy: Arrays, tmp_path: Path, save: Callable[..., None]) -> None:
    """An npz archive gives its arrays, stored or compressed."""
    path = tmp_path / "any.name"
    path.write_bytes(pack_npz(toy._asdict(), save=save))
    assert_same(read_arrays(path), toy)


def test_reads_fortran_order(toy: Arrays) -> None:
    """The order in which an array lies in the archive does not matter."""
    content = pack_npz({name: np.asfortranarray(array) for name, array in toy._asdict().items()})
    assert_same(read_npz(io.BytesIO(content), "it"), toy)


@pytest.mark.parametrize("dtype", ["<i8", ">i8", "<u2", "i1"])
@pytest.mark.parametrize("name", ["y_train", "y_test"])
def test_reads_labels_of_any_integer(toy: Arrays, name: str, dtype: str) -> None:
    """Labels that were saved as other integers, such as int64, have the same values."""
    content = pack_npz({**toy._asdict(), name: getattr(toy, name).astype(dtype)})
    assert_same(read_npz(io.BytesIO(content), "it"), toy)


@pytest.mark.parametrize("inner", ["MNIST/raw", "raw"])
def test_reads_the_folder_that_torchvision_has(toy: Arrays, tmp_path: Path, inner: str) -> None:
    """The root that torchvision's MNIST was given, or its folder MNIST, gives the arrays below that."""
    (tmp_path / inner).mkdir(parents=True)
    write_folder(tmp_path / inner, toy)
    assert_same(read_arrays(tmp_path), toy)


@pytest.mark.parametrize("mark", ["-", "."], ids=["dash", "dot"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_reads_idx_folder(toy: Arrays, tmp_path: Path, mark: str, packed: bool) -> None:  # noqa: FBT001  # parametrised
    """A folder gives its arrays under both spellings, gzipped or not."""
    write_folder(tmp_path, toy, mark=mark, packed=packed)
    assert_same(read_arrays(tmp_path), toy)


def test_reads_gz_that_was_unpacked(toy: Arrays, tmp_path: Path) -> None:
    """A file that is called .gz but is not gzipped is read all the same."""
    write_folder(tmp_path, toy)
    for path in tmp_path.iterdir():
        path.rename(f"{path}.gz")
    assert_same(read_arrays(tmp_path), toy)


def test_folder_of_the_same_name_is_passed_over(toy: Arrays, tmp_path: Path) -> None:
    """Folders with the first spelling do not hide files with the second."""
    write_folder(tmp_path, toy, mark=".")
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    assert_same(read_arrays(tmp_path), toy)


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, path: Path) -> None:
        """Remember where."""
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        """Make the folder on loading."""
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", SHAPES)
def test_refuses_pickles_unopened(toy: Arrays, tmp_path: Path, name: str) -> None:
    """An object array is refused, and nothing in it runs."""
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "sprung")
    content = pack_npz({**toy._asdict(), name: trap})
    with pytest.raises(DataError, match=rf"^it, array '{name}': shape \(1,\), dtype object; expected shape"):
        read_npz(io.BytesIO(content), "it")
    assert not (tmp_path / "sprung").exists()


def drop(arrays: Arrays, name: str) -> dict[str, Any]:
    """Return the arrays without the named one."""
    return {key: array for key, array in arrays._asdict().items() if key != name}


EXPECTED = "expected an npz archive or a folder with the four IDX files"
BAD_ARCHIVES: dict[str, tuple[Callable[[Arrays], bytes], str]] = {
    "empty": (lambda _: b"", "damaged, or no npz archive"),
    "text": (lambda _: b"MNIST\n" * 1000, "damaged, or no npz archive"),
    "npy": (lambda toy: pack_npy(toy.x_train), f"an npy file, which holds one array of the four; {EXPECTED}"),
    "pickle": (lambda _: b"\x80\x04]\x94.", f"a pickle; {EXPECTED}"),
    "idx": (lambda toy: pack_idx(toy.x_train), f"one IDX file, which holds one array of the four; {EXPECTED}"),
    "one gz": (lambda toy: gzip.compress(pack_idx(toy.y_test)), f"gzipped: one IDX file, .*; {EXPECTED}"),
    "gzipped npz": (lambda toy: gzip.compress(pack_npz(toy._asdict())), f"gzipped: a file of another form; {EXPECTED}"),
    "gzipped pickle": (lambda _: gzip.compress(b"\x80\x04]\x94."), f"gzipped: a pickle; {EXPECTED}"),
    "gzipped tar": (lambda _: gzip.compress(b"train" + bytes(600)), f"gzipped: a file of another form; {EXPECTED}"),
    "damaged gz": (lambda _: b"\x1f\x8b" + b"\xff" * 100, "damaged, or no npz archive"),
    "csv": (lambda _: b"5," + b"0," * 783 + b"0\n", f"a CSV file; {EXPECTED}"),
    "csv with a head": (lambda _: ("label," + ",".join(map(str, range(9000)))).encode(), f"a CSV file; {EXPECTED}"),
    "hdf5": (lambda _: b"\x89HDF\r\n\x1a\n" + bytes(99), f"an HDF5 file; {EXPECTED}"),
    "parquet": (lambda _: b"PAR1" + bytes(99), f"a Parquet file; {EXPECTED}"),
    "half": (lambda toy: (whole := pack_npz(toy._asdict()))[: len(whole) // 2], "damaged, or no npz archive"),
    "a byte short": (lambda toy: pack_npz(toy._asdict())[:-1], "damaged, or no npz archive"),
    "no y_test": (
        lambda toy: pack_npz(drop(toy, "y_test")),
        "has no array 'y_test'; expected x_train, y_train",
    ),
    "negative labels": (
        lambda toy: pack_npz(toy._replace(y_train=-1 - toy.y_train.astype(np.int64))._asdict()),  # type: ignore[arg-type]
        r"array 'y_train': labels from -10 to -1; expected 0 to 9",
    ),
    "labels beyond a byte": (
        lambda toy: pack_npz(toy._replace(y_train=toy.y_train.astype(">u2") * 100)._asdict()),  # type: ignore[arg-type]
        r"array 'y_train': labels from 0 to 900; expected 0 to 9",
    ),
    "float labels": (
        lambda toy: pack_npz(toy._replace(y_train=toy.y_train.astype(np.float32))._asdict()),  # type: ignore[arg-type]
        r"array 'y_train': shape \(60,\), dtype float32; expected shape \(60,\), dtype uint8",
    ),
    "signed": (
        lambda toy: pack_npz(toy._replace(x_test=toy.x_test.view(np.int8))._asdict()),  # type: ignore[arg-type]
        "dtype int8; expected",
    ),
    "swapped parts": (
        lambda toy: pack_npz(toy._replace(x_train=toy.x_test, x_test=toy.x_train)._asdict()),
        r"array 'x_train': shape \(10, 28, 28\), dtype uint8; expected shape \(60, 28, 28\)",
    ),
    "flat": (
        lambda toy: pack_npz(toy._replace(x_train=toy.x_train.reshape(60, 784))._asdict()),
        r"shape \(60, 784\)",
    ),
    "image short": (
        lambda toy: pack_members(toy, x_train=pack_npy(toy.x_train)[:-784]),
        "ends after 46256 bytes; expected 47040 bytes",
    ),
    "byte long": (
        lambda toy: pack_members(toy, x_train=pack_npy(toy.x_train) + b"\0"),
        "too long; expected 47040 bytes",
    ),
    "header only": (lambda toy: pack_members(toy, y_test=pack_npy(toy.y_test)[:20]), "damaged, or no npz"),
    "no header": (lambda toy: pack_members(toy, y_test=b""), "damaged, or no npz"),
    "wrong magic": (lambda toy: pack_members(toy, y_test=b"x" * 200), "damaged, or no npz"),
    "malformed header": (
        lambda toy: pack_members(toy, y_test=pack_npy(toy.y_test).replace(b"{", b"(", 1)),
        "damaged, or no npz",
    ),
    "deep header": (
        lambda toy: pack_members(toy, y_test=b"\x93NUMPY\x01\x00" + struct.pack("<H", 60000) + b"-" * 60000),
        "damaged, or no npz",
    ),
    "endless header": (
        lambda toy: pack_members(toy, y_test=b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1)),
        r"npy format version \(2, 0\); expected \(1, 0\)",
    ),
    "lzma": (lambda toy: pack_members(toy, zipfile.ZIP_LZMA), "zip compression method 14; expected stored"),
}


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_refuses_bad_archive(toy: Arrays, tmp_path: Path, name: str) -> None:
    """Each kind of damage is one line that names the file and says what is wrong."""
    pack, words = BAD_ARCHIVES[name]
    path = tmp_path / "bad.npz"
    path.write_bytes(pack(toy))
    with pytest.raises(DataError, match=f"^{re.escape(repr(str(path)))}.*{words}") as caught:
        read_arrays(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("form", ["npz", "idx"])
def test_no_memory_is_no_damage(toy: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """The file may be sound, so nothing is said of the file."""
    write_folder(tmp_path, toy)
    np.savez(tmp_path / "a.npz", **toy._asdict())

    def fail(*_: object) -> None:
        raise MemoryError("Unable to allocate")

    monkeypatch.setattr("mnist_bench.training.data.archives._read_exactly", fail)
    with pytest.raises(MemoryError, match="Unable to allocate"):
        read_arrays(tmp_path / "a.npz" if form == "npz" else tmp_path)


def test_refuses_flipped_bit(toy: Arrays) -> None:
    """A bit that flipped inside an array is found by the archive's own checksum."""
    content = bytearray(pack_npz(toy._asdict()))
    content[5000] ^= 1
    with pytest.raises(DataError, match="Bad CRC-32") as caught:
        read_npz(io.BytesIO(content), "it")
    assert isinstance(caught.value.__cause__, zipfile.BadZipFile)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(toy: Arrays, data: st.DataObject) -> None:
    """Whatever bytes are overwritten or cut off, the arrays have the right shape or the error is ours."""
    whole = pack_npz(toy._asdict(), save=np.savez_compressed)
    content = bytearray(whole[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))])
    # Half of the hits go to the headers and the directory, where they do the most.
    places = st.integers(0, len(whole) - 1) | st.integers(0, 200) | st.integers(len(whole) - 300, len(whole) - 1)
    for place in data.draw(st.lists(places, max_size=4)):
        if place < len(content):
            content[place] = data.draw(st.integers(0, 255))
    try:
        arrays = read_npz(io.BytesIO(content), "it")
    except DataError as error:
        lines = str(error).splitlines()
    else:
        lines = ["read"]
        assert [array.shape for array in arrays] == [array.shape for array in toy]
    assert len(lines) == 1


BAD_IDX: dict[str, tuple[Callable[[np.ndarray], bytes], str]] = {
    "empty": (lambda _: b"", "IDX header ; expected 00000803 0000003c 0000001c 0000001c"),
    "labels": (lambda array: pack_idx(array[:, 0, 0]), "IDX header 00000801 0000003c"),
    "other type": (lambda array: b"\0\0\x0d" + pack_idx(array)[3:], "IDX header 00000d03"),
    "other count": (lambda array: pack_idx(array[:-1]), "IDX header 00000803 0000003b"),
    "little-endian": (
        lambda array: struct.pack("<4I", 0x0803, *array.shape) + array.tobytes(),
        "IDX header 03080000",
    ),
    "short": (lambda array: pack_idx(array)[:-1], "ends after 47039 bytes; expected 47040 bytes"),
    "long": (lambda array: pack_idx(array) + b"\0", "too long; expected 47040 bytes"),
    "truncated gzip": (lambda array: gzip.compress(pack_idx(array))[:-9], "damaged or unreadable IDX file"),
    "gzip checksum": (
        lambda array: gzip.compress(pack_idx(array))[:-8] + bytes(8),
        "damaged or unreadable IDX file",
    ),
    "gzip and rubbish": (
        lambda array: gzip.compress(pack_idx(array)) + b"rubbish",
        "damaged or unreadable IDX file",
    ),
    "gzip bytes": (lambda _: b"\x1f\x8b" + b"\xff" * 100, "damaged or unreadable IDX file"),
    "gzipped short": (lambda array: gzip.compress(pack_idx(array)[:-1]), "ends after 47039 bytes"),
}


@pytest.mark.parametrize("name", BAD_IDX)
def test_refuses_bad_idx(toy: Arrays, tmp_path: Path, name: str) -> None:
    """Each kind of damage to an IDX file is one line that names the file and says what is wrong."""
    pack, words = BAD_IDX[name]
    write_folder(tmp_path, toy)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(pack(toy.x_train))
    with pytest.raises(DataError, match=f"^{re.escape(repr(str(path)))}: {words}") as caught:
        read_arrays(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", SHAPES)
def test_refuses_folder_without_a_file(toy: Arrays, tmp_path: Path, name: str) -> None:
    """The error names the missing file, and the names that were looked for."""
    write_folder(tmp_path, toy)
    stem = IDX_STEMS[name]
    next(tmp_path.glob(f"{stem}*")).unlink()
    with pytest.raises(DataError, match=f"has no file for the array '{name}'; expected {stem}-idx.-ubyte or "):
        read_arrays(tmp_path)


def test_refuses_folders_instead_of_files(toy: Arrays, tmp_path: Path) -> None:
    """A folder where a file should be is refused."""
    write_folder(tmp_path, toy)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="has no file for the array 'y_test'"):
        read_arrays(tmp_path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.npz", r"cannot be read \(No such file or directory\); expected an npz archive or a folder"),
        ("file/mnist.npz", r"cannot be read \(Not a directory\)"),
        ("x" * 300, r"cannot be read \(File name too long\)"),
        ("two\nlines.npz", r"lines.npz': cannot be read"),
        ("nul\0.npz", r"cannot be read \(.*null"),
        ("pipe", "neither a regular file nor a folder"),
    ],
    ids=["missing", "under a file", "long name", "newline", "nul", "fifo"],
)
def test_refuses_what_is_no_file(tmp_path: Path, path: str, words: str) -> None:
    """A file that cannot be opened, or never ends, is an error of one line."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=words) as caught:
        read_arrays(tmp_path / path)
    assert len(str(caught.value).splitlines()) == 1


def zeros_gz(megabytes: int) -> bytes:
    """Return so many megabytes of zeros, gzipped in as many pieces."""
    return gzip.compress(bytes(1 << 20)) * megabytes


def test_gzip_bomb_is_not_unpacked(toy: Arrays, tmp_path: Path) -> None:
    """Of a file of 4 GB only as much is unpacked as it takes to refuse the file."""
    write_folder(tmp_path, toy)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(pack_idx(toy.x_train)) + zeros_gz(4096))
    assert measure_refusal(lambda: read_arrays(tmp_path), "too long") < 20e6


@pytest.mark.parametrize("declared", [(60, 28, 28), (1 << 40,)], ids=["too long", "huge shape"])
def test_npz_bomb_is_not_unpacked(toy: Arrays, declared: tuple[int, ...]) -> None:
    """An array is refused by its header, or at the first byte too many, not after it is unpacked."""
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": declared}
    np.lib.format.write_array_header_1_0(header, description)
    content = io.BytesIO(pack_members(toy, x_train=header.getvalue() + bytes(100 << 20)))
    assert measure_refusal(lambda: read_npz(content, "it"), "too long|shape") < 20e6


def measure_refusal(read: Callable[[], object], words: str) -> int:
    """Return the most bytes that were held while a read was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=words):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_digest_is_of_the_bytes_in_order() -> None:
    """The digest is that of the bytes as one stream in C order, whatever the layout."""
    matrix, vector = np.arange(6, dtype=np.uint8).reshape(2, 3), np.array([7], np.uint8)
    known = "9c7fc87d776e826fc713f4a80359bc7b0ecbdd0ff7d4b0652ad6667dd3c97bcd"
    assert digest_arrays([matrix, vector]) == known
    assert digest_arrays([np.asfortranarray(matrix), vector]) == known
    assert digest_arrays([vector, matrix]) != known
