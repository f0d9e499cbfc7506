"""The command `selftest`: what it plants, keeps and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.checks.selftest.records import SelftestRecord
from mnist_bench.checks.selftest.report import MARK
from mnist_bench.records.serial import load
from tests.checks.selftest.test_selftest import make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mnist_bench.checks.selftest.records import Outcome
    from mnist_bench.records.training import TrainingRecord


@pytest.fixture
def planted(record: TrainingRecord, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have faults planted nowhere; return those that were to be planted. A run in twenty differs unseen."""
    asked: list[str] = []

    def run(faults: Sequence[str], **_: object) -> Iterator[Outcome]:
        for fault in faults:
            asked.append(fault)
            name, _colon, strength = fault.partition(":")
            yield make(name, float(strength), seen=name not in ("run-differs", "labels-soft"))

    monkeypatch.setattr("mnist_bench.checks.selftest.run.run_faults", run)
    monkeypatch.setattr("mnist_bench.checks.selftest.run.find_failing", lambda *_: ["contract/new-order[graph]"])
    monkeypatch.setattr("mnist_bench.checks.elsewhere.ask_own_environment", lambda _device: record.environment)
    return asked


def test_faults_are_planted_once_and_kept(command: Callable[..., Any], planted: list[str], tmp_path: Path) -> None:
    """A named fault is planted; the next call without a name plants the others and keeps its outcome."""
    answer = command("selftest", "--fault", "step-longer", "--out", tmp_path)
    assert answer.status == 0
    assert planted == ["step-longer:2", "step-longer:1.05", "step-longer:1.001"]
    assert (tmp_path / "selftest.md").read_text().startswith(MARK)
    planted.clear()
    answer = command("selftest", "--out", tmp_path)
    assert len(planted) > 100
    assert not any(fault.startswith("step-longer") for fault in planted)
    outcomes = load(tmp_path / "selftest.json", SelftestRecord).outcomes
    assert len(outcomes) == len(planted) + 3
    assert answer.status == 1
    assert "not seen, and not explained: labels-soft:0.1" in answer.err
    assert "run-differs" not in answer.err


def test_another_engine_is_another_record(
    command: Callable[..., Any], check_refused: Callable[..., None], planted: list[str], tmp_path: Path
) -> None:
    """Outcomes of two engines or environments are no one table."""
    command("selftest", "--fault", "step-longer", "--out", tmp_path)
    answer = command("selftest", "--engine", "epoch", "--out", tmp_path)
    check_refused(answer, "engine is 'graph', not 'epoch': name another folder with --out")
    assert len(planted) == 3


def test_another_page_is_left_alone(command: Callable[..., Any], planted: list[str], tmp_path: Path) -> None:
    """A page that this command did not write is not replaced, and nothing is planted."""
    (tmp_path / "selftest.md").write_text("mine\n")
    answer = command("selftest", "--out", tmp_path)
    assert answer.status == 2
    assert planted == []


def test_an_unknown_fault_is_bad_input(command: Callable[..., Any], check_refused: Callable[..., None]) -> None:
    """The message lists the faults."""
    check_refused(command("selftest", "--fault", "x"), "unknown fault 'x': choose from labels-shifted, ")
