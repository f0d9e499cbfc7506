"""A data set is what its name says, and is prepared with the lab's own bits."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_bench.records.environment import digest_arrays
from mnist_bench.training.data.archives import Arrays, DataError
from mnist_bench.training.data.dataset import Dataset, load_dataset, prepare
from mnist_bench.training.data.mnist import DIGEST, MissingError

REAL = os.environ.get("MNIST_BENCH_DATA")
MODULE = "mnist_bench.training.data.dataset"


@pytest.fixture
def arrays() -> Arrays:
    """Four small arrays."""
    generator = np.random.default_rng(0)
    return Arrays(
        x_train=generator.integers(0, 256, (50, 28, 28), dtype=np.uint8),
        y_train=generator.integers(0, 10, 50, dtype=np.uint8),
        x_test=generator.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        y_test=np.arange(10, dtype=np.uint8),
    )


@pytest.fixture
def dataset(arrays: Arrays) -> Dataset:
    """A small data set."""
    return Dataset(name="digits", origin="nowhere", digest=digest_arrays(arrays), **arrays._asdict())


@pytest.fixture
def sources(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The list of what was asked of the sources, which all give the small arrays."""
    asked: list[Any] = []

    def answer(name: str) -> Any:
        return lambda *arguments: asked.append((name, *arguments)) or (arrays, name)

    monkeypatch.setattr(f"{MODULE}.load_mnist", answer("mnist"))
    monkeypatch.setattr(f"{MODULE}.load_digits", answer("digits"))
    monkeypatch.setattr(f"{MODULE}.read_mnist", lambda path: answer("path")(path)[0])
    return asked


def fail_with(error: Exception) -> Any:
    """Return a function that raises."""

    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("source", "asked", "named"),
    [
        ("auto", ("mnist", None), ("mnist", "mnist")),
        ("mnist", ("mnist", None), ("mnist", "mnist")),
        ("digits", ("digits",), ("digits", "digits")),
        ("some/mnist.npz", ("path", Path("some/mnist.npz")), ("mnist", "some/mnist.npz")),
        (Path("digits"), ("path", Path("digits")), ("mnist", "digits")),
        ("./auto", ("path", Path("auto")), ("mnist", "./auto")),
    ],
)
def test_source_is_taken_from_where_it_says(
    sources: list[Any], arrays: Arrays, source: str | Path, asked: tuple[Any, ...], named: tuple[str, str]
) -> None:
    """Each word asks its own source, everything else is a path, and the data set says which it was."""
    loaded = load_dataset(source)
    assert sources == [asked]
    assert (loaded.name, loaded.origin, loaded.digest) == (*named, digest_arrays(arrays))


def test_progress_is_handed_on(sources: list[Any]) -> None:
    """The callback reaches the download."""

    def progress(done: int, total: int | None) -> None:
        """Do nothing."""

    load_dataset("auto", progress=progress)
    load_dataset("mnist", progress=progress)
    assert sources == [("mnist", progress)] * 2


