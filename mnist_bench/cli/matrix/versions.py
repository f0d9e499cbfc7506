"""The commands `matrix list`, `add` and `run`: which versions there are, what is missing of each, and measuring it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import echo, find_versions, make_setup, say

if TYPE_CHECKING:
    from mnist_bench.versions.measurement import MeasurementSetup
    from mnist_bench.versions.plan import MeasurementPlan
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.releases import VersionSpec

__all__ = ["add", "list_all", "run"]


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Versions, such as py312-tf219; the whole matrix if not given.",
            autocompletion=options.complete_version,
        ),
    ] = None,
    *,
    out: options.VersionsOut = options.VERSIONS_FOLDER,
    jobs: options.AccuracyJobs = 1,
    cluster: options.Cluster = None,
    seeds: options.Seeds = 7,
    labs: options.LabNames = "",
    layers: options.LayerNames = "",
    epochs: options.Epochs = None,
    data: options.Data = "auto",
    interpreter: Annotated[
        str | None,
        typer.Option(
            metavar="PYTHON", help="Measure one version with this interpreter, as it is; the name may be new."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Start again; the old record is kept under a numbered name.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what has failed.")] = False,
) -> None:
    """Measure what is missing of each version.

    Each result is saved at once. A version that cannot be installed, imported or trained is recorded as failed, and the
    run goes on. With --cluster each training is a task; its worker makes the version's environment, and all else is
    measured here. Exit status: 0 nothing is missing, 2 bad usage or bad input, 3 something could not be measured.
    """
    from mnist_bench.training.workers.cluster import open_cluster
    from mnist_bench.training.workers.interpreters import find_python
    from mnist_bench.versions.environments import find_uv
    from mnist_bench.versions.matrix import find_spec, list_matrix

    if interpreter and len(names or ()) != 1:
        raise ValueError("--interpreter measures one version: name that version")
    if cluster and (interpreter or jobs > 1):
        raise ValueError("--cluster: each worker makes the environments; not with --interpreter or --jobs")
    plan = _make_plan(seeds=seeds, labs=labs, layers=layers, epochs=epochs)
    python = find_python(interpreter) if interpreter else None
    if again and not python:
        find_uv()  # before anything is put aside
    if names:
        # One version by two names is one version: --again would put aside what the first has measured.
        specs = list({spec.name: spec for spec in (find_spec(name, out, python) for name in names)}.values())
    else:
        specs = [record.version for record in list_matrix(out).values()]
    with open_cluster(cluster) if cluster else contextlib.nullcontext() as found:
        setup = make_setup(out, jobs=jobs, data=data, python=python, cluster=found)
        raise typer.Exit(max([_run_one(spec, plan, setup, out, again=again, retry=retry) for spec in specs]))


def list_all(
    *,
    out: options.VersionsOut = options.VERSIONS_FOLDER,
    seeds: options.Seeds = 7,
    labs: options.LabNames = "",
    layers: options.LayerNames = "",
    json: options.Json = False,
) -> None:
    """List the versions, and what is missing of each."""
    from mnist_bench.records.serial import dump_json
    from mnist_bench.versions.matrix import list_matrix
    from mnist_bench.versions.plan import find_missing

    plan = _make_plan(seeds=seeds, labs=labs, layers=layers, epochs=None)
    rows = {name: (record, find_missing(record, plan)) for name, record in list_matrix(find_versions(out)).items()}
    if json:
        facts = {
            name: {
                "version": record.version,
                "status": record.status,
                "missing": {layer: [str(piece) for piece in pieces] for layer, pieces in missing.items()},
            }
            for name, (record, missing) in rows.items()
        }
        typer.echo(dump_json(facts), nl=False)
        return
    echo(f"{'name':24} {'Python':7} {'TensorFlow':11} {'Keras':8} {'status':9} missing")
    for name, (record, missing) in rows.items():
        spec = record.version
        lack = _describe_missing(record, missing)
        echo(f"{name:24} {spec.python:7} {spec.tensorflow:11} {spec.keras or 'any':8} {record.status:9} {lack}")


def add(
    name: Annotated[str, typer.Argument(help="A name of your own: a-z, 0-9, '.', '_' and '-'.")],
    *,
    tensorflow: Annotated[str, typer.Option(metavar="VERSION", help="Such as 2.21.0.")],
    keras: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Such as 3.12.0; what TensorFlow brings if not given.")
    ] = None,
    python: Annotated[str, typer.Option(metavar="VERSION", help="Such as 3.12.")] = "3.12",
    pin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REQUIREMENT", help="A further requirement, such as 'numpy<2'; may be given more than once."
        ),
    ] = None,
    out: options.VersionsOut = options.VERSIONS_FOLDER,
) -> None:
    """Add a version of your own.

    Writes an empty record next to the others; `matrix run` measures the version.
    """
    from mnist_bench.versions.matrix import add_version
    from mnist_bench.versions.releases import VersionSpec, check_made_python

    check_made_python(python)
    spec = VersionSpec(name=name, python=python, tensorflow=tensorflow, keras=keras, pins=pin or [])
    echo(f"added: {add_version(spec, out)}")


def _make_plan(*, seeds: int, labs: str, layers: str, epochs: int | None) -> MeasurementPlan:
    from mnist_bench.training.labs import LABS
    from mnist_bench.versions.plan import LAYERS, MeasurementPlan, check_plan

    chosen = options.read_names("--labs", labs, tuple(LABS)) or tuple(LABS)
    parts = options.read_names("--layers", layers, LAYERS) or LAYERS
    return check_plan(MeasurementPlan(layers=parts, labs=chosen, seeds=seeds, epochs=epochs))


def _run_one(
    spec: VersionSpec, plan: MeasurementPlan, setup: MeasurementSetup, out: Path, *, again: bool, retry: bool
) -> int:
    """Run one version and return its exit status; a version that is refused does not stop the others."""
    from mnist_bench.versions.matrix import list_matrix, run_version
    from mnist_bench.versions.plan import find_missing

    echo(f"{spec.name}:", err=True)
    try:
        for _ in run_version(spec, plan, setup, out, again=again, retry=retry):
            pass
    except (ValueError, OSError) as error:
        say(str(error))
        return 2
    record = list_matrix(out)[spec.name]
    missing = find_missing(record, plan)
    echo(f"{spec.name}: {record.status}; {_describe_missing(record, missing)}")
    return 3 if record.failures or missing else 0


def _describe_missing(record: VersionRecord, missing: dict[str, list[Any]]) -> str:
    from mnist_bench.show.text import clean_line
    from mnist_bench.training.labs import explain_short

    failed = [f"{failure.layer} of {failure.what} failed: {failure.reason[:100]}" for failure in record.failures]
    lacking = [f"{layer} ({len(pieces)})" if len(pieces) > 1 else layer for layer, pieces in missing.items()]
    told = {results.lab: explain_short(results.lab, results.epochs) for results in record.accuracy}
    short = [f"{lab} {text}" for lab, text in told.items() if text]
    return clean_line("; ".join([*failed, *([", ".join(lacking)] if lacking else []), *short])) or "nothing missing"
