"""The commands of the matrix: run, list and add. A thin shell, which cli.py registers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench.cli.ab import BudgetOption  # noqa: TC001 - typer reads it at run time

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.measurement import Bench
    from mnist_bench.versions.plan import Wanted
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.releases import VersionSpec

__all__ = ["DEFAULT_FOLDER", "make_bench", "matrix"]

DEFAULT_FOLDER = Path("baselines/versions")
# Unlike `ab` no one waits for it, and Keras 3 takes up to 14 s a round on a slow machine: eight rounds.
_PAIR_BUDGET = 120.0

OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The records, one a version.")]
SeedsOption = Annotated[int, typer.Option(min=1, help="Seeds of each lab that are trained in full.")]
LabsOption = Annotated[str, typer.Option(help="Some of perceptron,mlp,dropout; all three if empty.", metavar="LABS")]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="Epochs, to try it out; the lab's own if not given.")]
LayersOption = Annotated[
    str,
    typer.Option(
        metavar="LAYERS",
        help="Some of install,import,checks,probes,accuracy,times; if empty all but times, which want quiet.",
    ),
]

ProjectOption = Annotated[
    Path | None, typer.Option(metavar="PATH", help="The checkout or wheel to install; this checkout if not given.")
]

matrix = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure every TensorFlow and Keras version in an environment of its own.",
)


@matrix.command()
def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Such as py312-tf219; the whole matrix if none.")
    ] = None,
    *,
    out: OutOption = DEFAULT_FOLDER,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes of the accuracy layer.")] = 1,
    seeds: SeedsOption = 7,
    labs: LabsOption = "",
    layers: LayersOption = "",
    epochs: EpochsOption = None,
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="As of `run`.")] = "auto",
    project: ProjectOption = None,
    interpreter: Annotated[
        Path | None, typer.Option(metavar="PYTHON", help="Measure one version in this one's environment, as it is.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Begin anew; what was there is kept, numbered.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try anew what has failed.")] = False,
) -> None:
    """Measure what is missing of each version, and keep it as soon as it is there.

    A version that cannot be installed, imported or trained is recorded as that, and the run goes on.
    Exit status: 0 all of it is there, 2 bad usage or bad input, 3 some of it could not be measured.
    """
    from mnist_bench.versions.matrix import find_spec, list_matrix

    if interpreter and len(names or ()) != 1:
        raise ValueError("--interpreter is of one version: name it")
    wanted = _make_wanted(seeds=seeds, labs=labs, layers=layers, epochs=epochs)
    specs = [find_spec(name, out) for name in names] if names else [it.version for it in list_matrix(out).values()]
    bench = make_bench(out, jobs=jobs, data=data, project=project, interpreter=interpreter)
    raise typer.Exit(max([_run_one(spec, wanted, bench, out, again=again, retry=retry) for spec in specs]))


@matrix.command("list")
def list_all(
    *,
    out: OutOption = DEFAULT_FOLDER,
    seeds: SeedsOption = 7,
    labs: LabsOption = "",
    layers: LayersOption = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")] = False,
) -> None:
    """List the versions, and what is missing of each."""
    from mnist_bench.records.serial import dump_json
    from mnist_bench.versions.matrix import list_matrix
    from mnist_bench.versions.plan import find_missing

    wanted = _make_wanted(seeds=seeds, labs=labs, layers=layers, epochs=None)
    rows = {name: (record, find_missing(record, wanted)) for name, record in list_matrix(out).items()}
    if json:
        facts = {
            name: {"version": record.version, "status": record.status, "missing": missing}
            for name, (record, missing) in rows.items()
        }
        typer.echo(dump_json(facts), nl=False)
        return
    typer.echo(f"{'name':24} {'Python':7} {'TensorFlow':11} {'Keras':8} {'status':9} missing")
    for name, (record, missing) in rows.items():
        spec = record.version
        what = _describe_missing(record, missing)
        typer.echo(f"{name:24} {spec.python:7} {spec.tensorflow:11} {spec.keras or 'any':8} {record.status:9} {what}")


@matrix.command()
def pairs(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="The newer ones; all if none.")] = None,
    *,
    out: OutOption = DEFAULT_FOLDER,
    budget: BudgetOption = _PAIR_BUDGET,
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="As of `run`.")] = "auto",
    project: ProjectOption = None,
) -> None:
    """Time each version beside its predecessor, the mlp by `epoch`; wants a quiet machine.

    As `ab` does, into OUT/pairs/NAME.json; what is there is not measured again.
    Exit status: 0 all of it is there, 2 bad usage or bad input, 3 some of it could not be measured.
    """
    from mnist_bench.cli.app import load_data
    from mnist_bench.versions.environments import find_project
    from mnist_bench.versions.matrix import find_spec, list_matrix
    from mnist_bench.versions.releases import find_predecessor

    records = list_matrix(out)
    specs = [record.version for record in records.values()]
    wanted = [find_spec(name, out) for name in names] if names else specs
    bases = {spec.name: find_predecessor(spec, specs) for spec in wanted}
    if names and None in bases.values():
        lonely = next(name for name, base in bases.items() if base is None)
        raise ValueError(f"{lonely}: it has no predecessor, for it is the first of its axis")
    measure = functools.partial(
        _pair_one, records=records, out=out, budget=budget, project=find_project(project), dataset=load_data(data)
    )
    raise typer.Exit(max([measure(base, spec) for spec in wanted if (base := bases[spec.name])]))


@matrix.command()
def add(
    name: Annotated[str, typer.Argument(help="A name of your own: a-z, 0-9, '.', '_' and '-'.")],
    *,
    tensorflow: Annotated[str, typer.Option(metavar="VERSION", help="Such as 2.21.0.")],
    keras: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Such as 3.12.0; what TensorFlow brings if not given.")
    ] = None,
    python: Annotated[str, typer.Option(metavar="VERSION", help="Such as 3.12.")] = "3.12",
    pin: Annotated[
        list[str] | None, typer.Option(metavar="REQUIREMENT", help="A further one, such as 'numpy<2'; may be repeated.")
    ] = None,
    out: OutOption = DEFAULT_FOLDER,
) -> None:
    """Add a version of your own: an empty record beside the others, which `matrix run` fills."""
    from mnist_bench.versions.matrix import add_version
    from mnist_bench.versions.releases import VersionSpec

    spec = VersionSpec(name=name, python=python, tensorflow=tensorflow, keras=keras, pins=pin or [])
    typer.echo(f"added: {add_version(spec, out)}")


def _make_wanted(*, seeds: int, labs: str, layers: str, epochs: int | None) -> Wanted:
    from mnist_bench.training.labs import LABS
    from mnist_bench.versions.plan import NOT_TIMED, Wanted, check_wanted

    return check_wanted(
        Wanted(layers=_split(layers) or NOT_TIMED, labs=_split(labs) or tuple(LABS), seeds=seeds, epochs=epochs)
    )


def make_bench(
    out: Path, *, jobs: int, data: str, project: Path | None = None, interpreter: Path | None = None
) -> Bench:
    """Return with what the versions of a folder are measured; loads the data.

    Raises:
        ValueError: There is no such interpreter or project, or the data cannot be used.
    """
    from mnist_bench.cli.app import load_data
    from mnist_bench.versions.environments import find_project
    from mnist_bench.versions.matrix import work_folder
    from mnist_bench.versions.measurement import Bench

    if interpreter and not interpreter.is_file():
        raise ValueError(f"{interpreter}: no such interpreter")
    project = project if interpreter else find_project(project)
    dataset = load_data(data)
    return Bench(
        project=project,
        folder=work_folder(out),
        dataset=dataset,
        # By its own name where it was found, for another process may stand elsewhere.
        source=dataset.name if data in ("auto", dataset.name) else str(Path(data).resolve()),
        jobs=jobs,
        tell=lambda line: typer.echo(f"  {line}", err=True),
        python=interpreter.absolute() if interpreter else None,
    )


def _run_one(spec: VersionSpec, wanted: Wanted, bench: Bench, out: Path, *, again: bool, retry: bool) -> int:
    """Run one version, and return the exit status that it asks for; one that is refused does not stop the others."""
    from mnist_bench.versions.matrix import list_matrix, run_version
    from mnist_bench.versions.plan import find_missing

    typer.echo(f"{spec.name}:", err=True)
    try:
        for _ in run_version(spec, wanted, bench, out, again=again, retry=retry):
            pass
    except (ValueError, OSError) as error:
        typer.echo(f"mnist-bench: {' '.join(str(error).split())}", err=True)
        return 2
    record = list_matrix(out)[spec.name]
    missing = find_missing(record, wanted)
    typer.echo(f"{spec.name}: {record.status}; {_describe_missing(record, missing)}")
    return 3 if record.failures or missing else 0


def _pair_one(
    base: VersionSpec,
    new: VersionSpec,
    *,
    records: dict[str, VersionRecord],
    out: Path,
    budget: float,
    project: Path,
    dataset: Dataset,
) -> int:
    """Measure one pair, and return the exit status that it asks for; one that fails does not stop the others."""
    from mnist_bench.timing.ab.console import show_rounds
    from mnist_bench.timing.ab.records import format_ratio
    from mnist_bench.versions.environments import CommandError
    from mnist_bench.versions.pairs import choose_engine, measure_pair

    options: dict[str, Any] = {"project": project, "dataset": dataset, "budget_seconds": budget}
    engine = choose_engine(*(records[spec.name] for spec in (base, new) if spec.name in records))
    try:
        with show_rounds(budget) as show:
            record = measure_pair(base, new, out, engine=engine, on_round=show, **options)
    except (CommandError, ValueError, OSError) as error:
        typer.echo(f"mnist-bench: {new.name}: {' '.join(str(error).split())}", err=True)
        return 3 if isinstance(error, CommandError) else 2
    ratios = f"wall {format_ratio(record.wall)}, processor {format_ratio(record.cpu)}"
    typer.echo(f"{new.name}, beside {base.name}: {record.verdict}; {ratios}")
    return 0


def _describe_missing(record: VersionRecord, missing: dict[str, list[str]]) -> str:
    failed = [f"{failure.layer} of {failure.what} failed: {failure.reason[:100]}" for failure in record.failures]
    lacking = [f"{layer} ({len(units)})" if len(units) > 1 else layer for layer, units in missing.items()]
    return "; ".join([*failed, *([", ".join(lacking)] if lacking else [])]) or "nothing missing"


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
