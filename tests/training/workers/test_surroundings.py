"""No process of ours reads a user's settings of matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
from mnist_bench.training.workers.surroundings import ignore_matplotlib_settings
ignore_matplotlib_settings()
import matplotlib
print(matplotlib.matplotlib_fname(), matplotlib.rcParams["font.size"], matplotlib.get_cachedir())
"""


@pytest.mark.parametrize("place", ["working folder", "MATPLOTLIBRC", "folder in MATPLOTLIBRC", "MPLCONFIGDIR"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have a name")
def test_settings_that_are_a_pipe_are_not_opened(tmp_path: Path, place: str) -> None:
    """Wherever matplotlib looks for them; the folder of its cache stays the user's."""
    for name in ("work", "cache", "set"):
        (tmp_path / name).mkdir()
    folder = {"working folder": "work", "MPLCONFIGDIR": "cache"}.get(place, "set")
    pipe = tmp_path / folder / "matplotlibrc"
    os.mkfifo(pipe)
    variables = {**os.environ, "MPLCONFIGDIR": str(tmp_path / "cache"), "MPLBACKEND": "nonsense"}
    if folder == "set":
        variables["MATPLOTLIBRC"] = str(pipe if place == "MATPLOTLIBRC" else pipe.parent)
    answer = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path / "work",
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout.split() == [os.devnull, "10.0", str(tmp_path / "cache")]
