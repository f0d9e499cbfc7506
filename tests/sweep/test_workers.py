"""Worker processes of a sweep: started with their order, restarted when lost, ended with the call."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mnist_bench.sweep import workers
from mnist_bench.sweep.workers import Order, WorkersLostError, work_off

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER = Order(storage="postgresql://me:secret@host/x", study="s", data="digits", heartbeat=7)


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Have each worker be a shell script that keeps its order and its arguments; returns the folder of both."""

    def make(behaviour: str) -> Path:
        python = tmp_path / "python"
        head = f'#!/bin/sh\ncd {tmp_path}\nn=$(ls | grep -c order)\necho "$@" > arguments\ncat > order$n\n'
        python.write_text(head + textwrap.dedent(behaviour))
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        monkeypatch.setattr("mnist_bench.sweep.workers._POLL_SECONDS", 0.02)
        return tmp_path

    return make


def test_a_worker_has_its_order_on_standard_input(stub: Callable[[str], Path]) -> None:
    """The arguments of a worker, which anyone may read, hold no password."""
    folder, looks = stub("exit 0"), []
    work_off(ORDER, jobs=1, watch=lambda: looks.append(1))
    assert Order(**json.loads((folder / "order0").read_bytes())) == ORDER
    assert "secret" not in (folder / "arguments").read_text()
    assert looks


def test_a_killed_worker_is_started_again(stub: Callable[[str], Path]) -> None:
    """Only the worker is restarted: the study takes care of its trial."""
    folder = stub("[ $n -lt 2 ] && kill -9 $$\nexit 0")
    work_off(ORDER, jobs=1, watch=lambda: None)
    assert sorted(path.name for path in folder.glob("order*")) == ["order0", "order1", "order2"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells what a process does")
def test_a_stopped_worker_is_named_and_started_again(
    stub: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that was stopped neither holds the sweep for ever nor in silence."""
    monkeypatch.setattr(workers, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 0.3)
    folder = stub("[ $n -lt 1 ] && kill -STOP $$\nexit 0")
    work_off(ORDER, jobs=1, watch=lambda: None)
    assert sorted(path.name for path in folder.glob("order*")) == ["order0", "order1"]
    assert capsys.readouterr().err == "worker 0: no sign of its process for 0 s; it is given up after 0 s\n"


def test_workers_that_are_always_lost_end_the_sweep(stub: Callable[[str], Path]) -> None:
    """After six losses the sweep ends with the worker's last words."""
    stub("echo out of memory >&2\nexit 9")
    with pytest.raises(WorkersLostError, match=r"lost 6 times; the last ended with exit code 9: out of memory"):
        work_off(ORDER, jobs=1, watch=lambda: None)


def test_bad_input_that_a_worker_finds_is_bad_input(stub: Callable[[str], Path]) -> None:
    """Bad input is not tried again."""
    folder = stub("echo no such study >&2\nexit 2")
    with pytest.raises(ValueError, match=r"^no such study$"):
        work_off(ORDER, jobs=1, watch=lambda: None)
    assert not (folder / "order1").exists()


def test_no_worker_outlives_the_call(stub: Callable[[str], Path]) -> None:
    """Workers end also where the caller is interrupted."""
    folder = stub("echo $$ > pid\nexec sleep 60")

    def interrupt() -> None:
        if (folder / "pid").exists() and (folder / "pid").read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_off(ORDER, jobs=1, watch=interrupt)
    assert not Path("/proc", (folder / "pid").read_text().strip()).exists()
