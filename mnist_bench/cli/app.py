"""The command `mnist-bench`: its parts registered, and every error as one line with an exit status."""

from __future__ import annotations

import io
import signal
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench import __version__
from mnist_bench.cli.baseline import baseline
from mnist_bench.cli.check import check
from mnist_bench.cli.compare.command import compare
from mnist_bench.cli.completion import answers_shell, check_request, check_start_files, refuse_shell
from mnist_bench.cli.families import Family, Heading, refuse_stripped, show_help
from mnist_bench.cli.former import add_former
from mnist_bench.cli.lab import lab
from mnist_bench.cli.matrix.family import matrix
from mnist_bench.cli.run import data, env, run
from mnist_bench.cli.selftest.command import selftest
from mnist_bench.cli.shell import Debug, say, tell
from mnist_bench.cli.streams import CLOSED_PIPE, flush_streams, guard_streams, settle_colors
from mnist_bench.cli.sweep import sweep
from mnist_bench.cli.timings import timings
from mnist_bench.records.files import remove_empty_folders
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.training.workers.surroundings import ignore_matplotlib_settings, refuse_bad_settings
from mnist_bench.training.workers.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["app", "main"]

_ENDED: dict[Any, str] = {128 + number: number.name for number in (signal.SIGTERM, signal.SIGHUP)}
_INTERRUPTED = 130  # what typer makes of a KeyboardInterrupt, as shells do: 128 + SIGINT

app = typer.Typer(
    cls=Family,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Trains the MNIST lab's Keras models and answers: did something get worse, what, and by how much?",
)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", "-V", help="Show the version and exit.")] = False,
) -> None:
    Debug.on = debug
    if version:
        typer.echo(f"mnist-bench {__version__}")
        raise typer.Exit
    show_help(context)


# In the order of the help, with the short help of those whose first sentence is too long for it.
_ASK: dict[Callable[..., None], str | None] = {
    compare: "Compare two environments, versions or records: what got worse?",
    check: None,
    run: None,
}
for command, text in _ASK.items():
    app.command(short_help=text, rich_help_panel=Heading.ASK)(command)
for name, group in {"baseline": baseline, "timings": timings, "matrix": matrix}.items():
    app.add_typer(group, name=name, rich_help_panel=Heading.KEEP)
for command in (lab, sweep, selftest):
    app.command(rich_help_panel=Heading.EXPLORE)(command)
for command in (env, data):
    app.command(rich_help_panel=Heading.LOOK_UP)(command)
