"""What a comparison has measured so far, and the folder that keeps it: a broken-off comparison goes on from there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.records.acceptance import now
from mnist_bench.records.config import FIRST_SEED, Case
from mnist_bench.records.files import PACKAGE, check_folder, is_taken
from mnist_bench.records.serial import load, save
from mnist_bench.training.campaign import check_environment
from mnist_bench.training.fingerprint import read_commit
from mnist_bench.versions.records import (
    Failure,
    Install,
    Planned,
    VersionRecord,
    add_training,
    seeds_by_case,
    update_record,
)
from mnist_bench.versions.releases import describe_version
from mnist_bench.versions.upgrade.times import TimesRecord

if TYPE_CHECKING:
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.versions.upgrade.rounds import LostSideError, Round

__all__ = ["NAMES", "Kept"]

NAMES = ("base", "new")


@dataclass
class Kept:
    """The records of both sides.

    Attributes:
        folder: Where they are kept.
        labs: The labs that are compared.
        engine: The engine that checks, probes and trains.
        only_bits: Whether the bits of each stage are all that is compared.
        records: The records of the base and of the new environment.
        times: The seconds of the trainings that ran together.
    """

    folder: Path
    labs: Sequence[str]
    engine: str
    only_bits: bool
    records: list[VersionRecord] = field(default_factory=list)
    times: TimesRecord | None = None

    def begin(self, environments: Sequence[EnvironmentRecord], installs: Sequence[Install]) -> None:
        """Load the records that are there, and begin the others.

        Raises:
            OSError: The folder cannot be written.
            RecordError: A file of the folder is no valid record.
            ValueError: A record of the folder is of another environment.
        """
        check_folder(self.folder)
        for name, environment, install in zip(NAMES, environments, installs, strict=True):
            path = self.folder / f"{name}.json"
            version = describe_version(name, environment)
            begun = VersionRecord(version=version, install=install, created=now(), commit=read_commit(PACKAGE))
            record = load(path, VersionRecord) if is_taken(path) else begun
            if record.install is None or record.install.packages != install.packages:
                raise ValueError(f"{path} is of an environment with other packages: choose another folder with --out")
            if record.environment:
                check_environment(record.environment, environment, f"{path}: measured")
            self.records.append(record)
        path = self.folder / "times.json"
        self.times = load(path, TimesRecord) if is_taken(path) else None
        if self.times:
            self._check_times(self.times, path)

    def _check_times(self, times: TimesRecord, path: Path) -> None:
        """Refuse seconds that are not those of the trainings of these records."""
        for record, timed in zip(self.records, (times.a, times.b), strict=True):
            if record.environment is None:
                raise ValueError(f"{path}: times, and no record that has an environment: remove the file, or --out")
            check_environment(record.environment, timed, f"{path}: {record.version.name} has an environment")
            for each in times.rounds:
                trained = seeds_by_case(record).get(each.case)
                if trained is None or each.seed not in trained.seeds:
                    name = f"{each.case}, seed {each.seed}"
                    raise ValueError(f"{path}: times of {name}, which {record.version.name} has not trained")

    def keep(self, place: int, record: VersionRecord) -> None:
        """Keep the record of a side, 0 for the base."""
        self.records[place] = record
        save(record, self.folder / f"{NAMES[place]}.json", overwrite=True, folded=True)

    def case(self, lab: str) -> Case:
        """Return a lab, trained by the engine of this comparison."""
        return Case(lab, self.engine)

    def count(self, lab: str) -> int:
        """Return how many seeds of a lab both sides have."""
        sides = [seeds_by_case(record).get(self.case(lab)) for record in self.records]
        return min(len(side.seeds) if side else 0 for side in sides)

    def settle_plan(self) -> None:
        """Say in both records what is due: what this comparison plans, whatever a version is measured by elsewhere."""
        common = max(min(map(self.count, self.labs)), 1)
        planned = Planned(
            labs=list(self.labs),
            checked=[] if self.only_bits else [self.engine],
            probed=[self.engine],
            trained=[] if self.only_bits else [self.engine],
            # A seed that only some of the labs need is not due.
            seeds=list(range(FIRST_SEED, FIRST_SEED + common)),
            whole=False,
        )
        for place, record in enumerate(self.records):
            self.keep(place, dataclasses.replace(record, planned=planned))

    def add_round(self, done: Round[TrainingRecord]) -> None:
        """Keep one more seed of both sides, and its seconds."""
        for place, training in enumerate(done.trainings):
            self.records[place] = add_training(self.records[place], training)
        self.settle_plan()
        if done.times:
            a, b = (training.environment for training in done.trainings)
            times = self.times or TimesRecord(a=a, b=b)
            self.times = dataclasses.replace(times, rounds=[*times.rounds, done.times])
            save(self.times, self.folder / "times.json", overwrite=True, folded=True)

    def add_failure(self, lab: str, error: LostSideError) -> None:
        """Keep that a side could not train a lab."""
        failure = Failure(layer="accuracy", what=str(self.case(lab)), reason=str(error), lines=error.lines)
        record = self.records[error.side]
        self.keep(error.side, update_record(record, failures=[*record.failures, failure]))
