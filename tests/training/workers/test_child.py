"""A child process is started, pinned, spoken to and ended, whatever its interpreter is."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures.interpreters import make_program
from fixtures.processes import check_ended
from mnist_bench.records.config import TrainingConfig
from mnist_bench.training.workers import boot, serve
from mnist_bench.training.workers.child import Child, describe_exit, drop_own_variables, pin_all_threads
from mnist_bench.training.workers.last_words import find_last_words

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


@pytest.mark.parametrize(
    ("code", "words"), [(-9, "was killed by SIGKILL"), (-40, "was killed by signal 40"), (3, "ended with exit code 3")]
)
def test_an_end_in_words(code: int, words: str) -> None:
    """A signal is told by its name if it has one, an exit by its code."""
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


@pytest.mark.parametrize(
    ("script", "told"),
    [
        pytest.param("echo '{\"event\": 1}'", "", id="an event follows"),
        pytest.param("echo no numpy >&2; exit 1", "ended with exit code 1: no numpy", id="it failed"),
        pytest.param("yes", r"it answered 'noise on stdout\\n', which is no event", id="it never ends"),
    ],
)
def test_what_stands_before_the_first_event_is_passed_over(tmp_path: Path, script: str, told: str) -> None:
    """A `sitecustomize` of the user's prints as Python starts; a reason on standard error is told before that."""
    with make_child(tmp_path, f"echo noise on stdout; {script}") as child:
        if "no event" in told:
            with pytest.raises(ValueError, match=told):
                child.read()
        else:
            assert child.read() == (None if told else {"event": 1})
            assert child.explain_end() == (told or "ended with exit code 0")


def test_a_line_after_the_first_event_is_an_event(tmp_path: Path) -> None:
    """From then on the process writes events alone."""
    with make_child(tmp_path, "echo '{\"event\": 1}'; echo hello; echo '{\"event\": 2}'") as child:
        assert child.read() == {"event": 1}
        with pytest.raises(ValueError, match=r"'hello\\n', which is no event"):
            child.read()


HEAD = "Traceback (most recent call last):\n  File 'a', line 1, in <module>\n    raise\n"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param(
            f"{HEAD}RuntimeError: numpy\n::error::is broken\n", "RuntimeError: numpy ::error::is broken", id="two"
        ),
        pytest.param(f"{HEAD}KeyError: 1\n\nand then:\n\n{HEAD}a.B: x\n  y\n", "a.B: x y", id="chained"),
        pytest.param(f"{HEAD}KeyboardInterrupt\n", "KeyboardInterrupt", id="no message"),
        pytest.param(f"{HEAD}KeyError: 1\n" + "all is well\n" * 20 + "killed\n", "killed", id="long before the end"),
        pytest.param(f"{HEAD}ValueError: {'x' * 999}\n", f"ValueError: {'x' * 188} ... {'x' * 200}", id="long"),
        pytest.param(HEAD, "raise", id="cut off"),
        pytest.param("\n", "", id="nothing"),
    ],
)
def test_the_last_words_are_the_error_and_its_message(said: str, words: str) -> None:
    """The last line of a message alone would not say which error it was."""
    assert find_last_words(said) == words


def test_an_end_is_explained_by_the_last_line(tmp_path: Path) -> None:
    """The exit code and what the process said last; a message that was not read is no error."""
    with make_child(tmp_path, "echo first >&2; echo no TensorFlow >&2; exit 3") as child:
        assert child.explain_end() == "ended with exit code 3: no TensorFlow"
        child.send({"ask": "x"})
        assert (child.poll(), child.read_log()) == (3, "first\nno TensorFlow\n")
        child.forget()
        assert child.explain_end() == "ended with exit code 3"


@pytest.mark.parametrize(
    ("script", "ours", "words"),
    [
        pytest.param("echo no memory >&2; kill -ABRT $$", False, "was killed by SIGABRT: no memory", id="its own end"),
        pytest.param(
            "echo all is well >&2; echo '{\"event\": 1}'; sleep 60",
            True,
            "was killed by SIGKILL",
            id="killed by this process",
        ),
    ],
)
def test_a_signal_is_explained_by_the_last_line(
    tmp_path: Path,
    script: str,
    ours: bool,  # noqa: FBT001 - a case
    words: str,
) -> None:
    """What a process says before a signal ends it is the reason, unless the signal came from this process."""
    with make_child(tmp_path, script) as child:
        if ours:
            assert child.read() == {"event": 1}
            child.kill()
        assert child.explain_end() == words


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
        f"import sys, runpy; sys.path.append({str(tmp_path)!r}); import os;"
        "sys.argv = ['boot.py', 'probe', str(os.pipe()[0])];"
        "import importlib; plain = importlib.import_module;"
        "importlib.import_module = lambda name: type('M', (), {'main': staticmethod(lambda: print(name, sys.modules"
        "['mnist_bench'].__file__, importlib.util.find_spec('serve')))});"
        f"runpy.run_path({boot.__file__!r}, run_name='__main__')"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["mnist_bench.probe", str(Path(boot.__file__).parents[2] / "__init__.py"), "None"]