add_former(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and leave with its exit status; an error is one line on standard error."""
    guard_streams()
    former = _take_signals()
    Waiting.tell = tell
    Debug.on = False  # until the option is read: another call in this process may have set it
    ignore_matplotlib_settings()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal has a ≥, and the results must be shown
    words = sys.argv[1:] if arguments is None else arguments
    try:
        _refuse_nameless(words)
        refuse_stripped(words)
        check_request()
        check_start_files(words)
        refuse_bad_settings()
        status = app(words, prog_name="mnist-bench", standalone_mode=False, color=settle_colors())
        refuse_shell(status, words)
    except KeyboardInterrupt:  # typer sees those of the command itself only
        status = _INTERRUPTED
    except SystemExit as error:
        if error.code in _ENDED:  # said here: a signal's handler may interrupt a line that is being written
            say(f"ended by {_ENDED[error.code]}")
        if error.code in (*_ENDED, CLOSED_PIPE) or answers_shell(words):
            raise
        # Such as a module of the user's that ends the process as it is imported: nothing was done.
        say("something that was imported ended the process: nothing is known of what was asked for")
        status = 2
    # Every error becomes one line and an exit status, also those that are no Exception: a panic of a package in Rust.
    except BaseException as error:  # noqa: BLE001
        message, status = _explain(error)
        _say_at_last(message, words)
    finally:
        remove_empty_folders()
        for number, handler in former.items():
            signal.signal(number, handler)
    if status == _INTERRUPTED:
        say("interrupted")
    flush_streams()
    sys.exit(status if isinstance(status, int) else 0)


def _take_signals() -> dict[signal.Signals, Any]:
    """Have the signals that end a command leave nothing behind, and have the system keep the exit codes of children.

    Returns:
        The former handlers of the signals that end a command; a signal that is ignored, as by nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # the parent's: each exit code would be read as 0
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ending = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    return {number: signal.signal(number, _end) for number in ending}


def _end(number: int, _: object) -> None:
    """End the command by the way of an error: what it started ends, and what it made and left empty is removed."""
    raise SystemExit(128 + number)


def _say_at_last(message: str, arguments: list[str]) -> None:
    """Say why a command ends, also where nothing can be imported any more, as without a free descriptor."""
    try:
        if Debug.on:
            sys.stderr.write(_format_traceback(arguments))
        say(message)
    except Exception:  # noqa: BLE001 - the first error is the one to tell
        sys.stderr.write(f"mnist-bench: {' '.join(message.split())}\n")


def _format_traceback(arguments: list[str]) -> str:
    """Return the traceback of the present error, without what the addresses among the arguments keep secret."""
    from mnist_bench.sweep.storage import hide_secrets

    text = traceback.format_exc()
    for argument in arguments:
        url = argument.partition("=")[2] if argument.startswith("--") else argument
        if "://" in url:
            text = hide_secrets(url, text)
    return text


def _refuse_nameless(arguments: list[str]) -> None:
    """Refuse an argument that is the empty string, or a lone hyphen: as a path, neither means what was meant.

    The empty string would be the current folder. In a script it is a variable that is not set, so no default should
    take its place. The hyphen would be a file of that name, and many programs take it for standard input or output.
    """
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if not argument or (option.startswith("--") and equals and not value):
            before = arguments[place - 1] if place else ""
            name = option or (before if before.startswith("-") else f"argument {place + 1}")
            raise ValueError(f"{name}: the value is empty: give one, or leave the option out")
        if argument == "-" or (option.startswith("--") and value == "-"):
            name = f"{arguments[place - 1]} -" if place and arguments[place - 1].startswith("-") else argument
            raise ValueError(
                f"{name}: a hyphen names no file here: standard output is /dev/stdout, a file of that name is ./-"
            )


def _find_import(error: BaseException) -> str:
    """Return the file that failed as it was imported, if it is not one of this package; "" otherwise."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [frame.filename for frame in frames if frame.name == "<module>"]
    if isinstance(error, SyntaxError):
        files.append(error.filename or "")
    elif files and isinstance(error, AttributeError) and isinstance(error.obj, types.ModuleType):
        files.append(error.obj.__file__ or "")  # what a module lacks is missed in the one that imports it
    own = str(Path(__file__).parents[1])
    return next((file for file in reversed(files) if file and not file.startswith(("<", own))), "")


def _has_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _explain(error: BaseException) -> tuple[str, int]:
    """Return the line and the exit status for an error."""
    usage: Any = getattr(error, "format_message", None)
    if usage is not None:  # an error of click or typer: bad usage
        return usage().replace(": Value error, ", ": "), 2  # that word of typer's tells nothing
    if isinstance(error, FileNotFoundError) and not _has_folder():
        return "the working folder was deleted: change to another one", 2
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}", 2
    if isinstance(error, (ValueError, OSError, ImportError)):
        return str(error), 2
    if isinstance(error, (CommandError, MemoryError)):  # such as a process that measures and gave no answer
        told = f"out of memory: {str(error) or 'there is no answer'}" if isinstance(error, MemoryError) else str(error)
        return told, 2 if getattr(error, "bad_input", False) else 3
    line, status = f"internal error: {type(error).__name__}: {error} (--debug shows where)", 70
    if place := _find_import(error):
        line, status = f"{place} cannot be imported: {type(error).__name__}: {error}", 2
    return line, status
