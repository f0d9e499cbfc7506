"""Environments: made once and found again; an environment that cannot be made is named."""

from __future__ import annotations

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fixtures.checksums import damage_record
from mnist_bench.training.workers.interpreters import CommandError, run_command
from mnist_bench.training.workers.waiting import Waiting
from mnist_bench.versions.environments import describe_environment, make_environment
from mnist_bench.versions.releases import find_version

SPEC = find_version("py312-tf219")


def test_an_environment_is_made_once(stub_version: Path) -> None:
    """It has the Python, the pins and nothing of ours; the second time nothing is made, and the figures are kept."""
    python, install = make_environment(SPEC)
    made, installed = (stub_version / "uv.log").read_text().splitlines()
    assert made.startswith("venv --quiet --clear --no-python-downloads --python 3.12 ")
    assert installed.endswith("/python tensorflow-cpu==2.19.1 keras==3.9.0")
    assert (python.name, install.packages) == ("python", {"numpy": "2.4.6", "tensorflow": "2.21.0"})
    assert install.seconds is not None
    assert install.bytes > 0
    assert make_environment(SPEC) == (python, install)
    assert len((stub_version / "uv.log").read_text().splitlines()) == 2


def test_two_commands_make_an_environment_once(stub_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one says that it waits, and takes what the first one made."""
    told: list[str] = []
    monkeypatch.setattr(Waiting, "tell", told.append)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(make_environment, [SPEC, SPEC])
    assert first == second
    assert len((stub_version / "uv.log").read_text().splitlines()) == 2
    assert told == [f"waiting: another command is making the environment {first[0].parents[1].name}"]


def test_an_incomplete_environment_is_made_again(stub_version: Path) -> None:
    """An environment whose making was interrupted is not used."""
    (stub_version / "breaks").write_text("pip")
    with pytest.raises(CommandError, match="uv pip install ended with exit code 1"):
        make_environment(SPEC)
    (stub_version / "breaks").unlink()
    python, _ = make_environment(SPEC)
    assert python.exists()


def test_an_environment_whose_figures_were_changed_is_made_again(stub_version: Path) -> None:
    """It is a cache: what is in it is worth no refusal."""
    python, install = make_environment(SPEC)
    damage_record(python.parents[1] / "install.json", "changed")
    assert make_environment(SPEC)[1].packages == install.packages
    assert len((stub_version / "uv.log").read_text().splitlines()) == 4
    assert make_environment(SPEC)[0] == python
    assert len((stub_version / "uv.log").read_text().splitlines()) == 4


def test_without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to install uv."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(ValueError, match=r"uv, which makes the environments, is not installed: pip install uv"):
        make_environment(SPEC)


def test_uv_next_to_the_interpreter(stub_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of this package may be used by its path, and be on no PATH."""
    uv = Path(shutil.which("uv") or "")
    monkeypatch.setattr("sys.executable", str(uv.parent / "python"))
    without = [it for it in os.environ["PATH"].split(os.pathsep) if not (Path(it) / "uv").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(without))
    make_environment(SPEC)
    assert (stub_version / "uv.log").exists()


def test_an_environment_is_described_by_its_own_interpreter(tmp_path: Path) -> None:
    """The packages and the size are those of the interpreter's prefix."""
    run_command([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")])
    (tmp_path / "env" / "big").write_bytes(bytes(1_000_000))
    install = describe_environment(tmp_path / "env" / "bin" / "python")
    assert (install.seconds, install.packages) == (None, {})
    assert 1_000_000 < install.bytes < 2_000_000


def test_a_package_that_was_removed_in_part_is_left_out(tmp_path: Path) -> None:
    """A folder without metadata is what is left of it."""
    run_command([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")])
    (library,) = (tmp_path / "env" / "lib").glob("*/site-packages")
    (library / "keras-3.9.0.dist-info").mkdir()
    assert describe_environment(tmp_path / "env" / "bin" / "python").packages == {}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo hello", "it answered 'hello.n', not with a list of its packages"),
        ("echo {}", "it answered '{}.n', not with a list of its packages"),
        ("echo '[1, 2]'", "not with a list of its packages"),
        ("sleep 30", "python gave no answer in 1 s"),
    ],
)
def test_an_interpreter_without_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    """The reason is told, and nobody waits for ever."""
    monkeypatch.setattr("mnist_bench.versions.environments._PATIENCE_SECONDS", 1.0)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    with pytest.raises(CommandError, match=message):
        describe_environment(python)
