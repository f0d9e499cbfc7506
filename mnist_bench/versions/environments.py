"""The environments of versions: made by uv, kept in the cache, and described."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.records.files import find_cache_folder
from mnist_bench.records.locks import locked
from mnist_bench.records.serial import load_headless, save
from mnist_bench.records.strict import RecordError
from mnist_bench.training.workers.interpreters import CommandError, run_command
from mnist_bench.training.workers.waiting import Waiting
from mnist_bench.versions.records import Install
from mnist_bench.versions.releases import PYTHONS, VersionSpec, list_requirements

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "describe_environment",
    "find_python_of",
    "find_uv",
    "install_requirements",
    "list_pythons",
    "make_environment",
    "resolve_requirements",
]

_PATIENCE_SECONDS = 120.0  # for the packages of an environment, from a cold disk
_MARKER = "install.json"
_QUOTED = 60  # characters of an answer that cannot be read


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
    package = "tensorflow-cpu" if platform.machine() in ("x86_64", "AMD64") else "tensorflow"
    return install_requirements(list_requirements(spec, package=package), python=spec.python, name=spec.name)


def find_python_of(spec: VersionSpec) -> Path:
    """Return the interpreter of a version on this machine, whose environment is made if it is not in the cache.

    Raises:
        CommandError: As `make_environment`.
        ValueError: As `make_environment`.
    """
    return make_environment(spec)[0]


def install_requirements(requirements: Sequence[str], *, python: str, name: str) -> tuple[Path, Install]:
    """Make an environment in the cache, or find it there.

    Args:
        requirements: What uv installs.
        python: The version of its Python, such as `3.12`.
        name: The beginning of the name of its folder.

    Returns:
        The path of its interpreter, and how it was made.

    Raises:
        CommandError: uv cannot make the environment; the lines say why.
        ValueError: uv is not installed.
    """
    uv = find_uv()
    key = hashlib.sha256(json.dumps([python, list(requirements)]).encode()).hexdigest()[:8]
    folder = find_cache_folder() / "matrix" / f"{name}-{key}"
    # The marker is written last: an environment without it is incomplete.
    marker, interpreter = folder / _MARKER, folder / "bin" / "python"
    if interpreter.exists() and (made := _read_marker(marker)):
        return interpreter, made

    def wait() -> None:
        Waiting.say(f"waiting: another command is making the environment {folder.name}")

    with locked(folder.parent / f"{folder.name}.lock", wait):
        if interpreter.exists() and (made := _read_marker(marker)):  # by the command that had the folder
            return interpreter, made
        return interpreter, _install(uv, folder, python, requirements)


def _install(uv: str, folder: Path, python: str, requirements: Sequence[str]) -> Install:
    """Make an environment in a folder of the cache, in place of what is there."""
    start, interpreter = time.perf_counter(), folder / "bin" / "python"
    # Nobody asked for a download: if the interpreter is missing, uv's message names it.
    run_command([uv, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", python, str(folder)])
    run_command([uv, "pip", "install", "--quiet", "--python", str(interpreter), *requirements])
    install = describe_environment(interpreter, seconds=time.perf_counter() - start)
    save(install, folder / _MARKER, overwrite=True)
    return install


def _read_marker(marker: Path) -> Install | None:
    """Return how the environment was made that is in the cache; None if it has to be made again."""
    try:
        return load_headless(marker, Install) if marker.exists() else None
    except RecordError:  # a cache is made again, whatever became of it
        return None


def resolve_requirements(requirements: Sequence[str], *, python: str, prerelease: bool = False) -> list[str]:
    """Return every package, with its version, that uv would install for these requirements.

    Args:
        requirements: PEP 508 requirements, or paths of wheels.
        python: The version of Python to resolve for, such as `3.12`.
        prerelease: Whether versions before a release, such as nightly builds, may be taken.

    Raises:
        CommandError: There is no solution; the lines say why.
        ValueError: uv is not installed.
    """
    command = [find_uv(), "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--python-version", python]
    answer = run_command([*command, *(["--prerelease=allow"] if prerelease else [])], text="\n".join(requirements))
    return [line.strip() for line in answer.splitlines() if line.strip()]


def list_pythons() -> list[str]:
    """Return the versions of Python, newest first, of which uv finds an interpreter on this machine.

    Raises:
        ValueError: uv is not installed.
    """
    found = []
    for python in reversed(PYTHONS):
        with contextlib.suppress(CommandError):
            run_command([find_uv(), "python", "find", "--no-python-downloads", python])
            found.append(python)
    return found


def find_uv() -> str:
    """Return the path of uv, which makes the environments.

    Raises:
        ValueError: uv is not installed.
    """
    # Next to this interpreter, too: its environment may be used by its path, without being on the PATH.
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise ValueError("uv, which makes the environments, is not installed: pip install uv")
    return uv


def describe_environment(python: Path, *, seconds: float | None = None) -> Install:
    """Return the size and the packages of the environment that an interpreter belongs to.

    Raises:
        CommandError: The interpreter gives no answer.
    """
    code = (
        # Nothing is imported from the working folder.
        "import sys; sys.path[:] = filter(None, sys.path);"
        "import importlib.metadata as m, json;"
        # A package that was removed in part may have left a folder without metadata.
        "found = [d for d in m.distributions() if d.metadata and d.metadata['Name']];"
        "print(json.dumps([sys.prefix, {d.metadata['Name'].lower(): d.version for d in found}]))"
    )
    answer = run_command([str(python), "-c", code], limit=_PATIENCE_SECONDS)
    try:
        prefix, packages = json.loads(answer)
        packages = dict(packages)
    except (ValueError, TypeError) as error:
        raise CommandError(f"it answered {answer[:_QUOTED]!r}, not with a list of its packages", []) from error
    size = sum(path.lstat().st_size for path in Path(prefix).rglob("*") if path.is_file())
    return Install(seconds=None if seconds is None else round(seconds, 2), bytes=size, packages=packages)
