"""TensorFlow is imported in one place: late, quietly, and with a clear message if it is missing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import pytest

from mnist_bench.training import backend

if TYPE_CHECKING:
    from pathlib import Path


def make_tensorflow(gpus: list[str], error: Exception | None = None) -> Any:
    """Return as much of TensorFlow as choosing a device needs, with these GPUs."""

    def hide(devices: list[str], kind: str) -> None:
        assert kind == "GPU"
        if error:
            raise error
        gpus[:] = devices

    config = SimpleNamespace(get_visible_devices=lambda _: list(gpus), set_visible_devices=hide)
    return SimpleNamespace(config=config)


@pytest.mark.parametrize(
    ("device", "gpus", "chosen"),
    [
        ("auto", [], "cpu"),
        ("cpu", [], "cpu"),
        ("auto", ["a"], "gpu"),
        ("gpu", ["a"], "gpu"),
        ("cpu", ["a"], "cpu"),
    ],
)
def test_chooses_a_device(monkeypatch: pytest.MonkeyPatch, device: str, gpus: list[str], chosen: str) -> None:
    """`auto` takes a GPU where there is one; `cpu` hides it from TensorFlow."""
    visible = list(gpus)
    monkeypatch.setattr(backend, "load_tensorflow", lambda: make_tensorflow(visible))
    assert backend.choose_device(device) == chosen
    assert visible == (gpus if chosen == "gpu" else [])


def test_a_device_that_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU, a GPU that runs already, and a device of another name each have their message."""
    monkeypatch.setattr(backend, "load_tensorflow", lambda: make_tensorflow([]))
    with pytest.raises(backend.DeviceError, match="device 'gpu' was asked for, but TensorFlow sees no GPU"):
        backend.choose_device("gpu")
    with pytest.raises(backend.DeviceError, match="unknown device 'tpu': choose from auto, cpu, gpu"):
        backend.choose_device("tpu")
    running = make_tensorflow(["a"], RuntimeError("initialized"))
    monkeypatch.setattr(backend, "load_tensorflow", lambda: running)
    with pytest.raises(backend.DeviceError, match="'cpu' must be chosen before TensorFlow starts"):
        backend.choose_device("cpu")


@pytest.mark.parametrize("enabled", [True, False], ids=["on", "off"])
def test_tf32_is_off_for_a_while(enabled: bool) -> None:  # noqa: FBT001 - parametrised
    """Inside, products are float32's; afterwards the setting is back, also after an error."""
    experimental = backend.load_tensorflow().config.experimental
    before = experimental.tensor_float_32_execution_enabled()
    experimental.enable_tensor_float_32_execution(enabled)
    with contextlib.suppress(ZeroDivisionError), backend.without_tf32():
        assert not experimental.tensor_float_32_execution_enabled()
        assert backend.read_modes() == (backend.is_deterministic(), False)
        raise ZeroDivisionError
    assert experimental.tensor_float_32_execution_enabled() is enabled
    assert backend.read_modes() == (backend.is_deterministic(), enabled)
    experimental.enable_tensor_float_32_execution(before)


