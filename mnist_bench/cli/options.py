"""The options and arguments that several commands share, each stated once, and their defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
import typer.models

from mnist_bench.records.numbers import read_whole

__all__ = [
    "BUDGET_SECONDS",
    "SECTIONS",
    "VERSIONS_FOLDER",
    "AccuracyJobs",
    "Baselines",
    "Budget",
    "Calibrations",
    "Cluster",
    "Data",
    "Device",
    "Engine",
    "Epochs",
    "InTurn",
    "Jobs",
    "Json",
    "Lab",
    "LabNames",
    "Labs",
    "LayerNames",
    "Markdown",
    "Mixed",
    "Model",
    "Out",
    "Resume",
    "Runs",
    "RunsFolder",
    "Seed",
    "Seeds",
    "TimedDevice",
    "Versions",
    "VersionsOut",
    "Why",
    "complete_engine",
    "complete_lab",
    "complete_version",
    "count",
    "duration",
    "points",
    "read_names",
    "whole_number",
]

BUDGET_SECONDS = 90.0  # a copy of `timing.ab.rounds.BUDGET_SECONDS`, whose import would slow down `--help`
SECTIONS = 6  # of the lab sheet: the number of `checks.sheet.figures.SECTIONS`, for the same reason
VERSIONS_FOLDER = Path("baselines/versions")


def whole_number(least: int | None = None, most: int | None = None) -> Callable[[int | str], int]:
    """Return a parser of whole numbers: typer takes 1.0 and 1_0 for such, depending on the version.

    Args:
        least: The least number that is allowed.
        most: The greatest number that is allowed.
    """

    def parse(text: int | str) -> int:
        return read_whole(text, least, most)

    return parse


def read_names(option: str, text: str, allowed: Sequence[str]) -> list[str]:
    """Return the names of a list with commas; none for an empty text, which stands for an option that is not given.

    Args:
        option: The option, for the message.
        text: The list.
        allowed: The names that there are.

    Raises:
        ValueError: A name is unknown, empty, between blanks, or there twice.
    """
    names = text.split(",") if text else []
    if not set(names) <= set(allowed) or len(set(names)) < len(names):
        what = "each once, with commas and no blanks between them, or leave the option out"
        raise ValueError(f"{option} {text!r} is not allowed: give names of {', '.join(allowed)}, {what}")
    return names


def duration(text: float | str) -> float:
    """Return the seconds of a text such as `90`, `90s`, `10m` or `1h`.

    Raises:
        ValueError: The text has another form.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(s|m|h)?", str(text))
    seconds = float(found[1]) * {"m": 60, "h": 3600}.get(found[2] or "s", 1) if found else 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{text!r} is no time: seconds, such as 90, or 90s, 10m, 1h")
    return seconds


def points(text: float | str) -> float:
    """Return the share of a text in percentage points, such as `0.15`.

    Raises:
        ValueError: The text has another form, or is not within its bounds.
    """
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,6})?", str(text)) or float(text) == 0:
        raise ValueError(f"{text!r} is not allowed: percentage points above 0 and below 100, such as 0.15")
    return float(text) / 100


def count(text: str) -> typer.models.OptionInfo:
    """Return an option for a number of trainings, comparisons or processes, whose list fits into the memory."""
    option: typer.models.OptionInfo = typer.Option(parser=whole_number(1, 10_000), metavar="N", help=text)
    return option


# What a shell completes; each function imports when it is called, as `--help` needs none of these
def complete_lab() -> list[str]:
    """Return the names of the labs."""
    from mnist_bench.training.labs import LABS

    return list(LABS)


def complete_version(ctx: typer.Context) -> list[str]:
    """Return the names of the versions of the matrix, and of those that have a record."""
    from mnist_bench.versions.releases import MATRIX

    folder = ctx.params.get("versions") or ctx.params.get("out") or VERSIONS_FOLDER
    return sorted({*MATRIX, *(path.stem for path in Path(folder).glob("*.json"))})


