"""The completion of shells, which typer installs: what typer would not say, or would wait for, is said before."""

from __future__ import annotations

import os
from pathlib import Path

from mnist_bench.records.numbers import read_whole

__all__ = ["answers_shell", "check_request", "check_start_files", "refuse_shell"]

_INSTALL, _SHOW = "--install-completion", "--show-completion"
_REQUEST = "_MNIST_BENCH_COMPLETE"  # the variable by which the script of a shell asks
_SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_START_FILES = (".bashrc", ".zshrc")  # to which a line is added


def check_start_files(arguments: list[str]) -> None:
    """Find out whether typer can read the files that shells read at their start, if it is to install completion.

    Raises:
        ValueError: There is no home, or such a file is no regular file, or not UTF-8.
    """
    if _INSTALL not in arguments:
        return
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - it never raises
    if not os.environ.get("HOME", "unset") or not home.is_absolute():
        raise ValueError(f"{_INSTALL}: HOME names no folder: completion is installed in the home")
    for path in (home / name for name in _START_FILES):
        if path.exists() and not path.is_file():
            raise ValueError(f"{path}: is no regular file, and {_INSTALL} would add a line to it")
        try:
            path.read_text() if path.exists() else ""
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: {error.encoding} cannot read byte {error.start}, so nothing is added") from error


def check_request() -> None:
    """Refuse what no script of ours asks, which typer would answer with status 1 or with a traceback.

    Raises:
        ValueError: The variable asks for nothing that there is, or bash does not say what it wants completed.
    """
    asked = os.environ.get(_REQUEST)
    if not asked:
        return
    allowed = [f"{word}_{shell}" for word in ("complete", "source") for shell in _SHELLS]
    if asked not in allowed:
        raise ValueError(f"{_REQUEST}={asked!r} is not allowed: choose from {', '.join(allowed)}")
    if asked == "complete_bash":
        if "COMP_WORDS" not in os.environ:
            raise ValueError(f"{_REQUEST}={asked}: COMP_WORDS is not set: it has the words of the command line")
        try:
            read_whole(os.environ.get("COMP_CWORD", ""), 0)
        except ValueError as error:
            raise ValueError(f"COMP_CWORD, the place of the word to complete: {error}") from error


def answers_shell(arguments: list[str]) -> bool:
    """Return whether a shell is answered, or completion shown or installed: typer ends the process then."""
    return bool(os.environ.get(_REQUEST)) or not {_INSTALL, _SHOW}.isdisjoint(arguments)


def refuse_shell(status: object, arguments: list[str]) -> None:
    """Refuse a shell for which typer has no completion: typer says so, too, with status 1, which here means regressed.

    Raises:
        ValueError: Completion was asked for, in such a shell.
    """
    if status == 1 and not {_INSTALL, _SHOW}.isdisjoint(arguments):
        raise ValueError("there is no completion for this shell: use bash, zsh, fish or PowerShell")
