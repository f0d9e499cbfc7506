"""The dropout masks of the fused engine: the random bits of a whole epoch are drawn at once, from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.training.backend import load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from mnist_bench.training.labs import Lab

__all__ = ["draw_masks", "dropout_constants", "mask_drawer"]

# 16 random bits decide whether a unit is kept: P(drop) is 0.3 to within 2**-17, which the 12 million draws of an
# epoch cannot tell from 0.3; 32 bits would take twice as many random numbers.
_RANDOM_BITS = 16


def draw_masks(lab: Lab, *, steps: int, batch_size: int, seed: tuple[int, int]) -> list[npt.NDArray[np.float32]]:
    """Return the scaled dropout masks of an epoch, (steps, batch_size, width) for each hidden layer.

    They are drawn op by op; the epoch draws its masks inside XLA, and Philox gives the same bits in both.

    Args:
        lab: Gives the dropout rate and the widths; without dropout there are no masks.
        steps: Whole batches of the epoch.
        batch_size: Samples in a step.
        seed: As in `FusedTrainer.train_epoch`.
    """
    tf = load_tensorflow()
    constants = dropout_constants(lab.dropout) if lab.dropout else None
    draw = mask_drawer(constants, lab.hidden, tf.constant(seed, tf.int32), steps * batch_size, batch_size)
    masks = [draw(step, batch_size) for step in range(steps)]
    return [np.stack([layer.numpy() for layer in layers]) for layers in zip(*masks, strict=True)]


def dropout_constants(dropout: float) -> tuple[Any, Any]:
    """Return the two constants of a mask: the number that random bits must reach, and 1 / (1 - dropout)."""
    tf = load_tensorflow()
    scale = np.float32(1) / np.float32(1 - dropout)
    return tf.constant(round(dropout * 2**_RANDOM_BITS), tf.uint32), tf.constant(scale, tf.float32)


def mask_drawer(
    constants: Sequence[Any] | None, widths: Sequence[int], seed: Any, samples: int, batch_size: int
) -> Callable[[Any, int], list[Any]]:
    """Return a function of (step, batch) that gives each hidden layer's mask: 0, or 1 / (1 - dropout).

    The random bits of the whole epoch are drawn at once, which is several times faster than step by step. Philox is
    named because XLA's default generator differs between versions of TensorFlow. Several seeds, (seeds, 2), each get
    the masks that the seed has alone.
    """
    if not constants or not widths:
        return lambda _number, _batch: []
    tf = load_tensorflow()
    threshold, scale = constants
    words = (batch_size * sum(widths) + 1) // 2
    steps = -(-samples // batch_size)

    def draw_bits(seed: Any) -> Any:
        shape = [steps * words]
        return tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox")

    *company, _ = seed.shape
    bits = tf.map_fn(draw_bits, seed, fn_output_signature=tf.uint32) if company else draw_bits(seed)
    low = 2**_RANDOM_BITS - 1

    def draw(number: Any, batch: int) -> list[Any]:
        pair = tf.slice(bits, [*(0 for _ in company), number * words], [*company, words])
        halves = [
            tf.bitwise.bitwise_and(pair, tf.constant(low, tf.uint32)),
            tf.bitwise.right_shift(pair, _RANDOM_BITS),
        ]
        kept = tf.cast(tf.concat(halves, axis=-1) >= threshold, tf.float32) * scale
        masks, start = [], 0
        for width in widths:
            masks.append(tf.reshape(kept[..., start : start + batch * width], [*company, batch, width]))
            start += batch_size * width
        return masks

    return draw
