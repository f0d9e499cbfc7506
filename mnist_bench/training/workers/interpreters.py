"""Other Python interpreters on this machine: found by their path or their environment's, and looked at before use."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from mnist_bench.records import files
from mnist_bench.training.workers.child import describe_exit, drop_own_variables
from mnist_bench.training.workers.last_words import find_last_words

__all__ = ["CommandError", "check_python", "find_python", "run_command", "shorten_lines"]

_PATIENCE_SECONDS = 60.0  # a first start from a cold disk may take some; none takes a minute
_QUOTED = 60  # characters of what a strange program says
_LINES, _WIDTH = 12, 300  # of what a command that failed has left: enough for pip's reason or a traceback's end
_INSIDE = ("bin/python", "bin/python3", "Scripts/python.exe")

# Asked of a strange interpreter: so in any Python, without importing what takes long, and not from the working folder.
_QUESTION = """
import sys
sys.path[:] = filter(None, sys.path)
import importlib.util as u, json
print(json.dumps([name for name in ("numpy", "tensorflow") if u.find_spec(name) is None]))
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


def check_python(path: Path) -> None:
    """Make sure that an interpreter works and has TensorFlow.

    Args:
        path: The interpreter.

    Raises:
        ValueError: It is no Python, or lacks TensorFlow; the message says what to install.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - the user named it
            [path, "-c", _QUESTION],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
            env=drop_own_variables(),
        )
        missing = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a Python interpreter that works: {_explain(error)}") from error
    if not isinstance(missing, list):
        raise ValueError(f"{path}: not a Python interpreter: it answered {answer.stdout[:_QUOTED]!r}")  # noqa: TRY004
    if missing:
        raise ValueError(f"{path}: no TensorFlow there: {path} -m pip install tensorflow-cpu")


class CommandError(RuntimeError):
    """A command that failed.

    Attributes:
        lines: The last lines that it left.
        bad_input: Whether what was asked for cannot be had, such as a GPU.
    """

    def __init__(self, reason: str, lines: list[str], *, bad_input: bool = False) -> None:
        """Keep the reason, as the message, and the lines."""
        super().__init__(reason)
        self.lines = lines
        self.bad_input = bad_input


def run_command(
    command: list[str], *, allowed: tuple[int, ...] = (0,), text: str | None = None, limit: float | None = None
) -> str:
    """Run a command in an environment of its own, and return its standard output.

    Args:
        command: The program and its arguments.
        allowed: The exit statuses that are an answer.
        text: What it reads from its standard input.
        limit: Seconds after which it is ended; None for no limit.

    Raises:
        CommandError: It cannot be started, gives no answer in time, or ends with another status.
    """
    try:
        done = subprocess.run(  # noqa: S603 - uv, or an interpreter that the user named or uv made
            command,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            env=_make_variables(),
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{Path(command[0]).name} gave no answer in {error.timeout:.0f} s", []) from error
    except OSError as error:
        raise CommandError(f"{Path(command[0]).name} cannot be started: {error.strerror}", []) from error
    # An interpreter that breaks down ends with status 1, too, but with nothing on standard output.
    if done.returncode in allowed and (done.returncode == 0 or done.stdout.strip()):
        return done.stdout
    lines = shorten_lines(done.stderr or done.stdout)
    said = shorten_lines(find_last_words(done.stderr or done.stdout))
    raise CommandError(": ".join([f"{_shorten(command)} {describe_exit(done.returncode)}", *said]), lines)


def shorten_lines(text: str) -> list[str]:
    """Return the last lines of a text, without this user's folders: they go into a record."""
    cache = files.find_cache_folder().absolute()  # a relative path such as `e` is a part of many words
    for folder, name in ((cache, "CACHE"), (files.PACKAGE.parent, "PROJECT"), (_find_home(), "~")):
        # The home of a container's user may be the root of all folders, or no folder.
        if folder != folder.parent and folder.is_absolute():
            text = re.sub(rf"(?<!\w){re.escape(str(folder))}(?![\w-])", name, text)
    lines = [line.rstrip()[:_WIDTH] for line in text.splitlines() if line.strip()]
    return lines[-_LINES:]


def _explain(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        last = find_last_words(str(error.stderr))
        return f"it ended with exit code {error.returncode}" + (f": {last[:_QUOTED]}" if last else "")
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer in {error.timeout:.0f} s"
    if isinstance(error, json.JSONDecodeError):
        return f"it answered {error.doc[:_QUOTED]!r}"
    return getattr(error, "strerror", None) or str(error)


def _make_variables() -> dict[str, str]:
    """Return this process's variables, without those of its environment and with pyenv's interpreters on the path."""
    variables = drop_own_variables()
    root = Path(os.environ.get("PYENV_ROOT", _find_home() / ".pyenv"))
    # pyenv's own stand-ins on the path refuse every version but the chosen one.
    folders = [str(path) for path in sorted(root.glob("versions/*/bin"))]
    variables["PATH"] = os.pathsep.join([variables.get("PATH", os.defpath), *folders])
    return variables


def _shorten(command: list[str]) -> str:
    words = [Path(command[0]).name, *command[1:3]]
    return " ".join(word for word in words if not word.startswith("/"))[:80]


def _find_home() -> Path:
    """Return the user's home; the path "~" where the user has none, as in a container."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - it never raises
