"""The fused engine: a whole epoch of a training as one compiled TensorFlow function.

Keras's `fit` crosses from Python to TensorFlow at every step or epoch and copies each batch. Here the images stay on
the device as uint8 (37 MB instead of 150 MB) and XLA compiles one loop over the steps: gather a batch by index, scale
the batch, forward pass, gradients written out by hand, optimizer. Inside the loop each kernel is transposed, (outputs,
inputs): the products then read their operands along the rows, which saves a third of the perceptron's time. The order
of the samples is a new permutation every epoch, drawn by NumPy, and so independent of TensorFlow's random numbers.
Learning rate and dropout rate are arguments of the program, and programs are kept: trainings that differ in nothing
else are compiled once in a process.

Everything is written for the last axes of its arrays, so that an axis of seeds may come before them: then one program
trains as many seeds, each with its own weights, order and masks (`company.py`).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_bench.training.backend import load_tensorflow, read_modes
from mnist_bench.training.masks import dropout_constants, mask_drawer
from mnist_bench.training.optimizers import UPDATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from mnist_bench.training.optimizers import Step

__all__ = ["Evaluator", "FusedTrainer", "epoch_orders", "forget_programs", "predict_fused"]

# More than the combinations of batch size and optimizer in a sweep; a dropped program is compiled again.
_PROGRAMS = 64


def epoch_orders(samples: int, seed: int) -> Iterator[npt.NDArray[np.int32]]:
    """Yield for each epoch a new permutation of `range(samples)`, as the seed determines."""
    rng = np.random.default_rng(seed)
    while True:
        yield rng.permutation(samples).astype(np.int32)


class FusedTrainer:
    """Holds the training data on the device and trains weights on that data, one epoch in each call.

    The trainer holds the optimizer's state: except with `sgd`, which has none, a trainer serves one training.

    Args:
        images: (samples, inputs) uint8, as in the data set.
        labels: (samples, classes) one-hot float32.
        dropout: Share of each hidden layer's outputs to drop.
        batch_size: Samples in a step; the last step of an epoch takes the remaining samples.
        optimizer: A key of `optimizers.UPDATES`.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.float32],
        *,
        dropout: float,
        batch_size: int,
        optimizer: str = "sgd",
    ) -> None:
        """Move the data to the device; compilation happens at the first epoch."""
        tf = load_tensorflow()
        self._images = tf.constant(images)
        self._labels = tf.constant(labels)
        self._dropout, self._optimizer = dropout, optimizer
        self._state: list[Any] | None = None
        # XLA refuses to cut a batch longer than the data, even in a loop without steps.
        batch_size = min(batch_size, len(images))
        self._epoch = _compile_epoch(bool(dropout), batch_size, optimizer, modes=read_modes())

    def train_epoch(
        self,
        weights: Sequence[Any],
        order: npt.NDArray[np.int32],
        *,
        learning_rate: float,
        seed: tuple[int, int] | npt.NDArray[np.int64],
    ) -> tuple[list[Any], Any, Any]:
        """Train one epoch, of one seed, or of several at once: all arrays then have the axis of seeds first.

        Args:
            weights: Kernel and bias of each Dense layer in turn, float32.
            order: The index of each sample, in the order of training.
            learning_rate: The optimizer's learning rate.
            seed: Two integers that determine the dropout masks of this epoch.

        Returns:
            The new weights (on the device), and the means of loss and accuracy over the epoch's samples: floats, or
            lists of floats.
        """
        tf = load_tensorflow()
        if self._state is None:
            self._state = UPDATES[self._optimizer].start([weight.shape for weight in _transpose_kernels(weights)])
        rates = tf.constant(learning_rate, tf.float32), *dropout_constants(self._dropout)
        key = tf.constant(seed, tf.int32)
        data = self._images, self._labels, tf.constant(order)
        trained, self._state, totals = self._epoch(*data, list(weights), self._state, rates, key)
        # Not an array but a float, or a list of floats.
        loss, hits = np.moveaxis(totals.numpy() / order.shape[-1], -1, 0).tolist()
        return trained, loss, hits


