"""What several commands do: speak on standard error, load data, choose folders, write reports."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.measurement import MeasurementSetup

__all__ = ["Debug", "default_folder", "existing_folder", "load_data", "make_setup", "say", "write_report"]


class Debug:
    """Whether tracebacks are shown; the option `--debug` sets it."""

    on = False


def say(message: str) -> None:
    """Print a message on standard error, as one line under the command's name."""
    typer.echo(f"mnist-bench: {' '.join(message.split())}", err=True)


def load_data(source: str) -> Dataset:
    """Load a data set, with the progress of a download; say so if `auto` gets the stand-in."""
    from mnist_bench.show.console import show_download
    from mnist_bench.training.data.dataset import load_dataset

    with show_download() as progress:
        dataset = load_dataset(source, progress=progress)
    if dataset.is_standin and source == "auto":
        say(f"using {dataset.label}: {dataset.missing}")
    return dataset


def default_folder() -> Path:
    """Return where results go if no folder is given: results/TIME."""
    return Path("results", dt.datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S"))


def existing_folder(folder: Path | None) -> Path | None:
    """Return a folder, if one is given.

    Raises:
        ValueError: There is no such folder.
    """
    if folder is not None and not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    return folder


def write_report(path: Path, text: str) -> None:
    """Write a report to a file; an earlier report there is replaced."""
    from mnist_bench.records.files import write_atomically

    # A CI job writes the report of its last run to the same place each time.
    write_atomically(path, text.encode(), overwrite=True)


def make_setup(out: Path, *, jobs: int, data: str, python: Path | None = None) -> MeasurementSetup:
    """Return the setup for measuring versions into this folder; loads the data.

    Raises:
        ValueError: The data cannot be used.
    """
    from mnist_bench.versions.matrix import work_folder
    from mnist_bench.versions.measurement import MeasurementSetup

    dataset = load_data(data)
    place = os.path.realpath(os.path.expanduser(data))  # noqa: PTH111 - it never raises
    return MeasurementSetup(
        folder=work_folder(out),
        dataset=dataset,
        # A full path, because the process that measures may run in another folder.
        source=dataset.name if data in ("auto", dataset.name) else place,
        jobs=jobs,
        tell=lambda line: typer.echo(f"  {line}", err=True),
        python=python,
    )
