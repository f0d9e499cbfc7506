"""The script that measures how much of an engine's drift a control explains."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.timing.clock import RoundClock, Times

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def drift(load_script: Callable[[str], Any]) -> Any:
    """The script, imported from where it lies."""
    return load_script("drift")


def test_what_moves_with_the_epoch_explains_it(drift: Any) -> None:
    """A control explains all of a common drift; a control that only adds noise explains less than nothing."""
    rng = np.random.default_rng(0)
    machine, noise = np.exp(0.2 * rng.normal(size=(2, 1000)))
    assert drift.explain(3 * machine, 0.1 * machine) == (pytest.approx(1), pytest.approx(1))
    correlation, share = drift.explain(machine, noise)
    assert abs(correlation) < 0.1
    assert share == pytest.approx(-1, abs=0.2)


def test_the_best_control_stands_out(drift: Any) -> None:
    """The table has a row for each engine and lab with at least three epochs; the best control is bold."""
    rows = [
        {
            "engine": engine,
            "lab": "mlp",
            "wall": wall,
            "controls": {"sgemm": wall, "gather": 1 / wall, "python": 2**wall},
        }
        for engine, walls in (("fused", (1.0, 1.1, 1.3)), ("graph", (1.0, 1.1)))
        for wall in walls
    ]
    head, _, *lines = drift.format_table(rows, markdown=True)
    assert head.startswith("| engine | lab | epochs |")
    assert len(lines) == 1
    assert "| **1.00, 100%** | -1.00, -300% |" in lines[0]


def test_a_torn_line_is_cut_off(drift: Any, tmp_path: Path) -> None:
    """An incomplete last line is not read, and the next measurement does not continue it."""
    path = tmp_path / "drift.jsonl"
    drift.cut_torn_line(path)
    path.write_text('{"a": 1}\n{"a": 2')
    assert drift.read_rows(path) == [{"a": 1}]
    drift.cut_torn_line(path)
    assert path.read_text() == '{"a": 1}\n'


def test_each_epoch_is_stored_with_the_controls(drift: Any) -> None:
    """A row has the epoch's wall and CPU seconds, and the wall seconds of every control before, as JSON."""
    clock = RoundClock()
    trial = SimpleNamespace(train_epoch=lambda: clock.note(Times(2.0, 3.0)))
    row = json.loads(json.dumps(drift.time_round(trial, clock, {"python": lambda: None})))
    assert (row["wall"], row["cpu"]) == (2.0, 3.0)
    assert list(row["controls"]) == ["python"]
