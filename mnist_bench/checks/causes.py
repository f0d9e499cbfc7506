"""Patterns of readings, and the cause that each tells of."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mnist_bench.records.readings import Reading

__all__ = ["Cause", "explain_figures", "explain_first_step", "explain_movements"]

# A departure of several times what rounding explains, in root mean squares, is none of rounding.
_BEYOND = 3.0
# A wrong gradient leaves a rest of its own size, and no more.
_MOST = 3.0
# What one pattern explains leaves at most this share of what the next simpler pattern leaves.
_EXPLAINS = 0.2
# Adam's and RMSprop's first updates all have one size; gradients spread more than their mean.
_EVEN = 0.6

# What several steps with a slight error in each come to.
_SLIGHT = 1e-2

# An optimizer that divides by what it has seen lengthens all first steps.
_ADAPTED = 1.5

# A penalty takes far less of a weight than this.
_REPLACED = 0.1

# Steps that are so long change the gradients of the next ones beyond comparison.
_LONG = 2.5

# A factor, and a cosine, that four digits would round to 1.
_NEAR = 5e-4

# Two numbers that are one, apart from rounding.
_SAME = 1e-3

# A factor that all steps have stays: it changes the gradients of later steps, which changes its excess over 1 by less
# than that. One that a first step alone has, such as a mean with nothing, goes.
_STEADY = (0.55, 1.5)

# A number rounded to p bits has a root mean square error of 0.42 * 2**-p of itself, over all numbers.
_ONE_BIT = 0.42
_FORMATS = {"bfloat16": (6.0, 9.0), "float16 or TF32": (9.0, 13.0), "less than float32": (13.0, 22.0)}
# Roundings of many elements come to nearly the same in each kernel; those of a bias of ten scatter.
_ALIKE, _FEW = 1.5, 3.0
# A relu that flips changes the gradients of the layers below by far more than the rounding that flipped it.
_FLIPPED = 8.0


@dataclass(frozen=True)
class Cause:
    """What is likeliest the cause: a key for programs, such as `step size`, and a sentence for people."""

    key: str
    sentence: str


def explain_movements(readings: Sequence[Reading]) -> Cause | None:
    """Explain how the tensors of one model moved, after one step and after several; None if no pattern fits."""
    if not readings:
        return None
    if any(it.factor is None for it in readings):
        return Cause("not finite", "the weights are not finite after a few steps")
    first = [it for it in readings if it.steps == min(reading.steps for reading in readings)]
    later = [it for it in readings if it not in first]
    if not any(map(_departs, first)):
        return _explain_memory(later)
    for pattern in _PATTERNS:
        cause = pattern(first)
        if cause:
            return _refine(cause, first, later)
    return None


def _refine(cause: Cause, first: Sequence[Reading], later: Sequence[Reading]) -> Cause:
    """Return the cause that later steps tell, where a first step of another size could have several."""
    if not later or cause.key not in ("no update", "step size"):
        return cause
    begin, end = (statistics.median(_factor(it) for it in side) for side in (first, later))
    if cause.key == "no update":
        return _STALE if end else cause
    low, high = _STEADY
    if begin > _LONG or low < (end - 1) / (begin - 1) < high:
        return cause
    told = f"the first step moves the weights {_times(begin)} as far as it should, {later[0].steps} steps {_times(end)}"
    return Cause("later steps", f"{told}: the update remembers earlier steps, or the learning rate changes")


def explain_first_step(readings: Sequence[Reading]) -> Cause | None:
    """Explain a first step of another size than a batch; None if the size is right."""
    for it in readings:
        # The mean over so many samples moves each by so much less.
        scale = it.due / it.samples if it.samples and it.due else 1.0
        if it.samples != it.due and it.factor and math.isclose(it.factor, scale, rel_tol=_SAME):
            told = f"the first step trains {it.samples} samples instead of {it.due}"
            return Cause("batch size", f"{told}: batch size")
    return None


def explain_figures(readings: Sequence[Reading]) -> Cause | None:
    """Explain figures that are not the oracle's, though the weights move as the oracle's do."""
    if not readings:
        return None
    told = ", ".join(f"{it.what} is {_times(it.factor)} the oracle's" for it in readings)
    kinds = {it.what.split()[0] for it in readings}, {it.what.split()[1] for it in readings}
    if kinds[1] == {"accuracy"}:
        return Cause("accuracy figure", f"the accuracy reported is not the share of hits: {told}")
    if kinds[0] == {"test"}:
        return Cause("test figure", f"the test is not of the test samples: {told}")
    if kinds[0] == {"validation"}:
        return Cause("validation figure", f"the validation is not of the validation samples: {told}")
    if kinds[1] == {"loss"}:
        return Cause("loss figure", f"the loss reported is not the mean over the samples: {told}")
    return Cause("figures", f"the figures reported are not those of the weights: {told}")


def _factor(it: Reading) -> float:
    return it.factor or 0.0


def _rest(it: Reading) -> float:
    return it.rest or 0.0


def _departs(it: Reading) -> bool:
    return abs(_factor(it) - 1) > it.noise or _rest(it) > it.noise


def _times(factor: float | None) -> str:
    if factor is None:
        return "not finite, unlike"
    # What is not 1 must not read so.
    return f"{factor:.{4 if abs(factor - 1) >= _NEAR else 8}g} times"


_STALE = Cause(
    "stale gradient", "the first step moves no weight and later steps do: updates use the gradients of earlier steps"
)


def _explain_memory(later: Sequence[Reading]) -> Cause | None:
    """Explain steps of which the first is right, and the later ones are not."""
    departed = [it for it in later if _departs(it)]
    if not departed:
        return None
    decay = _find_decay(later)
    if decay:
        return decay
    factor = statistics.median(_factor(it) for it in departed)
    rest = max(_rest(it) for it in later)
    if rest < _SLIGHT and abs(factor - 1) < rest:
        told = f"the first step is right, and {later[0].steps} steps end {rest:.1g} of their movement away"
        return Cause("precision", f"{told}, in no direction of their own: products or gradients carry fewer bits")
    who = "the weights" if len(departed) == len(later) else ", ".join(it.what for it in departed)
    return Cause(
        "later steps",
        f"the first step is right, and {later[0].steps} steps move {who} {_times(factor)} as far as they should: the "
        "update remembers earlier steps (momentum, averages), or the batches are others",
    )


def _find_no_update(first: Sequence[Reading]) -> Cause | None:
    return None if any(map(_factor, first)) else Cause("no update", "the first step moves no weight")


def _find_even(first: Sequence[Reading]) -> Cause | None:
    if all(it.evenness is not None and it.evenness < _EVEN for it in first):
        told = "the first step moves each weight as far as any other, whatever the gradient"
        return Cause("optimizer", f"{told}: not plain gradient descent (Adam, RMSprop or the like)")
    return None


def _find_decay(first: Sequence[Reading]) -> Cause | None:
    shares = [it.decay for it in first if it.decay is not None and _is_decay(it)]
    if not shares:
        return None
    share = statistics.median(shares)
    if share > _REPLACED:
        told = f"the first step takes {share:.0%} of each weight"
        return Cause("optimizer", f"{told}: weights are replaced, not moved (another optimizer, such as FTRL)")
    told = f"each step also takes {share:.2g} of each weight"
    return Cause("weight decay", f"{told}: weight decay, or a penalty on weights")


def _is_decay(it: Reading) -> bool:
    explained = it.decay_rest is not None and it.decay_rest < max(it.noise, _EXPLAINS * _rest(it))
    return explained and _rest(it) > it.noise and it.decay is not None and it.decay > 0


def _find_limit(first: Sequence[Reading]) -> Cause | None:
    limits = [it.limit for it in first if it.limit is not None]
    if not limits:
        return None
    return Cause("clipping", f"no element of a gradient is larger than {max(limits):.3g}: gradients are clipped")


def _find_other_change(first: Sequence[Reading]) -> Cause | None:
    """Find movements of which the update is but a small part."""
    names = [it.what for it in first if _rest(it) > _MOST * max(1.0, abs(_factor(it)))]
    if not names:
        return None
    far = max(_rest(it) for it in first)
    who = "the weights" if len(names) == len(first) else ", ".join(names)
    told = f"{who} move up to {far:.2g} times as far as the update asks for, in other directions"
    return Cause("other change", f"{told}: something else than the update changes them")


def _find_scale(first: Sequence[Reading]) -> Cause | None:
    """Find a factor of each tensor that leaves no rest: one for all, or one for some tensors."""
    # The rest scales with the movement, and so does the rounding of a larger one.
    if any(_rest(it) > _BEYOND * it.noise * max(1.0, abs(_factor(it))) for it in first):
        return None
    factors = [_factor(it) for it in first]
    spread, noise = max(factors) - min(factors), _BEYOND * max(it.noise for it in first) * max(1.0, *map(abs, factors))
    if spread <= noise and all(abs(factor - 1) <= noise for factor in factors):
        return None
    if spread <= noise:
        told = f"each update is {_times(statistics.median(factors))} what the gradient asks for, in every layer"
        return Cause("step size", f"{told}: learning rate or gradient scale")
    return _find_some(first)


def _find_some(first: Sequence[Reading]) -> Cause | None:
    """Name the tensors that move by another factor than 1."""
    wrong = [it for it in first if abs(_factor(it) - 1) > it.noise]
    factors = [_factor(it) for it in wrong]
    names = _name_tensors([it.what for it in wrong], [it.what for it in first])
    low, high = min(factors), max(factors)
    one = len(wrong) == 1
    if high == 0:
        return Cause("tensor scale", f"{names} {'does' if one else 'do'} not move")
    # Each tensor that is too long is cut to the same length: a norm.
    span = f"{low:.4g} times" if math.isclose(low, high, rel_tol=_SAME) else f"{low:.3g} to {high:.3g} times"
    if high < 1 and not math.isclose(low, high, rel_tol=_SAME):
        return Cause("clipping", f"{names} move {span} as far as they should: gradients are cut to a norm")
    moves = "moves {} as far as it should" if one else "move {} as far as they should"
    return Cause("tensor scale", f"{names} {moves.format(span)}")


def _name_tensors(wrong: Sequence[str], every: Sequence[str]) -> str:
    for kind, plural in (("bias", "biases"), ("kernel", "kernels")):
        if list(wrong) == [name for name in every if name.startswith(kind)]:
            return plural
    return ", ".join(wrong)


def _find_precision(first: Sequence[Reading]) -> Cause | None:
    """Find that tensors depart by as much as numbers of fewer bits would: their gradients, or the products before.

    Where gradients are rounded, all tensors depart alike. Where products are, the last layer departs by so much, and
    the layers before it by far more, because some relu flips.
    """
    *before, kernel, _ = (_rest(it) for it in first)
    last = first[-2]
    if abs(_factor(last) - 1) > max(_rest(last) / 2, last.noise):
        return None  # roundings are independent of each other: a factor explains little of them
    rests = [_rest(it) for it in first]
    kernels = [_rest(it) for it in first if it.what.startswith("kernel")]
    middle = statistics.median(kernels)
    alike = max(kernels) <= _ALIKE * min(kernels) and all(middle < _FEW * rest < _FEW**2 * middle for rest in rests)
    if alike and middle:
        what, bits = "gradients", math.log2(_ONE_BIT / statistics.median(rests))
    elif before and 0 < _FLIPPED * kernel < min(before) < 1:
        what, bits = "products", math.log2(2 * _ONE_BIT / kernel)
    else:
        return None
    for name, (low, high) in _FORMATS.items():
        if low <= bits < high:
            return Cause("precision", f"{what} carry about {bits:.0f} bits: {name}")
    return None


def _find_direction(first: Sequence[Reading]) -> Cause | None:
    """Name the tensors whose movement has another direction than the gradient."""
    wrong = [it for it in first if _rest(it) > it.noise]
    if not wrong:
        return None
    factors = [_factor(it) for it in first]
    if min(factors) > _ADAPTED and max(factors) < _ADAPTED * min(factors) and max(map(_rest, first)) < min(factors) / 4:
        told = f"each update is {min(factors):.3g} to {max(factors):.3g} times what the gradient asks for"
        return Cause("optimizer", f"{told}, and not the same for all weights: another optimizer, such as Adagrad")
    cosines = {it.what: _factor(it) / math.hypot(_factor(it), _rest(it)) for it in wrong}
    worst = min(cosines, key=lambda name: cosines[name])
    last = max(it.what.split()[-1] for it in first)
    everywhere = any(it.what.endswith(last) for it in wrong)
    where = "the forward pass, the loss or the batch" if everywhere else "the backward pass"
    names = "every tensor" if len(wrong) == len(first) else ", ".join(cosines)
    verb = "moves" if len(wrong) in (1, len(first)) else "move"
    told = f"in another direction than the gradient (cosine {cosines[worst]:.3f} for {worst})"
    if cosines[worst] > 1 - _NEAR:
        far = max(_rest(it) for it in wrong)
        told = f"as the gradient asks for, but for {far:.1g} of the movement, which rounding does not explain"
    return Cause("gradient" if everywhere else "backward pass", f"{names} {verb} {told}: {where}")


_PATTERNS: tuple[Callable[[Sequence[Reading]], Cause | None], ...] = (
    _find_no_update,
    _find_limit,
    _find_even,
    _find_decay,
    _find_other_change,
    _find_scale,
    _find_precision,
    _find_direction,
)
