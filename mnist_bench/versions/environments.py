"""Environments of other TensorFlow versions: made by uv, kept in the cache, and asked by commands."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

from mnist_bench.records import files
from mnist_bench.records.files import write_atomically
from mnist_bench.records.serial import dump_json, load_json
from mnist_bench.training.data.digits import find_cache_folder
from mnist_bench.versions.records import Install
from mnist_bench.versions.releases import VersionSpec, list_requirements

__all__ = ["CommandError", "describe_environment", "find_project", "make_environment", "run_command", "shorten_lines"]

_LINES, _WIDTH = 12, 300  # of what a command that failed has left: enough for pip's reason or a traceback's end
# What would have a command find the packages of this environment instead of its own.
_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


class CommandError(RuntimeError):
    """A command that failed.

    Attributes:
        lines: The last lines that it left.
    """

    def __init__(self, reason: str, lines: list[str]) -> None:
        """Keep the reason, as the message, and the lines."""
        super().__init__(reason)
        self.lines = lines


def run_command(command: list[str], *, allowed: tuple[int, ...] = (0,)) -> str:
    """Run a command in an environment of its own, and return its standard output.

    Args:
        command: The program and its arguments.
        allowed: The exit statuses that are an answer.

    Raises:
        CommandError: It cannot be started, or ends with another status.
    """
    try:
        done = subprocess.run(  # noqa: S603 - uv, or an interpreter that the user named or uv made
            command, capture_output=True, text=True, errors="replace", env=_make_variables(), check=False
        )
    except OSError as error:
        raise CommandError(f"{Path(command[0]).name} cannot be started: {error.strerror}", []) from error
    # An interpreter that breaks down ends with status 1, too, but with nothing on standard output.
    if done.returncode in allowed and (done.returncode == 0 or done.stdout.strip()):
        return done.stdout
    lines = shorten_lines(done.stderr or done.stdout)
    code = done.returncode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
    raise CommandError(": ".join([f"{_shorten(command)} {how}", *lines[-1:]]), lines)


def find_project(path: Path | None = None) -> Path:
    """Return what is to be installed in each environment: a checkout, or a wheel.

    Args:
        path: The user's choice; the checkout that this runs from if None.

    Raises:
        ValueError: There is none.
    """
    checkout = path or _find_root()
    if checkout.suffix != ".whl" and not (checkout / "pyproject.toml").is_file():
        what = f"{checkout}: neither a checkout nor a wheel" if path else "this is no checkout"
        raise ValueError(f"{what}: --project takes the project's checkout or its wheel")
    if not checkout.exists():
        raise ValueError(f"{checkout}: no such file")
    return checkout.resolve()


def make_environment(spec: VersionSpec, project: Path) -> tuple[Path, Install]:
    """Make a version's environment, or find it in the cache.

    Args:
        spec: The version.
        project: The checkout, which is installed editable so that records name its commit, or the wheel.

    Returns:
        The path of its interpreter, and how it was made.

    Raises:
        CommandError: uv cannot make it; the lines say why.
        ValueError: There is no uv.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise ValueError("uv is not installed, which makes the environments: pip install uv")
    package = "tensorflow-cpu" if platform.machine() in ("x86_64", "AMD64") else "tensorflow"
    requirements = list_requirements(spec, package=package)
    what = [str(project)] if project.suffix == ".whl" else ["--editable", str(project)]
    key = hashlib.sha256(json.dumps([spec.python, requirements, what]).encode()).hexdigest()[:8]
    folder = find_cache_folder() / "matrix" / f"{spec.name}-{key}"
    # Written last, so that an environment without it is half a one.
    marker, python = folder / "install.json", folder / "bin" / "python"
    if marker.exists() and python.exists():
        return python, load_json(marker, Install)
    start = time.perf_counter()
    # What was not asked for is not downloaded: a missing interpreter is named instead.
    run_command([uv, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", spec.python, str(folder)])
    run_command([uv, "pip", "install", "--quiet", "--python", str(python), *what, *requirements])
    install = describe_environment(python, seconds=time.perf_counter() - start)
    write_atomically(marker, dump_json(install).encode())
    return python, install


def describe_environment(python: Path, *, seconds: float | None = None) -> Install:
    """Return the size and the packages of the environment that an interpreter belongs to.

    Raises:
        CommandError: The interpreter gives no answer.
    """
    code = (
        "import importlib.metadata as m, json, sys;"
        "print(json.dumps([sys.prefix, {d.metadata['Name'].lower(): d.version for d in m.distributions()}]))"
    )
    prefix, packages = json.loads(run_command([str(python), "-c", code]))
    size = sum(path.lstat().st_size for path in Path(prefix).rglob("*") if path.is_file())
    return Install(seconds=None if seconds is None else round(seconds, 2), bytes=size, packages=packages)


def _make_variables() -> dict[str, str]:
    """Return this process's variables, without those of its environment and with pyenv's interpreters on the path."""
    variables = {name: value for name, value in os.environ.items() if name not in _OURS}
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    # pyenv's own stand-ins on the path refuse every version but the chosen one.
    folders = [str(path) for path in sorted(root.glob("versions/*/bin"))]
    variables["PATH"] = os.pathsep.join([variables.get("PATH", os.defpath), *folders])
    return variables


def shorten_lines(text: str) -> list[str]:
    """Return the last lines of a text, without this user's folders: they go into a record."""
    for folder, name in ((find_cache_folder(), "CACHE"), (_find_root(), "PROJECT"), (Path.home(), "~")):
        text = text.replace(str(folder), name)
    lines = [line.rstrip()[:_WIDTH] for line in text.splitlines() if line.strip()]
    return lines[-_LINES:]


def _find_root() -> Path:
    """Return the folder that this package is in."""
    return files.PACKAGE.parent


def _shorten(command: list[str]) -> str:
    words = [Path(command[0]).name, *command[1:3]]
    return " ".join(word for word in words if not word.startswith("/"))[:80]
