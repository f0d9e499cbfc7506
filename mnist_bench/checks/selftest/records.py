"""The record of a self-test: what saw each planted fault, after how long, and which cause was named."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnist_bench.records.environment import EnvironmentRecord
from mnist_bench.records.fields import check_names, check_seconds
from mnist_bench.records.files import SCHEMA_VERSION

__all__ = ["Outcome", "SelftestRecord"]


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
class SelftestRecord:
    """A self-test of one engine in one environment.

    Attributes:
        environment: Where it ran.
        engine: The engine.
        failing: Checks that do not hold here without any fault, and say nothing.
        outcomes: One for each fault and strength, in the order of the faults.
    """

    environment: EnvironmentRecord
    engine: str
    failing: list[str]
    outcomes: list[Outcome]
    kind: str = "selftest"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse names that are none, and a fault that is there twice."""
        check_names(engine=self.engine)
        keys = [outcome.key for outcome in self.outcomes]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"outcomes: {twice[0]} is there twice")
