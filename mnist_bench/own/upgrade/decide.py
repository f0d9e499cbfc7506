"""A user's own model in two environments, measured side by side until it is decided whether the second is worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_bench.own.elsewhere import ask_own_checks, ask_own_probe, make_own_task, name_case
from mnist_bench.own.records import ModelFile, OwnConfig, OwnSide
from mnist_bench.own.upgrade.comparison import OWN_MARGIN, OwnCompared, compare_own, make_own_rules
from mnist_bench.own.upgrade.kept import OwnKept
from mnist_bench.own.upgrade.parity import compare_own_bits, share_own_streams
from mnist_bench.records.verdicts import Verdict
from mnist_bench.show.text import format_line
from mnist_bench.timing.ab.process import find_cores
from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.upgrade.kept import NAMES
from mnist_bench.versions.upgrade.looks import (
    BUDGET_SECONDS,
    NO_CLOCK,
    Budget,
    Looks,
    ask_environments,
    check_budget,
    on_both,
)
from mnist_bench.versions.upgrade.rounds import train_round
from mnist_bench.versions.upgrade.sides import Side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mnist_bench.records.verdicts import CheckResult
    from mnist_bench.versions.upgrade.rounds import LostSideError

__all__ = ["OwnDecided", "OwnPlan", "decide_own"]

_COSTS = ("time", "memory")
_MODEL = "model"  # the part that fails where the file itself does


@dataclass(frozen=True, kw_only=True)
class OwnPlan:
    """What to compare, and how.

    Attributes:
        model: The model file.
        margin: The largest loss of a share, such as an accuracy, that does not matter; the file's margins come first.
        budget_seconds: For checks and trainings; a round that is not expected to end in time is not begun.
        only_bits: Whether the bits of each stage are all that is compared.
        folder: For records.
    """

    model: ModelFile
    margin: float = OWN_MARGIN
    budget_seconds: float = BUDGET_SECONDS
    only_bits: bool = False
    folder: Path


@dataclass(frozen=True)
class OwnDecided:
    """What a comparison came to.

    Attributes:
        compared: The verdicts.
        records: The base and the new environment.
        seconds: How long the comparison took.
        round_seconds: How long one more seed takes on both sides, by the model's name.
    """

    compared: OwnCompared
    records: tuple[OwnSide, OwnSide]
    seconds: float
    round_seconds: dict[str, float]


def decide_own(sides: tuple[Side, Side], plan: OwnPlan, tell: Callable[[str], None]) -> OwnDecided:
    """Measure both sides until it is decided whether the second is worse.

    Args:
        sides: The base, and the environment that may be worse.
        plan: What to compare.
        tell: Called with each line of progress.

    Raises:
        OSError: The folder cannot be written.
        ValueError: The budget is too small, the model file cannot be used in the base, a record of the folder is of
            another environment or model file, or an interpreter gives no answer.
    """
    if not plan.only_bits:
        check_budget(plan.budget_seconds)
    budget, cores = Budget(plan.budget_seconds), find_cores()
    kept = OwnKept(plan.folder, plan.model)
    kept.begin(sides, ask_environments(sides, cores))
    run = _OwnRun(sides, plan, tell, kept, cores)
    on_both(run.measure_side)
    run.refuse_bad_file()
    looks = Looks(run, budget, tell)
    if not plan.only_bits and run.is_comparable():
        looks.run()
    compared = run.compare()
    compared.notes.extend(_note_times(compared, run))
    records = kept.records[0], kept.records[1]
    return OwnDecided(compared, records, budget.elapsed(), looks.round_seconds)


def _note_times(compared: OwnCompared, run: _OwnRun) -> Iterator[str]:
    """Yield why no time is judged, where none is."""
    base = run.kept.records[0]
    if any(clock == "time" for clock, _ in compared.decisions) or not base.trainings:
        return
    if not base.timed:
        yield NO_CLOCK
    else:
        yield "no time is judged: that needs three seeds, and the bits needed fewer"


@dataclass
class _OwnRun:
    """A comparison in progress: a `Trial` of one model."""

    sides: tuple[Side, Side]
    plan: OwnPlan
    tell: Callable[[str], None]
    kept: OwnKept
    cores: tuple[int, int] | None

    def compare(self, *, last: bool = True) -> OwnCompared:
        base, new = self.kept.records
        return compare_own(base, new, make_own_rules(self.plan.margin, last=last))

    # The cheap part: checks and stages of both sides, a core each.

    def measure_side(self, place: int) -> None:
        """Measure what is missing of a side; a failure is kept, and ends the part."""
        python, config = self.sides[place].python, OwnConfig(model=self.plan.model, device="cpu")
        cores = [self.cores[place]] if self.cores else None
        part = "checks"
        try:
            if not self.kept.records[place].checks and not self.plan.only_bits:
                checks = []
                for result in ask_own_checks(
                    python, config, environment=self.kept.records[place].environment, cores=cores
                ):
                    checks.append(result)
                    self.tell(f"{NAMES[place]}: {format_line(result).splitlines()[0]}")
                self.kept.keep(place, checks=checks)
            part = "probe"
            if self.kept.records[place].probe is None:
                probe = ask_own_probe(python, config, cores=cores)
                self.kept.keep(place, probe=probe, environment=probe.environment)
                self.tell(f"{NAMES[place]}: {len(probe.stages)} stages")
        except CommandError as error:
            self.tell(f"{NAMES[place]}: {part} failed: {error}")
            self.kept.add_failure(place, _MODEL if error.bad_input else part, str(error))

    def refuse_bad_file(self) -> None:
        """Refuse a model file that cannot be used in the base: there is nothing to compare with.

        A file that can be used in the base and not in the new environment is what a comparison is for.
        """
        if reason := self.kept.records[0].failures.get(_MODEL):
            raise ValueError(reason)

    def is_comparable(self) -> bool:
        """Return whether both sides have the same data and a model that can be trained."""
        probes = [record.probe for record in self.kept.records if record.probe]
        return len(probes) == len(self.sides) and probes[0].data_digest == probes[1].data_digest

    # The dear part: full trainings, a seed on both sides at a time.

    def list_names(self) -> list[str]:
        return [self.plan.model.name]

    def count(self, name: str) -> int:  # noqa: ARG002 - there is one model
        return self.kept.count()

    def is_moved(self, name: str) -> bool:  # noqa: ARG002 - likewise
        base, new = self.kept.records
        return compare_own_bits(base, new, name_case(self.plan.model)).moved

    def is_paired(self, name: str) -> bool:  # noqa: ARG002 - likewise
        base, new = self.kept.records
        return share_own_streams(base, new)

    def judge(self) -> Mapping[str, Sequence[CheckResult]]:
        # A model that is slower, or needs more memory, may be as good as it was: its metrics are decided all the same.
        compared = self.compare(last=False)
        costs = [it for it in compared.results if it.layer in _COSTS and it.verdict is not Verdict.REGRESSED]
        metrics = [it for it in compared.results if it.layer == "metric" and it.name not in compared.settled]
        return {self.plan.model.name: [*metrics, *costs]}

    def train_seed(self, name: str, seed: int, *, limit: float, swap: bool) -> str:  # noqa: ARG002 - likewise
        config = OwnConfig(model=self.plan.model, seed=seed, device="cpu")
        pythons = self.sides[0].python, self.sides[1].python
        done = train_round(pythons, make_own_task(config), self.cores, limit=limit, swap=swap)
        self.kept.add_trainings(done.trainings, timed=self.cores is not None)
        old, new = done.trainings
        metric = next((each.name for each in old.metrics if each.bounded), old.metrics[0].name)
        return f"{metric} {old.by_metric[metric]:.4g} and {new.by_metric.get(metric, float('nan')):.4g}"

    def add_failure(self, name: str, seed: int, error: LostSideError) -> None:  # noqa: ARG002 - likewise
        self.kept.add_failure(error.side, "fit" if error.raised else f"seed {seed}", f"seed {seed}: {error}")
        if error.bad_input and error.side == 0:
            raise ValueError(str(error)) from error
