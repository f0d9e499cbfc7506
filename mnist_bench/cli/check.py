"""The command `check`: everything that may have regressed; or the digests of every stage of training, saved."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnist_bench.cli import options
from mnist_bench.cli.given import list_given, name_given, refuse_given
from mnist_bench.cli.shell import (
    Reports,
    check_reports,
    default_folder,
    echo,
    existing_folder,
    held,
    load_data,
    write_report,
)
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from mnist_bench.checks.causes import Cause
    from mnist_bench.checks.suite import CheckPlan
    from mnist_bench.own.records import OwnConfig
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.verdicts import CheckResult

__all__ = ["check"]

_SHARED = ("labs", "engine", "data", "device")
_OF_MODEL = ("model", "device", "seed", "json", "junit", "markdown", "save_digests", "against")
_DIGESTS = ("save_digests", "epochs", "seed")
_NOT_FAST = ("seeds", "jobs", "against", "out")  # what the seeds of a lab are trained and kept by, and compared with


def check(
    context: typer.Context,
    labs: options.Labs = None,
    *,
    model: options.Model = None,
    engine: options.Engine = "epoch",
    seeds: Annotated[
        int,
        options.count("The most new seeds to train, if the bits differ from the baseline's."),
    ] = 20,
    jobs: options.Jobs = 1,
    against: options.Baselines = None,
    data: options.Data = "auto",
    device: options.Device = "auto",
    fast: Annotated[
        bool, typer.Option("--fast", help="Run only the checks that need no baseline: neither bits nor accuracy.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for records; trainings that have one are not repeated. results/TIME if not given.",
        ),
    ] = None,
    json: options.Json = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write JUnit XML to this file.")] = None,
    markdown: options.Markdown = None,
    save_digests: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Check nothing, and write the digest of every stage of training to FOLDER/LAB-ENGINE.json, for"
            " `compare` and `baseline accept`.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number(1),
            metavar="N",
            help="With --save-digests: the epochs of training to follow; 5 if not given.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number(),
            metavar="N",
            help=f"With --save-digests or --model: the seed; {FIRST_SEED} if not given.",
        ),
    ] = None,
) -> None:
    """Check everything here that may have regressed.

    Prints one line per check, the sharpest test first: structure, contracts, arithmetic compared with an independent
    oracle, and reproducibility; then the bits of every stage compared with the baseline's and, if they differ, the
    accuracy of new seeds compared with the reference's. Exit status: 0 every check holds, 1 a check regressed, 2 bad
    usage or bad input, 3 inconclusive, 4 no baseline.
    """
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.checks.diagnosis import diagnose
    from mnist_bench.checks.names import PROBE_EPOCHS
    from mnist_bench.checks.suite import CheckPlan
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.files import check_folder
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.labs import LABS, check_lab

    if model is not None:
        _refuse_for_model(context)
        reports = Reports(json=json, junit=junit, markdown=markdown)
        number = FIRST_SEED if seed is None else seed
        _check_model(model, number, device, against=against, digests=save_digests, reports=reports)
        return
    _refuse_mixed(context, fast=fast)
    names = [check_lab(lab).name for lab in dict.fromkeys(labs or LABS)]
    if save_digests is not None:
        followed = functools.partial(TrainingConfig, engine=engine, data=data, device=device)
        number = FIRST_SEED if seed is None else seed
        _save_digests([followed(lab=lab, epochs=epochs or PROBE_EPOCHS, seed=number) for lab in names], save_digests)
        return
    _check_reports(Reports(json=json, junit=junit, markdown=markdown))
    dataset = load_data(data)
    plan = CheckPlan(
        labs=names,
        engine=check_engine(engine).name,
        seeds=seeds,
        jobs=jobs,
        dataset=dataset,
        source=dataset.name if data == "auto" else data,
        baselines=existing_folder(against) or find_folder(),
        folder=out or (Path() if fast else default_folder()),  # which --fast writes nothing to
        device=device,
    )
    if not fast:
        check_folder(plan.folder)
    with held(out):
        results = _run_checks(plan, fast=fast, quiet=json)
    _report(results, diagnose(results), Reports(json=json, junit=junit, markdown=markdown))


def _check_reports(reports: Reports) -> None:
    from mnist_bench.show.text import JUNIT_MARK, MARKDOWN_MARK

    check_reports((reports.junit, JUNIT_MARK), (reports.markdown, MARKDOWN_MARK))


def _report(results: list[CheckResult], cause: Cause | None, reports: Reports) -> None:
    """Show what all checks come to, write the reports, and leave with the exit status."""
    from mnist_bench.records.verdicts import exit_status
    from mnist_bench.show.text import (
        JUNIT_MARK,
        MARKDOWN_MARK,
        clean_line,
        format_json,
        format_junit,
        format_markdown,
        format_summary,
    )

    if reports.json:
        typer.echo(format_json(results, cause), nl=False)
    else:
        echo(format_summary(results))
        if cause:
            echo(f"likeliest cause: {clean_line(cause.sentence)}")
    if reports.junit is not None:
        write_report(reports.junit, format_junit(results), JUNIT_MARK)
    if reports.markdown is not None:
        write_report(reports.markdown, format_markdown(results), MARKDOWN_MARK)
    raise typer.Exit(exit_status(results))


def _refuse_for_model(context: typer.Context) -> None:
    """Refuse the options of the labs with a model of the user's own.

    Raises:
        ValueError: Such options are given, or a report of checks together with digests.
    """
    if wrong := name_given(context, but=_OF_MODEL):
        raise ValueError(f"--model checks the model of your file, not the labs: leave out {', '.join(wrong)}")
    reports = name_given(context, among=("json", "junit", "markdown", "against"))
    if "save_digests" in list_given(context) and reports:
        raise ValueError(f"--save-digests checks nothing, and goes without {', '.join(reports)}")


def _check_model(
    path: Path, seed: int, device: str, *, against: Path | None, digests: Path | None, reports: Reports
) -> None:
    """Check the model of a file, or write the digests of its stages."""
    from mnist_bench.own.file import read_model_file
    from mnist_bench.own.records import OwnConfig
    from mnist_bench.own.suite import check_own
    from mnist_bench.show.text import format_line

    config = OwnConfig(model=read_model_file(path), seed=seed, device=device)
    if digests is not None:
        _save_model_digests(config, digests)
        return
    _check_reports(reports)
    results = []
    for result in check_own(config, existing_folder(against)):
        results.append(result)
        if not reports.json:
            echo(format_line(result))
    _report(results, None, reports)  # the figures name the layer


def _save_model_digests(config: OwnConfig, folder: Path) -> None:
    """Write the digest of every stage of a model's training; nothing is overwritten."""
    from mnist_bench.own.elsewhere import ask_own_probe
    from mnist_bench.records.files import check_replaceable
    from mnist_bench.records.serial import save

    path = folder / f"{config.model.name}.json"
    check_replaceable(path, option="--save-digests")
    record = ask_own_probe(None, config)
    save(record, path)
    echo(f"{path}: {len(record.stages)} stages, numerics key {record.environment.numerics_key}")


