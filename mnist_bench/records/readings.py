"""What a check has read in numbers, for whoever asks what the likeliest cause is. A leaf."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reading"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one thing that a training moves or reports compares with what it should be.

    Attributes:
        what: `kernel 1`, `bias 1` and so on: the movement of that tensor; `first step`: the movement of the samples in
            an epoch's first step; or a reported figure, such as `validation loss`.
        steps: The steps that were trained.
        factor: The multiple of the expected movement, or figure, that fits best (least squares); None where it is not
            finite.
        rest: What the factor does not explain, relative to the expected movement (Frobenius norms); for a figure the
            difference. None where it is not finite.
        noise: How much of `rest`, and of a factor's distance from 1, rounding explains.
        decay: The share of the tensor's own initial values that each step takes away, fitted together with a factor.
        decay_rest: What factor and decay together do not explain, as `rest`.
        evenness: The standard deviation of the sizes of the elements' movements, relative to their mean.
        limit: The size that many elements' movements share as their largest, per learning rate.
        samples: Samples that moved in the step.
        due: Samples that should have moved in the step.
    """

    what: str
    steps: int
    factor: float | None
    rest: float | None = None
    noise: float = 0.0
    decay: float | None = None
    decay_rest: float | None = None
    evenness: float | None = None
    limit: float | None = None
    samples: int | None = None
    due: int | None = None
