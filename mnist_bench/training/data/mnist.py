"""MNIST: the places where it may be, Keras's own download, and the proof that the data is MNIST and complete."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import queue
import re
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mnist_bench.records.environment import digest_arrays
from mnist_bench.records.files import write_atomically
from mnist_bench.training.data.archives import Arrays, DataError, read_arrays, read_npz

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress: TypeAlias = Callable[[int, int | None], None]

__all__ = ["DIGEST", "TEST_CLASS_SIZES", "URL", "MissingError", "find_keras_file", "load_mnist", "read_mnist"]

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
"""The archive that Keras's own `mnist.load_data` downloads."""

DIGEST = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"
"""SHA-256 of the four arrays as one stream: of the arrays, so that any container of MNIST is accepted."""

TEST_CLASS_SIZES = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
"""The test images of each digit."""

ARRAY_DIGESTS = {
    "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
"""SHA-256 of each array, to say which array is wrong."""

_ADDRESS = re.compile(r"(https?|ftp|s3|gs|file):/")  # of which a path keeps one slash

_ANSWER_SECONDS = 3.0  # for the server's first answer: without a network nobody should have to wait longer
_READ_SECONDS = 15.0  # for each later piece: a slow connection is not a missing one
_CHUNK_BYTES = 1 << 16
_MOST_BYTES = 1 << 25  # three times the archive: no server can fill the memory


class MissingError(DataError):
    """MNIST was neither named nor found, and could not be downloaded."""


def load_mnist(progress: Progress | None = None) -> tuple[Arrays, str]:
    """Load MNIST from the first of: `MNIST_BENCH_DATA` if it is set, Keras's cache, Keras's download.

    Damaged data is an error, and never a reason to look in the next place. A variable that is set to the empty string
    counts as not set.

    Args:
        progress: Called during a download with the bytes so far and the total, which is None if unknown.

    Returns:
        The arrays, and where they came from.

    Raises:
        DataError: The data found is not MNIST; a `MissingError` if none was found.
    """
    if named := os.environ.get("MNIST_BENCH_DATA"):
        try:
            return read_mnist(Path(named)), named
        except DataError as error:
            raise DataError(f"MNIST_BENCH_DATA: {error}") from error
    cached = find_keras_file()
    if _is_there(cached):
        return read_mnist(cached), str(cached)
    return _download_mnist(cached, progress), URL


def read_mnist(path: Path) -> Arrays:
    """Read MNIST from an npz archive or a folder of IDX files.

    Args:
        path: The archive, with Keras's array names, or the folder, with files gzipped or not; `~` is the user's home.

    Returns:
        The arrays.

    Raises:
        DataError: The arrays cannot be read, or are not MNIST's.
    """
    if address := _ADDRESS.match(str(path)):
        raise DataError(f"{address[1]}:... is an address: download the file, and name its path")
    path = Path(os.path.expanduser(path))  # noqa: PTH111  # it never raises
    return _check_mnist(read_arrays(path), repr(str(path)))


def find_keras_file() -> Path:
    """Return where Keras 3 keeps its download, by Keras's rules; Keras 2 ignores `KERAS_HOME`."""
    if home := os.environ.get("KERAS_HOME"):
        return Path(os.path.expanduser(home), "datasets", "mnist.npz")  # noqa: PTH111  # it never raises
    base = os.path.expanduser("~")  # noqa: PTH111  # as above: in a container a user may have no home
    if not os.access(base, os.W_OK):
        base = "/tmp"  # noqa: S108  # Keras's choice; what lies there is verified
    return Path(base, ".keras", "datasets", "mnist.npz")


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass  # such as a loop of links: reading the file raises the reason
    return True


def _check_mnist(arrays: Arrays, label: str) -> Arrays:
    """Return the arrays if they are MNIST's; else raise a DataError that names the first wrong array."""
    if digest_arrays(arrays) == DIGEST:
        return arrays
    digests = zip(ARRAY_DIGESTS.items(), map(digest_arrays, arrays), strict=True)
    name, known, digest = next((name, known, digest) for (name, known), digest in digests if digest != known)
    raise DataError(f"{label}: not MNIST: array {name!r} has SHA-256 {digest}; expected {known}")


def _download_mnist(cached: Path, progress: Progress | None) -> Arrays:
    """Download the archive, verify that it is MNIST, and save it where Keras would."""
    try:
        content = _download(URL, progress)
        arrays = _check_mnist(read_npz(io.BytesIO(content), "the download"), "the download")
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MissingError(
            f"MNIST is missing: MNIST_BENCH_DATA is not set, {str(cached)!r} does not exist, the download from {URL} "
            f"failed ({reason}); set MNIST_BENCH_DATA to an npz archive or a folder of IDX files"
        ) from error
    # The data has arrived: if the folder cannot be written, the only cost is the next download.
    with contextlib.suppress(OSError):
        write_atomically(cached, content, overwrite=True, keep=False)
    return arrays


def _download(url: str, progress: Progress | None) -> bytes:
    """Return the content of a URL, within the limits of time and size."""
    content = bytearray()
    with _open(url) as response:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        while chunk := response.read(_CHUNK_BYTES):
            content += chunk
            if len(content) > _MOST_BYTES:
                raise DataError(f"more than {_MOST_BYTES} bytes arrived")
            if progress is not None:
                progress(len(content), total)
    return bytes(content)


def _open(url: str) -> Any:
    """Open a URL, or give up after `_ANSWER_SECONDS`.

    In a thread: urllib's time-out applies to each address of a host separately, and not to the look-up of its name.
    Behind a firewall that drops packets, that would take a minute or more.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def connect() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=_READ_SECONDS))  # noqa: S310  # the URL is our constant
        except Exception as error:  # noqa: BLE001  # raised below, in the caller's thread
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # the error holds the connection
            answers.put(error)

    threading.Thread(target=connect, daemon=True).start()
    try:
        answer = answers.get(timeout=_ANSWER_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {_ANSWER_SECONDS:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
