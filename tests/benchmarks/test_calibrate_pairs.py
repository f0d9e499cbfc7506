"""The script that measures how often a comparison by pairs of seeds is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.stats import sequential

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Any:
    """The script, imported from where it lies."""
    return load_script("calibrate_pairs")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the power, as the script does: it has no part in a verdict."""
    monkeypatch.setattr(sequential, "_find_shift", lambda *_, **__: 0.0)


@pytest.mark.parametrize("noise", ["normal", "heavy", "counts"])
def test_what_is_drawn_is_what_is_said(script: Any, noise: str) -> None:
    """The differences have the stated spread and shift, in the classes as well as in their sum."""
    rng = np.random.default_rng(0)
    truth = script.Truth("one class", classes=0.01)
    gaps = {"accuracy": [], "class": []}
    for _ in range(200):
        figures = script.draw(truth, noise, rng)
        assert len(figures) == 3 * 4 + 30
        for metric, place in (("accuracy", script.CHANGED), ("class", 10 * script.CHANGED)):
            old, new = figures[metric, place]
            gaps[metric] += (new - old).tolist()
    assert np.mean(gaps["class"]) == pytest.approx(0.01, abs=2e-4)
    assert np.mean(gaps["accuracy"]) == pytest.approx(-0.001, abs=5e-5)
    assert np.std(gaps["accuracy"]) == pytest.approx(script.PAIR_SD[script.CHANGED], rel=0.15)


def test_what_is_wrong_is_found_and_what_is_not_is_green(script: Any) -> None:
    """A lab that loses 0.5 points is REGRESSED, whatever the noise; no change is green."""
    rng = np.random.default_rng(1)
    worse = script.Truth("much", accuracy=-0.005)
    for noise in script.NOISES:
        verdict, words, pairs = script.compare(worse, noise, rng)
        assert (verdict, words) == ("REGRESSED", {"REGRESSED"})
        assert pairs <= 10
        assert script.compare(script.NOTHING, noise, rng)[1] == {"green"}


def test_a_test_that_alarms_too_often_is_seen(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hundred times the level and no margins, comparisons of nothing are REGRESSED, and are counted so."""
    monkeypatch.setattr(script, "ALPHA", 0.99)
    monkeypatch.setattr(script, "ACCURACY_MARGIN", 1e-6)
    rng = np.random.default_rng(2)
    found = [script.compare(script.NOTHING, "normal", rng)[1] for _ in range(20)]
    assert found.count({"REGRESSED"}) >= 5


def test_the_real_pairs_keep_their_figures(script: Any) -> None:
    """Each result of the records once; with both sides exchanged at random, nothing is REGRESSED."""
    found = list(script.find_pairs())
    assert len({names for names, *_ in found}) == len(found) >= 1
    _, base, new, cases = found[0]
    words = script.judge_exchanged(base, new, cases, np.random.default_rng(3))
    assert len(words) == 2 * len(cases)
    assert "REGRESSED" not in words


def test_the_tables(script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each truth and noise, and one for each pair of records."""
    monkeypatch.setattr(script, "ROWS", ((script.NOTHING, ("normal",)), (script.Truth("x", work=1.5), ("heavy",))))
    monkeypatch.setattr("sys.argv", ["calibrate_pairs.py", "--runs", "2"])
    script.main()
    rows = capsys.readouterr().out.splitlines()
    assert rows[2].startswith("| no change | normal |  |  | 0.0% | 100.0% |")
    assert rows[3].startswith("| x | heavy | 0.0% | 100.0% | 100.0% | 0.0% |")
    assert all(row.split(" | ")[3] == "0.0%" for row in rows[7:])
