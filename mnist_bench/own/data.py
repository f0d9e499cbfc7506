"""The arrays that a model file gives: checked, named, cut, and told apart by a digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Data", "check_data", "list_leaves", "map_leaves", "take"]

_FORM = "data() has to return (x, y), (x_test, y_test) as arrays; x and y may be a tuple, a list or a dict of arrays"
_NUMBERS, _TEXTS = "biuf", "US"  # kinds of NumPy dtypes


@dataclass(frozen=True)
class Data:
    """What `data()` returns: arrays, or tuples, lists or dicts of arrays, one row a sample.

    Attributes:
        x: Inputs to train.
        y: Targets to train.
        x_test: Inputs to test.
        y_test: Targets to test.
        digest: SHA-256 of the arrays with their names, shapes and dtypes.
    """

    x: Any
    y: Any
    x_test: Any
    y_test: Any
    digest: str

    @property
    def samples(self) -> int:
        """The samples to train."""
        return len(list_leaves(self.x)[0][1])


def list_leaves(structure: Any, name: str = "x") -> list[tuple[str, Any]]:
    """Return the arrays of a structure and their names, such as `x`, `x[0]` or `x['text']`."""
    if isinstance(structure, dict):
        return [leaf for key in structure for leaf in list_leaves(structure[key], f"{name}[{key!r}]")]
    if isinstance(structure, (tuple, list)):
        return [leaf for place, part in enumerate(structure) for leaf in list_leaves(part, f"{name}[{place}]")]
    return [(name, structure)]


def map_leaves(structure: Any, change: Callable[[Any], Any]) -> Any:
    """Return a structure of the same form, with every array changed."""
    if isinstance(structure, dict):
        return {key: map_leaves(part, change) for key, part in structure.items()}
    if isinstance(structure, (tuple, list)):
        return type(structure)([map_leaves(part, change) for part in structure])
    return change(structure)


def take(structure: Any, rows: slice) -> Any:
    """Return some samples of a structure."""
    return map_leaves(structure, lambda array: array[rows])


def check_data(returned: Any) -> Data:
    """Return what `data()` has returned, or refuse it.

    Raises:
        ValueError: It is of another form, of no numbers, of numbers that are not finite, or of odd shapes.
    """
    parts = _take_apart(returned)
    leaves = {name: list_leaves(part, name) for name, part in parts.items()}
    for name, found in leaves.items():
        _check_leaves(name, found)
    for name in ("x", "y"):
        _check_alike(leaves[name], leaves[f"{name}_test"])
    for inputs, targets in (("x", "y"), ("x_test", "y_test")):
        sizes = {leaf: len(array) for leaf, array in (*leaves[inputs], *leaves[targets])}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{leaf} has {size:,}" for leaf, size in sizes.items())
            raise ValueError(f"the numbers of samples differ: {told}")
    return Data(**parts, digest=_digest(leaf for found in leaves.values() for leaf in found))


def _take_apart(returned: Any) -> dict[str, Any]:
    pairs = isinstance(returned, (tuple, list)) and len(returned) == 2  # noqa: PLR2004 - to train and to test
    if not pairs or not all(isinstance(part, (tuple, list)) and len(part) == 2 for part in returned):  # noqa: PLR2004
        raise ValueError(f"{_FORM}, not {_describe(returned)}")
    (x, y), (x_test, y_test) = returned
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test}


def _describe(thing: Any) -> str:
    if isinstance(thing, (tuple, list)):
        return f"a {type(thing).__name__} of {', '.join(type(part).__name__ for part in thing) or 'nothing'}"
    return f"a {type(thing).__name__}"


def _check_leaves(name: str, leaves: list[tuple[str, Any]]) -> None:
    if not leaves:
        raise ValueError(f"{name} holds no array")
    for leaf, array in leaves:
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{leaf} is a {type(array).__name__}, not a NumPy array (no generator, no Dataset)")  # noqa: TRY004 - one class for all that is wrong with a file
        if array.dtype.kind not in (_NUMBERS + _TEXTS if name.startswith("x") else _NUMBERS):
            told = "text is allowed in x only" if array.dtype.kind in _TEXTS else "numbers are allowed"
            raise ValueError(f"{leaf} has dtype {array.dtype}: {told}")
        if not array.ndim or not array.size:
            raise ValueError(f"{leaf} has shape {array.shape}: one row a sample, and at least one, is needed")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{leaf} holds {int((~np.isfinite(array)).sum()):,} values that are not finite")


def _check_alike(trained: list[tuple[str, Array]], tested: list[tuple[str, Array]]) -> None:
    """Refuse test data of another form than the training data's."""
    forms = [[leaf.partition("[")[2] for leaf, _ in leaves] for leaves in (trained, tested)]
    if forms[0] != forms[1]:
        raise ValueError(f"{trained[0][0]} and {tested[0][0]} hold different arrays: {forms[0]} and {forms[1]}")
    for (leaf, array), (test_leaf, test_array) in zip(trained, tested, strict=True):
        if array.shape[1:] != test_array.shape[1:] or array.dtype.kind != test_array.dtype.kind:
            told = " and ".join(f"{name} {it.dtype}{it.shape}" for name, it in ((leaf, array), (test_leaf, test_array)))
            raise ValueError(f"training and test data are not alike: {told}")


def _digest(leaves: Any) -> str:
    digest = hashlib.sha256()
    for name, array in leaves:
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data if array.dtype.kind in _NUMBERS else array.tobytes())
    return digest.hexdigest()
