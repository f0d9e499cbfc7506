"""What parents and workers share."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mnist_bench.training.workers.child import describe_exit, pin_all_threads

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
