"""The data sets by name, and the lab's preparation of a data set.

A data set always carries its name and its digest, so that the stand-in never passes for MNIST.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mnist_bench.records.environment import digest_arrays
from mnist_bench.training.data.archives import Arrays, DataError
from mnist_bench.training.data.digits import load_digits
from mnist_bench.training.data.mnist import MissingError, load_mnist, read_mnist

if TYPE_CHECKING:
    import os

    from mnist_bench.training.data.mnist import Progress

__all__ = ["LABELS", "DataError", "Dataset", "Prepared", "load_dataset", "prepare"]

LABELS = {"mnist": "MNIST", "digits": "digits (the embedded stand-in, not MNIST)"}
"""The names of the sources, for people."""

_CLASSES = 10  # the ten digits


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set, verified; its arrays cannot be written.

    Attributes:
        name: `mnist` or `digits`.
        origin: The path or the URL of the data, or how the data was made.
        digest: SHA-256, as hex, of the four arrays' C-order bytes as one stream, in the order below.
        x_train: (60000, 28, 28) uint8, the ink from 0 to 255.
        y_train: (60000,) uint8, from 0 to 9.
        x_test: (10000, 28, 28) uint8.
        y_test: (10000,) uint8.
        missing: Why the stand-in was taken in place of MNIST, if it was.
    """

    name: str
    origin: str
    digest: str
    x_train: npt.NDArray[np.uint8]
    y_train: npt.NDArray[np.uint8]
    x_test: npt.NDArray[np.uint8]
    y_test: npt.NDArray[np.uint8]
    missing: str = ""

    def __post_init__(self) -> None:
        """Lock the arrays: a training that changed an array would change all later trainings.

        Raises:
            DataError: The origin is a path that no record could hold.
        """
        try:
            self.origin.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{self.origin!r}: the path is not UTF-8, and no record could name it: rename it"
            ) from error
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            array.flags.writeable = False

    def __repr__(self) -> str:
        """Return one short line without the arrays."""
        size = f"{len(self.x_train):,} + {len(self.x_test):,} images"
        return f"<Dataset {self.name} {self.digest[:12]}, {size}, from {self.origin}>"

    @property
    def is_standin(self) -> bool:
        """Whether the data set is not MNIST."""
        return self.name != "mnist"

    @property
    def label(self) -> str:
        """The name, for people."""
        return LABELS.get(self.name, self.name)


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """A data set as the lab gives it to Keras; n is 60,000, and n_train is 48,000 for the lab's split.

    Attributes:
        pixels: (n, 784) uint8, `x_fit` before scaling; a view of the data set, which cannot be written.
        x_fit: (n, 784) float32 from 0 to 1, which the lab gives to `fit` together with the validation split.
        y_fit: (n, 10) float32, one-hot.
        x_train: (n_train, 784), the part of `x_fit` that Keras trains on; a view, as are the next three.
        y_train: (n_train, 10).
        x_validation: (n - n_train, 784), the last part, which Keras validates on.
        y_validation: (n - n_train, 10).
        x_test: (10000, 784) float32 from 0 to 1.
        y_test: (10000, 10) float32, one-hot.
        validation_split: The share that Keras takes from the end of `x_fit`.
    """

    pixels: npt.NDArray[np.uint8]
    x_fit: npt.NDArray[np.float32]
    y_fit: npt.NDArray[np.float32]
    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.float32]
    x_validation: npt.NDArray[np.float32]
    y_validation: npt.NDArray[np.float32]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.float32]
    validation_split: float

    @classmethod
    def split_at(
        cls,
        split: int,
        validation_split: float,
        *,
        pixels: npt.NDArray[np.uint8],
        fit: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
        test: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    ) -> Prepared:
        """Return the data with the first `split` samples to train on and all later ones to validate on.

        Args:
            split: Training samples.
            validation_split: The share from which Keras computes the same split.
            pixels: (n, inputs), the inputs of `fit` before scaling.
            fit: Inputs (n, inputs) and one-hot labels (n, 10).
            test: The same for the test set.
        """
        (x, y), (x_test, y_test) = fit, test
        return cls(
            pixels=pixels,
            x_fit=x,
            y_fit=y,
            x_train=x[:split],
            y_train=y[:split],
            x_validation=x[split:],
            y_validation=y[split:],
            x_test=x_test,
            y_test=y_test,
            validation_split=validation_split,
        )


def load_dataset(source: str | os.PathLike[str] = "auto", *, progress: Progress | None = None) -> Dataset:
    """Load and verify a data set.

    Args:
        source: `mnist`; `digits`; `auto`, which means MNIST, or the digits if MNIST is missing and cannot be
            downloaded; or the path of MNIST as an npz archive or a folder of IDX files. A path that is one of these
            words needs a `./` in front.
        progress: Called during a download with the bytes so far and the total, which is None if unknown.

    Returns:
        The data set.

    Raises:
        DataError: The data set is missing or wrong.
    """
    if source == "digits":
        return _make_dataset("digits", *load_digits())
    if source == "mnist":
        return _make_dataset("mnist", *load_mnist(progress))
    if source == "auto":
        try:
            return _make_dataset("mnist", *load_mnist(progress))
        except MissingError as missing:  # a damaged MNIST is an error, and no reason to measure other data
            try:
                return dataclasses.replace(_make_dataset("digits", *load_digits()), missing=str(missing))
            except DataError as error:
                raise DataError(f"{missing}; {error}") from error
    if isinstance(source, str) and re.fullmatch(r"[\w,-]*", source) and not Path(source).exists():
        raise DataError(f"{source!r} is no file and no folder; expected a path, or the word auto, mnist or digits")
    return _make_dataset("mnist", read_mnist(Path(source)), str(source))


def prepare(dataset: Dataset, validation_split: float = 0.2) -> Prepared:
    """Prepare a data set in the lab's steps: flatten, float32, divide by 255, one-hot; split as Keras does.

    Args:
        dataset: The data set.
        validation_split: The share of the training images that Keras takes from the end; the default is the lab's.

    Returns:
        The arrays.

    Raises:
        ValueError: The split leaves no images on one side, which Keras refuses, too.
    """
    count = len(dataset.x_train)
    # Keras's own expression: another expression may round differently.
    split = math.floor(count * (1.0 - validation_split)) if 0 < validation_split < 1 else 0
    if not 0 < split < count:
        raise ValueError(f"validation_split {validation_split!r} leaves one side of {count} images empty")
    return Prepared.split_at(
        split,
        validation_split,
        pixels=dataset.x_train.reshape(count, -1),
        fit=(_scale(dataset.x_train), _encode(dataset.y_train)),
        test=(_scale(dataset.x_test), _encode(dataset.y_test)),
    )


def _make_dataset(name: str, arrays: Arrays, origin: str) -> Dataset:
    return Dataset(name=name, origin=origin, digest=digest_arrays(arrays), **arrays._asdict())


def _scale(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return (n, 28, 28) from 0 to 255 as (n, 784) from 0 to 1; multiplying by 1/255 would give other bits."""
    scaled = images.reshape(len(images), -1).astype(np.float32)
    scaled /= 255
    return scaled


def _encode(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return (n,) as (n, 10) one-hot, in float32, as Keras 2 does; Keras 3 casts to float32 only in `fit`."""
    return np.eye(_CLASSES, dtype=np.float32)[labels]
