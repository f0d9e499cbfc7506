"""Slow-downs that are planted: read from text, and just as large as they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.timing.ab import faults
from mnist_bench.timing.ab.faults import Fault, add_steps, parse_fault, slow_down
from mnist_bench.training.data.dataset import prepare
from mnist_bench.training.fused import FusedTrainer

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset


def test_a_fault_is_read_from_text() -> None:
    """Its name and its share."""
    assert parse_fault("sleep:0.1") == Fault("sleep", 0.1)
    assert parse_fault("steps:1") == Fault("steps", 1.0)


@pytest.mark.parametrize("text", ["sleep", "sleep:", "sleep:much", "sleep:0", "sleep:-1", "sleep:2", "sleep:nan"])
def test_a_share_is_above_0_and_at_most_1(text: str) -> None:
    """The message shows how it is written."""
    with pytest.raises(ValueError, match=r"the share must be above 0 and at most 1, as in sleep:0\.1"):
        parse_fault(text)


def test_an_unknown_fault_is_named() -> None:
    """With those there are."""
    with pytest.raises(ValueError, match=r"unknown fault 'nap:0\.1': choose from sleep:SHARE, steps:SHARE"):
        parse_fault("nap:0.1")


def test_more_steps_are_more_training_samples(tiny: Dataset) -> None:
    """A tenth more of them, the first once more; the validation samples stay, and Keras's split finds them."""
    before = prepare(tiny)
    after = add_steps(before, 0.1)
    split = len(after.x_train)
    assert split == 528 == int(len(after.x_fit) * (1 - after.validation_split))
    assert np.array_equal(after.x_train, np.concatenate([before.x_train, before.x_train[:48]]))
    assert np.array_equal(after.y_validation, before.y_validation)
    assert np.array_equal(after.pixels[split:], before.pixels[480:])
    assert np.array_equal(after.x_fit[split:], before.x_validation)


def test_a_sleep_is_a_share_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's training function and the fused engine's epoch sleep behind their work, and return its result."""
    now, slept = [0.0], []
    monkeypatch.setattr(faults.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(faults.time, "sleep", slept.append)

    def work(*_: Any) -> str:
        now[0] += 2.0
        return "logs"

    class Model:
        train_function = None

        def make_train_function(self) -> None:
            self.train_function = work

    monkeypatch.setattr(FusedTrainer, "train_epoch", work)
    model: Any = Model()
    slow_down(model, 0.1)
    assert model.train_function("iterator") == "logs"
    assert FusedTrainer.train_epoch(None, (), None) == "logs"
    assert slept == [pytest.approx(0.2)] * 2
