"""The fused engine: a whole epoch of the lab's training as one compiled TensorFlow function.

Keras's `fit` crosses from Python to TensorFlow at every step or epoch and copies each batch. Here the
images stay on the device as uint8 (37 MB instead of 150 MB) and XLA compiles one loop over the steps:
gather a batch by index, scale it, forward, gradients written out by hand, SGD. Inside the loop each kernel
stands transposed, (outputs, inputs): the products then read their operands along the rows, which takes a third off
the perceptron's time. The order of the samples is a new permutation every epoch, drawn by NumPy, so it does
not depend on TensorFlow's random numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.backend import load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from mnist_bench.labs import Lab

__all__ = ["Evaluator", "FusedTrainer", "draw_masks", "epoch_orders", "predict_fused"]

# 16 random bits decide whether a unit is kept: P(drop) is 0.3 to within 2**-17, which 12 million
# draws an epoch cannot tell from 0.3, for half the random numbers.
_RANDOM_BITS = 16


def epoch_orders(samples: int, seed: int) -> Iterator[npt.NDArray[np.int32]]:
    """Yield for each epoch a new permutation of `range(samples)`, as the seed determines."""
    rng = np.random.default_rng(seed)
    while True:
        yield rng.permutation(samples).astype(np.int32)


class FusedTrainer:
    """Holds the training data on the device and trains weights on it, an epoch a call.

    Args:
        images: (samples, inputs) uint8, as they come from the data set.
        labels: (samples, classes) one-hot float32.
        dropout: Share of each hidden layer's outputs to drop.
        batch_size: Samples a step; the last step of an epoch takes what is left.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.float32],
        *,
        dropout: float,
        batch_size: int,
    ) -> None:
        """Move the data to the device; compilation happens at the first epoch."""
        tf = load_tensorflow()
        self._images = tf.constant(images)
        self._labels = tf.constant(labels)
        # XLA refuses to cut a batch longer than the data, even in a loop that takes no step.
        epoch = _epoch_function(dropout, min(batch_size, len(images)))
        # Without autograph, here and below: the loops are spelt out, and TF 2.8's knows no `zip` with `strict`.
        self._epoch = tf.function(epoch, autograph=False, jit_compile=True)

    def train_epoch(
        self,
        weights: Sequence[Any],
        order: npt.NDArray[np.int32],
        *,
        learning_rate: float,
        seed: tuple[int, int],
    ) -> tuple[list[Any], float, float]:
        """Train one epoch.

        Args:
            weights: Kernel and bias of each Dense layer in turn, float32.
            order: The index of each sample, in the order of training.
            learning_rate: Of the gradient descent step.
            seed: Two integers that determine the dropout masks of this epoch.

        Returns:
            The new weights (on the device), and the means of loss and accuracy over the epoch's samples.
        """
        tf = load_tensorflow()
        rate, key = tf.constant(learning_rate, tf.float32), tf.constant(seed, tf.int32)
        trained, totals = self._epoch(self._images, self._labels, tf.constant(order), list(weights), rate, key)
        loss, hits = totals.numpy() / len(order)
        return trained, float(loss), float(hits)


class Evaluator:
    """Holds a data set on the device and evaluates weights on it, compiled.

    Args:
        images: (samples, inputs) uint8.
        labels: (samples, classes) one-hot float32.
    """

    # Big enough for an efficient matrix product, small enough for the cache.
    _CHUNK = 1000

    def __init__(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.float32]) -> None:
        """Move the data to the device."""
        tf = load_tensorflow()
        self._images = tf.constant(images)
        self._labels = tf.constant(labels)
        self._evaluate = tf.function(
            _evaluate_function(min(self._CHUNK, len(images))), autograph=False, jit_compile=True
        )

    def evaluate(self, weights: Sequence[Any]) -> tuple[float, float]:
        """Return the mean loss and the accuracy of these weights over the whole data set."""
        totals = self._evaluate(self._images, self._labels, list(weights)).numpy()
        loss, hits = totals / len(self._images)
        return float(loss), float(hits)


