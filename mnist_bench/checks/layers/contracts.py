"""What every engine must do, whatever its speed: contracts, each checked by a tiny traced training."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from mnist_bench.checks.layers import tracers
from mnist_bench.records.config import FIRST_SEED
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.training import oracle
from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import numpy.typing as npt

    # Whether the contract holds, the figure, its bound and, where a known regression has one, the figure as a number.
    Finding: TypeAlias = "tuple[bool, str, str] | tuple[bool, str, str, float]"

__all__ = ["CONTRACTS", "check_contract"]

_SAMPLES, _BATCH, _EPOCHS, _SEED = 240, 32, 3, FIRST_SEED
_FULL, _BASE, _LAB_BATCH, _LARGE_BATCH = 48_000, 37, 128, 1_000

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
    holds, figure, bound, *value = CONTRACTS[name](engine)
    return CheckResult(
        name=f"contract/{name}[{engine}]",
        verdict=Verdict.PASS if holds else Verdict.REGRESSED,
        figure=figure,
        bound=bound,
        evidence=(CONTRACTS[name].__doc__ or "").partition("\n")[0],
        value=value[0] if value else None,
    )


@functools.lru_cache(maxsize=16)
def _order(engine: str) -> tracers.OrderTrace:
    return tracers.trace_order(engine, samples=_SAMPLES, batch_size=_BATCH, epochs=_EPOCHS, seed=_SEED)


@functools.lru_cache(maxsize=16)
def _first_epoch(engine: str, seed: int) -> npt.NDArray[np.int64]:
    """Return the step of each training sample in the first epoch under a seed."""
    return tracers.trace_steps(engine, samples=_SAMPLES, batch_size=_BATCH, epochs=1, seed=seed)[0, :_SAMPLES]


@functools.lru_cache(maxsize=8)
def _masks(engine: str) -> tracers.MaskTrace:
    return tracers.trace_masks(engine)


def _every_sample_once(engine: str) -> Finding:
    """Each epoch trains on each training sample exactly once, the partial last batch included."""
    batches = -(-_SAMPLES // _BATCH)
    wanted = [min(_BATCH, _SAMPLES - batch * _BATCH) for batch in range(batches)]
    steps = _order(engine).steps
    sizes = [[int((epoch == batch).sum()) for batch in range(batches)] for epoch in steps]
    wrong = sum(abs(size - want) for epoch in sizes for size, want in zip(epoch, wanted, strict=True))
    return wrong == 0, f"{wrong} samples missed or repeated", f"0 in {_EPOCHS} epochs of {wanted}"


def _full_epoch(engine: str) -> Finding:
    """An epoch of the lab's size trains on each group of samples as often as the group has samples."""
    # An eager step takes 20 ms, whatever the batch size: so fewer and larger steps.
    batch_size = _LARGE_BATCH if engine == "eager" else _LAB_BATCH
    visits = tracers.trace_groups(engine, samples=_FULL, base=_BASE, batch_size=batch_size)
    sizes = np.bincount(tracers.group_samples(_FULL, _BASE).ravel(), minlength=len(visits))
    worst = float(np.abs(visits - sizes).max())
    return worst < _HALF_A_VISIT, f"worst group off by {worst:.3f} visits", f"< 0.5 in {len(visits)} groups of 48,000"


def _order_by_seed(engine: str) -> Finding:
    """Another seed visits the samples in another order."""
    alike = float((_order(engine).steps[0] == _first_epoch(engine, _SEED + 1)).mean())
    return alike < _ALIKE, f"{alike:.0%} of samples in the same step", f"< {_ALIKE:.0%} under two seeds"


def _new_order(engine: str) -> Finding:
    """Each epoch visits the samples in a new order."""
    steps = _order(engine).steps
    alike = max(float((steps[0] == epoch).mean()) for epoch in steps[1:])
    return alike < _ALIKE, f"{alike:.0%} of samples in the same step of the next epochs", f"< {_ALIKE:.0%}", alike


