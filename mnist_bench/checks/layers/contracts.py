"""What every engine must do, whatever its speed: contracts, each checked by a tiny traced training."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mnist_bench.checks.layers import tracers
from mnist_bench.checks.layers.amounts import batch_sizes
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.readings import Reading
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training import oracle
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt


__all__ = ["CONTRACTS", "check_contract", "explain_amounts"]


class Finding(NamedTuple):
    """What a contract has found.

    Attributes:
        holds: Whether the engine keeps the contract.
        figure: What was measured, in words and numbers.
        bound: What it was held against.
        value: The figure as a number, where a known regression has a bound for it.
        readings: What was read in numbers, for a diagnosis.
    """

    holds: bool
    figure: str
    bound: str
    value: float | None = None
    readings: Sequence[Reading] = ()


class _UnreadableError(Exception):
    """The trace of a contract cannot be read, because an earlier stage is broken."""

    def __init__(self, why: str, readings: Sequence[Reading] = ()) -> None:
        super().__init__(why)
        self.readings = list(readings)


_SAMPLES, _BATCH, _EPOCHS, _SEED = 240, 32, 3, FIRST_SEED
_FULL, _BASE, _LAB_BATCH, _LARGE_BATCH = 48_000, 37, 128, 1_000

# Consecutive seeds, and one that a mask of 16 bits would make the first.
_AHEAD = (1, 2, 3, 2**16)

# Two independent orders of 240 samples in 8 batches agree on about one sample in 8; a half is far from that.
_ALIKE = 0.5

# Counts of visits are whole numbers, apart from rounding.
_HALF_A_VISIT = 0.5

# Two independent masks agree on 0.3 * 0.3 + 0.7 * 0.7 = 58% of the units, give or take 1.5.
_ALIKE_MASKS = 0.7

# Far above float32's rounding here (about 1e-6), far below what a wrong scale or a mask left on does (0.1 and more).
_ROUNDING = 1e-4

# A binomial share leaves 4.5 standard deviations once in 150,000 times.
_DEVIATIONS = 4.5


def check_contract(name: str, engine: str) -> CheckResult:
    """Hold one engine to one contract.

    Args:
        name: A key of `CONTRACTS`.
        engine: A key of `mnist_bench.training.engines.ENGINES`.
    """
    full_name = f"contract/{name}[{engine}]"
    try:
        found = CONTRACTS[name](engine)
    except _UnreadableError as error:
        return CheckResult(
            name=full_name,
            verdict=Verdict.UNREADABLE,
            figure=str(error),
            bound="an earlier stage, the arithmetic of a step, must be right to read this",
            readings=error.readings,
        )
    return CheckResult(
        name=full_name,
        verdict=Verdict.PASS if found.holds else Verdict.REGRESSED,
        figure=found.figure,
        bound=found.bound,
        evidence=(CONTRACTS[name].__doc__ or "").partition("\n")[0],
        value=found.value,
        readings=[] if found.holds else list(found.readings),
    )


@functools.lru_cache(maxsize=16)
def _order(engine: str) -> tracers.OrderTrace:
    return tracers.trace_order(engine, samples=_SAMPLES, batch_size=_BATCH, epochs=_EPOCHS, seed=_SEED)


@functools.lru_cache(maxsize=16)
def _first_epoch(engine: str, seed: int) -> npt.NDArray[np.int64]:
    """Return the step of each training sample in the first epoch under a seed."""
    return tracers.trace_steps(engine, samples=_SAMPLES, batch_size=_BATCH, epochs=1, seed=seed).steps[0, :_SAMPLES]


@functools.lru_cache(maxsize=8)
def _masks(engine: str) -> tracers.MaskTrace:
    return tracers.trace_masks(engine)


@functools.lru_cache(maxsize=8)
def _no_masks(engine: str) -> tracers.MaskTrace:
    """Return the trace of the same network without dropout."""
    return tracers.trace_masks(engine, steps=1, dropout=False)


def _readable(engine: str) -> tracers.OrderTrace:
    """Return the order, if the amounts of the steps tell any.

    Raises:
        _UnreadableError: They are those of no step.
    """
    trace = _order(engine)
    if trace.broken:
        raise _UnreadableError(f"unreadable: {explain_amounts(trace.broken)}", [trace.broken])
    return trace


def explain_amounts(reading: Reading) -> str:
    """Return in words what the first step of an epoch did."""
    if reading.factor is None:
        told = "the weights are not finite after a step"
    elif reading.what == "bias":
        told = f"{reading.samples} samples moved by the first step's amount: the bias does not move"
    elif not reading.factor:
        told = "no step moved a weight as its gradient asks for"
    elif reading.samples is None:
        told = "the amounts by which samples moved are those of no step"
    elif reading.samples != reading.due:
        told = f"the first step trains {reading.samples} samples instead of {reading.due}"
    elif abs(reading.factor - 1) <= reading.noise:
        told = "the first step moves the weights as its gradient asks for, and later steps do not"
    else:
        told = f"each update is {reading.factor:.4g} times what the gradient asks for"
    return told


def _every_sample_once(engine: str) -> Finding:
    """Each epoch trains on each training sample exactly once, the partial last batch included."""
    wanted = batch_sizes(_SAMPLES, _BATCH)
    steps = _readable(engine).steps
    sizes = [[int((epoch == batch).sum()) for batch in range(len(wanted))] for epoch in steps]
    wrong = sum(abs(size - want) for epoch in sizes for size, want in zip(epoch, wanted, strict=True))
    if len(steps) != _EPOCHS:
        return Finding(holds=False, figure=f"{len(steps)} epochs trained", bound=f"the {_EPOCHS} that were asked for")
    return Finding(wrong == 0, f"{wrong} samples missed or repeated", f"0 in {_EPOCHS} epochs of {wanted}")


def _full_epoch(engine: str) -> Finding:
    """An epoch of the lab's size trains on each group of samples as often as the group has samples."""
    # An eager step takes 20 ms, whatever the batch size: so fewer and larger steps.
    batch_size = _LARGE_BATCH if engine == "eager" else _LAB_BATCH
    _readable(engine)
    visits, steps = tracers.trace_groups(engine, samples=_FULL, base=_BASE, batch_size=batch_size)
    sizes = np.bincount(tracers.group_samples(_FULL, _BASE).ravel(), minlength=len(visits))
    worst = float(np.abs(visits - sizes).max())
    # A visit moves a row of each of the three digits of a sample's number, and a step the bias: all count the same.
    totals = [*np.add.reduceat(visits, [0, _BASE, 2 * _BASE]), steps * batch_size]
    if worst >= _HALF_A_VISIT and np.ptp(totals) > worst / 2:
        told = ", ".join(f"{total:.1f}" for total in totals)
        raise _UnreadableError(f"unreadable: the rows of a sample and the bias count {told} visits, not one number")
    figure = f"worst group off by {worst:.3f} visits"
    return Finding(worst < _HALF_A_VISIT, figure, f"< 0.5 in {len(visits)} groups of 48,000")


