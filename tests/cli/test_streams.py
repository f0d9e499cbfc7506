"""The exit status is that of the work, whatever becomes of what is printed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

WORKS, FAILS = "data --data digits", "data --data nothing"


def run(redirected: str) -> int:
    """Run the command in a shell, and return the status that the shell tells."""
    command = f"{shlex.quote(sys.executable)} -m mnist_bench {redirected}"
    return subprocess.run(["/bin/bash", "-c", command], capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param(">&-", id="no stdout"),
        pytest.param("2>&-", id="no stderr"),
        pytest.param("<&- >&- 2>&-", id="none"),
        pytest.param("> /dev/full", id="stdout on a full disk"),
        pytest.param("2> /dev/full", id="stderr on a full disk"),
        pytest.param("2> >(exec true)", id="nobody reads stderr"),
    ],
)
@pytest.mark.parametrize(("arguments", "status"), [(WORKS, 0), (FAILS, 2)], ids=["works", "fails"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_streams_decide_nothing(streams: str, arguments: str, status: int) -> None:
    """A stream that is closed, full or unread changes no status."""
    assert run(f"{arguments} {streams}") == status


@pytest.mark.parametrize("arguments", [WORKS, f"{WORKS} --json", "--help"])
def test_a_pipe_that_nobody_reads_is_141(arguments: str) -> None:
    """The status is that of a program which SIGPIPE ends: 1 would say that something regressed."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "mnist_bench", *arguments.split()]
    answer = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert answer.returncode == 141
    assert "Traceback" not in answer.stderr
    assert "Exception ignored" not in answer.stderr


@pytest.mark.parametrize(
    "arguments", ["run --seed 1.0", "run --seed 1_0", "run --seeds 0", "check --seeds x", "probe --epochs 1e1"]
)
def test_what_is_no_whole_number_is_bad_usage(arguments: str, command: Callable[..., Any]) -> None:
    """A number is refused, with its option, before anything is trained, however typer reads numbers."""
    answer = command(*arguments.split())
    assert (answer.status, answer.out) == (2, "")
    assert arguments.split()[1] in answer.err
    assert arguments.split()[2] in answer.err
