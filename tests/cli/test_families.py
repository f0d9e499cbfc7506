"""Families of commands: their help, and what they say of a command that is missing or unknown."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.commandline import list_commands

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILIES = ["baseline", "matrix", "timings"]


def read_help(text: str) -> dict[str, list[str]]:
    """Return the lines of each part of a help text by its heading."""
    parts = re.split(r"^(\S.*):\n", text, flags=re.MULTILINE)
    return {heading: body.splitlines() for heading, body in zip(parts[1::2], parts[2::2], strict=True)}


def test_the_help_has_headings(command: Callable[..., Any]) -> None:
    """A newcomer finds the question under its heading; each command stands under one."""
    shown = read_help(command("--help").out)
    headings = ["Ask what got worse", "Keep what was measured", "Explore the lab", "Look up what is used"]
    assert list(shown)[-4:] == headings
    names = [line.split()[0] for heading in headings for line in shown[heading] if line]
    assert names[:3] == ["compare", "check", "run"]
    assert sorted(names) == sorted(words[0] for words in list_commands() if len(words) == 1)


@pytest.mark.parametrize("family", [[], *([name] for name in FAMILIES)], ids=str)
def test_each_command_has_a_whole_sentence(command: Callable[..., Any], family: list[str]) -> None:
    """One line of 80 columns, none cut off."""
    for heading, lines in read_help(command(*family, "--help").out).items():
        if heading not in ("Usage", "Options"):
            for line in filter(None, lines):
                assert re.fullmatch(r"  [a-z]+ +[A-Z`].*[a-z`][.?]", line), line
                assert len(line) < 80


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_without_a_command_shows_its_help(command: Callable[..., Any], family: str) -> None:
    """On standard error, as that is bad usage."""
    assert command(family) == (2, "", command(family, "--help").out)


@pytest.mark.parametrize("words", [[], *([name] for name in FAMILIES)], ids=str)
def test_an_unknown_command_is_named_with_those_that_exist(
    command: Callable[..., Any], check_refused: Callable[..., None], words: list[str]
) -> None:
    """Former names are not among these."""
    known = [path[-1] for path in list_commands() if list(path[:-1]) == words and path]
    line = " ".join(["mnist-bench", *words, "rn"])
    check_refused(command(*words, "rn"), f"no such command: {line}: choose from {', '.join(known)}")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "mlp", "--seed", "1", "--seed", "2"), "--seed: given twice, and allowed once"),
        (("baseline", "list", "--folder=a", "--folder", "b"), "--folder: given twice, and allowed once"),
        (("compare", "a", "b", "--same", "--same"), "--same: given twice, and allowed once"),
    ],
    ids=lambda words: words[0],
)
def test_an_option_is_given_once(
    command: Callable[..., Any], check_refused: Callable[..., None], words: tuple[str, ...], told: str
) -> None:
    """The last one would be taken, and the first forgotten; those that may be given again may."""
    check_refused(command(*words), told)


def test_some_options_may_be_given_again(command: Callable[..., Any], check_refused: Callable[..., None]) -> None:
    """The error is another one."""
    check_refused(command("sweep", "--vary", "hidden=1", "--vary", "height=2"), "unknown factor 'height'")


@pytest.mark.parametrize("words", [["check", "--help"], ["matrix", "-h"], ["baseline"]], ids=" ".join)
def test_without_docstrings_there_is_no_help(words: list[str]) -> None:
    """With `python -OO` a help would lack its text: one line says so, and what has no help to show goes on."""
    arguments = [sys.executable, "-OO", "-c", "from mnist_bench.cli.app import main; main()"]
    answer = subprocess.run([*arguments, *words], capture_output=True, text=True, check=False)
    told = "mnist-bench: with python -OO, or PYTHONOPTIMIZE=2, the help has no text: ask for it without\n"
    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", told)
    assert subprocess.run([*arguments, "--version"], capture_output=True, check=False).returncode == 0
