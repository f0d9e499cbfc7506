"""The command `compare` itself: its options, and which of its parts answers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench.cli import options
from mnist_bench.cli.compare import environments, own, records, times
from mnist_bench.cli.given import refuse_given
from mnist_bench.cli.shell import Reports, check_reports, find_versions

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["compare"]

_LAB_MARGIN, _OWN_MARGIN = 0.0015, 0.01  # shares; a user's own test data have hundreds of samples, not ten thousand
_PARTS = ("all", "bits", "time")
# The options that only one part reads: the measurement of environments, and the clock alone.
_MEASURING = ("only", "budget", "labs", "engine", "margin", "python", "same", "data", "out", "html", "model")
_LAB_ONLY = ("labs", "engine", "data")
_TIME_ONLY = ("device", "in_turn", "without_tuner", "calibrate", "baselines", "fault_b")
_TRAINING = ("margin", "budget")  # what the bits alone need none of


def compare(
    context: typer.Context,
    base: Annotated[
        str,
        typer.Argument(
            help="What is used now: requirements such as 'tensorflow-cpu==2.19.1 keras==3.9.0', the folder of an "
            "environment, an interpreter, `current`, `nightly`, a record, a folder of records or a version's name.",
            autocompletion=options.complete_version,
        ),
    ],
    new: Annotated[
        str,
        typer.Argument(help="What may be worse: another of these.", autocompletion=options.complete_version),
    ],
    *,
    only: Annotated[
        str, typer.Option(metavar="PART", help="Of two environments: all, bits (one minute) or time.")
    ] = "all",
    budget: Annotated[
        float | None,
        typer.Option(parser=options.duration, metavar="TIME", help="Such as 90s or 10m; 10m, or 90s for --only time."),
    ] = None,
    labs: Annotated[
        list[str] | None,
        typer.Option(
            "--lab",
            metavar="LAB",
            help="perceptron, mlp or dropout, as often as needed; all three if not given, mlp for --only time.",
            autocompletion=options.complete_lab,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE",
            help="epoch, or graph where a version cannot train by epoch, if not given.",
            autocompletion=options.complete_engine,
        ),
    ] = None,
    model: options.Model = None,
    margin: Annotated[
        float | None,
        typer.Option(
            parser=options.points,
            metavar="POINTS",
            help="The largest loss of accuracy that does not matter, in percentage points; 0.15 if not given, 1 for a"
            " model of your own.",
        ),
    ] = None,
    python: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Python for requirements; the newest that fits if not given.")
    ] = None,
    same: Annotated[bool, typer.Option("--same", help="Compare two sides although both are the same.")] = False,
    data: options.Data = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="All that is measured; a second call with the same folder goes on."),
    ] = None,
    versions: options.Versions = options.VERSIONS_FOLDER,
    device: options.TimedDevice = "cpu",
    in_turn: options.InTurn = False,
    without_tuner: Annotated[
        bool,
        typer.Option("--without-tuner", help="Of --only time: switch tf.data's autotuner off, a sharper clock."),
    ] = False,
    calibrate: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number(1, 10_000),
            metavar="RUNS",
            help="Of --only time: measure how small a slow-down is found, by so many comparisons of two same sides.",
        ),
    ] = None,
    baselines: options.Calibrations = None,
    json: options.Json = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write JUnit XML to this file.")] = None,
    markdown: options.Markdown = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page to this file.")] = None,
    fault_b: Annotated[str | None, typer.Option(hidden=True, help="Plant a fault in NEW.")] = None,
) -> None:
    """Compare two environments, versions or records, and say whether the second is worse.

    Two environments are measured side by side, the cheapest first: packages, structure, contracts, arithmetic,
    reproducibility, the bits of each stage; then trainings of both at the same time, until accuracy, loss, errors by
    class and time are decided or the budget is spent. Nothing is installed into an environment that is given.
    Exit status: 0 nothing is worse, 1 something is worse, 2 the two cannot be compared, 3 not decided.
    """
    from mnist_bench.records.files import is_taken
    from mnist_bench.show.text import JUNIT_MARK, MARKDOWN_MARK
    from mnist_bench.versions.sources import find_interpreter
    from mnist_bench.versions.upgrade.page import UPGRADE_MARK
    from mnist_bench.versions.upgrade.sides import read_requirements

    if only not in _PARTS:
        raise ValueError(f"--only {only!r}: choose from {', '.join(_PARTS)}")
    refuse = functools.partial(_refuse, context)
    check_reports((junit, JUNIT_MARK), (markdown, MARKDOWN_MARK), (html, UPGRADE_MARK))
    folder = find_versions(versions)
    sides: list[str | Path | None] = []
    for text in (base, new):
        # What exists is a path, whatever its name looks like.
        listed = not is_taken(Path(text)) and (text == "current" or read_requirements(text) is not None)
        sides.append(text if listed else find_interpreter(text, folder))
    reports = Reports(json=json, junit=junit, markdown=markdown, html=html)
    if own_sides := own.load_own_sides(base, new):
        refuse({*_MEASURING, *_TIME_ONLY} - {"margin", "html"}, "two environments")
        own.compare_own_records(own_sides, margin or _OWN_MARGIN, reports)
        return
    if None in sides:
        refuse({*_MEASURING, *_TIME_ONLY} - {"same"}, "two environments")
        _refuse_mixture((base, new), sides, folder)
        records.compare_records(base, new, folder, same=same, reports=reports)
        return
    measured: Any = sides
    if model is not None:
        if only == "time":
            raise ValueError("--only time is for the labs: leave it out, and the time of your model is compared, too")
        refuse(_TRAINING if only == "bits" else (), "--only all")
        refuse((*_LAB_ONLY, *_TIME_ONLY), "the labs, not for --model")
        own.compare_own_environments(
            measured,
            model,
            margin=margin or _OWN_MARGIN,
            budget=budget,
            only_bits=only == "bits",
            python=python,
            same=same,
            out=out,
            reports=reports,
        )
        return
    if only == "time":
        refuse(("margin", "html", "junit", "markdown"), "--only all")
        if labs and len(set(labs)) > 1:
            raise ValueError(f"--only time measures one lab: leave out all --lab but one of {', '.join(labs)}")
        times.compare_times(
            measured,
            python=python,
            same=same,
            lab=labs[0] if labs else "mlp",
            engine=engine or "epoch",
            budget=budget or options.BUDGET_SECONDS,
            data=data,
            device=device,
            in_turn=in_turn,
            as_shipped=not without_tuner,
            calibrate=calibrate,
            baselines=baselines,
            out=out,
            json=json,
            fault_b=fault_b,
        )
        return
    refuse(_TIME_ONLY, "--only time")
    refuse(_TRAINING if only == "bits" else (), "--only all")
    request = environments.Request(
        labs=labs or [],
        engine=engine,
        margin=margin or _LAB_MARGIN,
        budget=budget,
        only_bits=only == "bits",
        python=python,
        same=same,
        data=data,
        out=out,
    )
    environments.compare_environments(measured, request, reports)


def _refuse(context: typer.Context, among: Collection[str], what: str) -> None:
    refuse_given(context, among, f"is for {what}: leave it out")


def _refuse_mixture(texts: tuple[str, str], sides: list[str | Path | None], folder: Path) -> None:
    """Refuse an environment next to a record: the environment has not been measured."""
    from mnist_bench.versions.sources import load_sides

    named = [text for text, side in zip(texts, sides, strict=True) if side is not None]
    if named:
        for text, side in zip(texts, sides, strict=True):
            if side is None:
                load_sides(text, folder)  # says what is wrong with a text that names nothing
        raise ValueError(
            f"{named[0]} is an environment, and the other side a record: measure the environment first, with "
            f"mnist-bench matrix run NAME --interpreter PYTHON, or name two environments"
        )
