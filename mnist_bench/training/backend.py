"""TensorFlow and Keras, imported late and quietly; every question here works from TensorFlow 2.8 to 2.21."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "DeviceError",
    "KerasError",
    "blame_keras",
    "choose_device",
    "explain_error",
    "import_seconds",
    "is_deterministic",
    "load_keras",
    "load_tensorflow",
    "read_keras_version",
    "read_modes",
    "read_versions",
    "seed_everything",
    "set_determinism",
    "synchronise",
    "uses_xla",
    "without_autotuner",
    "without_tf32",
]

_import_seconds: float | None = None
_broken: ImportError | None = None

# Variables that decide which Keras is imported: named where the import fails.
_CHOICES = ("KERAS_BACKEND", "TF_USE_LEGACY_KERAS")
_LEGACY = ("true", "True", "1")  # what TensorFlow reads in TF_USE_LEGACY_KERAS as a yes
# Keras's own settings: where its file has others, these may be why Keras cannot be imported.
_SETTINGS = {"backend": "tensorflow", "floatx": "float32", "image_data_format": "channels_last", "epsilon": 1e-07}
_MOST_BYTES = 100_000  # of that file, which has four settings
_MESSAGE = 400  # characters of an error: TensorFlow puts a whole graph into some


class DeviceError(ValueError):
    """The requested device cannot be used."""


class KerasError(RuntimeError):
    """Keras's own `compile`, `fit` or `evaluate` raised an error, which is this error's cause."""


@contextlib.contextmanager
def blame_keras(call: str, ours: Sequence[Exception] = ()) -> Iterator[None]:
    """Tell an error that Keras raises from an error of this package.

    Args:
        call: The name of the function of Keras.
        ours: Errors that this package's callbacks have raised, which pass as they are.

    Raises:
        KerasError: The call raised an error.
    """
    try:
        yield
    except Exception as error:
        if any(error is own for own in ours):
            raise
        raise KerasError(f"{call} raised {_describe_error(error)}") from error


def explain_error(error: BaseException) -> str:
    """Return an error, and the error that it began with, in one line."""
    root = error
    while root.__cause__ or (root.__context__ and not root.__suppress_context__):
        root = root.__cause__ or root.__context__ or root
    first = str(error) if isinstance(error, (KerasError, ImportError)) else _describe_error(error)
    first, last = " ".join(first.split()), _describe_error(root)
    return first if last.partition(": ")[2] in first else f"{first.rstrip('.')}; it began with {last}"


def _describe_error(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    half = _MESSAGE // 2
    return text if len(text) <= _MESSAGE else f"{text[:half]} ... {text[-half:]}"


def load_tensorflow() -> Any:
    """Import TensorFlow and return its module.

    Raises:
        ImportError: TensorFlow is not installed, or raises an error when it is imported.
    """
    global _import_seconds, _broken  # noqa: PLW0603 - the import happens once in a process, and so does its timing
    if _broken is not None:  # a second import of half a package raises another error, which explains nothing
        raise _broken
    if _import_seconds is None:
        # TensorFlow's start-up log is not for our users; a value that the user has set stays.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # Otherwise the first of several workers takes the whole memory of a GPU.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        start = time.perf_counter()
        if error := _import_tensorflow():
            _broken = _explain_import(error)
            raise _broken from error
        _import_seconds = time.perf_counter() - start
    import tensorflow as tf

    return tf


def _import_tensorflow() -> Exception | None:
    """Import TensorFlow and Keras, and return the error, if there is one."""
    with warnings.catch_warnings():
        # TensorFlow up to 2.11 imports modules that newer versions of Python have deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            _refuse_waiting()
            import tensorflow as tf

            _ = tf.keras.Model  # Keras is loaded lazily: load it while the clock runs
            # TensorFlow warns of many small models in one process; the checks need them.
            tf.get_logger().setLevel("ERROR")
        except Exception as error:  # noqa: BLE001 - whatever it is, `_explain_import` names its root
            return error
    return None


def _refuse_waiting() -> None:
    """Refuse settings of Keras that are a pipe: Keras would wait for them, and nobody would learn why."""
    path = _find_settings()
    if path.is_fifo():
        raise OSError(f"{path}: a pipe, which Keras would wait for: its settings are a regular file")


def _find_settings() -> Path:
    """Return the file of Keras's settings, which need not be there."""
    return Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"), "keras.json")  # noqa: PTH111 - no error


def _name_settings() -> str:
    """Return which settings in Keras's file are not Keras's own; "" if all are."""
    path = _find_settings()
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return ""
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Keras passes over what it cannot read
        return ""
    if not isinstance(settings, dict):
        return f"{path} holds no settings of Keras"
    changed = [f"{name} {settings[name]!r}" for name, own in _SETTINGS.items() if settings.get(name, own) != own]
    return f"{path} sets {', '.join(changed)}" if changed else ""


def _explain_import(error: Exception) -> ImportError:
    if isinstance(error, ModuleNotFoundError) and error.name == "tensorflow":
        advice = "install the TensorFlow to measure, for example: pip install 'mnist-bench[cpu]'"
        return ModuleNotFoundError(f"{error}: {advice}")
    named = ", ".join(f"{name}={os.environ[name]}" for name in _CHOICES if name in os.environ)
    named = named and f" with {named}"
    if isinstance(error, ImportError) and not (error.__cause__ or error.__context__):
        error.__cause__ = _ask_legacy()
    settings = _name_settings()
    settings = settings and f"; {settings}"
    return ImportError(f"TensorFlow and Keras cannot be imported{named}: {explain_error(error)}{settings}")


