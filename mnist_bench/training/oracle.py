"""The lab's networks in float64 NumPy: what every engine must compute, and how near an engine must come.

Weights are a flat list in the order of Keras's `get_weights()`: kernel (inputs, outputs), bias, and so on.
Masks are the scaled masks of inverted dropout (Srivastava et al., 2014), 0 or 1/(1-p), shape (batch, width),
one for each hidden layer; without masks there is no dropout. All arithmetic is float64, whatever the inputs are.
docs/oracle.md derives the tolerance and gives the measured figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]
    Tensor: TypeAlias = npt.NDArray[np.floating[Any]]
    Tensors: TypeAlias = Sequence[Tensor]
    Batches: TypeAlias = Iterable[tuple[Tensor, Tensor]]

__all__ = [
    "CONFIDENCE",
    "ROUNDOFF",
    "Expected",
    "accuracy",
    "excess",
    "follow",
    "forward",
    "gradients",
    "loss",
    "relative_departures",
    "sgd_step",
]

# The largest relative error of one float32 operation that rounds to nearest.
ROUNDOFF = 2.0**-24
# An error may be this many times its root mean square bound: 2 exp(-4**2 / 2) = 7e-4 bounds the false alarms.
CONFIDENCE = 4.0


@dataclass(frozen=True)
class Expected:
    """The weights expected after a number of steps, and how far float32 may depart from these weights.

    Attributes:
        step: Number of steps done, from 1.
        weights: The oracle's weights.
        tolerances: The largest relative departure of each tensor that rounding explains.
        clearance: How far the nearest hidden unit of all steps was from the kink of its relu, in multiples of
            the root mean square error of the unit's pre-activation; infinity without hidden layers.
    """

    step: int
    weights: list[Array]
    tolerances: list[float]
    clearance: float

    @property
    def certain(self) -> bool:
        """Whether no unit can have crossed its kink: a crossing changes a gradient by a jump."""
        return self.clearance > CONFIDENCE


def forward(weights: Tensors, x: Tensor, masks: Tensors = ()) -> tuple[Array, Array]:
    """Compute the logits and the probabilities, both (batch, classes), of inputs (batch, features)."""
    logits = _activations(_float64(weights), np.asarray(x, np.float64), _float64(masks))[-1]
    return logits, _softmax(logits)


def loss(weights: Tensors, x: Tensor, y: Tensor, masks: Tensors = ()) -> float:
    """Compute the categorical cross-entropy of labels (batch, classes), averaged over the batch.

    It is computed from the logits, not from clipped probabilities, as Keras does after a softmax layer.
    """
    logits, _ = forward(weights, x, masks)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - (y * shifted).sum(axis=1)))


def accuracy(weights: Tensors, x: Tensor, y: Tensor) -> float:
    """Compute the share of inputs whose largest logit is that of the label, without dropout."""
    logits, _ = forward(weights, x)
    return float(np.mean(logits.argmax(axis=1) == y.argmax(axis=1)))


def gradients(weights: Tensors, x: Tensor, y: Tensor, masks: Tensors = ()) -> list[Array]:
    """Compute the gradient of `loss` with respect to each tensor by backpropagation.

    That of softmax and cross-entropy together is probabilities - labels (Goodfellow, Bengio and Courville,
    Deep Learning, 2016, chapter 6); that of relu at 0 is 0, as in TensorFlow.
    """
    weights, masks = _float64(weights), _float64(masks)
    *inputs, logits = _activations(weights, np.asarray(x, np.float64), masks)
    scales = _scales(masks, len(inputs) - 1)
    delta = (_softmax(logits) - y) / len(x)
    result: list[Array] = []
    for level in reversed(range(len(inputs))):
        result = [inputs[level].T @ delta, delta.sum(axis=0), *result]
        if level:
            delta = (delta @ weights[2 * level].T) * scales[level - 1] * (inputs[level] > 0)
    return result


def sgd_step(weights: Tensors, gradients: Tensors, learning_rate: float) -> list[Array]:
    """Compute the weights after one step of plain gradient descent: weight - learning_rate * gradient."""
    pairs = zip(_float64(weights), _float64(gradients), strict=True)
    return [weight - learning_rate * gradient for weight, gradient in pairs]


def follow(
    weights: Tensors, batches: Batches, learning_rate: float, masks: Iterable[Tensors] | None = None
) -> Iterator[Expected]:
    """Train by gradient descent; yield after each step the weights and how near an engine in float32 must stay.

    Each step adds three terms to the mean square error of a weight: the rounding of the stored weight, of the update
    and of the gradient (docs/oracle.md).

    Args:
        weights: The initial weights.
        batches: Inputs (batch, features) and one-hot labels (batch, classes), in the order of training.
        learning_rate: The same for all steps.
        masks: The scaled dropout masks of each batch; None for no dropout.

    Raises:
        ValueError: There are not as many masks as batches, or a tensor has not moved.
    """
    initial = current = _float64(weights)
    variances, clearance = [np.zeros_like(weight) for weight in initial], np.inf
    for step, batch in enumerate(_with_masks(batches, masks), start=1):
        noise, nearest = _gradient_noise(current, variances, *batch)
        clearance = min(clearance, nearest)
        updates = [learning_rate * gradient for gradient in gradients(current, *batch)]
        current = sgd_step(current, updates, 1.0)
        stored = [ROUNDOFF**2 * (w**2 + update**2) for w, update in zip(current, updates, strict=True)]
        terms = zip(variances, stored, noise, strict=True)
        variances = [before + new + learning_rate**2 * variance for before, new, variance in terms]
        errors = [CONFIDENCE * float(np.sqrt(variance.sum())) for variance in variances]
        # The last term: the learning rate itself is rounded once, which scales the whole movement.
        pairs = zip(errors, _moved(current, initial), strict=True)
        yield Expected(step, current, [error / moved + ROUNDOFF for error, moved in pairs], clearance)


def relative_departures(weights: Tensors, expected: Tensors, initial: Tensors) -> list[float]:
    """Compute how far each tensor is from the expected one, relative to how far the expected one has moved.

    A relative error of 1e-3 in all gradients of one tensor is a departure of 1e-3 of that tensor, however
    small the tensor and its gradient are. The norms are Frobenius norms.

    Raises:
        ValueError: An expected tensor has not moved: there is nothing to measure against.
    """
    triples = zip(_float64(weights), _float64(expected), _moved(expected, initial), strict=True)
    return [float(np.linalg.norm(weight - target)) / moved for weight, target, moved in triples]


def excess(weights: Tensors, expected: Expected, initial: Tensors) -> float:
    """Compute the largest departure in multiples of its tolerance: at most 1 if an engine follows.

    NaN weights give NaN, which is not at most 1.

    Raises:
        ValueError: A unit may have crossed its kink, or a tensor has not moved.
    """
    if not expected.certain:
        raise ValueError(f"a relu may have flipped by step {expected.step!r}: clearance {expected.clearance!r}")
    departures = relative_departures(weights, expected.weights, initial)
    return float(np.max(np.divide(departures, expected.tolerances)))


def _float64(tensors: Iterable[Tensor]) -> list[Array]:
    return [np.asarray(tensor, np.float64) for tensor in tensors]


def _with_masks(batches: Batches, masks: Iterable[Tensors] | None) -> Iterator[tuple[Tensor, Tensor, Tensors]]:
    if masks is None:
        return ((x, y, ()) for x, y in batches)
    return ((x, y, scales) for (x, y), scales in zip(batches, masks, strict=True))


def _scales(masks: Sequence[Array], hidden: int) -> Sequence[Array]:
    return masks if len(masks) else [np.ones((1, 1))] * hidden


def _activations(weights: Sequence[Array], x: Array, masks: Sequence[Array]) -> list[Array]:
    """Return the input of each layer, after the masks, and then the logits."""
    *hidden, (kernel, bias) = zip(weights[::2], weights[1::2], strict=True)
    result = [x]
    for (inner, offset), scale in zip(hidden, _scales(masks, len(hidden)), strict=True):
        result.append(np.maximum(result[-1] @ inner + offset, 0) * scale)
    return [*result, result[-1] @ kernel + bias]


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def _moved(weights: Tensors, initial: Tensors) -> list[float]:
    pairs = zip(_float64(weights), _float64(initial), strict=True)
    moved = [float(np.linalg.norm(weight - start)) for weight, start in pairs]
    if 0.0 in moved:
        raise ValueError(f"tensor {moved.index(0.0)!r} has not moved: nothing to measure a departure against")
    return moved


class _Noisy(NamedTuple):
    """An array and the mean square error of each of its elements."""

    value: Array
    variance: Array


def _scaled(noisy: _Noisy, factor: Array | float) -> _Noisy:
    return _Noisy(noisy.value * factor, noisy.variance * np.square(factor))


def _with_ones(noisy: _Noisy) -> _Noisy:
    """Append the input of the bias, exactly 1; the bias is the last row of the layer."""
    column = np.ones((len(noisy.value), 1))
    return _Noisy(np.hstack([noisy.value, column]), np.hstack([noisy.variance, 0 * column]))


def _product(left: _Noisy, right: _Noisy) -> _Noisy:
    """Multiply two matrices; the roundings of the product add to the noise of both factors.

    If n nonzero terms are added in random order, the mean square of a partial sum is at most the sum of the
    squared terms plus the squared total. There are n roundings of such sums, and one more of the scaled result.
    """
    value, squares = left.value @ right.value, left.value**2
    own = ROUNDOFF**2 * (np.count_nonzero(left.value, axis=1, keepdims=True) + 1)
    variance = (left.variance + own * squares) @ right.value**2 + squares @ right.variance + own * value**2
    return _Noisy(value, variance)


def _noisy_delta(logits: _Noisy, y: Tensor) -> _Noisy:
    """Return (softmax - labels) / batch; logits changed by dz change p_i by p_i (dz_i - sum_k p_k dz_k)."""
    p = _softmax(logits.value)
    spread = (p**2 * logits.variance).sum(axis=1, keepdims=True)
    # One rounding each of the exponent, the power and the quotient, and one for each class in the sum.
    own = ROUNDOFF**2 * (3 + p.shape[1])
    return _scaled(_Noisy(p - y, p**2 * ((1 - 2 * p) * logits.variance + spread + own)), 1 / len(p))


def _clearance(z: _Noisy, mask: Array) -> float:
    """Return how far the nearest unit that is not dropped is from its kink, in root mean square errors."""
    doubtful = (mask != 0) & (z.variance > 0)
    ratios = np.abs(z.value[doubtful]) / np.sqrt(z.variance[doubtful])
    return float(ratios.min(initial=np.inf))


def _gradient_noise(
    weights: Sequence[Array], variances: Sequence[Array], x: Tensor, y: Tensor, masks: Tensors
) -> tuple[list[Array], float]:
    """Return the mean square error of each tensor's gradient, and the clearance of the batch."""
    pairs = [(np.vstack(weights[i : i + 2]), np.vstack(variances[i : i + 2])) for i in range(0, len(weights), 2)]
    layers = [_Noisy(*pair) for pair in pairs]
    inputs, slopes, nearest = [_with_ones(_Noisy(*_float64([x, np.zeros_like(x)])))], [], np.inf
    for layer, mask in zip(layers[:-1], _scales(_float64(masks), len(layers) - 1), strict=True):
        z = _product(inputs[-1], layer)
        nearest = min(nearest, _clearance(z, np.broadcast_to(mask, z.value.shape)))
        slopes.append(mask * (z.value > 0))
        inputs.append(_with_ones(_scaled(z, slopes[-1])))
    delta = _noisy_delta(_product(inputs[-1], layers[-1]), y)
    result: list[Array] = []
    for level in reversed(range(len(layers))):
        noise = _product(_Noisy(inputs[level].value.T, inputs[level].variance.T), delta).variance
        result = [noise[:-1], noise[-1], *result]
        if level:
            kernel = _Noisy(layers[level].value[:-1].T, layers[level].variance[:-1].T)
            delta = _scaled(_product(delta, kernel), slopes[level - 1])
    return result, nearest
