"""MNIST is looked for in order, verified wherever it lies, and downloaded at most once."""

from __future__ import annotations

import gzip
import http.server
import importlib.util
import io
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.records.environment import digest_arrays
from mnist_bench.training.data import mnist
from mnist_bench.training.data.archives import SHAPES, Arrays, DataError
from mnist_bench.training.data.mnist import MissingError, find_keras_file, load_mnist, read_mnist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOWHERE = "http://127.0.0.1:9/mnist.npz"  # the discard port: nothing listens, so the refusal is immediate


@pytest.fixture(autouse=True)
def keras_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide the user's own MNIST and network; return an empty home of Keras."""
    monkeypatch.delenv("MNIST_BENCH_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(mnist, "URL", NOWHERE)
    return tmp_path / "keras"


@pytest.fixture
def toy(toy: Arrays, monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """Four small arrays, which then pass for MNIST."""
    for name, array in toy._asdict().items():
        monkeypatch.setitem(mnist.ARRAY_DIGESTS, name, digest_arrays([array]))
    monkeypatch.setattr(mnist, "DIGEST", digest_arrays(toy))
    return toy


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """A function that puts an answer at the URL of the download and returns the list of requests to come."""
    servers = []

    def start(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> list[str]:
        requests: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(mnist, "URL", f"http://127.0.0.1:{server.server_port}/mnist.npz")
        return requests

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def send(content: bytes, *, length: int | None = None) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Return an answer that sends bytes and, unless it is 0, a length (their own, if none is given)."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length != 0:
            handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def save(path: Path, arrays: Arrays) -> Path:
    """Write an npz archive, with its folders, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays._asdict())
    return path


@pytest.fixture
def good(toy: Arrays, tmp_path: Path) -> bytes:
    """An npz archive of the arrays that pass for MNIST."""
    return save(tmp_path / "good.npz", toy).read_bytes()


def assert_same(found: Arrays, expected: Arrays) -> None:
    """Assert that the arrays are equal."""
    assert digest_arrays(found) == digest_arrays(expected)


def test_real_mnist_is_accepted(mnist_path: Path) -> None:
    """The real MNIST has the pinned digests, as a whole and array by array."""
    arrays = read_mnist(mnist_path)
    assert digest_arrays(arrays) == mnist.DIGEST
    assert [digest_arrays([array]) for array in arrays] == list(mnist.ARRAY_DIGESTS.values())
    assert arrays.y_train[:5].tolist() == [5, 0, 4, 1, 9]


def test_real_mnist_is_accepted_as_idx(mnist_path: Path, tmp_path: Path) -> None:
    """The same arrays as IDX files, of which some are gzipped, are MNIST too."""
    stems = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    for stem, array in zip(stems, read_mnist(mnist_path), strict=True):
        content = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()
        path = tmp_path / f"{stem}-idx{array.ndim}-ubyte"
        if "t10k" in stem:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            path.write_bytes(content)
    assert digest_arrays(read_mnist(tmp_path)) == mnist.DIGEST


def test_real_mnist_with_one_flipped_label_is_refused(mnist_path: Path, tmp_path: Path) -> None:
    """One wrong label in 60,000 is found, and the array is named."""
    arrays = read_mnist(mnist_path)
    arrays.y_train[12345] ^= 1
    path = save(tmp_path / "flipped.npz", arrays)
    with pytest.raises(DataError, match=r"flipped.npz': not MNIST: array 'y_train' has SHA-256 .*; expected 1feba77c"):
        read_mnist(path)


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
def test_wrong_array_is_named(toy: Arrays, tmp_path: Path, name: str) -> None:
    """The message names the file, the array and both digests, on one line."""
    wrong = getattr(toy, name).copy()
    wrong.flat[-1] ^= 1
    path = save(tmp_path / "wrong.npz", toy._replace(**{name: wrong}))
    words = f"'{path}': not MNIST: array '{name}' has SHA-256 {digest_arrays(wrong)}; expected "
    with pytest.raises(DataError) as caught:
        read_mnist(path)
    assert str(caught.value) == words + mnist.ARRAY_DIGESTS[name]


def test_images_in_another_order_are_refused(toy: Arrays, tmp_path: Path) -> None:
    """The order of the samples belongs to the data set: the training depends on it."""
    path = save(tmp_path / "shuffled.npz", toy._replace(x_train=toy.x_train[::-1], y_train=toy.y_train[::-1]))
    with pytest.raises(DataError, match="not MNIST: array 'x_train'"):
        read_mnist(path)


def test_variable_comes_first(toy: Arrays, tmp_path: Path, keras_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What MNIST_BENCH_DATA names is taken, and Keras's cache is not even looked at."""
    path = save(tmp_path / "named.npz", toy)
    (keras_home / "datasets").mkdir(parents=True)
    (keras_home / "datasets" / "mnist.npz").write_bytes(b"damaged")
    monkeypatch.setenv("MNIST_BENCH_DATA", str(path))
    arrays, origin = load_mnist()
    assert_same(arrays, toy)
    assert origin == str(path)


def test_tilde_is_the_home(toy: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the user's home where the shell has left it: in a workflow file, in `--data=~/mnist.npz`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "mnist.npz", toy)
    monkeypatch.setenv("MNIST_BENCH_DATA", "~/mnist.npz")
    assert_same(load_mnist()[0], toy)
    assert_same(read_mnist(Path("~/mnist.npz")), toy)


@pytest.mark.parametrize("kind", ["missing", "empty folder", "damaged"])
def test_bad_variable_is_an_error(
    toy: Arrays, tmp_path: Path, keras_home: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A variable that names no good data is an error, even if the cache is good."""
    save(keras_home / "datasets" / "mnist.npz", toy)
    (tmp_path / "empty folder").mkdir()
    (tmp_path / "damaged").write_bytes(b"damaged")
    monkeypatch.setenv("MNIST_BENCH_DATA", str(tmp_path / kind))
    with pytest.raises(DataError, match=f"^MNIST_BENCH_DATA: '{tmp_path / kind}'") as caught:
        load_mnist()
    assert not isinstance(caught.value, MissingError)
    assert isinstance(caught.value.__cause__, DataError)


def test_empty_variable_counts_as_not_set(toy: Arrays, keras_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty MNIST_BENCH_DATA leads on to Keras's cache."""
    save(keras_home / "datasets" / "mnist.npz", toy)
    monkeypatch.setenv("MNIST_BENCH_DATA", "")
    assert load_mnist()[1] == str(keras_home / "datasets" / "mnist.npz")


def test_keras_cache_comes_second(toy: Arrays, keras_home: Path, serve: Callable[..., list[str]]) -> None:
    """The file in Keras's cache is taken, and the network is not asked."""
    requests = serve(send(b"never asked for"))
    path = save(keras_home / "datasets" / "mnist.npz", toy)
    arrays, origin = load_mnist()
    assert_same(arrays, toy)
    assert origin == str(path)
    assert not requests


@pytest.mark.parametrize("content", [b"", b"damaged", None], ids=["empty", "text", "folder"])
def test_damaged_keras_cache_is_an_error(
    good: bytes, keras_home: Path, serve: Callable[..., list[str]], content: bytes | None
) -> None:
    """A damaged file in Keras's cache is named, and neither passed over nor replaced."""
    requests = serve(send(good))
    path = keras_home / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"^'{path}'") as caught:
        load_mnist()
    assert not isinstance(caught.value, MissingError)
    assert not requests
    assert content is None or path.read_bytes() == content


@pytest.mark.parametrize("broken", ["home", "datasets", "dangling"])
def test_broken_keras_home_is_not_absent(
    good: bytes, keras_home: Path, serve: Callable[..., list[str]], broken: str
) -> None:
    """Where links lead in a circle or nowhere, nobody can say that the cache is empty: an error, and no download."""
    requests = serve(send(good))
    path = keras_home / "datasets" / "mnist.npz"
    if broken == "home":
        keras_home.symlink_to(keras_home)
    else:
        path.parent.parent.mkdir()
        path.parent.symlink_to(path.parent) if broken == "datasets" else path.parent.mkdir()
        if broken == "dangling":
            path.symlink_to("nowhere")
    with pytest.raises(DataError, match=f"^'{path}': cannot be read") as caught:
        load_mnist()
    assert not isinstance(caught.value, MissingError)
    assert not requests


def test_keras_file_follows_kerass_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """KERAS_HOME, else ~/.keras, else, where the home cannot be written, /tmp/.keras."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    assert find_keras_file() == tmp_path / "elsewhere" / "datasets" / "mnist.npz"
    monkeypatch.delenv("KERAS_HOME")
    assert find_keras_file() == tmp_path / ".keras" / "datasets" / "mnist.npz"
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    assert find_keras_file() == Path("/tmp/.keras/datasets/mnist.npz")  # noqa: S108  # Keras's own choice


@pytest.mark.parametrize("length", [None, 0], ids=["length told", "length not told"])
def test_download_is_verified_kept_and_reported(
    toy: Arrays, good: bytes, keras_home: Path, serve: Callable[..., list[str]], length: int | None
) -> None:
    """The archive is downloaded once, byte for byte into Keras's cache, with its progress."""
    requests = serve(send(good, length=length))
    seen: list[tuple[int, int | None]] = []
    arrays, origin = load_mnist(lambda done, total: seen.append((done, total)))
    assert_same(arrays, toy)
    assert origin == mnist.URL
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (len(good), len(good) if length is None else None)

    path = keras_home / "datasets" / "mnist.npz"
    assert [entry.name for entry in path.parent.iterdir()] == ["mnist.npz"]
    assert path.read_bytes() == good
    assert load_mnist()[1] == str(path)
    assert requests == ["/mnist.npz"]


def test_download_needs_no_cache(toy: Arrays, good: bytes, keras_home: Path, serve: Callable[..., list[str]]) -> None:
    """Where Keras's cache cannot be written, the download is used once."""
    serve(send(good))
    keras_home.write_text("a file where the folder would be")
    assert_same(load_mnist()[0], toy)


def relabel(content: bytes) -> bytes:
    """Return an npz archive, sound in itself, in which the last test label is another."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = Arrays(*(archive[name] for name in SHAPES))
    arrays.y_test[-1] ^= 1
    changed = io.BytesIO()
    np.savez(changed, **arrays._asdict())
    return changed.getvalue()


def refuse(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Answer 403."""
    handler.send_error(403)


BAD_ANSWERS: dict[str, tuple[Callable[[bytes], Callable[..., None]], str]] = {
    "forbidden": (lambda _: refuse, "HTTP Error 403: Forbidden"),
    "login page": (lambda _: send(b"<html>Please log in</html>"), "the download: damaged, or no npz archive"),
    "cut off": (lambda good: send(good[:-100], length=len(good)), "IncompleteRead|the download: damaged"),
    "too big": (lambda good: send(good + bytes(1000)), "more than .* bytes arrived"),
    "another": (lambda good: send(relabel(good)), "the download: not MNIST: array 'y_test'"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_download_is_a_missing_mnist(
    good: bytes, keras_home: Path, serve: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Any other answer from the network is an error of one line, and nothing is kept."""
    monkeypatch.setattr(mnist, "_MOST_BYTES", len(good))
    answer, words = BAD_ANSWERS[name]
    serve(answer(good))
    with pytest.raises(MissingError, match=words) as caught:
        load_mnist()
    assert len(str(caught.value).splitlines()) == 1
    assert mnist.URL in str(caught.value)
    assert not list(keras_home.rglob("*"))


def test_no_network_is_one_line(keras_home: Path) -> None:
    """Without a named, cached or reachable MNIST, the line says all three, and what to do."""
    with pytest.raises(MissingError) as caught:
        load_mnist()
    assert str(caught.value) == (
        f"MNIST is missing: MNIST_BENCH_DATA is not set, '{keras_home}/datasets/mnist.npz' does not exist, "
        f"the download from {NOWHERE} failed (<urlopen error [Errno 111] Connection refused>); "
        "set MNIST_BENCH_DATA to an npz archive or a folder of IDX files"
    )
    assert isinstance(caught.value.__cause__, OSError)


def test_silent_network_is_given_up(serve: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers is given up after the stated time."""
    hold = threading.Event()
    serve(lambda _: hold.wait(10) and None)
    monkeypatch.setattr(mnist, "_ANSWER_SECONDS", 0.1)
    with pytest.raises(MissingError, match=r"no answer within 0\.1 s"):
        load_mnist()
    hold.set()


def test_url_is_kerass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL is the one that Keras's own mnist.load_data downloads from."""
    monkeypatch.undo()
    spec = importlib.util.find_spec("keras")
    if spec is None or spec.origin is None:
        pytest.skip("Keras is not installed")
    root = Path(spec.origin).parent
    module = next(path for path in (root / "src", root) if (path / "datasets" / "mnist.py").is_file())
    text = (module / "datasets" / "mnist.py").read_text()
    folder, _, file = mnist.URL.rpartition("/")
    assert f"{folder}/" in text
    assert file in text


@pytest.mark.parametrize("address", ["https://user:secret@host/x.npz", "s3://bucket/x", "file:///x.npz"])
def test_an_address_is_no_path(address: str) -> None:
    """The line says what to do, and shows no password."""
    with pytest.raises(DataError, match=r"^\w+:\.\.\. is an address: download the file, and name its path$"):
        read_mnist(Path(address))
