"""What a person sees of a comparison."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from mnist_bench.stats.intervals import Interval
from mnist_bench.stats.ratios import Judgement
from mnist_bench.timing.ab.console import draw_rounds, format_ab, show_rounds
from mnist_bench.timing.ab.ratio import RatioRecord, format_ratio
from mnist_bench.timing.ab.rounds import RoundEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.timing.ab.records import AbRecord

WIDE, NARROW = Interval(1.08, 0.9, 1.3, 0.99), Interval(1.08, 1.06, 1.1, 0.99)


def make_event(number: int, interval: Interval) -> RoundEnded:
    """Return the end of a round."""
    return RoundEnded(number, 7.4 * number, Judgement("inconclusive", "", interval, interval))


def test_a_ratio_in_words() -> None:
    """As changes in percent, and without ends where it is open."""
    assert format_ratio(RatioRecord(estimate=1.1, low=1.05, high=1.15, level=0.9)) == "+10.0% (+5.0% to +15.0%)"
    assert format_ratio(RatioRecord(estimate=0.9, low=None, high=None, level=0.9)) == "-10.0%"


def test_the_interval_shrinks_before_the_eyes() -> None:
    """Its line gets shorter, and leaves the middle when 1 is excluded."""
    before, after = (draw_rounds(make_event(number, it), 40).splitlines() for number, it in ((1, WIDE), (4, NARROW)))
    assert (before[0], after[0]) == ("round 1, 7 of 40 s", "round 4, 30 of 40 s")
    assert before[1].count("━") > after[1].count("━") > 0
    assert "┼" in before[1]
    assert "│" in after[1]
    assert after[2].endswith("+8.0% (+6.0% to +10.0%)")


@pytest.mark.parametrize("force_color", ["", "1"])
def test_without_a_terminal_there_is_a_line_a_round(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, force_color: str
) -> None:
    """On standard error, and nothing else anywhere; FORCE_COLOR, which is for colours, makes no terminal of a log."""
    monkeypatch.setenv("FORCE_COLOR", force_color)
    with show_rounds(40) as show:
        show(make_event(1, WIDE))
        show(make_event(2, NARROW))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[1] == (
        "round 2, 15 of 40 s: wall +8.0% (+6.0% to +10.0%), processor +8.0% (+6.0% to +10.0%)"
    )


@pytest.mark.parametrize(("slowdown", "verdict"), [(1.0, "PASS: same: within 5%"), (1.2, "REGRESSED: slower: slower")])
def test_a_comparison_in_words(make_ab: Callable[..., AbRecord], slowdown: float, verdict: str) -> None:
    """Both sides, what was timed, both clocks, the verdict and what it is worth."""
    text = format_ab(make_ab(slowdown=slowdown))
    assert text.count("TensorFlow 2.21.0, Keras 3.15.1  /a/bin/python") == 2
    assert "mlp by epoch on digits, epochs of 12,032 samples; A and B together, each on one core" in text
    assert "6 rounds of 4 epochs in 38 s" in text
    assert f"\n{verdict}" in text
    assert text.endswith(
        "not calibrated on this machine: run mnist-bench compare current current --only time --calibrate 20"
    )


def test_a_busy_machine_is_named(make_ab: Callable[..., AbRecord]) -> None:
    """Other work slows the side more that has more threads."""
    assert "busy" not in format_ab(make_ab())
    assert "the machine was busy, with a load of 7.2 at the start" in format_ab(make_ab(load=7.2))


def test_a_fault_is_never_hidden(make_ab: Callable[..., AbRecord]) -> None:
    """A planted slow-down is named next to the verdict; an inconclusive verdict has no word before the reason."""
    record = make_ab(rounds=2)
    text = format_ab(dataclasses.replace(record, fault_b="work:0.1"))
    assert "planted in B: work:0.1" in text
    assert "INCONCLUSIVE: 2 rounds are too few" in text
