"""The exit status is that of the work, whatever becomes of what is printed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.cli.streams import settle_colors

if TYPE_CHECKING:
    from collections.abc import Callable

WORKS, FAILS = "baseline list", "data --data nothing"


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


@pytest.mark.parametrize("arguments", ["data --data digits", "data --data digits --json", "--help"])
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


@pytest.mark.parametrize(
    ("no_color", "force_color", "colors", "left"),
    [
        (None, None, None, {}),
        ("", "", None, {}),
        ("1", None, False, {"NO_COLOR": "1"}),
        ("", "1", True, {"FORCE_COLOR": "1"}),
        (None, "0", True, {"FORCE_COLOR": "0"}),
        ("0", "1", False, {"NO_COLOR": "0"}),
    ],
)
def test_colors_follow_the_conventions(
    monkeypatch: pytest.MonkeyPatch, no_color: str | None, force_color: str | None, colors: object, left: Any
) -> None:
    """Set and not empty counts, whatever the value is; NO_COLOR outranks FORCE_COLOR."""
    for name, value in {"NO_COLOR": no_color, "FORCE_COLOR": force_color}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert settle_colors() is colors
    assert {name: os.environ[name] for name in ("NO_COLOR", "FORCE_COLOR") if name in os.environ} == left


@pytest.mark.parametrize("words", [("--help",), ("run", "cnn"), ("nosuch",), ("matrix",)], ids=" ".join)
def test_help_and_errors_have_no_colors(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Not even if colours are asked for: they are the same bytes everywhere."""
    plain = command(*words)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert command(*words) == plain
    assert "\x1b" not in plain.out + plain.err