def _validation_apart(engine: str) -> Finding:
    """The last samples, for validation, are never trained on, and no other sample is left out instead."""
    trace = _order(engine)
    trained = int((trace.validation != tracers.UNSEEN).sum())
    left = int((trace.steps == tracers.UNSEEN).sum())
    return trained + left == 0, f"{trained} trained on, {left} left out", "0 and 0"


def _labels_aligned(engine: str) -> Finding:
    """Each image is trained with its own label."""
    labels = _order(engine).labels
    wrong = int((labels != np.arange(_SAMPLES) % 10).sum())
    return wrong == 0, f"{wrong} images with another's label", "0"


def _mean_loss(engine: str) -> Finding:
    """The loss is the mean over the batch, also a partial batch: a step moves weights by the mean gradient."""
    # The tracer decodes a step from the amount lr (1 - p) / batch: a sum, or the wrong divisor, is UNKNOWN.
    unknown = int((_order(engine).steps == tracers.UNKNOWN).sum())
    return unknown == 0, f"{unknown} samples moved by another amount", "0"


def _dropout_share(engine: str) -> Finding:
    """Dropout drops its share of units in each layer, to within binomial error."""
    rate, kept = LABS["dropout"].dropout, _masks(engine).kept
    dropped = [float(1 - kept[:, layer].mean()) for layer in range(kept.shape[1])]
    error = _DEVIATIONS * math.sqrt(rate * (1 - rate) / kept[:, 0].size)
    worst = max(abs(share - rate) for share in dropped)
    return (
        worst <= error,
        f"dropped {', '.join(f'{share:.4f}' for share in dropped)}",
        f"{rate} ± {error:.4f}",
    )


def _dropout_new_mask(engine: str) -> Finding:
    """Dropout draws a new mask in each step and each layer."""
    masks = _masks(engine).kept.reshape(-1, _masks(engine).kept.shape[2])
    alike = max(float((a == b).mean()) for i, a in enumerate(masks) for b in masks[:i])
    return alike < _ALIKE_MASKS, f"{alike:.0%} of units alike in the two most alike masks", "< 70% (58% by chance)"


def _dropout_scale(engine: str) -> Finding:
    """Kept units are scaled by 1 / (1 - p): a step moves the weights as the oracle does with that mask."""
    trace, rate = _masks(engine), LABS["dropout"].dropout
    worst = 0.0
    for kept, trained in zip(trace.kept[:3], trace.trained, strict=False):
        scaled = [mask[None] / (1 - rate) for mask in kept]
        gradients = oracle.gradients(trace.initial, trace.x, trace.y, scaled)
        target = oracle.sgd_step(trace.initial, gradients, trace.learning_rate)
        # The last kernel moves by the second layer's output, and so shows its scale.
        moved = float(np.linalg.norm(target[-2] - trace.initial[-2]))
        worst = max(worst, float(np.linalg.norm(trained[-2] - target[-2])) / moved)
    return worst < _ROUNDING, f"last kernel off by {worst:.1e} of its movement", "< 1e-4"


def _dropout_evaluation(engine: str) -> Finding:
    """Dropout is off in evaluation: the validation loss is the oracle's without a mask."""
    trace = _masks(engine)
    wanted = [oracle.loss(weights, trace.x, trace.y) for weights in trace.trained]
    worst = max(abs(loss - want) / want for loss, want in zip(trace.val_losses, wanted, strict=True))
    return worst < _ROUNDING, f"validation loss off by {worst:.1e}", "< 1e-4"


CONTRACTS: dict[str, Callable[[str], Finding]] = {
    "every-sample-once": _every_sample_once,
    "full-epoch": _full_epoch,
    "order-by-seed": _order_by_seed,
    "new-order": _new_order,
    "validation-apart": _validation_apart,
    "labels-aligned": _labels_aligned,
    "mean-loss": _mean_loss,
    "dropout-share": _dropout_share,
    "dropout-new-mask": _dropout_new_mask,
    "dropout-scale": _dropout_scale,
    "dropout-evaluation": _dropout_evaluation,
}
