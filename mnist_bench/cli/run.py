"""The commands `run`, `env` and `data`: train in full, and show what a training would meet."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnist_bench.cli import options
from mnist_bench.cli.shell import Debug, check_resume, default_folder, echo, held, load_data, say
from mnist_bench.records.config import FIRST_SEED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.campaign import Campaign
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.workers.events import Executor, Failed

__all__ = ["data", "env", "run"]


def run(
    labs: options.Labs = None,
    *,
    engine: options.Engine = "epoch",
    seed: Annotated[int, typer.Option(parser=options.whole_number(), metavar="N", help="The first seed.")] = FIRST_SEED,
    seeds: Annotated[
        int,
        options.count("How many seeds to train: seed, seed + 1, ..."),
    ] = 1,
    jobs: options.Jobs = 1,
    epochs: Annotated[
        int | None,
        typer.Option(parser=options.whole_number(1), metavar="N", help="Epochs; the lab's own number if not given."),
    ] = None,
    data: options.Data = "auto",
    device: options.Device = "auto",
    out: options.Out = None,
    resume: options.Resume = False,
    company: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number(1, 1024),
            metavar="N",
            help="Seeds that engine fused trains in one program; as many as fit on a GPU, or 1 on a CPU, if not given.",
        ),
    ] = None,
    cluster: options.Cluster = None,
    mixed: options.Mixed = False,
    json: options.Json = False,
) -> None:
    """Train the lab's models in full, and judge their accuracy.

    The test accuracy is judged by the lab's thresholds. Writes one JSON record per training, the lab's plots and a
    page, index.html. Exit status: 0 every threshold holds, 1 a threshold does not hold, 2 bad usage or bad input, 3 a
    training did not finish, was cut short by --epochs, or has another precision than the lab's, and is not judged.
    """
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.labs import LABS

    configs = [
        TrainingConfig(lab=lab, engine=engine, seed=number, epochs=epochs, data=data, device=device)
        for lab in dict.fromkeys(labs or LABS)
        for number in range(seed, seed + seeds)
    ]
    means = _Means(jobs=jobs, company=company, cluster=cluster, mixed=mixed)
    raise typer.Exit(_run(configs, means, out=out, resume=resume, json=json))


def env(*, device: options.Device = "auto", json: options.Json = False) -> None:
    """Show this environment, with its numerics and hardware keys."""
    import dataclasses

    from mnist_bench.checks.elsewhere import ask_environment
    from mnist_bench.records.serial import dump_json

    environment = ask_environment(device=device)
    if json:
        typer.echo(dump_json(environment), nl=False)
        return
    for name, value in dataclasses.asdict(environment).items():
        echo(f"{name:17} {_format_value(value)}")


def data(*, source: options.Data = "auto", json: options.Json = False) -> None:
    """Show which data would be used, with their digest."""
    from mnist_bench.records.serial import dump_json
    from mnist_bench.show.text import clean_line

    dataset = load_data(source)
    arrays = {name: getattr(dataset, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    if json:
        shapes = {name: array.shape for name, array in arrays.items()}
        facts = {"source": dataset.name, "origin": dataset.origin, "digest": dataset.digest, "shapes": shapes}
        typer.echo(dump_json(facts), nl=False)
        return
    echo(f"source   {dataset.label}\norigin   {clean_line(dataset.origin)}\ndigest   {dataset.digest}")
    for name, array in arrays.items():
        echo(f"{name:8} {array.shape} {array.dtype}")


@dataclass(frozen=True, kw_only=True)
class _Means:
    """What trains a run: processes of this machine, or the workers of a cluster.

    Attributes:
        jobs: Processes.
        company: Seeds in one program; None leaves that to the device.
        cluster: The address of a scheduler; None for processes of this machine.
        mixed: Whether the workers of the cluster may differ.
    """

    jobs: int
    company: int | None
    cluster: str | None
    mixed: bool


def _run(configs: list[TrainingConfig], means: _Means, *, out: Path | None, resume: bool, json: bool) -> int:
    """Run a campaign with its progress on stderr and its results on stdout; return the exit status."""
    from mnist_bench.records.files import check_folder, check_replaceable
    from mnist_bench.show.console import show_events
    from mnist_bench.show.page import RUN_MARK
    from mnist_bench.training.campaign import record_name, run_campaign
    from mnist_bench.training.runner import check_config
    from mnist_bench.training.workers.events import Failed, Finished

    check_resume(out, resume=resume)
    configs = [check_config(config) for config in configs]
    means = _check_means(means, configs[0])
    folder = out or default_folder()
    if folder.exists():
        check_folder(folder)  # before the data, which may have to be downloaded
    dataset = load_data(configs[0].data)
    if dataset.is_standin and configs[0].data != "auto":  # `load_data` has warned about that of `auto`
        say(f"training on {dataset.label}")
    with held(out), _plan(configs, means, folder, dataset, resume=resume) as (campaign, executor):
        check_replaceable(folder / "index.html", RUN_MARK)
        done, failures = dict(campaign.done), []
        with show_events(campaign.todo) as show:
            for event in run_campaign(campaign, executor):
                show(event)
                if isinstance(event, Finished):
                    done[record_name(event.record.config)] = event.record
                elif isinstance(event, Failed):
                    failures.append(event)
    records = [done[name] for name in map(record_name, configs) if name in done]
    if records:
        _show_results(records, campaign.folder, dataset, json=json)
    return _conclude(records, failures)


def _check_means(means: _Means, first: TrainingConfig) -> _Means:
    """Return the means with the company settled where there is no choice.

    Raises:
        ValueError: The engine has no companies, or options contradict each other.
    """
    import dataclasses

    from mnist_bench.training.company import check_company
    from mnist_bench.training.engines import check_engine

    if means.company is not None and means.company > 1:
        check_company([first], means.company)
    if means.cluster is None:
        if means.mixed:
            raise ValueError("--mixed is about the workers of a cluster: name the cluster with --cluster")
        return dataclasses.replace(means, company=1) if check_engine(first.engine).fit else means
    if means.jobs > 1 or (means.company or 1) > 1:
        raise ValueError("--cluster: each seed is a task; not with --jobs or --company (threads of a worker: N tasks)")
    return dataclasses.replace(means, company=1)


@contextlib.contextmanager
def _plan(
    configs: list[TrainingConfig], means: _Means, folder: Path, dataset: Dataset, *, resume: bool
) -> Iterator[tuple[Campaign, Executor]]:
    """Give the campaign, and what trains it."""
    import functools

    from mnist_bench.checks.elsewhere import ask_own_environment
    from mnist_bench.training.campaign import plan_campaign
    from mnist_bench.training.workers.cluster import open_cluster
    from mnist_bench.training.workers.pool import train_all

    if means.cluster is None:
        ask = (lambda: ask_own_environment(configs[0].device)) if resume else None
        campaign = plan_campaign(configs, folder, dataset, jobs=means.jobs, resume=ask, company=means.company)
        yield campaign, functools.partial(train_all, jobs=means.jobs, company=campaign.company, most=campaign.most)
        return
    with open_cluster(means.cluster) as cluster:
        there = cluster.ask_environment(configs[0].device, mixed=means.mixed)
        ask = (lambda: there) if resume else None
        campaign = plan_campaign(configs, folder, dataset, resume=ask, mixed=means.mixed)
        yield campaign, functools.partial(cluster.train, expected=None if means.mixed else there)


def _show_results(records: list[TrainingRecord], folder: Path, dataset: Dataset, *, json: bool) -> None:
    """Write the page of a run, and print its records or its table."""
    from mnist_bench.checks.sheet.figures import SAMPLE
    from mnist_bench.records.serial import dump_json, seal_record
    from mnist_bench.show.page import write_run_page

    page = write_run_page(records, folder, image=dataset.x_train[SAMPLE], label=int(dataset.y_train[SAMPLE]))
    if json:
        # Each with its checksum: a record that somebody takes out of the list can be compared.
        typer.echo(dump_json(list(map(seal_record, records))), nl=False)
        return
    from mnist_bench.show.console import make_run_table, print_table

    print_table(make_run_table(records))
    echo(f"Records, plots and page: {page}")


def _conclude(records: list[TrainingRecord], failures: list[Failed]) -> int:
    """Say what failed, and return the exit status of a run."""
    from mnist_bench.checks.accuracy import explain_unjudged, judge_threshold
    from mnist_bench.records.verdicts import EXIT_STATUS, conclude

    # A bad request fails every training alike: say so once.
    for reason in dict.fromkeys(failure.reason for failure in failures):
        say(reason)
    if Debug.on:
        for failure in failures:
            echo(failure.details, err=True)
    if failures:
        return 2 if all(failure.bad_input for failure in failures) else 3
    for lab, told in dict.fromkeys((record.config.lab, explain_unjudged(record)) for record in records):
        if told:
            say(f"{lab}: {told}")
    return EXIT_STATUS[conclude(map(judge_threshold, records))]


def _format_value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(_format_value, value)) or "none"
    return "none" if value is None else str(value)
