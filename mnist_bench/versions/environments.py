"""The environments of versions: made by uv, kept in the cache, and described."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import time
from pathlib import Path

from mnist_bench.records.files import find_cache_folder
from mnist_bench.records.serial import load_json, save
from mnist_bench.training.workers.interpreters import run_command
from mnist_bench.versions.records import Install
from mnist_bench.versions.releases import VersionSpec, list_requirements

__all__ = ["describe_environment", "make_environment"]


def make_environment(spec: VersionSpec) -> tuple[Path, Install]:
    """Make a version's environment, or find it in the cache: TensorFlow with its requirements, and nothing of ours.

    Args:
        spec: The version.

    Returns:
        The path of its interpreter, and how it was made.

    Raises:
        CommandError: uv cannot make the environment; the lines say why.
        ValueError: uv is not installed.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise ValueError("uv, which makes the environments, is not installed: pip install uv")
    package = "tensorflow-cpu" if platform.machine() in ("x86_64", "AMD64") else "tensorflow"
    requirements = list_requirements(spec, package=package)
    key = hashlib.sha256(json.dumps([spec.python, requirements]).encode()).hexdigest()[:8]
    folder = find_cache_folder() / "matrix" / f"{spec.name}-{key}"
    # The marker is written last: an environment without it is incomplete.
    marker, python = folder / "install.json", folder / "bin" / "python"
    if marker.exists() and python.exists():
        return python, load_json(marker, Install)
    start = time.perf_counter()
    # Nobody asked for a download: if the interpreter is missing, uv's message names it.
    run_command([uv, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", spec.python, str(folder)])
    run_command([uv, "pip", "install", "--quiet", "--python", str(python), *requirements])
    install = describe_environment(python, seconds=time.perf_counter() - start)
    save(install, marker)
    return python, install


def describe_environment(python: Path, *, seconds: float | None = None) -> Install:
    """Return the size and the packages of the environment that an interpreter belongs to.

    Raises:
        CommandError: The interpreter gives no answer.
    """
    code = (
        # Nothing is imported from the working folder.
        "import sys; sys.path[:] = filter(None, sys.path);"
        "import importlib.metadata as m, json;"
        "print(json.dumps([sys.prefix, {d.metadata['Name'].lower(): d.version for d in m.distributions()}]))"
    )
    prefix, packages = json.loads(run_command([str(python), "-c", code]))
    size = sum(path.lstat().st_size for path in Path(prefix).rglob("*") if path.is_file())
    return Install(seconds=None if seconds is None else round(seconds, 2), bytes=size, packages=packages)
