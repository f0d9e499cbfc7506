"""Environments: made once, found again, and what cannot be made is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mnist_bench.records import files
from mnist_bench.training.workers.interpreters import CommandError, run_command
from mnist_bench.versions.environments import describe_environment, find_project, make_environment
from mnist_bench.versions.releases import find_version

SPEC = find_version("py312-tf219")
PROJECT = Path(__file__).resolve().parents[2]


def test_an_environment_is_made_once(stub_version: Path) -> None:
    """It gets the Python, the project and the pins; the second time nothing is made, and the figures are kept."""
    python, install = make_environment(SPEC, PROJECT)
    made, installed = (stub_version / "uv.log").read_text().splitlines()
    assert made.startswith("venv --quiet --clear --no-python-downloads --python 3.12 ")
    assert installed.endswith(f"--editable {PROJECT} tensorflow-cpu==2.19.1 keras==3.9.0")
    assert (python.name, install.packages) == ("python", {"numpy": "2.4.6"})
    assert install.seconds is not None
    assert install.bytes > 0
    assert make_environment(SPEC, PROJECT) == (python, install)
    assert len((stub_version / "uv.log").read_text().splitlines()) == 2


def test_half_an_environment_is_made_anew(stub_version: Path) -> None:
    """One whose making was broken off is not taken for a whole one."""
    (stub_version / "breaks").write_text("pip")
    with pytest.raises(CommandError, match="uv pip install ended with exit status 1"):
        make_environment(SPEC, PROJECT)
    (stub_version / "breaks").unlink()
    python, _ = make_environment(SPEC, PROJECT)
    assert python.exists()


def test_a_wheel_is_installed_as_one(stub_version: Path, tmp_path: Path) -> None:
    """It is not editable, and its environment is not that of the checkout."""
    wheel = tmp_path / "mnist_bench-0.1.0-py3-none-any.whl"
    wheel.touch()
    one, _ = make_environment(SPEC, find_project(wheel))
    assert "--editable" not in (stub_version / "uv.log").read_text()
    assert make_environment(SPEC, PROJECT)[0] != one


def test_without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to get it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"uv is not installed.*pip install uv"):
        make_environment(SPEC, PROJECT)


def test_a_project_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a project, a wheel that is not there, and a package that has no checkout are refused."""
    monkeypatch.setattr(files, "PACKAGE", PROJECT / "mnist_bench")
    assert find_project() == PROJECT
    with pytest.raises(ValueError, match="neither a checkout nor a wheel: --project takes"):
        find_project(tmp_path)
    with pytest.raises(ValueError, match=r"a\.whl: no such file"):
        find_project(tmp_path / "a.whl")
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "site-packages" / "mnist_bench")
    with pytest.raises(ValueError, match="this is no checkout: --project takes"):
        find_project()


def test_a_command_that_fails_leaves_its_last_lines() -> None:
    """Few, short, and without this user's folders, for they go into a record."""
    code = f"import sys; sys.exit('x\\n' * 50 + '{Path.home()}/a' + 'y' * 999)"
    with pytest.raises(CommandError, match=r"python.* -c .*ended with exit status 1") as caught:
        run_command([sys.executable, "-c", code])
    assert len(caught.value.lines) == 12
    assert caught.value.lines[-1].startswith("~/ayyy")
    assert len(caught.value.lines[-1]) == 300


def test_a_command_that_is_killed_or_not_there() -> None:
    """Both are failures with a reason."""
    with pytest.raises(CommandError, match="was killed by SIGKILL"):
        run_command([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    with pytest.raises(CommandError, match="nothing cannot be started: No such file or directory"):
        run_command(["/nothing"])


def test_a_command_has_no_variables_of_this_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not its packages; but pyenv's interpreters are on its path."""
    (tmp_path / "versions" / "3.12.1" / "bin").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", "/nothing")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    code = "import os; print(os.environ.get('PYTHONPATH'), os.environ['PATH'])"
    here, path = run_command([sys.executable, "-c", code]).split(maxsplit=1)
    assert here == "None"
    assert path.strip().split(os.pathsep)[-1] == str(tmp_path / "versions" / "3.12.1" / "bin")


def test_an_environment_is_described_by_its_own_interpreter(tmp_path: Path) -> None:
    """Its packages and its size are those of its prefix."""
    run_command([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")])
    (tmp_path / "env" / "big").write_bytes(bytes(1_000_000))
    install = describe_environment(tmp_path / "env" / "bin" / "python")
    assert (install.seconds, install.packages) == (None, {})
    assert 1_000_000 < install.bytes < 2_000_000
