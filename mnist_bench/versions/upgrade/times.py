"""The seconds of trainings that two environments ran at the same time, each on a core of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnist_bench.records.config import Case
from mnist_bench.records.environment import HARDWARE_FIELDS, EnvironmentRecord, explain_keys
from mnist_bench.records.fields import check_names, check_seconds
from mnist_bench.records.files import SCHEMA_VERSION

__all__ = ["RoundTimes", "TimesRecord"]

_LEAST_SECONDS = 1e-9


@dataclass(frozen=True, kw_only=True)
class RoundTimes:
    """One seed of one lab, trained on both sides at the same time by fresh processes.

    An epoch is timed from the moment that both sides may begin it until Keras ends it: what a call of `fit` takes for
    its users, validation and the waiting of tf.data's autotuner included. The first epoch is not timed.

    Attributes:
        lab: A key of `LABS`.
        engine: A key of `ENGINES`.
        seed: The seed.
        wall_a: Wall-clock seconds of each epoch of the base.
        wall_b: The same of the new environment.
        cpu_a: Processor seconds of each epoch of the base.
        cpu_b: The same of the new environment.
        as_shipped: Whether tf.data's autotuner was at work, as it is for users. A training that only shows that the
            bits are the same has none of its waiting, and says nothing of what users wait for.
    """

    lab: str
    engine: str
    seed: int
    wall_a: list[float]
    wall_b: list[float]
    cpu_a: list[float]
    cpu_b: list[float]
    as_shipped: bool = True

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, too few epochs, and seconds that cannot be."""
        check_names(lab=self.lab, engine=self.engine)
        columns = {name: getattr(self, name) for name in ("wall_a", "wall_b", "cpu_a", "cpu_b")}
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1 or min(lengths) < 2:  # noqa: PLR2004 - the cores are exchanged after each epoch
            raise ValueError(f"{self.case}, seed {self.seed}: expected two epochs or more, as many on both sides")
        for name, column in columns.items():
            check_seconds(name, *column, low=_LEAST_SECONDS)

    @property
    def case(self) -> Case:
        """The lab and the engine."""
        return Case(self.lab, self.engine)


@dataclass(frozen=True, kw_only=True)
class TimesRecord:
    """All rounds of a comparison.

    Attributes:
        a: The environment of the base.
        b: The environment of the new side.
        rounds: The rounds, in their order.
    """

    a: EnvironmentRecord
    b: EnvironmentRecord
    rounds: list[RoundTimes] = field(default_factory=list)
    kind: str = "upgrade times"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse two machines, and a round that counts twice."""
        differ = explain_keys(self.a, self.b, HARDWARE_FIELDS)
        if differ:
            what = "; ".join(f"{name} {a!r} and {b!r}" for name, (a, b) in sorted(differ.items()))
            raise ValueError(f"times of two machines cannot be compared: {what}")
        names = [(each.case, each.seed) for each in self.rounds]
        if len(set(names)) != len(names):
            raise ValueError("a seed of a lab was timed twice")
