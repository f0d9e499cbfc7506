"""The child's side of the pool: what it answers where a training cannot begin."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training import runner
from mnist_bench.training.backend import DeviceError, load_tensorflow
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


@pytest.mark.parametrize(
    ("asked", "changed"), [({}, False), ({"as_shipped": True}, False), ({"as_shipped": False}, True)]
)
def test_a_training_can_be_asked_for_without_the_autotuner(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch, asked: dict[str, bool], *, changed: bool
) -> None:
    """Keras's pipelines are built without it during this training alone."""
    dataset = load_tensorflow().data.Dataset
    shipped, seen = dataset.with_options, list[bool]()

    def look(*_: object, **__: object) -> None:
        seen.append(dataset.with_options is not shipped)

    monkeypatch.setattr(runner, "train", look)
    monkeypatch.setattr(serve, "_load_dataset", lambda _: tiny)
    serve._answer(dataclasses.asdict(TrainingConfig(lab="mlp")) | asked, iter([]), lambda **_: None)
    assert seen == [changed]
    assert dataset.with_options is shipped