@pytest.mark.parametrize(("given", "seen"), [(None, "true"), ("false", "false")])
def test_a_worker_takes_a_gpus_memory_as_it_needs_it(
    given: str | None, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default TensorFlow would take all memory; the user's own choice is kept."""
    name = "TF_FORCE_GPU_ALLOW_GROWTH"
    monkeypatch.setenv(name, given or "")  # so that it is put back
    if given is None:
        monkeypatch.delenv(name)
    monkeypatch.setattr(backend, "_import_seconds", None)
    monkeypatch.setitem(sys.modules, "tensorflow", Mock())
    backend.load_tensorflow()
    assert os.environ[name] == seen


@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_determinism_is_what_was_asked_for(on: bool) -> None:  # noqa: FBT001 - parametrised
    """Op determinism can be turned on, off, and on again."""
    for wanted in (on, not on, on):
        backend.set_determinism(on=wanted)
        assert backend.is_deterministic() is wanted


def test_determinism_that_stays_off_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that TensorFlow ignores is an error."""
    monkeypatch.setattr(backend, "is_deterministic", lambda: False)
    with pytest.raises(RuntimeError, match="op determinism was turned on, but is still off"):
        backend.set_determinism(on=True)


def test_seeds_everything() -> None:
    """Python's, NumPy's and TensorFlow's random numbers begin again."""
    import random

    def draw() -> tuple[float, float, float]:
        backend.seed_everything(1671)
        uniform = backend.load_tensorflow().random.uniform(())
        return random.random(), np.random.rand(), float(uniform)  # noqa: S311, NPY002 - what Keras seeds

    assert draw() == draw()


def test_a_missing_tensorflow_is_named(tmp_path: Path) -> None:
    """The message says what to install."""
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from mnist_bench.training import backend\n"
        "try: backend.load_tensorflow()\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "pip install 'mnist-bench[cpu]'" in answer.stdout
    assert answer.stderr == ""


REFUSE = """
import sys
class Finder:
    def find_spec(self, name, *_):
        if name in ("jax", "tf_keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder())
"""
# TensorFlow 2.16 to 2.21 keep the error of tf_keras to themselves.
REFUSE_LEGACY = """
try:
    import tf_keras
except ImportError:
    pass
raise ImportError("Keras cannot be imported. Check that it is installed.")
"""


@pytest.mark.parametrize(
    ("package", "variables", "message"),
    [
        pytest.param("", {}, ": AttributeError: module 'tensorflow' has no attribute 'keras'", id="half uninstalled"),
        pytest.param(
            "raise TypeError('Descriptors cannot be\\ncreated')",
            {},
            ": TypeError: Descriptors cannot be created",
            id="protobuf",
        ),
        pytest.param(
            REFUSE + "try:\n    import jax\nexcept ImportError as error:\n    raise ImportError('no Keras')",
            {"KERAS_BACKEND": "jax"},
            " with KERAS_BACKEND=jax: no Keras; it began with ModuleNotFoundError: No module named 'jax'",
            id="no jax",
        ),
        pytest.param(
            REFUSE + REFUSE_LEGACY,
            {"TF_USE_LEGACY_KERAS": "1"},
            " with TF_USE_LEGACY_KERAS=1: Keras cannot be imported. Check that it is installed; it began with "
            "ModuleNotFoundError: No module named 'tf_keras'",
            id="no tf_keras",
        ),
        pytest.param(
            REFUSE + REFUSE_LEGACY,
            {"TF_USE_LEGACY_KERAS": "0"},
            " with TF_USE_LEGACY_KERAS=0: Keras cannot be imported. Check that it is installed.",
            id="tf_keras that nobody asked for",
        ),
    ],
)
def test_a_broken_tensorflow_is_one_message(
    package: str, variables: dict[str, str], message: str, tmp_path: Path
) -> None:
    """An import that fails is an ImportError that names its root, the first time and each time after it."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(package)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from mnist_bench.training.backend import load_tensorflow\n"
        "for _ in range(2):\n"
        "    try: load_tensorflow()\n"
        "    except ImportError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    answer = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == [f"TensorFlow and Keras cannot be imported{message}"] * 2


def test_settings_of_keras_that_are_a_pipe_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras would wait for them for ever, and nobody would learn why."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(backend, "_import_seconds", None)
    monkeypatch.setattr(backend, "_broken", None)
    os.mkfifo(tmp_path / "keras.json")
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # without the refusal, the test ends nevertheless
    with pytest.raises(ImportError, match=r"keras\.json: a pipe, which Keras would wait for: its settings"):
        backend.load_tensorflow()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            '{"backend": "jax", "floatx": "bfloat16", "image_data_format": 7}',
            "sets backend 'jax', floatx 'bfloat16', image_data_format 7",
        ),
        ("[]", "holds no settings of Keras"),
        ('{"backend": "tensorflow", "floatx": "float32", "epsilon": 1e-07}', None),
        ("{", None),
        (None, None),
    ],
    ids=["changed", "a list", "Keras's own", "no JSON", "no file"],
)
def test_settings_of_keras_are_named_where_the_import_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, named: str | None
) -> None:
    """Keras says of some no more than AssertionError."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name in ("KERAS_BACKEND", "TF_USE_LEGACY_KERAS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(backend, "_import_seconds", None)
    monkeypatch.setattr(backend, "_broken", None)
    monkeypatch.setattr(backend, "_import_tensorflow", AssertionError)
    if text is not None:
        (tmp_path / "keras.json").write_text(text)
    with pytest.raises(ImportError) as caught:
        backend.load_tensorflow()
    more = f"; {tmp_path / 'keras.json'} {named}" if named else ""
    assert str(caught.value) == f"TensorFlow and Keras cannot be imported: AssertionError{more}"
