"""What a comparison of a user's own model has measured so far, in a folder from which a broken-off one goes on."""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.own.records import ModelFile, OwnSide
from mnist_bench.records.acceptance import now
from mnist_bench.records.files import PACKAGE, check_folder, is_taken
from mnist_bench.records.serial import load, save
from mnist_bench.training.fingerprint import read_commit
from mnist_bench.versions.upgrade.kept import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnist_bench.own.records import OwnTraining
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.versions.upgrade.sides import Side

__all__ = ["OwnKept"]


@dataclass
class OwnKept:
    """The records of both sides.

    Attributes:
        folder: Where they are kept.
        model: The model file.
        records: The records of the base and of the new environment.
    """

    folder: Path
    model: ModelFile
    records: list[OwnSide] = field(default_factory=list)

    def begin(self, sides: Sequence[Side], environments: Sequence[EnvironmentRecord]) -> None:
        """Load the records that are there, and begin the others.

        Raises:
            OSError: The folder cannot be written.
            RecordError: A file of the folder is no valid record.
            ValueError: A record of the folder is of another environment or of another text of the model file.
        """
        check_folder(self.folder)
        session = secrets.token_hex(8)
        for name, side, environment in zip(NAMES, sides, environments, strict=True):
            path = self.folder / f"{name}.json"
            packages = side.install.packages
            if is_taken(path):
                record = load(path, OwnSide)
                self._check(path, record, packages)
                # What failed is tried again: a package that was missing may be there now.
                self.records.append(dataclasses.replace(record, failures={}))
                continue
            begun = OwnSide(
                text=side.text,
                environment=environment,
                packages=packages,
                model=self.model,
                session=session,
                created=now(),
                commit=read_commit(PACKAGE),
            )
            self.records.append(begun)
        if self.records[0].session != self.records[1].session:
            raise ValueError(f"{self.folder} has the sides of two comparisons: choose another folder with --out")

    def _check(self, path: Path, record: OwnSide, packages: dict[str, str]) -> None:
        if record.packages != packages:
            raise ValueError(f"{path} is of an environment with other packages: choose another folder with --out")
        if record.model.digest != self.model.digest:
            raise ValueError(f"{path} is of another text of {self.model.name}.py: choose another folder with --out")

    def keep(self, place: int, **changes: object) -> None:
        """Change the record of a side, 0 for the base, and keep it."""
        self.records[place] = dataclasses.replace(self.records[place], **changes)  # type: ignore[arg-type] # its fields
        save(self.records[place], self.folder / f"{NAMES[place]}.json", overwrite=True, folded=True)

    def count(self) -> int:
        """Return how many seeds both sides have."""
        return min(len(record.trainings) for record in self.records)

    def add_trainings(self, trainings: tuple[OwnTraining, OwnTraining], *, timed: bool) -> None:
        """Keep one more seed of both sides, and whether each ran on a core of its own at the same time."""
        seed = trainings[0].config.seed
        for place, training in enumerate(trainings):
            record = self.records[place]
            seeds = [*record.timed, seed] if timed else record.timed
            # A call that was broken off may have kept this seed of one side alone.
            others = [each for each in record.trainings if each.config.seed != seed]
            self.keep(place, trainings=[*others, training], timed=seeds)

    def add_failure(self, place: int, part: str, reason: str) -> None:
        """Keep why a part of a side could not be measured."""
        self.keep(place, failures={**self.records[place].failures, part: reason})
