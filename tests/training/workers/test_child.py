"""A child process is started, pinned, spoken to and ended, whatever its interpreter is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.interpreters import make_program
from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.workers import boot, serve
from mnist_bench.training.workers.child import Child, describe_exit, pin_all_threads

PRINTS = """
from mnist_bench.training.workers.child import open_events
import os
with open_events() as tell:
    print("a library's greeting", flush=True)
    os.write(1, b"and a C library's")
    tell(event="ready", value=1)
"""


def test_events_stand_alone_on_the_output() -> None:
    """All other output, from Python or beneath it, goes to standard error."""
    answer = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == {"event": "ready", "value": 1}
    assert "greeting" in answer.stderr
    assert "C library" in answer.stderr


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux pins")
def test_all_threads_are_moved() -> None:
    """A running thread is moved, too."""
    code = (
        "import os, threading, mnist_bench.training.workers.child as p; done = threading.Event();"
        "t = threading.Thread(target=done.wait); t.start();"
        "core = max(os.sched_getaffinity(0)); p.pin_all_threads([core]);"
        "print([os.sched_getaffinity(it) == {core} for it in (os.getpid(), t.native_id)]); done.set()"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[True, True]\n"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux pins")
def test_a_core_that_is_not_there_is_an_error() -> None:
    """A missing core is an error: nothing is measured on other cores."""
    with pytest.raises(OSError, match="Invalid argument"):
        pin_all_threads([100_000])


@pytest.mark.parametrize(("code", "words"), [(-9, "was killed by SIGKILL"), (3, "ended with exit code 3")])
def test_an_end_in_words(code: int, words: str) -> None:
    """A signal is told by its name, an exit by its code."""
    assert describe_exit(code) == words


def make_child(tmp_path: Path, script: str) -> Child:
    """Start a program in place of an interpreter."""
    return Child("some.module", python=make_program(tmp_path / "python", script))


def test_a_child_answers_until_it_ends(tmp_path: Path) -> None:
    """What is sent arrives as a line of JSON; events are read one by one; None says that the process has ended."""
    with make_child(
        tmp_path, f'read line; echo "$line" > {tmp_path}/asked; echo \'{{"event": "a", "n": NaN}}\''
    ) as child:
        child.send({"ask": "x"})
        event = child.read()
        assert event is not None
        assert (event["event"], event["n"] != event["n"]) == ("a", True)
        assert child.read() is None
        assert child.explain_end() == "ended with exit code 0"
    assert json.loads((tmp_path / "asked").read_text()) == {"ask": "x"}


@pytest.mark.parametrize("line", ["hello", "7", '{"kind": "event"}'])
def test_a_line_that_is_no_event_is_an_error(tmp_path: Path, line: str) -> None:
    """The line is quoted."""
    with (
        make_child(tmp_path, f"echo '{line}'") as child,
        pytest.raises(ValueError, match="which is no event") as caught,
    ):
        child.read()
    assert line in str(caught.value)


def test_an_end_is_explained_by_the_last_line(tmp_path: Path) -> None:
    """The exit code and what the process said last; a message that was not read is no error."""
    with make_child(tmp_path, "echo first >&2; echo no TensorFlow >&2; exit 3") as child:
        assert child.explain_end() == "ended with exit code 3: no TensorFlow"
        child.send({"ask": "x"})
        assert (child.poll(), child.read_log()) == (3, "first\nno TensorFlow\n")


def test_a_child_has_this_package_and_nothing_of_the_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules of the working folder and of this process's path are not taken, nor another version of the package."""
    for name in ("random", "mnist_bench"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the working folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config = TrainingConfig(lab="cnn")
    with Child(serve.MODULE, python=sys.executable) as child:
        child.send(config)
        event = child.read()
    assert event is not None
    assert event["reason"] == "unknown lab 'cnn': choose from perceptron, mlp, dropout"


def test_the_package_is_loaded_from_where_it_lies(tmp_path: Path) -> None:
    """An interpreter that has another version of the package runs this one, and finds no module by its bare name."""
    (tmp_path / "mnist_bench").mkdir()
    (tmp_path / "mnist_bench" / "__init__.py").write_text("raise SystemExit('the installed one')")
    code = (
        f"import sys, runpy; sys.path.append({str(tmp_path)!r}); sys.argv = ['boot.py', 'probe'];"
        "import importlib; plain = importlib.import_module;"
        "importlib.import_module = lambda name: type('M', (), {'main': staticmethod(lambda: print(name, sys.modules"
        "['mnist_bench'].__file__, importlib.util.find_spec('serve')))});"
        f"runpy.run_path({boot.__file__!r}, run_name='__main__')"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["mnist_bench.probe", str(Path(boot.__file__).parents[2] / "__init__.py"), "None"]