WAITS = "import pathlib, os, sys, time; pathlib.Path({path!r}).write_text(str(os.getpid())); time.sleep(60)"


def wait_for(path: Path) -> int:
    """Return the process id that a program writes to a file."""
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return int(path.read_text())


def test_a_wrapper_ends_with_its_interpreter(tmp_path: Path) -> None:
    """A script that starts an interpreter is killed together with it, and nothing is read for ever."""
    code = WAITS.format(path=str(tmp_path / "pid"))
    with make_child(tmp_path, f"{sys.executable} -c {shlex.quote(code)}\ntrue") as child:
        pid = wait_for(tmp_path / "pid")
        child.kill()
        check_ended(pid)
        assert child.read() is None


# What a command does with a child of this interpreter, `python`: as such, and as the workers of each command have it.
STARTS = {
    "child": "from mnist_bench.training.workers.child import Child\nchild = Child('x', python=python)\ntime.sleep(60)",
    "training": "from mnist_bench.records.config import TrainingConfig\n"
    "from mnist_bench.training.workers.pool import train_all\n"
    "list(train_all([TrainingConfig(lab='mlp')], jobs=1, python=python))",
    "sweep": "from mnist_bench.sweep.workers import Order, work_off\n"
    "sys.executable = python\n"
    "work_off(Order(storage='sqlite://', study='s', data='digits'), jobs=1, watch=lambda: None)",
    "checks": "from mnist_bench.checks.elsewhere import ask_environment\nask_environment(python)",
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells of other processes")
@pytest.mark.parametrize("start", STARTS)
def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path, start: str) -> None:
    """SIGKILL leaves the parent no time to end its children: they notice, whatever they are doing.

    `run` and the accuracy of `matrix run` train in the pool, a sweep has workers of its own, and the other layers of
    `matrix run` ask one process after another.
    """
    # In place of the package's module a program that waits.
    (tmp_path / "run.py").write_text(
        "import importlib, runpy, sys, types\n"
        f"module = types.SimpleNamespace(main=lambda: exec({WAITS.format(path=str(tmp_path / 'pid'))!r}))\n"
        "importlib.import_module = lambda _: module\n"
        "del sys.argv[0]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    python = make_program(tmp_path / "python", f'exec {sys.executable} {tmp_path}/run.py "$@"')
    code = f"import sys, time\npython = {str(python)!r}\n{STARTS[start]}"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        pid = wait_for(tmp_path / "pid")
        parent.kill()
    check_ended(pid)


def test_a_child_has_no_backend_of_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras imports matplotlib, for which an unknown backend is an error."""
    monkeypatch.setenv("MPLBACKEND", "module://nothing")
    assert "MPLBACKEND" not in drop_own_variables()
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with Child("records.files") as child:
        child.explain_end()
    assert "MNIST_BENCH_CACHE=" in (tmp_path / "env").read_text()
    assert "MPLBACKEND" not in (tmp_path / "env").read_text()


def test_no_file_of_ours_is_imported_by_its_bare_name() -> None:
    """Python puts the folder of the script that it runs first on its path: a user's `pool` would be ours."""
    script = Path(boot.__file__)
    code = (
        "import importlib.util, os, runpy, sys\n"
        f"sys.argv, sys.path[:0] = [{str(script)!r}, 'nothing', str(os.pipe()[0])], [{str(script.parent)!r}]\n"
        f"try: runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "except ModuleNotFoundError: print(importlib.util.find_spec('pool'))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "None\n"


def test_no_child_reads_settings_of_matplotlib() -> None:
    """Keras imports matplotlib in every child; its user's settings may be a pipe."""
    code = (
        "import os, runpy, sys\n"
        f"sys.argv = [{boot.__file__!r}, 'nothing', str(os.pipe()[0])]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except ModuleNotFoundError: print(os.environ['MATPLOTLIBRC'])\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == f"{os.devnull}\n"