def _order_by_seed(engine: str) -> Finding:
    """Another seed visits the samples in another order."""
    orders = [_readable(engine).steps[0], *(_first_epoch(engine, _SEED + ahead) for ahead in _AHEAD)]
    alike = max(float((a == b).mean()) for i, a in enumerate(orders) for b in orders[:i])
    figure = f"{alike:.0%} of samples in the same step under two of {len(orders)} seeds"
    return Finding(alike < _ALIKE, figure, f"< {_ALIKE:.0%}")


def _whole_shuffle(engine: str) -> Finding:
    """An epoch's order does not depend on the order in which the samples are stored."""
    orders = [*_readable(engine).steps, *(_first_epoch(engine, _SEED + ahead) for ahead in _AHEAD)]
    stored = np.arange(_SAMPLES)
    worst = max(abs(float(np.corrcoef(stored, steps)[0, 1])) for steps in orders)
    bound = _DEVIATIONS / math.sqrt(_SAMPLES)
    together = max(int((steps[1:] == steps[:-1]).sum()) for steps in orders)
    most = _find_most_neighbours()
    if worst < bound and together > most:
        figure = f"{together} of {_SAMPLES - 1} neighbours in the data are trained in the same step"
        return Finding(False, figure, f"<= {most}")  # noqa: FBT003 - as every finding begins
    return Finding(worst < bound, f"correlation {worst:.2f} of a sample's place and its step", f"< {bound:.2f}")