def draw_masks(lab: Lab, *, steps: int, batch_size: int, seed: tuple[int, int]) -> list[npt.NDArray[np.float32]]:
    """Return the scaled dropout masks of an epoch, (steps, batch_size, width) for each hidden layer.

    Args:
        lab: Gives the dropout rate and the widths; without dropout there are no masks.
        steps: Whole batches of the epoch.
        batch_size: Samples a step.
        seed: As in `FusedTrainer.train_epoch`.
    """
    tf = load_tensorflow()

    @tf.function(autograph=False, jit_compile=True)  # type: ignore[untyped-decorator] # TensorFlow is untyped
    def draw_all() -> Any:
        draw = _mask_drawer(lab.dropout, lab.hidden, tf.constant(seed, tf.int32), steps * batch_size, batch_size)
        return [draw(step, batch_size) for step in range(steps)]

    masks = draw_all() if lab.dropout else []
    return [np.stack([layer.numpy() for layer in layers]) for layers in zip(*masks, strict=True)]


def predict_fused(weights: Sequence[Any], images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the class probabilities, (samples, classes), that the epoch's forward pass gives for uint8 images."""
    tf = load_tensorflow()

    @tf.function(autograph=False, jit_compile=True)  # type: ignore[untyped-decorator] # TensorFlow is untyped
    def forward(weights: Any, images: Any) -> Any:
        return tf.nn.softmax(_forward(_transpose_kernels(weights), _scale(images), ())[1])

    return np.asarray(forward(list(weights), tf.constant(images)))


def _epoch_function(dropout: float, batch_size: int) -> Callable[..., Any]:
    """Return the epoch as a function of tensors, ready for `tf.function`."""
    tf = load_tensorflow()

    def train_epoch(images: Any, labels: Any, order: Any, weights: Any, learning_rate: Any, seed: Any) -> Any:
        samples, widths = order.shape[0], [bias.shape[0] for bias in weights[1:-1:2]]
        steps = samples // batch_size
        draw = _mask_drawer(dropout, widths, seed, samples, batch_size)

        def step(number: Any, batch: Any, weights: list[Any], totals: Any) -> tuple[list[Any], Any]:
            x = _scale(tf.gather(images, batch))
            y = tf.gather(labels, batch)
            masks = draw(number, batch.shape[0])
            gradients, batch_totals = _backward(weights, x, y, masks)
            moved = [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)]
            return moved, totals + batch_totals

        def body(number: Any, totals: Any, *weights: Any) -> Any:
            batch = tf.slice(order, [number * batch_size], [batch_size])
            moved, totals = step(number, batch, list(weights), totals)
            return (number + 1, totals, *moved)

        state = (tf.constant(0), tf.zeros([2]), *_transpose_kernels(weights))
        _, totals, *weights = tf.while_loop(lambda number, *_: number < steps, body, state)
        if samples % batch_size:
            weights, totals = step(steps, order[steps * batch_size :], weights, totals)
        return _transpose_kernels(weights), totals

    return train_epoch


def _evaluate_function(chunk: int) -> Callable[..., Any]:
    """Return the evaluation of a whole data set as a function of tensors."""
    tf = load_tensorflow()

    def totals_of(x: Any, y: Any, weights: Any) -> Any:
        _, logits = _forward(weights, _scale(x), ())
        return _totals(logits, y)[0]

    def evaluate(images: Any, labels: Any, weights: Any) -> Any:
        samples, weights = images.shape[0], _transpose_kernels(weights)
        whole = samples // chunk

        def body(number: Any, totals: Any) -> Any:
            start = number * chunk
            x = tf.slice(images, [start, 0], [chunk, images.shape[1]])
            y = tf.slice(labels, [start, 0], [chunk, labels.shape[1]])
            return number + 1, totals + totals_of(x, y, weights)

        _, totals = tf.while_loop(lambda number, _: number < whole, body, (tf.constant(0), tf.zeros([2])))
        if samples % chunk:
            totals += totals_of(images[whole * chunk :], labels[whole * chunk :], weights)
        return totals

    return evaluate


def _transpose_kernels(weights: Sequence[Any]) -> list[Any]:
    """Turn each kernel (inputs, outputs) into (outputs, inputs), or back; biases stay as they are."""
    tf = load_tensorflow()
    return [tf.transpose(weight) if len(weight.shape) > 1 else weight for weight in weights]


