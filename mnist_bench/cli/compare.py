"""The commands compare and bisect-versions. A thin shell, which cli.py registers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli.matrix import DEFAULT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.checks.records import ProbeRecord
    from mnist_bench.versions.bisection import Question, Turn
    from mnist_bench.versions.measurement import Bench
    from mnist_bench.versions.plan import Wanted
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.releases import VersionSpec

__all__ = ["bisect_versions", "compare"]

VersionsOption = Annotated[Path, typer.Option("--versions", metavar="FOLDER", help="The versions' records.")]


def compare(
    base: Annotated[str, typer.Argument(help="A record, a folder of records, an interpreter or a version's name.")],
    new: Annotated[str, typer.Argument(help="Another, which may be worse.")],
    *,
    versions: VersionsOption = DEFAULT_FOLDER,
    labs: Annotated[
        list[str] | None, typer.Option("--lab", help="Of two interpreters: what to probe; all three if not given.")
    ] = None,
    engine: Annotated[str, typer.Option(help="Of two interpreters: how to train.")] = "epoch",
    epochs: Annotated[int, typer.Option(min=1, help="Of two interpreters: epochs to follow.")] = 5,
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="Of two interpreters: as of `run`.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")] = False,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a Markdown table.")] = None,
) -> None:
    """Compare two records: the first stage of training that differs, accuracy and loss, checks and times.

    Of two probes or two interpreters only the bits are compared, and other bits are status 1. Times are leads:
    the two did not run side by side. Exit status: 0 nothing is worse, 1 something is, 2 they cannot be compared,
    3 inconclusive.
    """
    from mnist_bench.cli.check import write_report
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.versions import comparison
    from mnist_bench.versions.sources import get_probe

    load = functools.partial(_load, versions=versions, labs=labs, engine=engine, epochs=epochs, data=data)
    a, b = load(base), load(new)
    one, other = get_probe(a), get_probe(b)
    compared = comparison.compare_probe_records(one, other) if one and other else comparison.compare_sides(a, b)
    if json:
        typer.echo(comparison.format_compared_json(compared), nl=False)
    elif one and other:
        _show_probes(one, other)
    else:
        typer.echo(comparison.format_compared(compared))
    if markdown is not None:
        write_report(markdown, comparison.format_compared_markdown(compared))
    raise typer.Exit(exit_status(compared.results))


def bisect_versions(
    good: Annotated[str, typer.Argument(help="A version that holds, such as py311-tf215.")],
    bad: Annotated[str, typer.Argument(help="One that does not, such as py313-tf221.")],
    *,
    lab: Annotated[str, typer.Option(help="perceptron, mlp or dropout.")] = "mlp",
    check: Annotated[
        str, typer.Option(help="bits, accuracy, or a check such as contract/new-order.")
    ] = "contract/new-order",
    engine: Annotated[str, typer.Option(help="eager, graph, xla, epoch or fused.")] = "epoch",
    seeds: Annotated[int, typer.Option(min=1, help="Of accuracy: seeds to train.")] = 7,
    versions: VersionsOption = DEFAULT_FOLDER,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes of the accuracy layer.")] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs, to try it out.")] = None,
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="As of `run`.")] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what might be measured, and measure nothing.")
    ] = False,
) -> None:
    """Find the first version of the matrix at which a verdict turns, between one that holds and one that does not.

    Takes the records that are there, and measures what it needs of the others. Exit status: 0 found, 2 bad usage
    or bad input, 3 the versions do not turn once, or some gave no answer.
    """
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.labs import check_lab
    from mnist_bench.versions.bisection import Question, bisect, list_open
    from mnist_bench.versions.matrix import find_spec
    from mnist_bench.versions.plan import Wanted
    from mnist_bench.versions.records import load_versions
    from mnist_bench.versions.releases import find_between

    question = Question(check=check, lab=check_lab(lab).name, engine=check_engine(engine).name)
    specs = {spec.name: spec for spec in find_between(find_spec(good, versions), find_spec(bad, versions))}
    records = {name: record for name, record in load_versions(versions).items() if name in specs}
    if dry_run:
        for name in list_open(question, list(specs), records):
            typer.echo(name)
        return
    wanted = Wanted(
        layers=("install", "import", {"bits": "probes", "accuracy": "accuracy"}.get(check, "checks")),
        labs=(lab,),
        seeds=seeds,
        epochs=epochs,
        checked=(engine,),
        probed=(engine,),
        trained=engine,
    )
    turn = bisect(question, list(specs), records, _make_fetch(specs, wanted, versions, jobs=jobs, data=data))
    _show_turn(turn, question, specs)
    raise typer.Exit(3 if turn.skipped or turn.odd else 0)


def _load(
    text: str, *, versions: Path, labs: list[str] | None, engine: str, epochs: int, data: str
) -> dict[str, VersionRecord]:
    from mnist_bench.training.labs import LABS, check_lab
    from mnist_bench.versions.sources import find_interpreter, load_sides, probe_environment

    python = find_interpreter(text)
    if python is None:
        return load_sides(text, versions)
    names = [check_lab(lab).name for lab in labs or LABS]
    typer.echo(f"{text}: probing {', '.join(names)} by {engine} ...", err=True)
    return probe_environment(python, names, engine=engine, epochs=epochs, source=data)


def _show_probes(base: ProbeRecord, new: ProbeRecord) -> None:
    from mnist_bench.checks.records import compare_probes, describe_difference, format_difference

    typer.echo(describe_difference(base, new))
    for difference in compare_probes(base, new):
        typer.echo(f"  {difference.stage:<26} {format_difference(difference)}")


def _make_fetch(
    specs: dict[str, VersionSpec], wanted: Wanted, versions: Path, *, jobs: int, data: str
) -> Callable[[str], VersionRecord]:
    """Return a function that measures a version of that name and gives its record."""
    from mnist_bench.cli.matrix import make_bench
    from mnist_bench.versions.matrix import run_version
    from mnist_bench.versions.records import load_version

    @functools.cache  # the data is loaded when the first version is measured
    def bench() -> Bench:
        return make_bench(versions, jobs=jobs, data=data)

    def fetch(name: str) -> VersionRecord:
        typer.echo(f"{name}:", err=True)
        for _ in run_version(specs[name], wanted, bench(), versions):
            pass
        return load_version(versions / f"{name}.json")

    return fetch


def _show_turn(turn: Turn, question: Question, specs: dict[str, VersionSpec]) -> None:
    for name in specs:
        if name in turn.answers:
            said = {True: "holds", False: "does not hold", None: "no answer"}[turn.answers[name]]
            typer.echo(f"{name:24} {said}{', measured now' if name in turn.measured else ''}")
    good, bad = specs[turn.good], specs[turn.bad]
    changes = [
        f"{what} {before} to {after}"
        for what, before, after in (
            ("TensorFlow", good.tensorflow, bad.tensorflow),
            ("Keras", good.keras, bad.keras),
            ("Python", good.python, bad.python),
        )
        if before != after
    ]
    first = f"one of {', '.join([*turn.skipped, turn.bad])}" if turn.skipped else turn.bad
    typer.echo(f"{question.check} of {question.lab} by {question.engine} turns at {first}: {', '.join(changes)}")
    if turn.odd:
        typer.echo(f"it does not turn once: {', '.join(turn.odd)} say otherwise than the versions around them")
