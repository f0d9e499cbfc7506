"""The figures of every engine are the oracle's; a figure that is off is named."""

from __future__ import annotations

from typing import Any

import pytest

from mnist_bench.checks.layers import figures
from mnist_bench.records.verdicts import Verdict

pytestmark = pytest.mark.usefixtures("prompt_fit")


def test_reported_figures_are_the_oracles(mnist_lab: str, mnist_engine: str) -> None:
    """Loss and accuracy of training, validation and test are means over all samples, the last batch partial."""
    result = figures.check_figures(mnist_lab, mnist_engine)
    assert result.verdict is Verdict.PASS, result
    assert result.readings == []


SOUND = {"validation loss": (2.5, 2.5), "test loss": (2.4, 2.4), "test accuracy": (0.5, 0.5)}


@pytest.mark.parametrize(
    ("wrong", "figure"),
    [
        ({"test accuracy": (0.5 + 1 / 240, 0.5)}, "test accuracy off by 8.3e-03"),
        ({"validation loss": (2.5001, 2.5)}, "validation loss off by 4.0e-05"),
        ({"test loss": (float("nan"), 2.4)}, "test loss not finite"),
    ],
)
def test_a_wrong_figure_is_named(wrong: dict[str, Any], figure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sample more or less in a mean of 240 is far beyond rounding."""
    monkeypatch.setattr(figures, "_measure", lambda *_: SOUND)
    assert figures.check_figures("mlp", "graph").verdict is Verdict.PASS
    monkeypatch.setattr(figures, "_measure", lambda *_: SOUND | wrong)
    result = figures.check_figures("mlp", "graph")
    assert (result.verdict, result.figure) == (Verdict.REGRESSED, figure)
    assert [reading.what for reading in result.readings] == list(wrong)
