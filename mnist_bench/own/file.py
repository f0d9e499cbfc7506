"""The file that describes a user's model: read without being run by the parent, loaded and run by a child only."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_bench.own.data import Data, check_data, list_leaves
from mnist_bench.own.records import ModelFile
from mnist_bench.own.settings import check_margins, check_settings
from mnist_bench.records.files import refuse_loop
from mnist_bench.training.backend import explain_error, load_keras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Loaded", "ModelFileError", "load_model", "read_model_file"]

_NEEDED = ("build", "data")
_MOST_BYTES = 1_000_000  # a file of Python that a person has written is smaller


class ModelFileError(ValueError):
    """A model file cannot be used: one line that says what, where, and what is allowed."""


def read_model_file(path: str | Path) -> ModelFile:
    """Read a model file without running it.

    Raises:
        ModelFileError: It is not there, no file of Python, or defines no `build` and `data`.
    """
    path = Path(path)
    content = _read_bytes(path)
    try:
        tree = ast.parse(importlib.util.decode_source(content), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise ModelFileError(f"{path}{_find_syntax_line(error)}: {explain_error(error)}") from error
    defined = set(_list_defined(tree))
    for name in _NEEDED:
        if name not in defined:
            raise ModelFileError(f"{path}: {name}() is not defined: a model file has the functions build() and data()")
    try:
        return ModelFile(name=path.stem, path=str(path.absolute()), digest=hashlib.sha256(content).hexdigest())
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}; the file's name is the model's name") from error


def _read_bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            refuse_loop(path)
            kind = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
            raise ModelFileError(f"{path} {kind}: a file of Python with build() and data() is needed")
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise ModelFileError(f"{path} has {size:,} bytes: a model file has at most {_MOST_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from error


def _find_syntax_line(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    return f", line {line}" if line else ""


def _list_defined(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the top level of a file defines, imports or assigns."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


@dataclass(frozen=True)
class Loaded:
    """A model file that has run in this process.

    Attributes:
        model: The file.
        module: Its names.
        data: Its arrays.
        margins: The largest loss that does not matter, by metric.
        better: `higher` or `lower`, by metric.
    """

    model: ModelFile
    module: types.ModuleType
    data: Data
    margins: dict[str, float]
    better: dict[str, str]

    def build(self) -> Any:
        """Return a new model.

        Raises:
            ModelFileError: `build()` raises an error, or returns no compiled model.
        """
        built = _call(self.module, "build")
        with _blame(self.model, "build()"):
            _check_model(built, self.data)
        return built

    def fit_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `fit`, fresh: `epochs` and `batch_size` always, the others if given.

        Raises:
            ModelFileError: `fit()` raises an error, or returns what is not allowed.
        """
        given = _call(self.module, "fit") if hasattr(self.module, "fit") else {}
        with _blame(self.model, "fit()"):
            return check_settings(given, self.data.samples)


def load_model(model: ModelFile) -> Loaded:
    """Run a model file in this process, once, and return what it defines.

    Raises:
        ModelFileError: It has changed, raises an error, or defines what cannot be used.
        ImportError: TensorFlow is not installed, or cannot be imported.
    """
    load_keras()  # before the file: it is not to blame for an environment without TensorFlow
    content = _read_bytes(Path(model.path))
    if hashlib.sha256(content).hexdigest() != model.digest:
        raise ModelFileError(f"{model.path} has changed since it was read: begin anew")
    return _load(model, content)


@functools.lru_cache(maxsize=2)
def _load(model: ModelFile, content: bytes) -> Loaded:
    module = types.ModuleType("own_model_" + re.sub(r"\W", "_", model.name))
    module.__file__ = model.path
    sys.modules[module.__name__] = module  # where dataclasses and typing look for the names of a class
    with _blame(model, ""), _importable(model):
        exec(compile(content, model.path, "exec"), module.__dict__)  # noqa: S102 - the user's own file, which they asked to run
    for name in (*_NEEDED, *(["fit"] if hasattr(module, "fit") else [])):
        if not callable(getattr(module, name, None)):
            raise ModelFileError(f"{model.path}: {name} is no function")
    data = _load_data(model, module)
    with _blame(model, ""):
        margins, better = check_margins(getattr(module, "margins", {}), getattr(module, "better", {}))
    return Loaded(model, module, data, margins, better)


def _load_data(model: ModelFile, module: types.ModuleType) -> Data:
    with _blame(model, "data()"):
        data = check_data(_call(module, "data"))
        if check_data(_call(module, "data")).digest != data.digest:
            raise ValueError("returns other arrays when it is called again: give its random generator a fixed seed")
    return data


def _call(module: types.ModuleType, name: str) -> Any:
    """Call one of the file's functions, which may import what lies next to the file."""
    function: Callable[[], Any] = getattr(module, name)
    model = ModelFile(name="model", path=str(module.__file__), digest="0" * 64)
    with _blame(model, f"{name}()"), _importable(model):
        return function()


@contextlib.contextmanager
def _importable(model: ModelFile) -> Iterator[None]:
    """Have Python find modules next to the file while the context lasts."""
    before = list(sys.path)
    sys.path.insert(0, str(Path(model.path).parent))
    try:
        yield
    finally:
        sys.path[:] = before


@contextlib.contextmanager
def _blame(model: ModelFile, what: str) -> Iterator[None]:
    """Turn an error into one line that says where in the file it arose.

    Raises:
        ModelFileError: An error was raised.
    """
    try:
        yield
    except ModelFileError:
        raise
    except (Exception, SystemExit) as error:
        line, told = _find_line(error, model.path), explain_error(error)
        if type(error) is ValueError and not line:  # what this package has found: its class says nothing
            told = " ".join(str(error).split())
        place = "".join(f", {part}" for part in (f"line {line}" if line else "", what and f"in {what}") if part)
        raise ModelFileError(f"{model.path}{place}: {told}") from error


def _find_line(error: BaseException, path: str) -> int | None:
    """Return the line of the innermost frame that runs the file's text."""
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line or (getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None)


def _check_model(built: Any, data: Data) -> None:
    """Refuse what is no compiled model of this Keras, and a model whose inputs are of other shapes than the data."""
    if not isinstance(built, load_keras().Model):
        names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(built).__mro__]
        foreign = " of another Keras than tf.keras" if any(it.endswith(".Model") for it in names) else ""
        raise ValueError(f"has to return a compiled Keras model, not a {type(built).__name__}{foreign}")  # noqa: TRY004 - one class for all that is wrong with a file
    if not getattr(built, "compiled", getattr(built, "_is_compiled", False)):
        raise ValueError("returns a model that is not compiled: call compile with optimizer, loss and metrics")
    _check_inputs(built, data)


def _check_inputs(built: Any, data: Data) -> None:
    try:
        inputs = [tuple(tensor.shape) for tensor in built.inputs or ()]
    except (AttributeError, ValueError):  # a subclassed model has none
        return
    arrays = list_leaves(data.x)
    if inputs and len(inputs) != len(arrays):
        raise ValueError(f"the model takes {len(inputs)} inputs, data() gives {len(arrays)}")
    for shape, (leaf, array) in zip(inputs, arrays, strict=False):
        if isinstance(data.x, dict) or len(shape) != array.ndim:
            continue  # matched by name; an axis of one is added or removed by Keras
        if any(wanted not in (None, got) for wanted, got in zip(shape[1:], array.shape[1:], strict=True)):
            raise ValueError(f"the model takes inputs of shape {shape}, data() gives {leaf} of shape {array.shape}")
