"""Many trainings into one folder: each record is saved when its training ends, and a broken-off campaign resumes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import change_environment, company_flag, explain_mixture
from mnist_bench.records.files import check_folder, is_taken
from mnist_bench.records.serial import load_record, save
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.data.dataset import Dataset
from mnist_bench.training.runner import check_config
from mnist_bench.training.workers.events import Failed, Finished
from mnist_bench.training.workers.pool import share_cores, train_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.training.workers.events import Event, Executor

__all__ = ["Campaign", "check_environment", "plan_campaign", "run_campaign"]


@dataclass(frozen=True)
class Campaign:
    """What is to be trained, and what has been trained.

    Attributes:
        folder: The folder of the records.
        done: The records that were found, by file name.
        todo: The configurations without a record.
        dataset: The data of all of them.
        company: Seeds that are trained in one program; None leaves that to the device's memory.
        most: The seeds of each lab, done or not.
    """

    folder: Path
    done: dict[str, TrainingRecord]
    todo: list[TrainingConfig]
    dataset: Dataset
    company: int | None = 1
    most: int = 1


def plan_campaign(
    configs: Sequence[TrainingConfig],
    folder: Path,
    dataset: Dataset,
    *,
    jobs: int | None = None,
    resume: Callable[[], EnvironmentRecord] | None = None,
    company: int | None = 1,
    mixed: bool = False,
) -> Campaign:
    """Find out which trainings have a record in the folder, and make the folder.

    Args:
        configs: What to train.
        folder: The folder of the records.
        dataset: The data that will be used.
        jobs: Worker processes that will share the cores; None if this process trains.
        resume: Existing records count as done if they are of the environment that this function returns, which is
            called only if there is a record; None refuses existing records.
        company: Seeds to train in one program. None goes on as the existing records were made, and without any leaves
            that to the device's memory.
        mixed: Whether existing records may be of several environments.

    Raises:
        FileExistsError: A record exists, and `resume` is None; or the folder is a file.
        OSError: The folder cannot be written.
        ValueError: A configuration is not allowed, or an existing record is of another configuration, other data or
            another environment.
    """
    pinned = [_pin_source(check_config(config), dataset) for config in configs]
    done = {}
    paths = {folder / record_name(config): config for config in pinned}
    for path in (path for path in paths if is_taken(path)):
        if resume is None:
            raise FileExistsError(f"{path} exists already: continue with --resume, or name another folder with --out")
        done[path.name] = _check_same(load_record(path), paths[path], dataset, path)
    if done and resume and not mixed:
        environment, shares = resume(), share_cores(jobs)[: len(configs)] if jobs else [None]
        cores = {len(share) if share else environment.usable_cores for share in shares}
        for name, record in done.items():
            # Where the cores cannot be divided evenly, the workers differ in their threads.
            near = record.environment.usable_cores if record.environment.usable_cores in cores else min(cores)
            flags = {**environment.flags, **company_flag(record.company)}
            here = change_environment(environment, usable_cores=near, flags=flags)
            check_environment(record.environment, here, f"{folder / name}: cannot resume: trained")
    # Checked now: otherwise the error would come only after the first training.
    check_folder(folder)
    return Campaign(
        folder,
        done,
        [config for config in pinned if record_name(config) not in done],
        dataset,
        _settle_company(done, company, folder),
        max(Counter(config.case for config in pinned).values(), default=1),
    )


def run_campaign(campaign: Campaign, executor: Executor = train_all) -> Iterator[Event]:
    """Train what has no record, save each record when its training ends, and yield the events.

    Args:
        campaign: The plan that `plan_campaign` returned.
        executor: Trains: a pool of processes here, or other machines.

    Yields:
        The events of the executor; a `Finished` comes after its record has been saved. A record of other data, or of
        another campaign, is a `Failed`.
    """
    for event in executor(campaign.todo):
        if isinstance(event, Finished):
            if event.record.dataset.digest != campaign.dataset.digest:
                config = event.record.config
                reason = f"{config.lab}, seed {config.seed}: it was trained on other data than {campaign.dataset.name}"
                yield Failed(event.task, config, reason, bad_input=True, details="")
                continue
            save(event.record, campaign.folder / record_name(event.record.config))
        yield event


def _settle_company(done: Mapping[str, TrainingRecord], company: int | None, folder: Path) -> int | None:
    """Return the company of the trainings to come: that of the records which are there.

    Raises:
        ValueError: The records have several, or another one was asked for.
    """
    sizes = {record.company: name for name, record in done.items()}
    for size, name in sizes.items():
        if size != (company or min(sizes)):
            raise ValueError(
                f"{folder / name}: cannot resume: trained in a company of {size}, not of {company or min(sizes)}: "
                f"choose --company {size}, or another folder with --out"
            )
    return company or next(iter(sizes), None)


def check_environment(recorded: EnvironmentRecord, here: EnvironmentRecord, what: str) -> None:
    """Refuse what was measured in another environment: other versions, or another numerics key.

    Args:
        recorded: Where it was measured.
        here: Where the rest is to be measured.
        what: The beginning of the message, such as `mlp.json: trained`.

    Raises:
        ValueError: The environments differ; the message names each difference.
    """
    differ = [f"{name} {then!r}, here {now!r}" for name, (then, now) in explain_mixture(recorded, here).items()]
    if differ:
        raise ValueError(f"{what} with {'; '.join(differ)}: name another folder with --out")


def record_name(config: TrainingConfig) -> str:
    """Return the file name of a configuration's record."""
    return f"{config.case}-seed{config.seed}.json"


def _pin_source(config: TrainingConfig, dataset: Dataset) -> TrainingConfig:
    """Have the workers load the source that was found here, whatever `auto` would find later."""
    return dataclasses.replace(config, data=dataset.name) if config.data == "auto" else config


def _check_same(record: TrainingRecord, config: TrainingConfig, dataset: Dataset, path: Path) -> TrainingRecord:
    """Return the record, if it is of this configuration and data set.

    The path of the data and the device that `auto` finds may differ from the record's.
    """
    for name in config.__dataclass_fields__:
        recorded, wanted = getattr(record.config, name), getattr(config, name)
        if name not in ("data", "device") and recorded != wanted:
            raise ValueError(f"{path}: cannot resume: the record's {name} is {recorded!r}, not {wanted!r}")
    if record.dataset.digest != dataset.digest:
        raise ValueError(f"{path}: cannot resume: the record is of other data ({record.dataset.source})")
    return record