def _find_most_neighbours() -> int:
    """Return how many neighbours in the data a whole shuffle puts into the same step, at most."""
    share = sum(size * (size - 1) for size in batch_sizes(_SAMPLES, _BATCH)) / (_SAMPLES * (_SAMPLES - 1))
    pairs = _SAMPLES - 1
    return math.floor(pairs * share + _DEVIATIONS * math.sqrt(pairs * share * (1 - share)))


def _new_order(engine: str) -> Finding:
    """Each epoch visits the samples in a new order."""
    steps = _readable(engine).steps
    alike = max(float((steps[0] == epoch).mean()) for epoch in steps[1:])
    bound = _DEVIATIONS / math.sqrt(_SAMPLES)
    follows = max((float(np.corrcoef(steps[0], epoch)[0, 1]) for epoch in steps[1:]), key=abs)
    if alike < _ALIKE and not abs(follows) < bound:
        figure = f"correlation {follows:.2f} of a sample's steps in two epochs"
        return Finding(False, figure, f"< {bound:.2f}")  # noqa: FBT003 - as every finding begins
    figure = f"{alike:.0%} of samples in the same step of the next epochs"
    return Finding(alike < _ALIKE, figure, f"< {_ALIKE:.0%}", alike)


def _validation_apart(engine: str) -> Finding:
    """The last samples, for validation, are never trained on, and no other sample is left out instead."""
    trace = _order(engine)
    trained = int((trace.validation != tracers.UNSEEN).sum())
    left = int((trace.steps == tracers.UNSEEN).sum())
    if trained or left:
        # Where amounts are wrong, a sample may have moved by another's pixels, or by less than float32 can add.
        _readable(engine)
    reading = Reading(what="validation", steps=1, factor=None, samples=trained, due=0)
    return Finding(trained + left == 0, f"{trained} trained on, {left} left out", "0 and 0", readings=[reading])


def _labels_aligned(engine: str) -> Finding:
    """Each image is trained with its own label."""
    trace = _order(engine)
    if (trace.steps == tracers.UNSEEN).all():
        _readable(engine)
    labels = trace.labels
    # An image that is not trained has no label that could be wrong; where amounts are wrong, several labels may be
    # those of samples that share its pixels.
    if (labels == tracers.SEVERAL_LABELS).mean() > _ALIKE:
        raise _UnreadableError("unreadable: a step moves the weights of an image towards several labels")
    trained = labels >= 0 if trace.broken else labels != tracers.NO_LABEL
    other = (labels != np.arange(_SAMPLES) % 10) & trained
    wrong_step = trace.broken is not None and (
        trace.broken.factor is None or abs(trace.broken.factor - 1) > trace.broken.noise
    )
    if other.all() or (wrong_step and other.any() and other.mean() < _ALIKE / 2):
        # Where a step's amount is wrong, what is left of earlier steps may look like another label.
        _readable(engine)
    wrong = int(other.sum())
    return Finding(wrong == 0, f"{wrong} images with another's label", "0")


def _mean_loss(engine: str) -> Finding:
    """The loss is the mean over the batch, also a partial batch: a step moves weights by the mean gradient."""
    # The tracer decodes a step from the amount lr (1 - p) / batch: a sum, or the wrong divisor, is UNKNOWN.
    trace = _order(engine)
    unknown = max(trace.inexact, int((trace.steps == tracers.UNKNOWN).sum()))
    told = f": {explain_amounts(trace.broken)}" if trace.broken else ""
    readings = [trace.broken] if trace.broken else []
    return Finding(not unknown and not told, f"{unknown} samples moved by another amount{told}", "0", readings=readings)


