"""What the tests of the readers share."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_bench.training.data.archives import SHAPES, Arrays


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """Four small arrays, which the readers then take for the full size."""
    rng = np.random.default_rng(0)
    for name, (_, *image) in list(SHAPES.items()):
        monkeypatch.setitem(SHAPES, name, (60 if name.endswith("train") else 10, *image))
    return Arrays(*(rng.integers(0, 10, shape, dtype=np.uint8) for shape in SHAPES.values()))
