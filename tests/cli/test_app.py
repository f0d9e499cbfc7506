"""The command: its help, its errors, and how it ends."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.commandline import list_commands
from mnist_bench import __version__
from mnist_bench.__main__ import main as program
from mnist_bench.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.training.data.dataset import Dataset


def test_debug_shows_the_traceback(command: Callable[..., Any]) -> None:
    """The line and the status stay; what leads there comes before them."""
    answer = command("--debug", "run", "cnn")
    assert (answer.status, answer.out) == (2, "")
    lines = answer.err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "mnist-bench: unknown lab 'cnn': choose from perceptron, mlp, dropout"
    assert command("run", "cnn").err == lines[-1] + "\n"


def test_a_fault_of_ours_is_one_line_and_exit_70(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What should not happen is told apart from bad input, and says how to see more."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of\nluck")

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", fail)
    message = "mnist-bench: internal error: RuntimeError: out of luck (--debug shows where)\n"
    assert command("data") == (70, "", message)


def test_no_memory_is_no_answer(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the memory is used up, nothing is wrong with this package, and nothing is decided."""

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", fail)
    assert command("data") == (3, "", "mnist-bench: out of memory: there is no answer\n")


@pytest.mark.filterwarnings("always:made again")
def test_a_warning_is_one_line(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tiny: Dataset) -> None:
    """No line of ours shows where in the code the warning arose."""

    def warn(*_: object, **__: object) -> Dataset:
        warnings.warn("made again", RuntimeWarning, stacklevel=1)
        return tiny

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", warn)
    assert command("data", "--json").err.splitlines()[0] == "mnist-bench: made again"


@pytest.mark.parametrize("options", [[], ["--debug"]], ids=str)
def test_an_error_is_told_where_nothing_can_be_imported(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """Such as without a free descriptor: the first error is told, by one line."""

    def fail(*_: object, **__: object) -> None:
        monkeypatch.setitem(sys.modules, "mnist_bench.show.text", None)
        monkeypatch.setitem(sys.modules, "mnist_bench.sweep.storage", None)
        raise OSError(24, "Too many open files", "a.py")

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", fail)
    assert command(*options, "data") == (2, "", "mnist-bench: a.py: Too many open files\n")


def test_exit_codes_of_children_are_read(command: Callable[..., Any]) -> None:
    """A parent may ignore SIGCHLD: then the system would keep no exit code, and each would be read as 0."""
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        command("--version")
        assert subprocess.run([sys.executable, "-c", "raise SystemExit(7)"], check=False).returncode == 7
    finally:
        signal.signal(signal.SIGCHLD, former)


def test_an_interrupt_is_exit_130(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is one line, too."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", interrupt)
    assert command("data") == (130, "", "mnist-bench: interrupted\n")


def test_help(command: Callable[..., Any]) -> None:
    """--help is the answer to a question; without a command it is the answer to bad usage."""
    asked, bare = command("--help"), command()
    assert (asked.status, asked.err) == (0, "")
    assert re.findall(r"^  (run|env|data) ", asked.out, re.MULTILINE) == ["run", "env", "data"]
    assert (bare.status, bare.out, bare.err.split()) == (2, "", asked.out.split())
    assert len(bare.err.splitlines()) > 5
    assert "Exit status: 0 every threshold" in " ".join(command("run", "--help").out.split())


@pytest.mark.parametrize("words", list_commands(), ids=" ".join)
def test_help_has_a_short_form(command: Callable[..., Any], words: tuple[str, ...]) -> None:
    """-h is --help, of every command."""
    assert command(*words, "-h") == command(*words, "--help")
    assert command(*words, "-h").status == 0


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(command: Callable[..., Any], option: str) -> None:
    """It needs no command."""
    assert command(option) == (0, f"mnist-bench {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run", "--out", ""), "--out"),
        (("run", "--out="), "--out"),
        (("check", "--against", "", "--fast"), "--against"),
        (("data", "--data", ""), "--data"),
        (("compare", "", "py313-tf221"), "argument 2"),
        (("baseline", "list", "--folder", ""), "--folder"),
        (("matrix", "run", "--labs", ""), "--labs"),
        (("ab", "--a", "", "--b", "python"), "--a"),
        (("timings", "accept", "", "--why", "x"), "argument 3"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_empty_argument_is_refused(
    check_refused: Callable[..., None], command: Callable[..., Any], arguments: tuple[str, ...], named: str
) -> None:
    """The empty string, which as a path would mean the current folder, is a variable that somebody forgot to set."""
    check_refused(command(*arguments), f"{named}: the value is empty")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run", "--out", "-"), "--out -"),
        (("compare", "2.13", "2.14", "--junit=-"), "--junit=-"),
        (("check", "--markdown", "-"), "--markdown -"),
        (("matrix", "export", "x.json", "--format", "bencher", "--out", "-"), "--out -"),
        (("compare", "-", "2.14"), "-"),
    ],
    ids=" ".join,
)
def test_a_lone_hyphen_is_refused(
    check_refused: Callable[..., None], command: Callable[..., Any], arguments: tuple[str, ...], named: str
) -> None:
    """Nothing is written to a file of that name; the line says what names standard output."""
    check_refused(command(*arguments), f"{named}: a hyphen names no file here: standard output is /dev/stdout")


