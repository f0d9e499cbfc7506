"""The script for a machine with a GPU, where there is none, and with stand-ins for the GPU and for Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.commandline import parse

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_session.sh"
STEPS = (
    "environment",
    "run1",
    "digests1",
    "digests2",
    "digests-same",
    "check",
    "settings",
    "seeds-in-turn",
    "seeds-at-once",
    "seeds-in-one",
    "many-seeds",
    "same",
    "run2",
    "run3",
)

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the script needs bash")


@pytest.fixture
def session(tmp_path: Path) -> Callable[..., Any]:
    """A function that runs the script; `gpu` and `python` are what nvidia-smi prints and what Python does."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("dirname", "mkdir", "rm", "timeout", "tee", "bash", "env"):
        (programs / name).symlink_to(str(shutil.which(name)))

    def run(*arguments: str, gpu: str = "", python: str = "exit 0", **variables: str) -> Any:
        for name, body in (("nvidia-smi", f"echo '{gpu}'" if gpu else ""), ("python3", python)):
            (programs / name).unlink(missing_ok=True)
            if body:
                (programs / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
                (programs / name).chmod(0o755)
        environment = {"PATH": str(programs), "HOME": os.environ.get("HOME", "/"), **variables}
        command = [str(shutil.which("bash")), str(SCRIPT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("out",), "no GPU: nvidia-smi shows none on this machine; nothing was measured", id="no GPU"),
        pytest.param((), "usage: gpu_session.sh OUT", id="no folder"),
        pytest.param(("--help",), "usage: gpu_session.sh OUT", id="an option"),
        pytest.param(("--wheels",), "--wheels needs a folder", id="no folder of wheels"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    arguments: tuple[str, ...], words: str, session: Callable[..., Any], tmp_path: Path
) -> None:
    """Without a GPU, and used badly, the script says so and measures nothing."""
    answer = session(*(str(tmp_path / word) if word == "out" else word for word in arguments))
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert words in answer.stderr
    assert not list(tmp_path.glob("out/*.done"))


def test_a_gpu_that_tensorflow_does_not_see_is_one_line(session: Callable[..., Any], tmp_path: Path) -> None:
    """A driver alone measures nothing."""
    answer = session(str(tmp_path / "out"), gpu="A GPU, 1", python="exit 1")
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "TensorFlow is not installed or sees no GPU (A GPU, 1)" in answer.stderr


def test_what_was_done_is_not_done_again(session: Callable[..., Any], tmp_path: Path) -> None:
    """All steps run in their order; the next call runs none, and says how the baseline is stored."""
    out = tmp_path / "out"
    first = session(str(out), gpu="A GPU, 1")
    assert first.returncode == 0
    lines = [line for line in first.stdout.splitlines() if ": status 0" in line]
    assert [line.partition(":")[0] for line in lines] == list(STEPS)
    again = session(str(out), gpu="A GPU, 1")
    assert (again.returncode, ": status" in again.stdout) == (0, False)
    assert "mnist-bench timings accept" in again.stdout
    assert f"mnist-bench baseline accept {out}/digests1" in again.stdout


def test_every_command_is_one_that_there_is(session: Callable[..., Any], tmp_path: Path) -> None:
    """The arguments of `mnist-bench`, in all steps, are read by the command itself."""
    said = tmp_path / "said"
    session(str(tmp_path / "out"), gpu="A GPU, 1", python=f'echo "$*" >> {said}')
    lines = [line.split() for line in said.read_text().splitlines() if line.startswith("-m mnist_bench ")]
    assert len(lines) == len(STEPS) - 4  # three runs and the settings are none
    for _, _, *words in lines:
        parse(words)
    assert "--same" in next(words for words in lines if "current" in words)


def test_a_failed_step_is_tried_again(session: Callable[..., Any], tmp_path: Path) -> None:
    """A run in which a test failed is no run; a check that regressed is an answer."""
    python = 'case "$*" in -c*) exit 0 ;; *) exit 1 ;; esac'
    answer = session(str(tmp_path / "out"), gpu="A GPU, 1", python=python)
    assert answer.returncode == 3
    assert sorted(path.stem for path in tmp_path.glob("out/*.done")) == ["check", "same"]


def test_a_step_that_does_not_fit_waits(session: Callable[..., Any], tmp_path: Path) -> None:
    """What would take longer than the time that is left is not begun."""
    answer = session(str(tmp_path / "out"), gpu="A GPU, 1", LIMIT_SECONDS="100")
    assert answer.returncode == 3
    assert "run1: no time left, call again" in answer.stdout
    assert (tmp_path / "out" / "settings.done").exists() is False
