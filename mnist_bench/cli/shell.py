"""What several commands do: speak on standard error, load data, choose folders, write reports."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import itertools
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnist_bench.records.files import Mark
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.workers.cluster import Cluster
    from mnist_bench.versions.comparison import Compared
    from mnist_bench.versions.measurement import MeasurementSetup

__all__ = [
    "Debug",
    "Reports",
    "check_reports",
    "check_resume",
    "default_folder",
    "echo",
    "existing_folder",
    "find_versions",
    "held",
    "kept_in",
    "load_data",
    "make_setup",
    "name_source",
    "say",
    "show_compared",
    "tell",
    "write_compared",
    "write_report",
]

_MOST_CHARACTERS = 1200  # of a message: it may quote a file or an argument of any length


class Debug:
    """Whether tracebacks are shown; the option `--debug` sets it."""

    on = False


@dataclass(frozen=True, kw_only=True)
class Reports:
    """What a command writes next to its text.

    Attributes:
        json: Whether JSON stands on standard output in place of the text.
        junit: The file of a report in JUnit XML.
        markdown: The file of a report in Markdown.
        html: The file of a page.
    """

    json: bool = False
    junit: Path | None = None
    markdown: Path | None = None
    html: Path | None = None


def say(message: str) -> None:
    """Print a message on standard error, as one line under the command's name."""
    from mnist_bench.show.text import clean_line

    line, half = clean_line(message), _MOST_CHARACTERS // 2
    if len(line) > _MOST_CHARACTERS:
        line = f"{line[:half]} ... {line[-half:]}"
    typer.echo(f"mnist-bench: {line}", err=True)


def echo(text: str, *, err: bool = False) -> None:
    """Print text, which may come from a record, as `clean` leaves it."""
    from mnist_bench.show.text import clean

    typer.echo(clean(text), err=err)


def tell(line: str) -> None:
    """Show a line of progress."""
    echo(line, err=True)


@contextlib.contextmanager
def held(folder: Path | None) -> Iterator[None]:
    """Keep another command from a folder, for which it would train the same again, or lose what this one writes.

    Args:
        folder: The folder; None for results/TIME, which no other command has.

    Raises:
        ValueError: Another command has the folder.
    """
    if folder is None:
        yield
        return
    from mnist_bench.records.files import find_cache_folder
    from mnist_bench.records.locks import locked

    def refuse() -> None:
        told = "another command is at work there: wait, or name another folder with --out"
        raise ValueError(f"{folder}: {told}")

    # Not in the folder itself, which may be the project's docs.
    name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16]
    with locked(find_cache_folder() / "locks" / f"{name}.lock", refuse):
        yield


@contextlib.contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Say, if the user interrupts a measurement, how the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        tell(f"what was measured is kept: the same command with --out {folder} goes on")
        raise


def load_data(source: str) -> Dataset:
    """Load a data set, with the progress of a download; say so if `auto` gets the stand-in."""
    from mnist_bench.show.console import show_download
    from mnist_bench.training.data.dataset import load_dataset

    with show_download() as progress, warnings.catch_warnings(record=True) as warned:
        dataset = load_dataset(source, progress=progress)
    for warning in warned:
        say(str(warning.message))
    if dataset.is_standin and source == "auto":
        say(f"using {dataset.label}: {dataset.missing}")
    return dataset


def name_source(source: str, dataset: Dataset) -> str:
    """Return the source of loaded data for other processes: a full path, as these may run in another folder."""
    place = os.path.realpath(os.path.expanduser(source))  # noqa: PTH111 - it never raises
    return dataset.name if source in ("auto", dataset.name) else place


def default_folder() -> Path:
    """Make the folder where results go if no folder is given: results/TIME.

    The folder is new: two runs that begin in the same second get two.

    Raises:
        OSError: The folder cannot be made or written.
    """
    from mnist_bench.records.files import check_folder, note_folders

    results = Path("results")
    check_folder(results)  # first: what is wrong with it is wrong with every folder below it
    name = dt.datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    for suffix in itertools.chain([""], map("-{}".format, itertools.count(2))):
        folder = results / f"{name}{suffix}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            break
    note_folders(folder)
    return folder


def check_resume(out: Path | None, *, resume: bool) -> None:
    """Refuse to go on with a run whose folder is not named: results/TIME would be a new one.

    Raises:
        ValueError: There is no folder.
    """
    if resume and out is None:
        raise ValueError("--resume needs --out: the folder of the run that goes on")


