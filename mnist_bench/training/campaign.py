"""Many trainings into one folder: a record a training, kept as each ends, and gone on with after a break."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.serial import load_record, save
from mnist_bench.records.training import TrainingRecord
from mnist_bench.training.runner import check_config
from mnist_bench.training.workers.pool import Finished, train_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.workers.pool import Event

__all__ = ["Campaign", "plan_campaign", "run_campaign"]


@dataclass(frozen=True)
class Campaign:
    """What is to be trained, and what is there already.

    Attributes:
        folder: Where the records lie.
        done: The records that were found, by file name.
        todo: The configurations that still have none.
    """

    folder: Path
    done: dict[str, TrainingRecord]
    todo: list[TrainingConfig]


def plan_campaign(
    configs: Sequence[TrainingConfig], folder: Path, dataset: Dataset, *, resume: bool = False
) -> Campaign:
    """Find out which trainings have a record in the folder, which is made.

    Args:
        configs: What to train.
        folder: Where the records lie, or will.
        dataset: The data that will be used.
        resume: Whether records that are there already are taken as done.

    Raises:
        FileExistsError: A record is there, and `resume` is off; or the folder is a file.
        PermissionError: The folder cannot be written.
        ValueError: A configuration is not allowed, or a record that is there is of another one.
    """
    pinned = [_pin_source(check_config(config), dataset) for config in configs]
    done = {}
    for config in pinned:
        path = folder / record_name(config)
        if path.exists():
            if not resume:
                raise FileExistsError(f"{path} exists already: --resume goes on there, --out takes another folder")
            done[path.name] = _check_same(load_record(path), config, dataset, path)
    # Now, for a record that cannot be written is found out when its training is over.
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder}: no permission to write there")
    return Campaign(folder, done, [config for config in pinned if record_name(config) not in done])


def run_campaign(campaign: Campaign, *, jobs: int = 1, python: str | None = None) -> Iterator[Event]:
    """Train what is left to do, save each record as it comes, and yield the events.

    Args:
        campaign: As `plan_campaign` returned it.
        jobs: Worker processes.
        python: The interpreter that they run in; this process's own if None.

    Yields:
        The events of `workers.train_all`; a `Finished` comes after its record is on disk.
    """
    for event in train_all(campaign.todo, jobs=jobs, python=python):
        if isinstance(event, Finished):
            save(event.record, campaign.folder / record_name(event.record.config))
        yield event


def record_name(config: TrainingConfig) -> str:
    """Return the file name of a configuration's record."""
    return f"{config.lab}-{config.engine}-seed{config.seed}.json"


def _pin_source(config: TrainingConfig, dataset: Dataset) -> TrainingConfig:
    """Have the workers load the source that was found here, whatever `auto` would find then."""
    return dataclasses.replace(config, data=dataset.name) if config.data == "auto" else config


def _check_same(record: TrainingRecord, config: TrainingConfig, dataset: Dataset, path: Path) -> TrainingRecord:
    """Return the record if it is what training the configuration on the data set would give.

    Where the data lies and which device `auto` finds may change between two sittings.
    """
    for name in config.__dataclass_fields__:
        there, wanted = getattr(record.config, name), getattr(config, name)
        if name not in ("data", "device") and there != wanted:
            raise ValueError(f"{path}: cannot resume, its {name} is {there!r}, not {wanted!r}")
    if record.dataset.digest != dataset.digest:
        raise ValueError(f"{path}: cannot resume, it was trained on other data ({record.dataset.source})")
    return record
