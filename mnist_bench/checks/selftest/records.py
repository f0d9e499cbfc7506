"""The records of a self-test: what saw each planted fault, what trainings with it end in, and runs without any."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mnist_bench.records.environment import DatasetRecord, EnvironmentRecord
from mnist_bench.records.fields import check_names, check_range, check_seconds
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.training import MOST_LOSS

__all__ = ["CleanRun", "Figures", "Outcome", "SelftestRecord", "SelftestTrainings", "Training"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the checks said of one fault at one strength.

    Attributes:
        fault: The name of the fault.
        strength: Its strength.
        first: The check that saw the fault first; None if none did.
        first_seconds: The seconds until then, from the planting on.
        seconds: The seconds of all checks.
        seen_by: The checks that regressed.
        unreadable: The checks that could not be read.
        cause: The key of the cause that was named.
        sentence: The cause in words.
        problems: Checks without an answer, each with the reason.
    """

    fault: str
    strength: float
    first: str | None
    first_seconds: float | None
    seconds: float
    seen_by: list[str]
    unreadable: list[str]
    cause: str
    sentence: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse an empty name, impossible times, and a first check that none of the checks is."""
        check_names(fault=self.fault)
        check_seconds("seconds", self.seconds, self.first_seconds)
        timed = self.first_seconds is not None
        if timed != (self.first is not None) or (timed and self.first not in self.seen_by):
            raise ValueError(f"{self.key}: first is {self.first!r}, after {self.first_seconds!r} s: {self.seen_by!r}")

    @property
    def key(self) -> str:
        """The fault and its strength, as they are planted."""
        return f"{self.fault}:{self.strength:g}"


@dataclass(frozen=True, kw_only=True)
class CleanRun:
    """What the checks said in a fresh process without any fault: nothing, if they are sound.

    Attributes:
        seconds: The seconds of all checks.
        held: How many checks held.
        alarms: The checks that regressed, each of them a false alarm.
        problems: Checks without an answer, each with the reason.
    """

    seconds: float
    held: int
    alarms: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse impossible times and counts, and a run in which nothing was checked."""
        check_seconds("seconds", self.seconds)
        check_range("held", self.held)
        if not (self.held or self.alarms or self.problems):
            raise ValueError("held is 0, and alarms and problems are empty: nothing was checked")


@dataclass(frozen=True, kw_only=True)
class SelftestRecord:
    """A self-test of one engine in one environment.

    Attributes:
        environment: Where it ran.
        engine: The engine.
        failing: Checks that do not hold here without any fault, and say nothing.
        outcomes: One for each fault and strength, in the order of the faults.
        clean: One for each run without any fault.
        dataset: The data; None in records that were made before this field.
    """

    environment: EnvironmentRecord
    engine: str
    failing: list[str]
    outcomes: list[Outcome]
    clean: list[CleanRun] = field(default_factory=list)
    dataset: DatasetRecord | None = None
    kind: str = "selftest"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse names that are none, and a fault that is there twice."""
        check_names(engine=self.engine)
        _refuse_twins("outcomes", [outcome.key for outcome in self.outcomes])


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a training reports.

    Attributes:
        accuracy: Test accuracy.
        loss: Test loss; None if it is not finite.
        losses: Training loss after each epoch; None where it is not finite.
        class_errors: Test images of each class that are put into another.
        initial_digest: SHA-256 of the initial weights.
    """

    accuracy: float
    loss: float | None
    losses: list[float | None]
    class_errors: list[int]
    initial_digest: str

    def __post_init__(self) -> None:
        """Refuse figures that are none."""
        check_range("accuracy", self.accuracy, high=1)
        check_range("loss", self.loss, *self.losses, high=MOST_LOSS)
        check_range("class_errors", *self.class_errors)
        if not self.losses:
            raise ValueError("losses: the list is empty")


@dataclass(frozen=True, kw_only=True)
class Training:
    """A lab trained in full with a fault planted, or with none.

    Attributes:
        fault: The fault and its strength, as they are planted; empty if none was.
        lab: A key of `LABS`.
        seed: The seed.
        figures: What the training reports; None if it did not end.
        problem: Why it did not end; empty if it did.
    """

    fault: str
    lab: str
    seed: int
    figures: Figures | None
    problem: str = ""

    def __post_init__(self) -> None:
        """Refuse a lab that is none, and a training that neither ended nor has a reason."""
        check_names(lab=self.lab)
        if (self.figures is None) != bool(self.problem):
            raise ValueError(f"{self.key}: either figures or a problem")

    @property
    def key(self) -> str:
        """The fault, the lab and the seed."""
        return f"{self.fault or 'no fault'}, {self.lab}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class SelftestTrainings:
    """Trainings by one engine in one environment, with faults planted and with none.

    Attributes:
        environment: Where they ran.
        engine: The engine.
        dataset: The data.
        trainings: One for each fault, strength, lab and seed.
    """

    environment: EnvironmentRecord
    engine: str
    dataset: DatasetRecord
    trainings: list[Training]
    kind: str = "selftest-trainings"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse names that are none, and a training that is there twice."""
        check_names(engine=self.engine)
        _refuse_twins("trainings", [training.key for training in self.trainings])


def _refuse_twins(field: str, keys: list[str]) -> None:
    """Refuse what is there twice, and would count twice."""
    twice = next((key for key, count in Counter(keys).items() if count > 1), None)
    if twice:
        raise ValueError(f"{field}: {twice} is there twice")
