"""Every command line that a page, a message, a template or a job shows is one that the command has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fixtures.commandline import find_command, list_options, parse

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mnist_bench"
SHOWN = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "tox.ini", ".ci/run")),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "docs" / "ci").glob("*.yml"),
    *(ROOT / ".github").rglob("*.yml"),
    *(ROOT / "benchmarks").rglob("*.py"),
    *PACKAGE.rglob("*.py"),
    *(PACKAGE / "templates").glob("*"),
]
# What is no command line: the title of a part of pytest's output, and the mark of a page that an earlier version wrote.
TITLES = {("pytest_plugin.py", "verdicts"), ("page.py", "report")}
CI = ROOT / "docs" / "ci.md"


def list_lines(text: str) -> list[str]:
    """Return what stands behind `mnist-bench` in a text, up to the end of each command line.

    A quoted argument, such as a list of requirements, is a part of the line.
    """
    found = re.findall(r"mnist-bench +([a-z-](?: '[^'\n]*'(?=\s)|[^`\"'\n;|#()<\\])*)", text)
    return [line.strip() for line in found]


def check_line(line: str) -> None:
    """Check that the command, and each option in the line, is there; an argument may be a placeholder."""
    command, arguments = find_command([word.rstrip(".,:*") for word in line.split()])
    options = [word.partition("=")[0] for word in arguments if re.match("--?[a-z]", word)]
    assert set(options) <= list_options(command), f"no such option of {command.name}: {options}"


@pytest.mark.parametrize("path", SHOWN, ids=[str(path.relative_to(ROOT)) for path in SHOWN])
def test_what_is_shown_is_there(path: Path) -> None:
    """Commands and options, wherever they are mentioned."""
    for line in list_lines(path.read_text(encoding="utf-8")):
        if (path.name, line) not in TITLES:
            check_line(line)


def test_command_lines_are_found() -> None:
    """In a page, a message and a job."""
    assert list_lines("`mnist-bench run --out DIR`, or mnist-bench check; no more") == ["run --out DIR", "check"]
    assert list_lines("mnist-bench compare 'a==1 b<2' nightly --out c\n") == ["compare 'a==1 b<2' nightly --out c"]
    assert list_lines("'mnist-bench check' and 'mnist-bench run'") == ["check", "run"]
    assert sum(len(list_lines(path.read_text(encoding="utf-8"))) for path in SHOWN) > 80


@pytest.mark.parametrize("line", ["chek", "check --quick", "matrix rn", "matrix run --seed 3", "report --out x.html"])
def test_a_stale_line_is_seen(line: str) -> None:
    """An unknown command, a former one and an unknown option."""
    with pytest.raises(AssertionError, match="no such"):
        check_line(line)


@pytest.mark.parametrize("line", list_lines(CI.read_text(encoding="utf-8")))
def test_the_lines_for_ci_are_complete(line: str) -> None:
    """The command reads each command line of docs/ci.md, which is there to be copied."""
    parse(shlex.split(line))


@pytest.mark.parametrize("line", ["matrix add a", "compare base", "check --quick", "matrix export --format bencher"])
def test_an_incomplete_line_is_seen(line: str) -> None:
    """The reader refuses an option or a lack of arguments that the command refuses."""
    with pytest.raises(Exception, match=r"(?i)no such|missing"):
        parse(line.split())
