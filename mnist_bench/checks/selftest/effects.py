"""What accuracy and loss alone see of planted faults: the change of each figure, and the seeds that would show it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from scipy import stats

from mnist_bench.checks.baselines import find_reference
from mnist_bench.checks.faults.registry import parse_fault
from mnist_bench.checks.names import ENGINE_NAMES
from mnist_bench.stats.paired import FEWEST_PAIRS, shift_of_pairs
from mnist_bench.stats.power import smallest_shift
from mnist_bench.stats.sequential import ACCURACY_MARGIN, ALPHA, BETA, LOOKS, PAIR_LOOKS, POWER, loss_margin
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mnist_bench.checks.baselines import Reference
    from mnist_bench.checks.selftest.records import Figures, SelftestTrainings, Training
    from mnist_bench.records.environment import DatasetRecord

__all__ = ["CLASSES", "GATED", "TESTS", "Effect", "FaultEffects", "find_effects", "find_references"]

GATED = ("accuracy", "loss")
"""The figures that the gate of `check` judges."""

CLASSES = "errors of one class"
"""The figure that has all classes as one family."""

TESTS = 12
"""Of the gate of `check`: three labs, two figures, mean and spread."""

_CLASS = "errors of class"
_CHANCE = 0.01  # that a change of one figure without a margin counts although there is none
_IMAGES = 10_000  # of MNIST's test set


@dataclass(frozen=True)
class Effect:
    """The change of one figure by a fault.

    Attributes:
        change: Mean change, in the unit of the figure; infinite where a loss is not finite.
        sds: The change in standard deviations over seeds.
        pairs: How many pairs, of the gate's looks, see the change with 90% power; None if more than the last look.
        seeds: How many new seeds, likewise, compared with a reference that does not have them.

    Of a figure without a margin, `pairs` and `seeds` are None where the change may be one of chance: no margin would
    keep the noise of the few seeds that were trained from looking like an effect.
    """

    change: float
    sds: float
    pairs: int | None
    seeds: int | None


@dataclass(frozen=True)
class FaultEffects:
    """What the trainings with a fault end in.

    Attributes:
        fault: The fault and its strength.
        lab: The lab.
        seeds: How many seeds were trained with it and without it.
        problem: Why a training with it did not end; empty if all did.
        below: Whether the mean accuracy is below the lab's threshold.
        paired: Whether the seeds draw the same random numbers with the fault as without it.
        effects: By figure; those of `GATED` with the gate's margins, further figures with none.
    """

    fault: str
    lab: str
    seeds: int
    problem: str
    below: bool
    paired: bool
    effects: dict[str, Effect]

    @property
    def is_weakest(self) -> bool:
        """Whether the fault has no weaker strength: shares are of these, whatever stronger ones were trained, too."""
        fault, strength = parse_fault(self.fault)
        return strength == fault.strengths[-1]

    def find_fewest(self, names: Sequence[str] = GATED, *, paired: bool) -> int | None:
        """Return the fewest pairs, or seeds, by which one of these figures sees the fault; None if none does."""
        found = [self.effects[name] for name in names if name in self.effects]
        counts = [it.pairs if paired else it.seeds for it in found]
        return min((count for count in counts if count is not None), default=None)

    def find_sharpest(self) -> tuple[str, int] | None:
        """Return the figure that sees the fault with the fewest pairs, or seeds if these are no pairs, and how many."""
        counts = {name: it.pairs if self.paired else it.seeds for name, it in self.effects.items()}
        known = {name: count for name, count in counts.items() if count is not None}
        # Of equally sharp figures the first: those of the gate.
        return min(known.items(), key=lambda it: it[1], default=None)


def find_references(dataset: DatasetRecord, folder: Path) -> dict[str, Reference]:
    """Return the stored reference of each lab that has the most seeds; a lab without any is left out.

    Seeds scatter alike by whichever engine: the more seeds, the better is the scatter known.

    Args:
        dataset: The data of the trainings.
        folder: The folder of the baselines.

    Raises:
        RecordError: A baseline is invalid.
        ValueError: A baseline is of another lab or other data than its path says.
    """
    references = {}
    for lab in LABS:
        stored = (find_reference(folder, dataset.source, lab, it, digest=dataset.digest) for it in ENGINE_NAMES)
        if known := max((it for it in stored if it), key=lambda it: len(it.seeds), default=None):
            references[lab] = known
    return references


def find_effects(record: SelftestTrainings, references: Mapping[str, Reference]) -> list[FaultEffects]:
    """Return the effects of each fault of which enough seeds were trained.

    Args:
        record: The trainings.
        references: By lab, a reference of trainings without a fault: its spread is that over seeds.
    """
    clean = {(it.lab, it.seed): it.figures for it in record.trainings if not it.fault}
    groups: dict[tuple[str, str], list[Training]] = {}
    for training in record.trainings:
        if training.fault and clean.get((training.lab, training.seed)) and training.lab in references:
            groups.setdefault((training.fault, training.lab), []).append(training)
    known = {lab: _list_figures(references[lab]) for lab in {lab for _, lab in groups}}
    return [
        _judge(group, [clean[it.lab, it.seed] for it in group], known[lab], LABS[lab].threshold)
        for (_, lab), group in groups.items()
        if len(group) >= FEWEST_PAIRS
    ]


@dataclass(frozen=True)
class _Figure:
    """A figure of the reference, with what has to be known of it once.

    Attributes:
        name: The figure.
        sd: The standard deviation over seeds.
        margin: The largest loss that does not matter.
        step: The step of the figure's grid; 0 if there is none.
        falls: Whether it is worse if it falls.
        share: Of the level of a test: figures of one family divide it.
        losses: By look, the smallest loss that so many new seeds see.
        gains: By look, the smallest gain.
    """

    name: str
    sd: float
    margin: float
    step: float
    falls: bool
    share: float
    losses: dict[int, float]
    gains: dict[int, float]


def _describe(
    name: str, values: Sequence[float], margin: float = 0.0, *, step: float = 0.0, share: float = 1.0
) -> _Figure:
    # A gain beyond the margin is BETTER, for which the strict interval has to lie beyond the margin.
    level = _spend(len(LOOKS), share)
    losses = {look: smallest_shift(values, look, margin=margin, power=POWER, **level) for look in LOOKS}
    gains = {look: margin + smallest_shift(values, look, power=POWER, **level) for look in LOOKS} if margin else losses
    return _Figure(name, statistics.stdev(values), margin, step, name == "accuracy", share, losses, gains)


def _list_figures(reference: Reference) -> list[_Figure]:
    """Return the figures that a reference keeps."""
    losses = reference.test_loss
    found = [
        _describe("accuracy", reference.test_accuracy, ACCURACY_MARGIN, step=1 / _IMAGES),
        _describe("loss", losses, loss_margin(losses)),
    ]
    for epoch, early in sorted(reference.epoch_losses.items(), key=lambda it: int(it[0])):
        found += [_describe(f"training loss after epoch {epoch}", early)]
    columns = list(zip(*reference.class_errors, strict=True))
    share = 1 / max(len(columns), 1)
    found += [_describe(f"{_CLASS} {digit}", errors, step=1.0, share=share) for digit, errors in enumerate(columns)]
    return found


def _judge(
    group: Sequence[Training], clean: Sequence[Figures | None], known: Sequence[_Figure], threshold: float
) -> FaultEffects:
    both = [(old, it.figures) for old, it in zip(clean, group, strict=True) if old and it.figures]
    fault, _ = parse_fault(group[0].fault)
    paired = fault.family != "random" and all(old.initial_digest == new.initial_digest for old, new in both)
    enough = len(both) >= FEWEST_PAIRS
    return FaultEffects(
        fault=group[0].fault,
        lab=group[0].lab,
        seeds=len(group),
        problem=next((it.problem for it in group if it.problem), ""),
        below=bool(both) and statistics.fmean(new.accuracy for _, new in both) < threshold,
        paired=paired,
        effects=_join_classes({it.name: _measure(both, it) for it in known}) if enough else {},
    )


def _measure(both: Sequence[tuple[Figures, Figures]], known: _Figure) -> Effect:
    differences = [_find(new, known.name) - _find(old, known.name) for old, new in both]
    change = statistics.fmean(differences)
    if change == inf:
        return Effect(inf, inf, PAIR_LOOKS[0], LOOKS[0])
    spread, size = max(statistics.stdev(differences), known.step / 6**0.5), abs(change)
    gain = (change > 0) == known.falls
    extra, margin = (known.margin, 0.0) if gain else (0.0, known.margin)
    level = _spend(len(PAIR_LOOKS), known.share)
    needed = {look: extra + shift_of_pairs(spread, look, margin=margin, power=POWER, **level) for look in PAIR_LOOKS}
    if not known.margin and not _is_beyond_chance(size, spread, len(both), known):
        return Effect(change, change / known.sd, None, None)
    pairs = [look for look, shift in needed.items() if size and size >= shift]
    seeds = [look for look, shift in (known.gains if gain else known.losses).items() if size >= shift]
    return Effect(change, change / known.sd, min(pairs, default=None), min(seeds, default=None))


def _is_beyond_chance(size: float, spread: float, count: int, known: _Figure) -> bool:
    """Return whether so few differences say that their mean is not 0: by their spread, or by that over all seeds."""
    level = known.share * _CHANCE / 2 / 2  # two ends, two tests
    by_seeds = known.sd * (2 / count) ** 0.5 * stats.norm.isf(level)
    by_pairs = spread / count**0.5 * stats.t.isf(level, count - 1)
    return bool(size > min(by_seeds, by_pairs))


def _join_classes(effects: dict[str, Effect]) -> dict[str, Effect]:
    """Return the effects with those of all classes as one: of the class that moves most, and the first to be seen."""
    classes = [effect for name, effect in effects.items() if name.startswith(_CLASS)]
    others = {name: effect for name, effect in effects.items() if not name.startswith(_CLASS)}
    if not classes:
        return others
    most = max(classes, key=lambda it: abs(it.sds))
    pairs = min((it.pairs for it in classes if it.pairs), default=None)
    seeds = min((it.seeds for it in classes if it.seeds), default=None)
    return {**others, CLASSES: Effect(most.change, most.sds, pairs, seeds)}


def _find(figures: Figures, name: str) -> float:
    """Return a figure of a training; infinite if it is not finite."""
    if name == "accuracy":
        return figures.accuracy
    if name.startswith(_CLASS):
        return float(figures.class_errors[int(name.rpartition(" ")[2])])
    loss = figures.loss if name == "loss" else figures.losses[int(name.rpartition(" ")[2]) - 1]
    return inf if loss is None else loss


def _spend(looks: int, share: float) -> dict[str, float]:
    """Return what the gate spends at one of so many looks."""
    return {"alpha": share * ALPHA / looks / TESTS, "beta": BETA / looks}