def _ask_legacy() -> ImportError | None:
    """Return the error of the package tf_keras where the user asks for it: TensorFlow keeps that error to itself."""
    if os.environ.get("TF_USE_LEGACY_KERAS") not in _LEGACY:
        return None
    try:
        importlib.import_module("tf_keras")
    except ImportError as error:
        return error
    return None


def load_keras() -> Any:
    """Import Keras as TensorFlow users get it, `tf.keras`: Keras 2 up to TF 2.15, Keras 3 from 2.16 on."""
    return load_tensorflow().keras


def read_keras_version() -> str:
    """Return the version of the Keras that TensorFlow users get."""
    # In some releases `tf.keras` has no version; the package that defines the classes has one.
    package = importlib.import_module(load_keras().Model.__module__.partition(".")[0])
    return str(package.__version__)


def read_versions() -> dict[str, str]:
    """Return the versions of TensorFlow, Keras and NumPy in this process, by package, and the backend of Keras."""
    import numpy as np

    versions = {"tensorflow": load_tensorflow().__version__, "keras": read_keras_version(), "numpy": np.__version__}
    keras = load_keras()
    return {**versions, "backend": keras.backend.backend() if hasattr(keras.backend, "backend") else "tensorflow"}


def import_seconds() -> float:
    """Return the seconds that importing TensorFlow and Keras took in this process."""
    load_tensorflow()
    return _import_seconds or 0.0


def seed_everything(seed: int) -> None:
    """Seed Python's `random`, NumPy and TensorFlow, as `keras.utils.set_random_seed` does."""
    load_keras().utils.set_random_seed(seed)


def is_deterministic() -> bool:
    """Return whether TensorFlow's op determinism is on in this process."""
    # TensorFlow has no public function for this, and reports no error where the call that turns it on is missing.
    from tensorflow.python.framework import config

    return bool(config.is_op_determinism_enabled())


def read_modes() -> tuple[bool, bool]:
    """Return the settings of the process that become part of what XLA compiles: op determinism, and TF32."""
    experimental = load_tensorflow().config.experimental
    return is_deterministic(), bool(experimental.tensor_float_32_execution_enabled())


def set_determinism(*, on: bool) -> None:
    """Turn TensorFlow's op determinism on or off in this process, and verify the setting.

    Raises:
        RuntimeError: The setting did not take effect.
    """
    tf = load_tensorflow()
    if on:
        tf.config.experimental.enable_op_determinism()
    else:
        # TensorFlow has no public function for this, and Keras 3 refuses XLA while determinism is on.
        from tensorflow.python.framework import config

        config.disable_op_determinism()
    if is_deterministic() is not on:
        raise RuntimeError(f"op determinism was turned {'on' if on else 'off'}, but is still {'off' if on else 'on'}")


def choose_device(device: str) -> str:
    """Make TensorFlow run on `cpu` or `gpu`; `auto` takes a GPU if one is visible.

    Returns:
        `cpu` or `gpu`.

    Raises:
        DeviceError: No GPU is visible, or TensorFlow has already started on another device.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise DeviceError(f"unknown device {device!r}: choose from auto, cpu, gpu")
    tf = load_tensorflow()
    visible = tf.config.get_visible_devices("GPU")
    if device == "gpu" and not visible:
        raise DeviceError("device 'gpu' was asked for, but TensorFlow sees no GPU")
    if device == "cpu" and visible:
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError as error:
            raise DeviceError(
                "device 'cpu' must be chosen before TensorFlow starts: it already runs on a GPU"
            ) from error
        visible = []
    return "gpu" if visible else "cpu"


def synchronise(model: Any) -> None:
    """Wait until the device has finished its work, by reading the model's weights."""
    if model.weights:
        model.get_weights()


def uses_xla(model: Any) -> bool:
    """Return whether XLA compiles the training step of a compiled model, which Keras may decide for itself."""
    made = getattr(model, "jit_compile", None)
    # Keras 2.8 has no public name for it.
    return bool(getattr(model, "_jit_compile", False) if made is None else made)


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Have GPUs multiply float32 as float32 while the context lasts, not rounded to the 10 bits of TF32.

    TF32 is TensorFlow's default from NVIDIA's Ampere on; CPUs do not have it. XLA reads the setting when it compiles.
    """
    experimental = load_tensorflow().config.experimental
    enabled = experimental.tensor_float_32_execution_enabled()
    experimental.enable_tensor_float_32_execution(False)  # noqa: FBT003 - TensorFlow's
    try:
        yield
    finally:
        experimental.enable_tensor_float_32_execution(enabled)


@contextlib.contextmanager
def without_autotuner() -> Iterator[None]:
    """Have Keras build its data pipelines without tf.data's autotuner while the context lasts; no bit depends on it.

    The autotuner's thread sleeps twice as long each time (20 to 640 ms in an epoch of one second, by strace). At the
    end of an epoch Keras 3 waits until that thread wakes, so that the wall time of an epoch is rounded up to the end
    of a sleep (docs/ab.md has the figures). `fit` cannot turn the autotuner off for arrays, but all pipelines of `fit`
    pass through `with_options`.
    """
    dataset = load_tensorflow().data.Dataset
    with_options = dataset.with_options

    def with_fixed_options(self: Any, options: Any, *rest: Any, **named: Any) -> Any:
        options.autotune.enabled = False
        return with_options(self, options, *rest, **named)

    dataset.with_options = with_fixed_options
    try:
        yield
    finally:
        dataset.with_options = with_options
