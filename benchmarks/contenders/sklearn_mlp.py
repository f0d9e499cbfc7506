"""scikit-learn's MLPClassifier, made to do the lab's plain gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from contenders.task import Clock, Outcome

if TYPE_CHECKING:
    from contenders.task import Task, Weights

__all__ = ["SklearnMlp"]


class SklearnMlp:
    """One `partial_fit` an epoch: no momentum, no penalty. An empty `hidden_layer_sizes` is the perceptron.

    It keeps a running loss but no running accuracy, and has no dropout.
    """

    def __init__(self, task: Task) -> None:
        """Make the classifier, with the task's weights in place of its own."""
        self._data = task.data
        self._labels = task.data.y_train.argmax(axis=1)
        self._classifier = MLPClassifier(
            hidden_layer_sizes=task.lab.hidden,
            solver="sgd",
            alpha=0.0,
            batch_size=task.config.batch_size,
            learning_rate_init=task.config.learning_rate,
            momentum=0.0,
            nesterovs_momentum=False,
            # An instance: an integer would give every epoch the same order.
            random_state=np.random.RandomState(task.config.seed),
        )
        with sklearn.config_context(assume_finite=True):
            # A first step on one batch makes the arrays, which are then overwritten.
            first = slice(task.config.batch_size)
            self._classifier.partial_fit(self._data.x_train[first], self._labels[first], classes=range(10))
        for own, given in zip(self._parameters(), task.weights, strict=True):
            own[...] = given

    def train_epoch(self, clock: Clock, *, shuffle: bool) -> Outcome:
        """Train by one call, spared its search for infinities."""
        self._classifier.set_params(shuffle=shuffle)
        with sklearn.config_context(assume_finite=True):
            clock.start()
            self._classifier.partial_fit(self._data.x_train, self._labels)
            clock.stop()
        return Outcome(self._classifier.loss_, None)

    def read_weights(self) -> Weights:
        """Return the classifier's weights."""
        return self._parameters()

    def _parameters(self) -> Weights:
        pairs = zip(self._classifier.coefs_, self._classifier.intercepts_, strict=True)
        return [weight for pair in pairs for weight in pair]
