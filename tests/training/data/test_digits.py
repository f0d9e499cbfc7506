"""The stand-in is the same bytes everywhere, made once and pinned."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.records.environment import digest_arrays
from mnist_bench.records.files import find_cache_folder
from mnist_bench.training.data import digits
from mnist_bench.training.data.archives import SHAPES, Arrays, DataError, read_arrays
from mnist_bench.training.data.digits import DIGEST, load_digits, make_digits

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def made() -> Arrays:
    """The stand-in, made once for all the tests."""
    return make_digits()


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder instead of the user's; it does not exist yet."""
    monkeypatch.setenv("MNIST_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def makings(made: Arrays, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by one whenever the stand-in would be made; the stand-in made once is used instead."""
    calls: list[str] = []

    def remake() -> Arrays:
        calls.append("made")
        return made

    monkeypatch.setattr(digits, "make_digits", remake)
    return calls


def test_bytes_are_pinned(made: Arrays) -> None:
    """Every supported Python, NumPy and scikit-learn makes these bytes."""
    assert digest_arrays(made) == DIGEST


def test_shapes_are_mnists(made: Arrays) -> None:
    """The arrays have MNIST's shapes and dtype."""
    assert {name: array.shape for name, array in made._asdict().items()} == SHAPES
    assert {array.dtype for array in made} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("part", ["train", "test"])
def test_images_are_images(made: Arrays, part: str) -> None:
    """The images use the whole range from 0 to 255, are all different, and none is empty."""
    images = getattr(made, f"x_{part}")
    assert (images.min(), images.max()) == (0, 255)
    assert (images.reshape(len(images), -1).max(axis=1) > 200).all()
    assert len({image.tobytes() for image in images}) > 0.999 * len(images)


def test_classes_are_balanced_and_shuffled(made: Arrays) -> None:
    """Each class has about a tenth of the training set, of its end (for validation) and of the test set."""
    for labels in (made.y_train, made.y_train[48000:], made.y_test):
        shares = np.bincount(labels, minlength=10) / len(labels)
        assert shares.shape == (10,)
        assert (abs(shares - 0.1) < 0.01).all()


def test_labels_fit_the_images(made: Arrays) -> None:
    """The nearest mean of the training images names most test images: the labels belong to the images."""
    images, tests = (part.reshape(len(part), -1).astype(np.float32) for part in (made.x_train[::10], made.x_test))
    means = np.stack([images[made.y_train[::10] == label].mean(axis=0) for label in range(10)])
    distances = (means**2).sum(axis=1) - 2 * tests @ means.T
    assert (distances.argmin(axis=1) == made.y_test).mean() > 0.8


def test_test_images_are_of_other_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 1,437 drawings for training and the 360 for the test have none in common, and all are used."""
    used: list[np.ndarray] = []

    def note(enlarged: np.ndarray, sources: np.ndarray, _maps: Any) -> np.ndarray:
        used.append(np.unique(sources))
        return enlarged[:1]

    monkeypatch.setattr(digits, "_distort", note)
    make_digits()
    train, test = used
    assert (len(train), len(test)) == (1437, 360)
    assert len(np.union1d(train, test)) == 1797


def test_enlarging_keeps_the_corners_and_flat_images() -> None:
    """Cubic convolution passes through the given pixels, and leaves a flat image flat."""
    drawings = np.random.default_rng(0).integers(0, 17, (5, 8, 8), dtype=np.uint8)
    enlarged = digits._enlarge(drawings)
    np.testing.assert_array_equal(enlarged[:, ::27, ::27], drawings[:, ::7, ::7].astype(int) * 255 // 16)
    np.testing.assert_array_equal(digits._enlarge(np.full((1, 8, 8), 16, np.uint8)), 255)


def test_normals_are_nearly_normal() -> None:
    """The fixed-point deviates have mean 0, sd 1, and a normal share within one sd."""
    normals = digits._draw_normals(np.random.PCG64(0), 100_000) / (1 << 16)
    assert abs(normals.mean()) < 0.01
    assert abs(normals.std() - 1) < 0.01
    assert abs((abs(normals) < 1).mean() - 0.6827) < 0.01


def test_identity_changes_nothing_but_the_contrast() -> None:
    """A map that is the identity returns the drawing, its greys spread 1.8-fold around 128."""
    enlarged = np.arange(784, dtype=np.uint16).reshape(1, 28, 28).astype(np.uint8)
    one, zero = [1 << 16], [0]
    maps = np.array([one, zero, zero]), np.array([zero, one, zero])
    spread = np.clip((enlarged.astype(int) - 128) * 9 // 5 + 128, 0, 255)
    np.testing.assert_array_equal(digits._distort(enlarged, np.array([0]), maps), spread)


def test_far_away_is_paper() -> None:
    """A map that looks beyond every edge finds empty paper, and does not fail."""
    enlarged = np.full((1, 28, 28), 255, np.uint8)
    far = np.array([[1 << 16], [0], [100 << 16]])
    assert not digits._distort(enlarged, np.array([0]), (far, far)).any()


def test_made_once_then_cached(makings: list[str], cache: Path) -> None:
    """The first load makes the stand-in and leaves one file, which the second load reads."""
    first, origin = load_digits()
    assert [str(path) for path in cache.iterdir()] == [origin]
    second, again = load_digits()
    assert makings == ["made"]
    assert origin == again
    assert digest_arrays(first) == digest_arrays(second) == DIGEST


def flip(path: Path) -> None:
    """Change a pixel, with an archive that is sound in itself."""
    arrays = read_arrays(path)
    arrays.x_test[0, 0, 0] ^= 1
    np.savez(path, **arrays._asdict())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "damaged, or no npz archive"),
        (lambda path: path.write_bytes(b""), "damaged, or no npz archive"),
        (flip, "SHA-256 of the arrays is"),
    ],
    ids=["cut off", "empty", "flipped"],
)
def test_damaged_cache_is_made_anew(
    makings: list[str], cache: Path, damage: Callable[[Path], object], words: str
) -> None:
    """A damaged file in the cache is reported, and replaced by a good one."""
    load_digits()
    (path,) = cache.iterdir()
    damage(path)
    with pytest.warns(RuntimeWarning, match=f"{words}.*the stand-in is made again"):
        arrays, _ = load_digits()
    assert digest_arrays(arrays) == digest_arrays(read_arrays(path)) == DIGEST
    assert makings == ["made", "made"]


def test_cache_that_cannot_be_written_breaks_nothing(makings: list[str], cache: Path) -> None:
    """A file in the place of the cache folder costs the cache only."""
    cache.write_text("")
    for _ in range(2):
        arrays, origin = load_digits()
        assert origin == "made in memory (the cache cannot be written)"
        assert digest_arrays(arrays) == DIGEST
    assert makings == ["made", "made"]


def test_a_pipe_in_the_cache_is_not_waited_for(makings: list[str], cache: Path) -> None:
    """What is no file is left alone."""
    load_digits()
    (path,) = cache.iterdir()
    path.unlink()
    os.mkfifo(path)
    with pytest.warns(RuntimeWarning, match="neither a regular file nor a folder"):
        _, origin = load_digits()
    assert origin == "made in memory (the cache cannot be written)"
    assert path.is_fifo()
    assert makings == ["made", "made"]


def test_cache_that_cannot_be_looked_into_breaks_nothing(makings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that may not be searched is reported."""

    def forbid(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", forbid)
    with pytest.warns(RuntimeWarning, match=r"Permission denied.*made again"):
        load_digits()
    assert makings == ["made"]


def test_other_bytes_are_refused(made: Arrays, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of other bytes is neither used nor kept, and the error names the versions that made it."""
    monkeypatch.setattr(digits, "make_digits", lambda: made._replace(y_test=made.y_test[::-1]))
    with pytest.raises(
        DataError, match=rf"made with Python 3.*NumPy {np.__version__}, scikit-learn .*expected {DIGEST}"
    ):
        load_digits()
    assert not cache.exists()


def test_other_drawings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scikit-learn whose digits have changed is named."""
    monkeypatch.setattr(digits, "BASE_DIGEST", "0" * 64)
    with pytest.raises(
        DataError, match=r"load_digits of Python .*, scikit-learn .* has SHA-256 87ff0c9e.*; expected 000"
    ):
        make_digits()


def test_missing_scikit_learn_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-learn and without a cache the message says what to install."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"sklearn.*pip install 'mnist-bench\[standin\]'$") as caught:
        load_digits()
    assert isinstance(caught.value.__cause__, ImportError)


def test_cache_folder_is_the_users_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MNIST_BENCH_CACHE wins; without it, or with nothing in it, the user's own cache folder is taken."""
    assert find_cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("MNIST_BENCH_CACHE", "")
    assert find_cache_folder() == tmp_path / "xdg" / "mnist-bench"
