"""The command `matrix bisect`: the first version at which a verdict changes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.given import refuse_given
from mnist_bench.cli.shell import echo, find_versions, make_setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.versions.bisection import Question, Turn
    from mnist_bench.versions.measurement import MeasurementSetup
    from mnist_bench.versions.plan import MeasurementPlan
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.releases import VersionSpec

__all__ = ["bisect"]

# The options of trainings, and the checks that train.
_READERS = {"seeds": ("accuracy",), "jobs": ("accuracy",), "epochs": ("accuracy", "bits")}


def bisect(
    context: typer.Context,
    good: Annotated[
        str,
        typer.Argument(
            metavar="GOOD",
            help="A version that holds, such as py311-tf215.",
            autocompletion=options.complete_version,
        ),
    ],
    bad: Annotated[
        str,
        typer.Argument(
            metavar="BAD",
            help="A version that does not hold, such as py313-tf221.",
            autocompletion=options.complete_version,
        ),
    ],
    *,
    lab: options.Lab = "mlp",
    check: Annotated[
        str, typer.Option(metavar="CHECK", help="bits, accuracy, or a check such as contract/new-order.")
    ] = "contract/new-order",
    engine: options.Engine = "epoch",
    seeds: Annotated[int, options.count("With --check accuracy: how many seeds to train.")] = 7,
    versions: options.Versions = options.VERSIONS_FOLDER,
    jobs: options.AccuracyJobs = 1,
    epochs: options.Epochs = None,
    data: options.Data = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print which versions may have to be measured, and measure nothing.")
    ] = False,
) -> None:
    """Find the first version at which a verdict changes.

    Searches between a version that holds and one that does not. Uses the records that exist, and measures the other
    versions that the search needs. Exit status: 0 found, 2 bad usage or bad input, 3 the verdict changes more than
    once, or some versions gave no answer.
    """
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.labs import check_lab
    from mnist_bench.versions import bisection
    from mnist_bench.versions.bisection import Question, list_open
    from mnist_bench.versions.folder import load_folder
    from mnist_bench.versions.matrix import find_spec
    from mnist_bench.versions.plan import MeasurementPlan
    from mnist_bench.versions.releases import find_between

    for name, checks in _READERS.items():
        if check not in checks:
            refuse_given(context, (name,), f"is for --check {' and '.join(checks)}: leave it out")
    question = Question(check=check, lab=check_lab(lab).name, engine=check_engine(engine).name)
    known = find_versions(versions)
    specs = {spec.name: spec for spec in find_between(find_spec(good, known), find_spec(bad, known))}
    records = {name: record for name, record in load_folder(known).items() if name in specs}
    if dry_run:
        for name in list_open(question, list(specs), records):
            echo(name)
        return
    plan = MeasurementPlan(
        layers=("install", "import", {"bits": "probes", "accuracy": "accuracy"}.get(check, "checks")),
        labs=(lab,),
        seeds=seeds,
        epochs=epochs,
        checked=(engine,),
        probed=(engine,),
        trained=engine,
    )
    turn = bisection.bisect(question, list(specs), records, _make_fetch(specs, plan, versions, jobs=jobs, data=data))
    _show_turn(turn, question, specs)
    raise typer.Exit(3 if turn.skipped or turn.odd else 0)


def _make_fetch(
    specs: dict[str, VersionSpec], plan: MeasurementPlan, versions: Path, *, jobs: int, data: str
) -> Callable[[str], VersionRecord]:
    """Return a function that measures the version of a name and returns its record."""
    from mnist_bench.versions.folder import load_version
    from mnist_bench.versions.matrix import run_version

    @functools.cache  # the data is loaded when the first version is measured
    def setup() -> MeasurementSetup:
        return make_setup(versions, jobs=jobs, data=data)

    def fetch(name: str) -> VersionRecord:
        echo(f"{name}:", err=True)
        for _ in run_version(specs[name], plan, setup(), versions):
            pass
        return load_version(versions / f"{name}.json")

    return fetch


def _show_turn(turn: Turn, question: Question, specs: dict[str, VersionSpec]) -> None:
    """Print the answer of each version, the version at which the verdict changes, and what changed there."""
    answers = {True: "holds", False: "does not hold", None: "no answer"}
    for name in specs:
        if name in turn.answers:
            measured = ", measured now" if name in turn.measured else ""
            echo(f"{name:24} {answers[turn.answers[name]]}{measured}")
    good, bad = specs[turn.good], specs[turn.bad]
    changes = [
        f"{product} {before} to {after}"
        for product, before, after in (
            ("TensorFlow", good.tensorflow, bad.tensorflow),
            ("Keras", good.keras, bad.keras),
            ("Python", good.python, bad.python),
        )
        if before != after
    ]
    first = f"one of {', '.join([*turn.skipped, turn.bad])}" if turn.skipped else turn.bad
    echo(f"{question.check} of {question.lab} by {question.engine} changes at {first}: {', '.join(changes)}")
    if turn.odd:
        echo(f"the verdict changes more than once: {', '.join(turn.odd)} disagree with the versions around")