def _complete_list(complete: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """Return what completes the last of several names that are separated by commas."""

    def complete_last(incomplete: str) -> list[str]:
        before, comma, _ = incomplete.rpartition(",")
        return [before + comma + name for name in complete() if name not in before.split(",")]

    return complete_last


def _choose(*words: str) -> Callable[[], list[str]]:
    """Return what completes one of some words."""
    return lambda: list(words)


def _complete_layers() -> list[str]:
    from mnist_bench.versions.plan import LAYERS

    return list(LAYERS)


# A copy of `training.engines.ENGINES`, whose import would take longer than a person likes to wait for the shell.
complete_engine = _choose("eager", "graph", "xla", "epoch", "fused")
_complete_data, _complete_device = _choose("auto", "mnist", "digits"), _choose("auto", "cpu", "gpu")

# What is trained, and how
Labs = Annotated[
    list[str] | None,
    typer.Argument(help="perceptron, mlp, dropout; all three if not given.", autocompletion=complete_lab),
]
Lab = Annotated[str, typer.Option(metavar="LAB", help="perceptron, mlp or dropout.", autocompletion=complete_lab)]
Engine = Annotated[
    str,
    typer.Option(metavar="ENGINE", help="eager, graph, xla, epoch or fused.", autocompletion=complete_engine),
]
Seed = Annotated[int, typer.Option(parser=whole_number(), metavar="N", help="The seed.")]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="auto, mnist, digits, an .npz file or a folder of IDX files.",
        autocompletion=_complete_data,
    ),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or gpu.", autocompletion=_complete_device)]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Your own model instead of the labs: a file of Python with build() and data() (docs/own-model.md).",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Work on the workers of a Dask scheduler, such as tcp://host:8786, instead of in processes here.",
    ),
]
Mixed = Annotated[
    bool, typer.Option("--mixed", help="With --cluster: also where versions or numerics of the workers differ.")
]
Jobs = Annotated[int, count("Worker processes, each with its own share of the cores.")]

# What comes out, and where
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
Markdown = Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a Markdown table to this file.")]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder for records, plots and page; results/TIME if not given.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Train only what has no record in FOLDER yet.")]

# Baselines, and stored runs of the benchmarks
Baselines = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The baselines; those of the package if not given.")
]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN.json", help="Files that --benchmark-json wrote.")]
RunsFolder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="FOLDER", help="The stored runs; baselines/timings if not given."),
]
Why = Annotated[str, typer.Option(metavar="REASON", help="The reason, for those who review the change.")]

# Two interpreters, timed against each other
Budget = Annotated[
    float,
    typer.Option(parser=duration, metavar="TIME", help="The time that one comparison may take, such as 90 or 2m."),
]
TimedDevice = Annotated[
    str,
    typer.Option(metavar="DEVICE", help="auto, cpu or gpu; on a GPU use --in-turn.", autocompletion=_complete_device),
]
Calibrations = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The baselines, calibrations included; those of the package if not given."),
]
InTurn = Annotated[
    bool,
    typer.Option(
        "--in-turn", help="Run one process at a time on all cores, instead of A and B together on one core each."
    ),
]

# Records of TensorFlow and Keras versions
VersionsOut = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The records, one file per version.")]
Versions = Annotated[Path, typer.Option("--versions", metavar="FOLDER", help="The records of versions.")]
Seeds = Annotated[int, count("How many seeds of each lab to train in full.")]
AccuracyJobs = Annotated[int, count("Worker processes of the accuracy layer.")]
Epochs = Annotated[
    int | None,
    typer.Option(
        parser=whole_number(1), metavar="N", help="Epochs, to try the command out; the lab's own number if not given."
    ),
]
LabNames = Annotated[
    str,
    typer.Option(
        metavar="LABS",
        help="Some of perceptron,mlp,dropout; all three if not given.",
        autocompletion=_complete_list(complete_lab),
    ),
]
LayerNames = Annotated[
    str,
    typer.Option(
        metavar="LAYERS",
        help="Some of install,import,checks,probes,accuracy; all if not given.",
        autocompletion=_complete_list(_complete_layers),
    ),
]
