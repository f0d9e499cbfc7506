"""Other Python interpreters on this machine: found by their path or their environment's, and looked at before use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["check_python", "find_python"]

_PATIENCE_SECONDS = 60.0  # a first start from a cold disk may take some; none takes a minute
_QUOTED = 60  # characters of what a strange program says
_INSIDE = ("bin/python", "bin/python3", "Scripts/python.exe")

# Asked of a strange interpreter: so in any Python, and without importing what takes long.
_QUESTION = """
import importlib.util as u, json
def has(name):
    try:
        return u.find_spec(name) is not None
    except ImportError:
        return False
names = ("numpy", "tensorflow", "mnist_bench", "mnist_bench.timing.ab.worker")
print(json.dumps([name for name in names if not has(name)]))
"""


def find_python(name: str) -> Path:
    """Return the interpreter that a path, a virtual environment's folder or a command's name stands for.

    Links are kept as they are: an environment is known by the path of its interpreter.

    Raises:
        ValueError: There is none.
    """
    path = Path(name)
    if path.is_dir():
        inside = [path / it for it in _INSIDE if (path / it).is_file()]
        if not inside:
            raise ValueError(f"{name}: no interpreter in that folder ({', '.join(_INSIDE)})")
        return inside[0].absolute()
    found = shutil.which(name)
    if found is None:
        why = "it may not be executed" if path.is_file() else "no such interpreter, and no such folder"
        raise ValueError(f"{name}: {why}")
    return Path(found).absolute()


def check_python(path: Path, folder: Path) -> None:
    """Make sure that an interpreter has what the measuring side needs.

    Args:
        path: The interpreter.
        folder: Where it is started: one without a package in it that could be taken for an installed one.

    Raises:
        ValueError: It is no Python, or lacks something; the message says what, and how to install it.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - the user named it
            [path, "-c", _QUESTION],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_SECONDS,
            check=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        missing = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a Python interpreter that works: {_explain(error)}") from error
    if not isinstance(missing, list):
        raise ValueError(f"{path}: not a Python interpreter: it answered {answer.stdout[:_QUOTED]!r}")  # noqa: TRY004
    if "tensorflow" in missing or "numpy" in missing:
        raise ValueError(f"{path}: no TensorFlow there: {path} -m pip install tensorflow-cpu")
    if "mnist_bench" in missing:
        raise ValueError(f"{path}: no mnist_bench there: {path} -m pip install mnist-bench")
    if missing:
        raise ValueError(f"{path}: its mnist_bench is too old to be compared: {path} -m pip install -U mnist-bench")


def _explain(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        last = str(error.stderr).strip().splitlines()[-1:]
        return f"it ended with exit code {error.returncode}" + (f": {last[0][:_QUOTED]}" if last else "")
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer in {error.timeout:.0f} s"
    return getattr(error, "strerror", None) or str(error)