def _dropout_share(engine: str) -> Finding:
    """Dropout drops its share of units in each layer, to within binomial error."""
    _readable(engine)
    rate, kept = LABS["dropout"].dropout, _masks(engine).kept
    dropped = [float(1 - kept[:, layer].mean()) for layer in range(kept.shape[1])]
    error = _DEVIATIONS * math.sqrt(rate * (1 - rate) / kept[:, 0].size)
    worst = max(abs(share - rate) for share in dropped)
    return Finding(
        worst <= error,
        f"dropped {', '.join(f'{share:.4f}' for share in dropped)}",
        f"{rate} ± {error:.4f}",
    )


def _dropout_new_mask(engine: str) -> Finding:
    """Dropout draws a new mask for each sample, in each step and each layer."""
    _readable(engine)
    masks = _masks(engine).kept.reshape(-1, _masks(engine).kept.shape[2])
    # The samples of one step are another trace, whose masks may be those of the first.
    alike = max(_find_alike(masks), _find_alike(tracers.draw_batch(engine)))
    figure = f"{alike:.0%} of units alike in the two most alike masks"
    return Finding(alike < _ALIKE_MASKS, figure, "< 70% (58% by chance)")


def _find_alike(masks: npt.NDArray[np.bool_]) -> float:
    """Return the share of units in which the two most alike masks, of (masks, units), are."""
    return max(float((a == b).mean()) for i, a in enumerate(masks) for b in masks[:i])


def _dropout_scale(engine: str) -> Finding:
    """Kept units are scaled by 1 / (1 - p): a step moves the weights as the oracle does with that mask."""
    _readable(engine)
    worst = _measure_step(_masks(engine), LABS["dropout"].dropout)
    if not worst < _ROUNDING and not _measure_step(_no_masks(engine), 0.0) < _ROUNDING:
        raise _UnreadableError("unreadable: without dropout, too, a step does not move the weights as the oracle does")
    return Finding(worst < _ROUNDING, f"last kernel off by {worst:.1e} of its movement", "< 1e-4")


def _measure_step(trace: tracers.MaskTrace, rate: float) -> float:
    """Return how far the last kernel is from the oracle's after a step, relative to its movement."""
    worst = 0.0
    for kept, trained in zip(trace.kept[:3], trace.trained, strict=False):
        scaled = [mask[None] / (1 - rate) for mask in kept]
        gradients = oracle.gradients(trace.initial, trace.x, trace.y, scaled)
        target = oracle.sgd_step(trace.initial, gradients, trace.learning_rate)
        # The last kernel moves by the second layer's output, and so shows its scale.
        moved = float(np.linalg.norm(target[-2] - trace.initial[-2]))
        worst = max(worst, float(np.linalg.norm(trained[-2] - target[-2])) / moved)
    return worst


def _dropout_evaluation(engine: str) -> Finding:
    """Dropout is off in evaluation: the validation loss is the oracle's without a mask."""
    worst = _measure_losses(_masks(engine))
    if not worst < _ROUNDING and not _measure_losses(_no_masks(engine)) < _ROUNDING:
        raise _UnreadableError("unreadable: without dropout, too, the validation loss is not the oracle's")
    return Finding(worst < _ROUNDING, f"validation loss off by {worst:.1e}", "< 1e-4")


def _measure_losses(trace: tracers.MaskTrace) -> float:
    """Return how far a validation loss is from the oracle's, relative to the oracle's."""
    wanted = [oracle.loss(weights, trace.x, trace.y) for weights in trace.trained]
    return max(abs(loss - want) / want for loss, want in zip(trace.val_losses, wanted, strict=True))


CONTRACTS: dict[str, Callable[[str], Finding]] = {
    "every-sample-once": _every_sample_once,
    "full-epoch": _full_epoch,
    "order-by-seed": _order_by_seed,
    "new-order": _new_order,
    "whole-shuffle": _whole_shuffle,
    "validation-apart": _validation_apart,
    "labels-aligned": _labels_aligned,
    "mean-loss": _mean_loss,
    "dropout-share": _dropout_share,
    "dropout-new-mask": _dropout_new_mask,
    "dropout-scale": _dropout_scale,
    "dropout-evaluation": _dropout_evaluation,
}
