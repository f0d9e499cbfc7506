"""Other interpreters: found by several names, and refused with a reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.interpreters import make_program
from mnist_bench.training.workers.interpreters import (
    CommandError,
    check_python,
    find_python,
    run_command,
    shorten_lines,
)
from mnist_bench.versions.environments import describe_environment


def test_an_interpreter_is_found_by_path_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is absolute and not resolved: an environment is known by its link."""
    link = tmp_path / "venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert find_python(str(link)) == link
    assert find_python("venv") == link
    assert find_python("venv/bin/python") == link


def test_an_interpreter_is_found_by_a_commands_name() -> None:
    """A name is found on PATH, as a shell does."""
    assert find_python("sh").name == "sh"


def test_what_is_no_interpreter_is_named(tmp_path: Path) -> None:
    """A missing path, a folder without one and a file that cannot be run are refused."""
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
        ("echo hello", "not a Python interpreter that works: it answered 'hello"),
        ("echo 7", "not a Python interpreter: it answered '7"),
        ('echo \'["numpy", "tensorflow"]\'', "no TensorFlow there: .*-m pip install tensorflow-cpu"),
    ],
)
def test_an_interpreter_that_cannot_be_used_is_refused(tmp_path: Path, script: str, message: str) -> None:
    """One line names the interpreter, what it lacks, and how to get that."""
    program = make_program(tmp_path / "python", script)
    with pytest.raises(ValueError, match=f"^{program}: .*{message}") as caught:
        check_python(program)
    assert "\n" not in str(caught.value)


def test_this_interpreter_can_be_used() -> None:
    """This interpreter has TensorFlow."""
    check_python(Path(sys.executable))


NAMES = ("json", "random", "numbers", "code", "platform", "typing", "re")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said in a folder with a module of each name, where this interpreter and the command are asked."""
    folder = tmp_path_factory.mktemp("student")
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} of the working folder')")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            check_python(Path(sys.executable))
            assert describe_environment(Path(sys.executable)).packages
        except (CommandError, ValueError) as error:
            return str(error)
        command = [sys.executable, "-m", "mnist_bench", "baseline", "list"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{done.returncode} {done.stderr}"


@pytest.mark.parametrize("name", NAMES)
def test_no_interpreter_imports_from_the_working_folder(said: str, name: str) -> None:
    """A student's random.py is not Python's: neither where an interpreter is asked nor in `python -m mnist_bench`."""
    assert f"{name} of the working folder" not in said
    assert said == "0 "


def test_a_command_that_fails_leaves_its_last_lines() -> None:
    """The lines are few, short, and without this user's folders, for they go into a record."""
    code = f"import sys; sys.exit('x\\n' * 50 + '{Path.home()}/a' + 'y' * 999)"
    with pytest.raises(CommandError, match=r"python.* -c .*ended with exit code 1") as caught:
        run_command([sys.executable, "-c", code])
    assert len(caught.value.lines) == 12
    assert caught.value.lines[-1].startswith("~/ayyy")
    assert len(caught.value.lines[-1]) == 300


@pytest.mark.parametrize(
    ("cache", "text", "told"),
    [
        pytest.param("e", "here: every tree", "here: every tree", id="relative"),
        pytest.param("/tmp/c", "/tmp/c/x, /tmp/cat, /a/tmp/c", "CACHE/x, /tmp/cat, /a/tmp/c", id="whole names"),  # noqa: S108
    ],
)
def test_only_a_folder_is_shortened(monkeypatch: pytest.MonkeyPatch, cache: str, text: str, told: str) -> None:
    """Letters that are a folder's name, too, stay as they are."""
    monkeypatch.setenv("MNIST_BENCH_CACHE", cache)
    assert shorten_lines(text) == [told]


def test_a_command_that_is_killed_or_not_there() -> None:
    """Both are failures with a reason."""
    with pytest.raises(CommandError, match="was killed by SIGKILL"):
        run_command([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    with pytest.raises(CommandError, match="nothing cannot be started: No such file or directory"):
        run_command(["/nothing"])


def test_a_command_has_no_variables_of_this_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command sees no packages of this environment; pyenv's interpreters are on its path."""
    (tmp_path / "versions" / "3.12.1" / "bin").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", "/nothing")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    code = "import os; print(os.environ.get('PYTHONPATH'), os.environ['PATH'])"
    packages, path = run_command([sys.executable, "-c", code]).split(maxsplit=1)
    assert packages == "None"
    assert path.strip().split(os.pathsep)[-1] == str(tmp_path / "versions" / "3.12.1" / "bin")
