"""No process of ours reads a user's settings of matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mnist_bench.training.workers.surroundings import refuse_bad_settings

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
from mnist_bench.training.workers.surroundings import ignore_matplotlib_settings
ignore_matplotlib_settings()
import matplotlib
print(matplotlib.matplotlib_fname(), matplotlib.rcParams["font.size"], matplotlib.get_cachedir())
"""


@pytest.mark.parametrize("place", ["MATPLOTLIBRC", "folder in MATPLOTLIBRC", "MPLCONFIGDIR"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have a name")
def test_settings_that_are_a_pipe_are_not_opened(tmp_path: Path, place: str) -> None:
    """Wherever a variable lets matplotlib look for them; the folder of its cache stays the user's."""
    for name in ("work", "cache", "set"):
        (tmp_path / name).mkdir()
    folder = "cache" if place == "MPLCONFIGDIR" else "set"
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes that have a name")
def test_settings_in_the_working_folder_that_have_no_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable tells matplotlib to pass over these; what is a file, a folder or nothing is none of them."""
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "matplotlibrc"
    refuse_bad_settings()
    settings.mkdir()
    refuse_bad_settings()
    settings.rmdir()
    settings.write_text("font.size: 30\n")
    refuse_bad_settings()
    settings.unlink()
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(settings)
        with pytest.raises(ValueError, match=r"^\./matplotlibrc is a pipe or a device"):
            refuse_bad_settings()
        settings.unlink()