def find_versions(folder: Path) -> Path:
    """Return the folder of the versions' records to read: for the default, those of the package if it is not here.

    `matrix run` and `matrix bisect` make the default folder where they are run: that the records of the package are
    then not read is said.

    Raises:
        OSError: A file has that name, or a link that leads to no folder: there is nothing to read.
    """
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.cli.options import VERSIONS_FOLDER
    from mnist_bench.records.files import PACKAGE, refuse_no_folder

    refuse_no_folder(folder)
    shipped = find_folder() / "versions"
    if folder != VERSIONS_FOLDER:
        return folder
    if not any(folder.glob("*.json")):  # also a folder that a measurement which failed has left empty
        return shipped
    # Installed from a wheel, and run elsewhere than in a checkout, whose records are the project's own.
    if shipped.is_relative_to(PACKAGE) and not Path(PACKAGE.name, "__init__.py").is_file():
        say(f"reading {folder} of the working folder, not the records that come with mnist-bench: these are {shipped}")
    return folder


def existing_folder(folder: Path | None) -> Path | None:
    """Return a folder, if one is given.

    Raises:
        OSError: A file has that name, or a link that leads to no folder.
        ValueError: There is no such folder.
    """
    from mnist_bench.records.files import refuse_no_folder

    if folder is not None and not folder.is_dir():
        refuse_no_folder(folder)
        raise ValueError(f"{folder}: no such folder")
    return folder


def check_reports(*reports: tuple[Path | None, Mark]) -> None:
    """Find out, before the work, whether reports can be written to these files after the work.

    Args:
        reports: The file of each report, if it is asked for, and the mark of an earlier one: a CI job writes the report
            of its last run to the same place each time.

    Raises:
        FileExistsError: A file that is no such report is there.
        OSError: A file cannot be written.
        ValueError: Two reports have the same file.
    """
    from mnist_bench.records.files import check_replaceable

    given = [(path, mark) for path, mark in reports if path is not None]
    for path, mark in given:
        check_replaceable(path, mark)
    files = [path.resolve() for path, _ in given if path.is_file() or not path.exists()]
    if len(set(files)) < len(files):
        raise ValueError(f"{given[0][0]}: two reports cannot be written to one file")


def write_report(path: Path, text: str, mark: Mark) -> None:
    """Write a report to a file; an earlier report of its kind is replaced, any other file is left alone."""
    from mnist_bench.records.files import replace_own

    replace_own(path, text.encode(), mark)


def show_compared(
    compared: Compared, answer: str, reports: Reports, *, measured: str = "", page: Callable[[Path], None]
) -> None:
    """Show the answer of a comparison and all verdicts, and write the reports.

    Args:
        compared: The verdicts.
        answer: The first line.
        reports: What is written, and whether JSON stands in place of the text.
        measured: How long it took and where the records are, below the text.
        page: Writes the page.
    """
    from mnist_bench.versions.comparison import format_compared, format_compared_json

    if reports.json:
        typer.echo(format_compared_json(compared, answer), nl=False)
    else:
        echo(format_compared(compared, answer))
        if measured:
            echo(f"\n{measured}")
    write_compared(compared, answer, reports)
    if reports.html is not None:
        page(reports.html)


def write_compared(compared: Compared, answer: str, reports: Reports) -> None:
    """Write a comparison as JUnit XML and as Markdown, as far as they are asked for."""
    from mnist_bench.show.text import JUNIT_MARK, MARKDOWN_MARK, format_junit
    from mnist_bench.versions.comparison import format_compared_markdown

    if reports.junit is not None:
        write_report(reports.junit, format_junit(compared.results), JUNIT_MARK)
    if reports.markdown is not None:
        write_report(reports.markdown, format_compared_markdown(compared, answer), MARKDOWN_MARK)


def make_setup(
    out: Path, *, jobs: int, data: str, python: Path | None = None, cluster: Cluster | None = None
) -> MeasurementSetup:
    """Return the setup for measuring versions into this folder; makes the folder and loads the data.

    Raises:
        OSError: The folder cannot be written.
        ValueError: The data cannot be used.
    """
    from mnist_bench.records.files import check_folder
    from mnist_bench.versions.matrix import work_folder
    from mnist_bench.versions.measurement import MeasurementSetup

    check_folder(work_folder(out))
    dataset = load_data(data)
    return MeasurementSetup(
        folder=work_folder(out),
        dataset=dataset,
        source=name_source(data, dataset),
        jobs=jobs,
        tell=lambda line: echo(f"  {line}", err=True),
        python=python,
        cluster=cluster,
    )