class Evaluator:
    """Holds a data set on the device and evaluates weights on that data, compiled.

    Args:
        images: (samples, inputs) uint8.
        labels: (samples, classes) one-hot float32.
    """

    # Big enough for an efficient matrix product, small enough for the cache.
    CHUNK = 1000

    def __init__(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.float32]) -> None:
        """Move the data to the device."""
        tf = load_tensorflow()
        self._images = tf.constant(images)
        self._labels = tf.constant(labels)
        self._evaluate = _compile_evaluation(min(self.CHUNK, len(images)), modes=read_modes())

    def evaluate(self, weights: Sequence[Any]) -> tuple[Any, Any]:
        """Return the mean loss and the accuracy of these weights over the whole data set, of several seeds lists."""
        totals = self._evaluate(self._images, self._labels, list(weights)).numpy()
        loss, hits = np.moveaxis(totals / len(self._images), -1, 0).tolist()
        return loss, hits


def predict_fused(weights: Sequence[Any], images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the class probabilities, (samples, classes), of uint8 images, by the epoch's forward pass."""
    forward = _compile_prediction(modes=read_modes())
    return np.asarray(forward(list(weights), load_tensorflow().constant(images)))


# Without autograph, here and below: the loops are written out, and autograph of TensorFlow 2.8 cannot convert `zip`
# with `strict`. The modes are settings of the process that become part of a program when it is compiled.
@functools.lru_cache(maxsize=_PROGRAMS)
def _compile_epoch(dropout: bool, batch_size: int, optimizer: str, *, modes: tuple[bool, bool]) -> Any:  # noqa: FBT001
    del modes
    epoch = _epoch_function(dropout, batch_size, UPDATES[optimizer].step)
    return load_tensorflow().function(epoch, autograph=False, jit_compile=True)


@functools.lru_cache(maxsize=_PROGRAMS)
def _compile_evaluation(chunk: int, *, modes: tuple[bool, bool]) -> Any:
    del modes
    return load_tensorflow().function(_evaluate_function(chunk), autograph=False, jit_compile=True)


@functools.lru_cache(maxsize=_PROGRAMS)
def _compile_prediction(*, modes: tuple[bool, bool]) -> Any:
    del modes
    tf = load_tensorflow()

    def predict(weights: Any, images: Any) -> Any:
        return tf.nn.softmax(_forward(_transpose_kernels(weights), _scale(images), ())[1])

    return tf.function(predict, autograph=False, jit_compile=True)


def forget_programs() -> None:
    """Have the next trainer, evaluator or prediction compile its program again."""
    for compiled in (_compile_epoch, _compile_evaluation, _compile_prediction):
        compiled.cache_clear()


def _epoch_function(dropout: bool, batch_size: int, update: Step) -> Callable[..., Any]:  # noqa: FBT001
    """Return the epoch as a function of tensors, ready for `tf.function`."""
    tf = load_tensorflow()

    def train_epoch(
        images: Any, labels: Any, order: Any, weights: Any, memory: Any, rates: tuple[Any, Any, Any], seed: Any
    ) -> Any:
        *company, samples = order.shape
        widths = [bias.shape[-1] for bias in weights[1:-1:2]]
        steps, count = samples // batch_size, len(weights)
        learning_rate, *constants = rates
        draw = mask_drawer(constants if dropout else None, widths, seed, samples, batch_size)

        def step(number: Any, batch: Any, totals: Any, variables: Sequence[Any]) -> tuple[Any, ...]:
            """Train one batch; `variables` are the weights, followed by the optimizer's state."""
            x = _scale(tf.gather(images, batch))
            y = tf.gather(labels, batch)
            masks = draw(number, batch.shape[-1])
            gradients, batch_totals = _backward(variables[:count], x, y, masks)
            moved, kept = update(variables[:count], gradients, variables[count:], learning_rate)
            return (totals + batch_totals, *moved, *kept)

        def body(number: Any, totals: Any, *variables: Any) -> Any:
            batch = tf.slice(order, [*(0 for _ in company), number * batch_size], [*company, batch_size])
            return (number + 1, *step(number, batch, totals, variables))

        start = (tf.constant(0), tf.zeros([*company, 2]), *_transpose_kernels(weights), *memory)
        _, totals, *variables = tf.while_loop(lambda number, *_: number < steps, body, start)
        if samples % batch_size:
            totals, *variables = step(steps, order[..., steps * batch_size :], totals, variables)
        return _transpose_kernels(variables[:count]), variables[count:], totals

    return train_epoch


def _evaluate_function(chunk: int) -> Callable[..., Any]:
    """Return the evaluation of a whole data set as a function of tensors."""
    tf = load_tensorflow()

    def totals_of(x: Any, y: Any, weights: Any) -> Any:
        _, logits = _forward(weights, _scale(x), ())
        return _totals(logits, y)[0]

    def evaluate(images: Any, labels: Any, weights: Any) -> Any:
        samples, company, weights = images.shape[0], weights[-1].shape[:-1], _transpose_kernels(weights)
        whole = samples // chunk

        def body(number: Any, totals: Any) -> Any:
            start = number * chunk
            x = tf.slice(images, [start, 0], [chunk, images.shape[1]])
            y = tf.slice(labels, [start, 0], [chunk, labels.shape[1]])
            return number + 1, totals + totals_of(x, y, weights)

        _, totals = tf.while_loop(lambda number, _: number < whole, body, (tf.constant(0), tf.zeros([*company, 2])))
        if samples % chunk:
            totals += totals_of(images[whole * chunk :], labels[whole * chunk :], weights)
        return totals

    return evaluate


def _transpose_kernels(weights: Sequence[Any]) -> list[Any]:
    """Turn each kernel (inputs, outputs) into (outputs, inputs), or back; biases do not change."""
    tf = load_tensorflow()
    # Each kernel is followed by its bias.
    return [weight if number % 2 else tf.linalg.matrix_transpose(weight) for number, weight in enumerate(weights)]


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
        hidden = tf.nn.relu(tf.matmul(inputs[-1], kernel, transpose_b=True) + tf.expand_dims(bias, -2))
        inputs.append(hidden * masks[layer] if masks else hidden)
    return inputs, tf.matmul(inputs[-1], weights[-2], transpose_b=True) + tf.expand_dims(weights[-1], -2)


def _totals(logits: Any, y: Any) -> tuple[Any, Any]:
    """Return [summed cross-entropy, number of hits] of a batch, and the log-probabilities."""
    tf = load_tensorflow()
    log_probabilities = logits - tf.reduce_logsumexp(logits, axis=-1, keepdims=True)
    loss = -tf.reduce_sum(y * log_probabilities, axis=[-2, -1])
    hits = tf.equal(tf.argmax(logits, axis=-1), tf.argmax(y, axis=-1))
    return tf.stack([loss, tf.reduce_sum(tf.cast(hits, tf.float32), axis=-1)], axis=-1), log_probabilities


def _backward(weights: Sequence[Any], x: Any, y: Any, masks: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return the gradient of the mean cross-entropy for each weight, and the batch's totals.

    The gradient of softmax and cross-entropy together is (p - y) / batch, which stays exact where the
    probabilities saturate (Bishop, Pattern Recognition and Machine Learning, 2006, section 5.3).
    """
    tf = load_tensorflow()
    inputs, logits = _forward(weights, x, masks)
    totals, log_probabilities = _totals(logits, y)
    delta = (tf.exp(log_probabilities) - y) / x.shape[-2]
    gradients: list[Any] = []
    for layer in reversed(range(len(inputs))):
        gradients = [
            tf.matmul(delta, inputs[layer], transpose_a=True),
            tf.reduce_sum(delta, axis=-2),
            *gradients,
        ]
        if layer:
            delta = tf.matmul(delta, weights[2 * layer])
            # A unit that relu or dropout turned off is 0 in the layer's input.
            delta = tf.where(inputs[layer] > 0, delta * masks[layer - 1] if masks else delta, 0.0)
    return gradients, totals
