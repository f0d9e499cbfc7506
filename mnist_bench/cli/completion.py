"""The completion of shells, which typer installs: what typer would not say, or would wait for, is said before."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["answers_shell", "check_start_files", "refuse_shell"]

_INSTALL, _SHOW = "--install-completion", "--show-completion"
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


def answers_shell(arguments: list[str]) -> bool:
    """Return whether a shell is answered, or completion shown or installed: typer ends the process then."""
    return "_MNIST_BENCH_COMPLETE" in os.environ or not {_INSTALL, _SHOW}.isdisjoint(arguments)


def refuse_shell(status: object, arguments: list[str]) -> None:
    """Refuse a shell for which typer has no completion: typer says so, too, with status 1, which here means regressed.

    Raises:
        ValueError: Completion was asked for, in such a shell.
    """
    if status == 1 and not {_INSTALL, _SHOW}.isdisjoint(arguments):
        raise ValueError("there is no completion for this shell: use bash, zsh, fish or PowerShell")
