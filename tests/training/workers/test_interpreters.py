"""Other interpreters: found by several names, and refused with a reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mnist_bench.training.workers.interpreters import check_python, find_python


def make_program(path: Path, text: str, mode: int = 0o755) -> Path:
    """Write a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def test_an_interpreter_is_found_by_path_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path comes back absolute, and as it was: an environment is known by the link that it is."""
    link = tmp_path / "venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert find_python(str(link)) == link
    assert find_python("venv") == link
    assert find_python("venv/bin/python") == link


def test_an_interpreter_is_found_by_a_commands_name() -> None:
    """As a shell would."""
    assert find_python("sh").name == "sh"


def test_what_is_no_interpreter_is_named(tmp_path: Path) -> None:
    """A path that is not there, a folder without one, a file that cannot be run."""
    with pytest.raises(ValueError, match="none: no such interpreter, and no such folder"):
        find_python(str(tmp_path / "none"))
    with pytest.raises(ValueError, match="no interpreter in that folder"):
        find_python(str(tmp_path))
    make_program(tmp_path / "text", "", mode=0o644)
    with pytest.raises(ValueError, match="text: it may not be executed"):
        find_python(str(tmp_path / "text"))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "not a Python interpreter that works: it ended with exit code 3"),
        ("echo no such option >&2; exit 2", "it ended with exit code 2: no such option"),
        ("echo hello", "not a Python interpreter that works: Expecting value"),
        ("echo 7", "not a Python interpreter: it answered '7"),
        ('echo \'["numpy", "tensorflow"]\'', "no TensorFlow there: .*-m pip install tensorflow-cpu"),
    ],
)
def test_an_interpreter_that_cannot_be_used_is_refused(tmp_path: Path, script: str, message: str) -> None:
    """One line says which, what it lacks, and how it gets that."""
    program = make_program(tmp_path / "python", script)
    with pytest.raises(ValueError, match=f"^{program}: .*{message}") as caught:
        check_python(program)
    assert "\n" not in str(caught.value)


def test_this_interpreter_can_be_used() -> None:
    """TensorFlow is installed, or these tests would not run."""
    check_python(Path(sys.executable))
