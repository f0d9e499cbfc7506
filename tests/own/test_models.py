"""The model files of docs/models: each is read, built and trained as a user's own is, and is as short as promised."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mnist_bench.own.file import load_model, read_model_file
from mnist_bench.own.model import make_model
from mnist_bench.own.trainer import fit_model

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docs" / "models").glob("*.py"))
ROWS = 192  # a few steps of each


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_model_file_can_be_measured(path: Path) -> None:
    """A step is taken: the weights move and stay finite, and the metrics are reported."""
    loaded = load_model(read_model_file(path))
    model = make_model(loaded, 1)
    before = [np.array(weight) for weight in model.get_weights()]
    logs = fit_model(model, loaded, rows=ROWS, epochs=1).logs[0]
    after = model.get_weights()
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert all(np.isfinite(weight).all() for weight in after)
    assert "loss" in logs
    assert all(math.isfinite(float(value)) for value in logs.values())


def test_all_kinds_are_on_the_page() -> None:
    """The table of what was found has a row for each file."""
    page = (ROOT / "docs" / "own-model.md").read_text(encoding="utf-8")
    assert len(FILES) == 9
    assert [path.stem for path in FILES if f"\n| {path.stem} |" not in page] == []
