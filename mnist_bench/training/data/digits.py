"""The embedded stand-in for MNIST: scikit-learn's digits, enlarged and distorted into 70,000 images.

The stand-in is not MNIST, but the lab's thresholds work as well on it, and it needs no network. Test accuracy after the
lab's full training (Keras 3.15): perceptron 0.935 (one seed), MLP 0.978 and 0.979, dropout 0.980 and 0.982 (two seeds).

Every machine has to make the same bytes, or the digest would pin nothing. Splines, sines and BLAS products differ in
their last bits between versions and processors. So everything between the random bits and the pixels is integer
arithmetic, which is exact. The random bits are those of PCG64, whose stream NumPy guarantees; NumPy does not guarantee
the streams of its distributions.
"""

from __future__ import annotations

import io
import platform
import warnings
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.environment import digest_arrays
from mnist_bench.records.files import find_cache_folder, write_atomically
from mnist_bench.training.data.archives import SHAPES, Arrays, DataError, read_arrays

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Integers: TypeAlias = npt.NDArray[np.int64]

__all__ = ["DIGEST", "TEST_CLASS_SIZES", "load_digits", "make_digits"]

DIGEST = "c24cc64cd3975fa5e1e8323f6ac3ef908c1d4a9b2666a441415af18de499a69b"
"""SHA-256 of the four arrays as one stream: with another digest it is another data set, without baselines."""

TEST_CLASS_SIZES = [1008, 1008, 1008, 1008, 1036, 1008, 1008, 999, 945, 972]
"""The test images of each digit."""

BASE_DIGEST = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""SHA-256 of scikit-learn's 1,797 images, followed by their labels, as uint8 (the same from 1.2 to 1.9)."""

_ONE = 1 << 16  # 1 in fixed point
# Standard deviations of the random map, and the contrast: chosen so that the lab's models reach about the same accuracy
# as on MNIST, and the thresholds hold with a margin.
_ROTATION, _LOG_SCALE, _SHEAR = (round(sd * _ONE) for sd in (0.12, 0.08, 0.12))  # radians, none, none
_SHIFT = round(0.6 * _ONE)  # pixels
_CONTRAST = (9, 5)  # 1.8 as a fraction, around the middle grey: thins the strokes towards MNIST's
_SIDE = 28
_MARGIN = 2  # empty pixels around an image, so that a pixel outside the image is paper
_BATCH = 500  # images at a time, so that their coordinates stay in the processor's cache


def load_digits() -> tuple[Arrays, str]:
    """Load the stand-in from the cache, or make the stand-in and save it there.

    Returns:
        The arrays, and in words where they came from.

    Raises:
        DataError: The stand-in cannot be made, or is not the pinned data set.
    """
    path = find_cache_folder() / f"digits-{DIGEST[:16]}.npz"
    cached = _load_cached(path)
    if cached is not None:
        return cached, str(path)
    arrays = _check(make_digits(), f"the stand-in made with {_format_versions()}")
    content = io.BytesIO()
    np.savez(content, **arrays._asdict())  # not compressed: unpacking would take as long as making the stand-in
    try:
        if path.exists() and not path.is_file():
            raise OSError(f"{path} is no regular file")  # noqa: TRY301 - to write to a pipe would wait for ever
        write_atomically(path, content.getvalue(), overwrite=True, keep=False)
    except OSError:
        return arrays, "made in memory (the cache cannot be written)"
    return arrays, str(path)


def _load_cached(path: Path) -> Arrays | None:
    """Return the arrays in the cache, or None if there are none or they are damaged."""
    try:
        return _check(read_arrays(path), repr(str(path))) if path.exists() else None
    except (OSError, DataError) as error:
        warnings.warn(f"{error}; the stand-in is made again", RuntimeWarning, stacklevel=3)
        return None


def make_digits() -> Arrays:
    """Make the stand-in: 60,000 training images of 1,437 drawings and 10,000 test images of 360 others.

    The drawings are divided before they are distorted: no drawing gives both training and test images.

    Returns:
        The arrays, shuffled.

    Raises:
        DataError: scikit-learn is missing, or its digits are not the known ones.
    """
    drawings, labels = _load_drawings()
    enlarged = _enlarge(drawings)
    bits = np.random.PCG64(FIRST_SEED)
    # Every fifth drawing of each class, in a random order: all ten classes are tested about equally.
    order = np.lexsort((_draw(bits, len(labels)), labels))
    arrays: list[npt.NDArray[np.uint8]] = []
    for name, chosen in (("y_train", np.delete(order, np.s_[::5])), ("y_test", order[::5])):
        (count,) = SHAPES[name]
        sources = chosen[np.argsort(_draw(bits, count), kind="stable") % len(chosen)]
        arrays += [_distort(enlarged, sources, _draw_maps(bits, count)), labels[sources]]
    return Arrays(*arrays)


def _load_drawings() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return scikit-learn's images, (1797, 8, 8) from 0 to 16, and their labels."""
    try:
        from sklearn.datasets import load_digits as load_drawings
    except ImportError as error:
        hint = "pip install 'mnist-bench[standin]'"
        raise DataError(f"the stand-in is made from scikit-learn's digits: {error}: {hint}") from error
    bunch = load_drawings()
    images, labels = bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)
    digest = digest_arrays([images, labels])
    if digest != BASE_DIGEST:
        raise DataError(f"load_digits of {_format_versions()} has SHA-256 {digest}; expected {BASE_DIGEST}")
    return images, labels


