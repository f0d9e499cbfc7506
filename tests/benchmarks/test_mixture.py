"""The script that asks whether a mixture of controls explains a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Any:
    """The script, imported from where it lies."""
    return load_script("mixture")


def make_runs(count: int, *, of: tuple[float, float]) -> list[dict[str, Any]]:
    """Return runs of a benchmark whose time is a mixture of two controls, with noise of 1%."""
    rng, runs = np.random.default_rng(0), []
    for _ in range(count):
        first, second = rng.lognormal(0, 0.3, 2)
        noise = rng.lognormal(0, 0.01, 6)
        controls = {"sgemm": [0.1 * first] * 6, "python": [0.2 * second] * 6}
        runs.append({"it": {"wall": list(2 * first ** of[0] * second ** of[1] * noise), "controls": controls}})
    return runs


def test_a_mixture_is_recognised_in_runs_that_were_not_fitted(script: Any) -> None:
    """Of a time that follows both controls by a half each, neither explains as much as the mixture does."""
    rounds = script.collect_rounds(make_runs(20, of=(0.5, 0.5)))["it"]
    share, weights = script.explain(rounds, rounds.controls, fitted=True)
    assert share > 0.98
    assert weights == pytest.approx([0.5, 0.5], abs=0.02)
    assert max(script.explain(rounds, [name], fitted=False)[0] for name in rounds.controls) < 0.7


def test_noise_is_not_explained(script: Any) -> None:
    """What follows neither control has a mixture that predicts no better than the mean."""
    rounds = script.collect_rounds(make_runs(20, of=(0.0, 0.0)))["it"]
    assert script.explain(rounds, rounds.controls, fitted=True)[0] < 0.1
    assert script.explain(rounds, ["sgemm"], fitted=False)[0] < -5


def test_the_table_is_made_of_tries_without_planted_work(script: Any, tmp_path: Path) -> None:
    """Work that was planted is no drift of the machine; a handful of runs has no answer."""
    path = tmp_path / "tries.jsonl"
    rows = [{"work": work, "benchmarks": run} for work in (1, 1.25) for run in make_runs(8, of=(1.0, 0.0))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    runs = script.read_tries(path)
    assert len(runs) == 8
    lines = script.format_table(script.collect_rounds(runs))
    assert lines[0] == "| benchmark | runs | spread | sgemm | python | mixture | weights |"
    assert lines[2].startswith("| it | 8 | ")
    assert "| 100% | sgemm 0.99" in lines[2]
    assert script.format_table(script.collect_rounds(runs[:5]))[0].startswith("5 runs are too few: 6 are needed")
