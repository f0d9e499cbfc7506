"""What is on record of a user's own model and cannot be: no verdict is built on it, and it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.agreement import explain_process, explain_versions
from mnist_bench.own.checks import name_own_checks
from mnist_bench.versions.comparison import make_inconclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mnist_bench.own.records import OwnProbe, OwnSide, OwnTraining
    from mnist_bench.records.config import Case
    from mnist_bench.records.verdicts import CheckResult

__all__ = ["find_own_doubts", "find_own_gaps", "find_strangers"]

_STAGES = ("data order", "weights after epoch 1")  # of every model, the first and the last part of its stages


def find_own_doubts(base: OwnSide, new: OwnSide, case: Case) -> Iterator[CheckResult]:
    """Yield what contradicts itself in a part of either side: the probe's in one result, the trainings' in another."""
    probes, trainings = [], []
    for side, record in (("base", base), ("new", new)):
        if record.probe and (told := "; ".join(_explain_probe(record.probe))):
            probes.append(f"{told} in {side}")
        by_seed = {each.config.seed: "; ".join(_explain_training(each, record)) for each in record.trainings}
        if doubted := {seed: told for seed, told in by_seed.items() if told}:
            seed, figure = next(iter(doubted.items()))
            more = f", and {len(doubted) - 1} more" if len(doubted) > 1 else ""
            trainings.append(f"seed {seed}: {figure}{more} in {side}")
    for name, figures in (("bits/probe", probes), ("structure/trainings", trainings)):
        if figures:
            yield make_inconclusive(f"{name}[{case}]", f"not judged: {'; '.join(figures)}", bound="no contradiction")


def find_own_gaps(base: OwnSide, new: OwnSide, case: Case) -> Iterator[CheckResult]:
    """Yield what is not there without a failure that says why: checks of both sides, stages of either.

    A check that one side alone has is told where the two are compared. Without checks and trainings, only the bits were
    asked for.
    """
    sides = (base, new)
    if not any(side.checks or side.trainings for side in sides):
        return
    checked = {result.name for side in sides for result in side.checks}
    probed = [{stage.name for stage in side.probe.stages} if side.probe else set() for side in sides]
    for name, part, lacking in (
        ("structure/checks", "checks", [it for it in name_own_checks(new.model) if it not in checked]),
        ("bits/stages", "probe", [it for it in _STAGES if not all(it in names for names in probed)]),
    ):
        failed = {part, "model"} & {*base.failures, *new.failures}
        if lacking and not failed:
            figure = f"{len(lacking)} {'is' if len(lacking) == 1 else 'are'} missing, such as {lacking[0]}"
            yield make_inconclusive(f"{name}[{case}]", figure)


def find_strangers(base: OwnSide, new: OwnSide) -> str:
    """Return of which seeds the metrics or their margins differ, which one text of a model file gives; "" if of none.

    Only of two environments may the names differ, and with them the direction.
    """
    for side, record in (("base", base), ("new", new)):
        for training in record.trainings:
            if training.metrics != record.trainings[0].metrics:
                first = record.trainings[0].config.seed
                return f"the seeds {first} and {training.config.seed} of {side} have other metrics, or other margins"
    old, now = ({each.name: each.margin for each in side.trainings[0].metrics} for side in (base, new))
    other = next((name for name in old if name in now and old[name] != now[name]), None)
    return f"the margin of {other} is {old[other]} in base and {now[other]} in new" if other else ""


def _explain_probe(probe: OwnProbe) -> Iterator[str]:
    yield from explain_process(probe.config.device, probe.environment, deterministic=probe.config.deterministic)
    yield from explain_versions(probe.environment)
    for row in probe.layers:
        if row.trainable > row.parameters:
            yield f"{row.trainable:,} of the {row.parameters:,} parameters of {row.name} are trained"


def _explain_training(training: OwnTraining, side: OwnSide) -> Iterator[str]:
    config = training.config
    yield from explain_process(config.device, training.environment, deterministic=config.deterministic)
    yield from explain_versions(training.environment)
    least = sum(row.parameters for row in side.probe.layers) if side.probe else 0
    if training.parameters < least:
        yield f"{training.parameters:,} parameters, and the layers have {least:,}"
    if training.initial_digest == training.final_digest:
        yield "it ends in its initial weights: nothing was trained"
    losses = training.history.get("loss", [0.0])
    if losses[-1] is None and not training.diverged:
        yield "the loss is not finite after the last epoch, and every figure of the test is"