def _enlarge(drawings: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Enlarge (n, 8, 8) from 0 to 16 to (n, 28, 28) from 0 to 255 by cubic convolution; the corners stay corners.

    The weights are those of R. G. Keys, 1981 (a = -1/2), times `whole`, which makes them integers: the
    positions are multiples of 7/27.
    """
    steps, whole = _SIDE - 1, 2 * (_SIDE - 1) ** 3
    weights = np.zeros((_SIDE, 8), np.int64)
    for target in range(_SIDE):
        cell, t = divmod(7 * target, steps)
        taps = (
            -(t**3) + 2 * steps * t**2 - steps**2 * t,
            3 * t**3 - 5 * steps * t**2 + whole,
            -3 * t**3 + 4 * steps * t**2 + steps**2 * t,
            t**3 - steps * t**2,
        )
        for neighbour, weight in enumerate(taps, start=cell - 1):
            weights[target, min(max(neighbour, 0), 7)] += weight
    enlarged = weights @ drawings @ weights.T  # products of integers are exact, and without BLAS
    greys: Integers = np.clip(enlarged * 255 // (16 * whole**2), 0, 255)
    return greys.astype(np.uint8)


def _draw(bits: np.random.PCG64, count: int) -> npt.NDArray[np.uint64]:
    """Return `count` raw words of the stream."""
    return np.asarray(bits.random_raw(count), np.uint64)


def _draw_normals(bits: np.random.PCG64, count: int) -> Integers:
    """Return nearly normal deviates in fixed point: the sum of twelve uniforms of 16 bits has a variance of 1."""
    uniforms = _draw(bits, 3 * count).astype("<u8").view("<u2").reshape(count, 12)
    normals: Integers = uniforms.sum(axis=1, dtype=np.int64) - 6 * (_ONE - 1)
    return normals


def _draw_maps(bits: np.random.PCG64, count: int) -> tuple[Integers, Integers]:
    """Return random affine maps in fixed point: factors of (y, x, 1) for the row and for the column.

    A map is a shear, a rotation and a scaling. Sine, cosine and exponential are the first terms of their series: they
    need not be exact, but the same everywhere.
    """
    angle, scale, shear, down, right = (
        _multiply(_draw_normals(bits, count), sd) for sd in (_ROTATION, _LOG_SCALE, _SHEAR, _SHIFT, _SHIFT)
    )
    square = _multiply(angle, angle)
    factor = _ONE + scale + _multiply(scale, scale) // 2
    cosine = _multiply(_ONE - square // 2, factor)
    sine = _multiply(angle - _multiply(angle, square) // 6, factor)
    row = cosine, _multiply(cosine, shear) - sine, down
    column = sine, _multiply(sine, shear) + cosine, right
    return np.stack(row), np.stack(column)


def _multiply(a: Integers, b: Integers | int) -> Integers:
    """Multiply in fixed point."""
    return a * b >> 16


def _distort(
    enlarged: npt.NDArray[np.uint8], sources: npt.NDArray[np.intp], maps: tuple[Integers, Integers]
) -> npt.NDArray[np.uint8]:
    """Interpolate each pixel between four pixels of its drawing, at the place that the map gives; raise the contrast.

    Args:
        enlarged: (drawings, 28, 28).
        sources: (images,), the drawing of each image.
        maps: The maps from `_draw_maps`, (3, images) each.

    Returns:
        (images, 28, 28).
    """
    width = _SIDE + 2 * _MARGIN
    paper = np.pad(enlarged, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))).astype(np.int64)
    pixels = paper.reshape(-1)
    images = np.empty((len(sources), _SIDE * _SIDE), np.uint8)
    for start in range(0, len(sources), _BATCH):
        batch = slice(start, start + _BATCH)
        y, x = (_find_coordinates(part[:, batch]) for part in maps)
        corner = sources[batch, None] * width**2 + (y >> 16) * width + (x >> 16)
        down, right = (y >> 8) & 255, (x >> 8) & 255
        top = pixels[corner] * (256 - right) + pixels[corner + 1] * right
        bottom = pixels[corner + width] * (256 - right) + pixels[corner + width + 1] * right
        grey = top * (256 - down) + bottom * down - 128 * _ONE
        grey = (grey * _CONTRAST[0] // _CONTRAST[1] >> 16) + 128
        images[batch] = np.clip(grey, 0, 255)
    return images.reshape(-1, _SIDE, _SIDE)


def _find_coordinates(part: Integers) -> Integers:
    """Return one coordinate, (images, 784) in fixed point, of every pixel's position on the paper."""
    doubled = 2 * np.arange(_SIDE) - (_SIDE - 1)  # from the centre, which lies between two pixels
    of_y, of_x, shift = part[:, :, None]
    places = (of_y * doubled.repeat(_SIDE) + of_x * np.tile(doubled, _SIDE)) // 2 + shift
    centre = (_SIDE - 1) * _ONE // 2 + _MARGIN * _ONE
    # Beyond the margin everything is paper: any position there will do.
    coordinates: Integers = np.clip(places + centre, 0, (_SIDE + 2 * _MARGIN - 1) * _ONE - 1)
    return coordinates


def _check(arrays: Arrays, label: str) -> Arrays:
    digest = digest_arrays(arrays)
    if digest != DIGEST:
        raise DataError(f"{label}: SHA-256 of the arrays is {digest}; expected {DIGEST}")
    return arrays


def _format_versions() -> str:
    """Return the versions that could make the stand-in differ."""
    import sklearn

    return f"Python {platform.python_version()}, NumPy {np.__version__}, scikit-learn {sklearn.__version__}"