def _scale(images: Any) -> Any:
    """Turn uint8 pixels into float32 in 0 to 1, with the bits of the lab's `astype('float32') / 255`."""
    tf = load_tensorflow()
    return tf.cast(images, tf.float32) / 255.0


def _forward(weights: Sequence[Any], x: Any, masks: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return the input of each Dense layer, (batch, width), and the logits, (batch, classes).

    The kernels are transposed, (outputs, inputs), here and in `_backward`.
    """
    tf = load_tensorflow()
    inputs = [x]
    for layer, (kernel, bias) in enumerate(zip(weights[:-2:2], weights[1:-2:2], strict=True)):
        hidden = tf.nn.relu(tf.matmul(inputs[-1], kernel, transpose_b=True) + bias)
        inputs.append(hidden * masks[layer] if masks else hidden)
    return inputs, tf.matmul(inputs[-1], weights[-2], transpose_b=True) + weights[-1]


def _totals(logits: Any, y: Any) -> tuple[Any, Any]:
    """Return [summed cross-entropy, number of hits] of a batch, and the log-probabilities."""
    tf = load_tensorflow()
    log_probabilities = logits - tf.reduce_logsumexp(logits, axis=1, keepdims=True)
    loss = -tf.reduce_sum(y * log_probabilities)
    hits = tf.equal(tf.argmax(logits, axis=1), tf.argmax(y, axis=1))
    return tf.stack([loss, tf.reduce_sum(tf.cast(hits, tf.float32))]), log_probabilities


def _backward(weights: Sequence[Any], x: Any, y: Any, masks: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return the gradient of the mean cross-entropy for each weight, and the batch's totals.

    The gradient of softmax and cross-entropy together is (p - y) / batch, which stays exact where the
    probabilities saturate (Bishop, Pattern Recognition and Machine Learning, 2006, section 5.3).
    """
    tf = load_tensorflow()
    inputs, logits = _forward(weights, x, masks)
    totals, log_probabilities = _totals(logits, y)
    delta = (tf.exp(log_probabilities) - y) / x.shape[0]
    gradients: list[Any] = []
    for layer in reversed(range(len(inputs))):
        gradients = [
            tf.matmul(delta, inputs[layer], transpose_a=True),
            tf.reduce_sum(delta, axis=0),
            *gradients,
        ]
        if layer:
            delta = tf.matmul(delta, weights[2 * layer])
            # A unit that relu or dropout silenced stands as 0 in the layer's input.
            delta = tf.where(inputs[layer] > 0, delta * masks[layer - 1] if masks else delta, 0.0)
    return gradients, totals


def _mask_drawer(
    dropout: float, widths: Sequence[int], seed: Any, samples: int, batch_size: int
) -> Callable[[Any, int], list[Any]]:
    """Return a function of (step, batch) that gives each hidden layer's mask: 0, or 1 / (1 - dropout).

    The random bits of the whole epoch are drawn at once, several times faster than step by step. Philox is
    named because XLA's default generator differs between TensorFlow versions.
    """
    if not dropout or not widths:
        return lambda _number, _batch: []
    tf = load_tensorflow()
    words = (batch_size * sum(widths) + 1) // 2
    steps = -(-samples // batch_size)
    bits = tf.random.stateless_uniform([steps * words], seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox")
    low, threshold = 2**_RANDOM_BITS - 1, round(dropout * 2**_RANDOM_BITS)

    def draw(number: Any, batch: int) -> list[Any]:
        pair = tf.slice(bits, [number * words], [words])
        halves = [
            tf.bitwise.bitwise_and(pair, tf.constant(low, tf.uint32)),
            tf.bitwise.right_shift(pair, _RANDOM_BITS),
        ]
        kept = tf.cast(tf.concat(halves, axis=0) >= tf.constant(threshold, tf.uint32), tf.float32) / (1 - dropout)
        masks, start = [], 0
        for width in widths:
            masks.append(tf.reshape(kept[start : start + batch * width], [batch, width]))
            start += batch_size * width
        return masks

    return draw