def test_auto_falls_back_only_when_mnist_is_missing(sources: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing MNIST gives the stand-in, by its own name; a damaged one is an error."""
    monkeypatch.setattr(f"{MODULE}.load_mnist", fail_with(MissingError("not here")))
    assert load_dataset().is_standin
    assert sources == [("digits",)]
    monkeypatch.setattr(f"{MODULE}.load_mnist", fail_with(DataError("damaged")))
    with pytest.raises(DataError, match="damaged"):
        load_dataset()
    assert sources == [("digits",)]


@pytest.mark.usefixtures("sources")
def test_auto_without_either_says_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is neither MNIST nor what makes the stand-in, one line says what to do about each."""
    monkeypatch.setattr(f"{MODULE}.load_mnist", fail_with(MissingError("no MNIST")))
    monkeypatch.setattr(f"{MODULE}.load_digits", fail_with(DataError("no scikit-learn")))
    with pytest.raises(DataError, match=r"^no MNIST; no scikit-learn$"):
        load_dataset()


@pytest.mark.parametrize("error", [MissingError("not here"), DataError("damaged")], ids=["missing", "damaged"])
def test_mnist_never_falls_back(sources: list[Any], monkeypatch: pytest.MonkeyPatch, error: DataError) -> None:
    """Who asks for MNIST gets MNIST or an error."""
    monkeypatch.setattr(f"{MODULE}.load_mnist", fail_with(error))
    with pytest.raises(DataError, match=str(error)):
        load_dataset("mnist")
    assert not sources


@pytest.mark.parametrize("source", ["minst", "MNIST", "", "no/such/file.npz"])
def test_unknown_source_is_one_line(source: str) -> None:
    """A word or path that is nothing is a DataError, which is a ValueError."""
    with pytest.raises(ValueError, match=r"expected") as caught:
        load_dataset(source)
    assert isinstance(caught.value, DataError)
    assert len(str(caught.value).splitlines()) == 1


def test_real_mnist_has_its_name_and_digest() -> None:
    """The real MNIST is loaded by name, with its digest."""
    if not REAL:
        pytest.skip("MNIST_BENCH_DATA is not set: the real MNIST is not here to be read")
    loaded = load_dataset("mnist")
    assert (loaded.name, loaded.origin, loaded.digest) == ("mnist", REAL, DIGEST)
    assert (loaded.x_train.shape, loaded.x_test.shape) == ((60000, 28, 28), (10000, 28, 28))


@pytest.mark.parametrize(
    ("name", "label", "standin"),
    [("mnist", "MNIST", False), ("digits", "digits (the embedded stand-in, not MNIST)", True)],
)
def test_standin_never_passes_for_mnist(dataset: Dataset, name: str, label: str, standin: bool) -> None:  # noqa: FBT001  # parametrised
    """The label and the flag tell the two apart."""
    named = dataclasses.replace(dataset, name=name)
    assert (named.label, named.is_standin) == (label, standin)


def test_a_path_that_no_record_can_hold_is_refused(sources: list[Any]) -> None:
    """Before the training, whose record could not be written."""
    with pytest.raises(DataError, match=r"^'n.+udcff/mnist.npz': the path is not UTF-8, and no record could name it"):
        load_dataset("n\udcff/mnist.npz")
    assert len(sources) == 1


def test_repr_is_short(dataset: Dataset) -> None:
    """The repr is one line without the arrays."""
    assert repr(dataset) == f"<Dataset digits {dataset.digest[:12]}, 50 + 10 images, from nowhere>"


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
def test_arrays_cannot_be_written(dataset: Dataset, name: str) -> None:
    """Nobody changes the data under another training."""
    with pytest.raises(ValueError, match="read-only"):
        getattr(dataset, name)[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(dataset, name, None)


@pytest.mark.filterwarnings("ignore")  # TensorFlow's and Keras's own, of which versions differ
def test_preparation_has_the_labs_bits(dataset: Dataset) -> None:
    """The values are bit for bit those of the lab's own lines."""
    utils = pytest.importorskip("tensorflow").keras.utils
    x_train, x_test = dataset.x_train, dataset.x_test
    x_train = x_train.reshape(50, 784)
    x_test = x_test.reshape(10, 784)
    x_train = x_train.astype("float32")
    x_test = x_test.astype("float32")
    x_train /= 255
    x_test /= 255
    prepared = prepare(dataset)
    assert prepared.x_fit.tobytes() == x_train.tobytes()
    assert prepared.x_test.tobytes() == x_test.tobytes()
    # Keras 3 makes float64 here and casts it to float32 in fit; Keras 2 makes float32.
    assert prepared.y_fit.tobytes() == utils.to_categorical(dataset.y_train, 10).astype("float32").tobytes()
    assert prepared.y_test.tobytes() == utils.to_categorical(dataset.y_test, 10).astype("float32").tobytes()


def test_every_grey_is_divided_not_multiplied(arrays: Arrays, dataset: Dataset) -> None:
    """All 256 greys become the float32 nearest to the quotient."""
    images = arrays.x_train.copy()
    images[0].flat[:256] = np.arange(256)
    pixels = prepare(dataclasses.replace(dataset, x_train=images)).x_fit[0, :256]
    assert pixels.tobytes() == np.array([grey / 255 for grey in range(256)], np.float32).tobytes()


def test_preparation_has_the_labs_types(dataset: Dataset) -> None:
    """Images are (n, 784), labels (n, 10) one-hot, all float32; the pixels stay uint8."""
    prepared = prepare(dataset)
    arrays = {name: value for name, value in vars(prepared).items() if name != "validation_split"}
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {
        "pixels": (50, 784),
        "x_fit": (50, 784),
        "y_fit": (50, 10),
        "x_train": (40, 784),
        "y_train": (40, 10),
        "x_validation": (10, 784),
        "y_validation": (10, 10),
        "x_test": (10, 784),
        "y_test": (10, 10),
    }
    assert prepared.pixels.dtype == np.uint8
    assert {array.dtype for name, array in arrays.items() if name != "pixels"} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(prepared.y_fit.argmax(axis=1), dataset.y_train)
    np.testing.assert_array_equal(prepared.y_fit.sum(axis=1), 1)


def test_parts_are_views(dataset: Dataset) -> None:
    """The parts share the memory of the whole, in its order, the validation images last."""
    prepared = prepare(dataset)
    assert np.shares_memory(prepared.pixels, dataset.x_train)
    for part, whole in (("x", prepared.x_fit), ("y", prepared.y_fit)):
        train, validation = getattr(prepared, f"{part}_train"), getattr(prepared, f"{part}_validation")
        assert np.shares_memory(train, whole)
        assert np.shares_memory(validation, whole)
        np.testing.assert_array_equal(np.concatenate([train, validation]), whole)


@pytest.mark.parametrize(
    ("count", "split", "trained"),
    [
        (60000, 0.2, 48000),
        (60000, 0.1, 54000),
        (50, 0.3, 35),
        (10, 0.7, 3),
        (10, 0.45, 5),
        (20, 0.9, 1),
        (3, 0.5, 1),
    ],
)
def test_split_rounds_as_keras_does(dataset: Dataset, count: int, split: float, trained: int) -> None:
    """The number of training images is floor(n * (1 - split)) in floating point, rounding errors included."""
    empty = np.zeros((count, 1, 1), np.uint8)
    prepared = prepare(dataclasses.replace(dataset, x_train=empty, y_train=empty[:, 0, 0]), split)
    assert prepared.validation_split == split
    assert len(prepared.x_train) == len(prepared.y_train) == trained
    assert len(prepared.x_validation) == len(prepared.y_validation) == count - trained


@pytest.mark.parametrize("split", [0, 1, -0.1, 1.5, 0.999, 1e-18, float("nan"), float("inf")])
def test_split_without_two_sides_is_refused(dataset: Dataset, split: float) -> None:
    """A split that leaves one side to train on or to validate on is an error that names it."""
    with pytest.raises(ValueError, match=f"validation_split {split!r} leaves one side"):
        prepare(dataset, split)


def test_import_is_light() -> None:
    """Importing the module imports neither TensorFlow nor Keras nor scikit-learn: --help is fast."""
    heavy = ["tensorflow", "keras", "sklearn", "scipy", "platformdirs"]
    code = f"import sys, mnist_bench.training.data.dataset; sys.exit(' '.join(set({heavy}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("word", ["AUTO", "mnist,digits", "minst"])
def test_a_word_that_is_none_is_told_the_words(word: str) -> None:
    """A word that is no path is most likely a misspelt one."""
    with pytest.raises(DataError, match=f"^'{word}' is no file and no folder; expected a path, or the word auto"):
        load_dataset(word)
