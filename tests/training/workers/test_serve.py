"""The child's side of the pool: what it answers where a training cannot begin."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training import runner
from mnist_bench.training.backend import DeviceError
from mnist_bench.training.workers import serve

if TYPE_CHECKING:
    from mnist_bench.training.data.dataset import Dataset


@pytest.mark.parametrize(
    ("error", "bad_input"),
    [(ImportError("Keras cannot be imported"), False), (DeviceError("no GPU"), True), (TypeError("broken"), False)],
    ids=["import", "device", "own"],
)
def test_a_broken_environment_is_no_bad_request(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch, error: Exception, *, bad_input: bool
) -> None:
    """A Keras that cannot be imported is not measured (3); a device that is not there was asked for wrongly (2)."""

    def fail(*_: object, **__: object) -> None:
        raise error

    events: list[dict[str, Any]] = []
    monkeypatch.setattr(runner, "train", fail)
    monkeypatch.setattr(serve, "_load_dataset", lambda _: tiny)
    serve._answer(dataclasses.asdict(TrainingConfig(lab="mlp")), iter([]), lambda **event: events.append(event))
    assert [(event["event"], event.get("bad_input")) for event in events] == [("started", None), ("failed", bad_input)]
    assert str(error) in events[-1]["reason"]
