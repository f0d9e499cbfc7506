"""One child process: started on its cores, spoken to in JSON lines, ended; seen from the parent and from the child."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mnist_bench.records.files import find_cache_folder
from mnist_bench.training.workers.last_words import find_last_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Tell: TypeAlias = Callable[..., None]

__all__ = ["Child", "describe_exit", "drop_own_variables", "open_events", "pin_all_threads", "pin_by_option"]

# Keras imports matplotlib, which fails if the backend of a notebook is not installed for the child.
_NOTEBOOK = ("MPLBACKEND",)
# What would have another interpreter find the packages of this process's environment instead of its own.
_OURS = (*_NOTEBOOK, "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
_BOOT = Path(__file__).with_name("boot.py")
_LOG_CHARACTERS = 4000  # of what a child printed: the end of a traceback
_QUOTED = 60  # characters of a line that should have been an event
_MOST_FOREIGN = 1000  # lines before the first event: a program that prints more is no interpreter that greets


class Child:
    """A child process that runs one module of this package, whichever interpreter it has.

    Nothing is pickled: both sides write one JSON object a line. What the child or a library prints goes to a log.
    """

    def __init__(
        self,
        module: str,
        *,
        python: str | Path | None = None,
        cores: Sequence[int] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start the process.

        Args:
            module: The module of this package whose `main` it runs, such as `training.workers.serve`.
            python: The interpreter; None means this process's own.
            cores: The cores that the process is pinned to before it imports TensorFlow; None leaves all.
            folder: Its working folder; None means this process's own.
        """
        # The child ends when the other end of this pipe is closed: by `close`, or because this process is gone.
        lifeline, self._lifeline = os.pipe()
        command = [str(python or sys.executable), str(_BOOT), module, str(lifeline)]
        if cores is not None:
            command += ["--cores", ",".join(map(str, cores))]
        variables = drop_own_variables(of_environment=python is not None)
        # The parent makes the stand-in: scikit-learn may be missing in the child's environment.
        variables["MNIST_BENCH_CACHE"] = str(find_cache_folder().absolute())
        self._killed, self._forgotten, self._heard = False, 0, False
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed with the process
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, in an interpreter that the user named
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                cwd=folder,
                env=variables,
                pass_fds=[lifeline],
                # A group of its own, so that a wrapper script is killed together with the interpreter that it started.
                start_new_session=True,
            )
        except OSError:
            self._log.close()
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)

    def __enter__(self) -> Child:  # noqa: PYI034 - Self is in no standard library before 3.11
        """Return the child."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process, whatever it is doing."""
        self.close()

    def send(self, message: object) -> None:
        """Send a dataclass or what `json` takes; a message that is lost shows when the answer is read."""
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(_dump(message) + "\n")
            self._process.stdin.flush()

    def end_input(self) -> None:
        """Tell the child that no message follows."""
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def read(self) -> dict[str, Any] | None:
        """Return the next event; None where the process has ended.

        What stands before the first event is passed over: a `sitecustomize` of the user's may print as Python starts.

        Raises:
            ValueError: The process printed something else after its first event, or in place of all events.
        """
        assert self._process.stdout is not None  # noqa: S101
        first = ""
        for _ in range(_MOST_FOREIGN):
            line = self._process.stdout.readline()
            # A process that failed has said why on standard error.
            if not line and (not first or self._process.wait() != 0):
                return None
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and "event" in event:
                    self._heard = True
                    return event
            first = first or line
            if self._heard or not line:
                break
        raise ValueError(f"it answered {first[:_QUOTED]!r}, which is no event")

    def poll(self) -> int | None:
        """Return the exit code of a process that has ended, else None."""
        return self._process.poll()

    def is_stuck(self) -> bool:
        """Return whether the process does nothing now: it was stopped, or waits for a file system; Linux only."""
        with contextlib.suppress(OSError):
            # The state follows the name, which stands in brackets and may hold anything.
            state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            return state in "TtD"
        return False

    def kill(self) -> None:
        """Kill the process and those that it has started; whoever reads then learns that it has ended."""
        self._killed = self._killed or self._process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process, wait for its end and let go of its pipes and log."""
        self.kill()
        self._process.wait()
        self.end_input()
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdout.close()
        self._log.close()
        os.close(self._lifeline)

    def read_log(self) -> str:
        """Return the end of what the process has printed to standard error."""
        self._log.seek(0)
        return self._log.read()[-_LOG_CHARACTERS:]

    def read_last_words(self) -> str:
        """Return, as one line, what the process has printed last since `forget`; empty if it printed nothing."""
        self._log.seek(self._forgotten)
        return find_last_words(self._log.read())

    def forget(self) -> None:
        """Leave what the process has printed so far out of the explanation of its end: it does something else now."""
        self._forgotten = os.fstat(self._log.fileno()).st_size

    def explain_end(self) -> str:
        """Wait for the end of the process, and return in words how it ended and what it said last."""
        code, last = self._process.wait(), self.read_last_words()
        # Where this process killed the other one, what was printed before is not the reason.
        return describe_exit(code) + (f": {last}" if last and code != 0 and not self._killed else "")


@contextlib.contextmanager
def open_events() -> Iterator[Tell]:
    """Give a function that writes its keyword arguments as one line of JSON to this process's standard output.

    The function writes to a descriptor of its own; what a library prints goes to standard error meanwhile, and cannot
    break the protocol.
    """
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)

        def tell(**event: object) -> None:
            out.write(_dump(event) + "\n")

        yield tell


def pin_by_option() -> None:
    """Pin this process to the cores of its option `--cores 0,1`, if it has one.

    To be called before TensorFlow is imported, which sizes its thread pools by the cores it may use.
    """
    if "--cores" in sys.argv:
        os.sched_setaffinity(0, map(int, sys.argv[sys.argv.index("--cores") + 1].split(",")))


def pin_all_threads(cores: Iterable[int]) -> None:
    """Move this process, all its threads, to these cores; Linux only."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # a thread may end meanwhile
            os.sched_setaffinity(int(thread.name), cores)


def drop_own_variables(*, of_environment: bool = True) -> dict[str, str]:
    """Return this process's variables for a child, without a notebook's.

    Args:
        of_environment: Whether those that point into this process's environment are left out, too.
    """
    dropped = _OURS if of_environment else _NOTEBOOK
    return {name: value for name, value in os.environ.items() if name not in dropped}


def describe_exit(code: int) -> str:
    """Return how a process ended, in words, from its return code as `subprocess` gives it."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # most real-time signals have no name
        return f"was killed by signal {-code}"


def _dump(value: object) -> str:
    """Return a value as JSON on one line; a dataclass becomes an object, and NaN stays NaN, which only `json` reads."""
    return json.dumps(value, default=dataclasses.asdict)
