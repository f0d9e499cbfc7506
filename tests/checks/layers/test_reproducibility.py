"""The reproducibility checks are REGRESSED where TensorFlow ignores what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.checks.layers import reproducibility
from mnist_bench.records.verdicts import Verdict

if TYPE_CHECKING:
    import pytest


def test_missing_determinism_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Op determinism that is off although it was asked for is REGRESSED."""
    monkeypatch.setattr(reproducibility.backend, "set_determinism", lambda *, on: None)  # noqa: ARG005 - as called
    monkeypatch.setattr(reproducibility.backend, "is_deterministic", lambda: False)
    assert reproducibility.check_determinism().verdict is Verdict.REGRESSED
