"""NumPy and its BLAS: the epoch written out by hand, in place, in arrays that are made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contenders.task import Clock, Orders, Outcome

if TYPE_CHECKING:
    import numpy.typing as npt

    from contenders.task import Task, Weights

    Array = npt.NDArray[np.float32]

__all__ = ["NumpyLoop"]


class NumpyLoop:
    """Holds the weights, and for one batch the pixels, each layer's input, its gradients and its mask."""

    def __init__(self, task: Task) -> None:
        """Make the arrays. The batch size divides the 48,000 samples, so every batch is whole."""
        batch, self._dropout = task.config.batch_size, task.lab.dropout
        self._images, self._one_hot = task.pixels, task.data.y_train
        self._rate, self._batch_size = np.float32(task.config.learning_rate), batch
        self._orders, self._rng = Orders(task), np.random.default_rng(task.config.seed)
        self._weights = [weight.copy() for weight in task.weights]
        self._gradients = [np.empty_like(weight) for weight in self._weights]
        self._pixels = np.empty((batch, self._images.shape[1]), np.uint8)
        widths = [kernel.shape[0] for kernel in self._weights[::2]]
        self._inputs = [np.empty((batch, width), np.float32) for width in widths]
        self._deltas = [np.empty((batch, len(bias)), np.float32) for bias in self._weights[1::2]]
        self._masks = [np.empty((batch, width), np.float32) for width in widths[1:]]
        self._labels = np.empty_like(self._deltas[-1])

    def train_epoch(self, clock: Clock, *, shuffle: bool) -> Outcome:
        """Train step by step."""
        clock.start()
        order, totals = self._orders.draw(shuffle=shuffle), np.zeros(2)
        for batch in order.reshape(-1, self._batch_size):
            self._take(batch)
            self._forward()
            totals += self._lose()
            self._backward()
        clock.stop()
        return Outcome(*(totals / len(order)).tolist())

    def read_weights(self) -> Weights:
        """Return the weights."""
        return self._weights

    def _take(self, batch: npt.NDArray[np.int32]) -> None:
        # mode="clip" writes straight into `out`, where the default goes through a buffer.
        np.take(self._images, batch, axis=0, out=self._pixels, mode="clip")
        np.divide(self._pixels, np.float32(255), out=self._inputs[0])
        np.take(self._one_hot, batch, axis=0, out=self._labels, mode="clip")

    def _forward(self) -> None:
        """Fill each layer's input, and the logits in the last delta."""
        outputs = [*self._inputs[1:], self._deltas[-1]]
        for layer, (given, out) in enumerate(zip(self._inputs, outputs, strict=True)):
            np.matmul(given, self._weights[2 * layer], out=out)
            np.add(out, self._weights[2 * layer + 1], out=out)
            if layer < len(self._masks):
                np.maximum(out, 0, out=out)
                if self._dropout:
                    self._draw(self._masks[layer])
                    np.multiply(out, self._masks[layer], out=out)

    def _draw(self, mask: Array) -> None:
        self._rng.random(dtype=np.float32, out=mask)
        np.greater_equal(mask, self._dropout, out=mask)
        mask *= np.float32(1 / (1 - self._dropout))

    def _lose(self) -> tuple[float, int]:
        """Turn the logits into the gradient of the mean loss, and return the batch's summed loss and hits."""
        delta = self._deltas[-1]
        hits = np.count_nonzero(delta.argmax(axis=1) == self._labels.argmax(axis=1))
        delta -= delta.max(axis=1, keepdims=True)
        picked = np.vdot(delta, self._labels)
        np.exp(delta, out=delta)
        sums = delta.sum(axis=1, keepdims=True)
        delta /= sums
        delta -= self._labels
        delta /= self._batch_size
        return float(np.log(sums).sum() - picked), hits

    def _backward(self) -> None:
        """Turn the last delta into every layer's gradients, and take the step."""
        for layer in reversed(range(len(self._inputs))):
            given, delta = self._inputs[layer], self._deltas[layer]
            np.matmul(given.T, delta, out=self._gradients[2 * layer])
            np.sum(delta, axis=0, out=self._gradients[2 * layer + 1])
            if layer:
                below = self._deltas[layer - 1]
                np.matmul(delta, self._weights[2 * layer].T, out=below)
                if self._dropout:
                    below *= self._masks[layer - 1]
                below *= given > 0
        for weight, gradient in zip(self._weights, self._gradients, strict=True):
            np.multiply(gradient, self._rate, out=gradient)
            np.subtract(weight, gradient, out=weight)
