"""The verdicts on memory: what is planted is found, and what is unchanged passes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing import memory_child
from mnist_bench.timing.memory import EPOCHS, MemoryRecord, judge_memory

RECORD = MemoryRecord(
    lab="mlp",
    engine="fused",
    device="cpu",
    hardware_key="8fa4633540bce915",
    tensorflow="2.21.0",
    keras="3.15.1",
    dataset_digest="0" * 64,
    import_mb=400.0,
    peak_mb=1000.0,
    epochs_mb=[700.0, 800.0, 850.0, 880.0, 890.0, *[895.0, 900.0, 896.0] * 5],
)


def judge(**changes: Any) -> dict[str, Verdict]:
    """Return the verdicts on the record with some fields changed."""
    return {result.name: result.verdict for result in judge_memory(dataclasses.replace(RECORD, **changes), RECORD)}


def test_the_same_memory_passes() -> None:
    """The growth of the first epochs and the noise of the later ones are no leak."""
    assert len(RECORD.epochs_mb) == EPOCHS
    assert RECORD.growth_mb == pytest.approx(0, abs=0.2)
    assert set(judge().values()) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param({"import_mb": 800.0}, "memory/import", id="import twice as large"),
        pytest.param({"peak_mb": 2000.0}, "memory/training[mlp-fused]", id="training twice as large"),
        pytest.param(
            {"epochs_mb": [size + epoch for epoch, size in enumerate(RECORD.epochs_mb)]},
            "memory/growth[mlp-fused]",
            id="1 MB an epoch",
        ),
    ],
)
def test_each_fault_is_found_alone(changes: dict[str, Any], name: str) -> None:
    """A fault is REGRESSED, and the other verdicts are PASS."""
    verdicts = judge(**changes)
    assert [found for found, verdict in verdicts.items() if verdict is Verdict.REGRESSED] == [name]
    assert list(verdicts.values()).count(Verdict.PASS) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"epochs_mb": [1.0] * 5}, "epochs_mb has 5 figures: at least 20", id="few epochs"),
        pytest.param({"peak_mb": float("nan")}, "peak_mb, epochs_mb: nan is outside", id="no number"),
        pytest.param({"peak_mb": 800.0}, r"peak_mb 800\.0 is below the largest of epochs_mb, 900\.0", id="no peak"),
        pytest.param({"import_mb": 1e6}, r"peak_mb 1000\.0 is below import_mb, 1000000\.0", id="a part is larger"),
        pytest.param({"import_mb": -1.0}, r"import_mb -1\.0 is outside", id="negative"),
    ],
)
def test_impossible_figures_are_refused(changes: dict[str, Any], words: str) -> None:
    """A record names the field that cannot be."""
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(RECORD, **changes)


def test_other_hardware_is_refused() -> None:
    """Memory depends on the threads, so another machine is no baseline."""
    with pytest.raises(ValueError, match="the records differ in their hardware_key"):
        judge(hardware_key="0" * 16)


def test_memory_that_is_kept_is_seen() -> None:
    """The size of this process grows by what it keeps."""
    before = memory_child.read_size()
    kept = b"\1" * 50_000_000
    assert memory_child.read_size() - before == pytest.approx(50, abs=5)
    assert kept