def _refuse_mixed(context: typer.Context, *, fast: bool) -> None:
    """Refuse the options of the checks with those of the digests, and those of trainings where nothing is trained.

    Raises:
        ValueError: Such options are given.
    """
    if "save_digests" in list_given(context):
        if wrong := name_given(context, but=(*_SHARED, *_DIGESTS)):
            raise ValueError(f"--save-digests checks nothing, and goes without {', '.join(wrong)}")
        return
    refuse_given(context, ("epochs",), "is for --save-digests: leave it out")
    refuse_given(context, ("seed",), "is for --save-digests or --model: leave it out")
    if fast:
        refuse_given(context, _NOT_FAST, "has no part in --fast, which trains no seeds: leave one of the two out")


def _save_digests(configs: list[TrainingConfig], folder: Path) -> None:
    """Probe these trainings, and write the file of each; nothing is overwritten."""
    from mnist_bench.checks.elsewhere import ask_probes
    from mnist_bench.records.files import check_replaceable
    from mnist_bench.records.serial import save
    from mnist_bench.training.runner import check_config

    paths = [folder / f"{check_config(config).case}.json" for config in configs]
    for path in paths:
        check_replaceable(path, option="--save-digests")
    dataset = load_data(configs[0].data)
    source = dataset.name if configs[0].data == "auto" else configs[0].data
    asked = ask_probes(None, [dataclasses.replace(config, data=source) for config in configs])
    for record, path in zip(asked, paths, strict=True):
        save(record, path)
        echo(f"{path}: {len(record.stages)} stages, numerics key {record.environment.numerics_key}")


def _run_checks(plan: CheckPlan, *, fast: bool, quiet: bool) -> list[CheckResult]:
    from mnist_bench.checks.suite import check_fast_layers, run_suite
    from mnist_bench.show.console import show_events_by_config
    from mnist_bench.show.text import format_line

    results = []
    for result in check_fast_layers(plan) if fast else run_suite(plan, show_events_by_config()):
        results.append(result)
        if not quiet:
            echo(format_line(result))
    return results