def test_the_command_is_installed() -> None:
    """`mnist-bench` is what `python -m mnist_bench` is."""
    (script,) = entry_points(group="console_scripts", name="mnist-bench")
    assert script.load() is program


def test_an_interrupt_of_the_reading_is_exit_130(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come while the options are read."""

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mnist_bench.cli.app.check_start_files", interrupt)
    assert command("data") == (130, "", "mnist-bench: interrupted\n")


def test_an_interrupt_of_the_imports_is_exit_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, too."""

    class Interrupting:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "mnist_bench.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "mnist_bench.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit, match="130"):
        program()
    assert capsys.readouterr() == ("", "mnist-bench: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_leaves_no_empty_folder(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals
) -> None:
    """The status is that of a shell; the signal's handler is the former one afterwards."""
    monkeypatch.chdir(tmp_path)

    def end(*_: object, **__: object) -> None:
        assert list(tmp_path.glob("results/*"))
        signal.raise_signal(number)

    monkeypatch.setattr("mnist_bench.training.data.dataset.load_dataset", end)
    before = signal.signal(number, signal.SIG_DFL)  # under `nohup`, SIGHUP is ignored
    try:
        assert command("run", "perceptron") == (128 + number, "", f"mnist-bench: ended by {number.name}\n")
        assert list(tmp_path.iterdir()) == []
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_terminal_without_the_sign_gets_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of Windows has no ≥: the rest is printed, with the code in the sign's place."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    monkeypatch.setenv("MATPLOTLIBRC", "a pipe")
    with pytest.raises(SystemExit):
        main(["--help"])
    out.write("≥ 0.90")
    out.flush()
    assert out.buffer.getvalue().endswith(b"\\u2265 0.90")  # type: ignore[attr-defined]
    assert "MPLBACKEND" not in os.environ
    assert os.environ["MATPLOTLIBRC"] == os.devnull


@pytest.mark.parametrize("form", ["--storage {}", "--storage={}"])
def test_a_traceback_keeps_secrets(command: Callable[..., Any], form: str) -> None:
    """`--debug` shows where an error was raised, and neither the line nor the traceback has the password."""
    address = "postgresq://me:s3cret@host/x?password=s3cond"
    answer = command("--debug", "sweep", "--vary", "dropout=0.1", *form.format(address).split())
    assert answer.status == 2
    assert "Traceback" in answer.err
    assert "postgresq://me:***@host/x?password=***" in answer.err
    assert "s3c" not in answer.err


def test_a_folder_that_was_deleted_is_told(
    command: Callable[..., Any],
    check_refused: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command runs in a folder that is no longer there."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    try:
        answer = command("run", "mlp", "--data", "digits")
    finally:
        monkeypatch.undo()
    check_refused(answer, "the working folder was deleted: change to another one")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("import sys; sys.exit(0)", "something that was imported ended the process"),
        ("x = (", "matplotlib.py cannot be imported: SyntaxError: "),
        ("raise RuntimeError('a')", "matplotlib.py cannot be imported: RuntimeError: a"),
        ("class E(BaseException): pass\nraise E('a')", "matplotlib.py cannot be imported: E: a"),
        ("x = 1", "No module named 'matplotlib.backends'; 'matplotlib' is not a package"),
        ("__path__ = []\ndef __getattr__(name): raise KeyError(name)", "matplotlib"),
    ],
    ids=["ends", "no Python", "raises", "panics", "empty", "odd"],
)
def test_a_package_that_is_broken_is_named(tmp_path: Path, content: str, told: str) -> None:
    """It is no fault of ours, and what it ends is not done."""
    (tmp_path / "matplotlib.py").write_text(content)
    record = Path(__file__).parents[2] / "baselines" / "versions" / "py311-tf213.json"
    code = "from mnist_bench.cli.app import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", code, "matrix", "report", str(record), "--out", str(tmp_path / "page.html")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, len(answer.stderr.splitlines())) == (2, 1), answer.stderr
    assert told in answer.stderr
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("epoch", ["abc", "9" * 17, "-1", "1.5", ""])
def test_a_clock_that_is_none_is_named(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    """Matplotlib would fail as it is imported, wherever that is."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    answer = command("data", "--data", "digits")
    assert (answer.status, "SOURCE_DATE_EPOCH is " in answer.err) == (2, True)
