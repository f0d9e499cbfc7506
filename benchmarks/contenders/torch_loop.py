"""PyTorch as its tutorials have it: modules, autograd, an optimizer, and a Python loop over batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from contenders.task import Clock, Outcome

if TYPE_CHECKING:
    from contenders.task import Task, Weights

__all__ = ["TorchLoop"]


class TorchLoop:
    """The loop without what slows it: the data are resident tensors, and no figure is read before the end."""

    def __init__(self, task: Task, *, compiled: bool = False) -> None:
        """Build the model; `torch.compile` it if asked."""
        torch.manual_seed(task.config.seed)
        self._batch_size = task.config.batch_size
        self._images = torch.from_numpy(task.data.x_train)
        self._labels = torch.from_numpy(task.data.y_train.argmax(axis=1))
        self._layers = _build_layers(task)
        self._model = torch.compile(self._layers) if compiled else self._layers
        self._loss = nn.CrossEntropyLoss()
        self._optimizer = torch.optim.SGD(self._layers.parameters(), lr=task.config.learning_rate)

    def train_epoch(self, clock: Clock, *, shuffle: bool) -> Outcome:
        """Train; the sums stay tensors until the epoch is over."""
        samples = len(self._images)
        total, hits = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        clock.start()
        order = torch.randperm(samples) if shuffle else torch.arange(samples)
        for batch in order.split(self._batch_size):
            images, labels = self._images[batch], self._labels[batch]
            logits = self._model(images)
            loss = self._loss(logits, labels)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            total += loss.detach() * len(batch)
            hits += (logits.argmax(dim=1) == labels).sum()
        clock.stop()
        return Outcome(float(total) / samples, float(hits) / samples)

    def read_weights(self) -> Weights:
        """Return the weights, kernels turned back to (inputs, outputs)."""
        return [parameter.detach().numpy().T for parameter in self._layers.parameters()]


def _build_layers(task: Task) -> nn.Sequential:
    layers: list[nn.Module] = []
    between = [nn.ReLU(), nn.Dropout(task.lab.dropout)] if task.lab.dropout else [nn.ReLU()]
    for kernel, bias in zip(task.weights[::2], task.weights[1::2], strict=True):
        linear = nn.Linear(*kernel.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(kernel.T))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [*between, linear] if layers else [linear]
    # No softmax behind the last: it is part of the loss.
    return nn.Sequential(*layers)
