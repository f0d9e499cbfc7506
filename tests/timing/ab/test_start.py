"""The start of B compared with A's: slower, the same, or not decided."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fixtures.ab import judge_again
from mnist_bench.records.serial import save
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing.ab.console import format_ab
from mnist_bench.timing.ab.start import STARTS, judge_starts
from mnist_bench.timing.ab.verdict import conclude_ab, load_ab

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.timing.ab.records import AbRecord


def make_rounds(slowdown: float, *, spread: float = 0.01, count: int = 6) -> list[tuple[dict[str, float], ...]]:
    """Return the seconds of rounds in which B's import takes `slowdown` times as long, and all else is alike."""
    rng = np.random.default_rng(0)
    rounds = []
    for _ in range(count):
        a, b = np.exp(spread * rng.normal(size=(2, len(STARTS)))).tolist()
        rounds.append((dict(zip(STARTS, a, strict=True)), dict(zip(STARTS, (b[0] * slowdown, b[1]), strict=True))))
    return rounds


@pytest.mark.parametrize(
    ("slowdown", "spread", "verdict"),
    [
        (1.3, 0.01, "slower"),
        (1.0, 0.01, "same"),
        (1.05, 0.005, "same"),
        (0.7, 0.01, "faster"),
        (1.3, 0.5, "inconclusive"),
    ],
)
def test_a_part_is_judged_by_itself(slowdown: float, spread: float, verdict: str) -> None:
    """What is slower is told of the import alone; a change below a tenth counts as none."""
    found = judge_starts(make_rounds(slowdown, spread=spread), 1.0)
    assert found["import"].verdict == verdict
    assert found["first epoch"].verdict == ("inconclusive" if spread > 0.1 else "same")


def test_both_looks_share_the_chance_of_an_alarm() -> None:
    """The interval at half of the budget, which spends a fifth of it, is wider than at the end."""
    half, end = (judge_starts(make_rounds(1.0), spent)["import"].ratio for spent in (0.2, 0.8))
    assert half.level == pytest.approx(1 - 0.01 * 0.2 / 2)
    assert half.low is not None
    assert end.low is not None
    assert half.low < end.low


def test_two_rounds_decide_nothing() -> None:
    """However far apart."""
    assert judge_starts(make_rounds(3.0, count=2), 1.0)["import"].verdict == "inconclusive"


def test_a_start_that_was_not_timed_has_no_verdict() -> None:
    """As in records that were made before starts were timed."""
    assert judge_starts([*make_rounds(1.0), (None, None)], 1.0) == {}


@pytest.fixture
def make_started(make_ab: Callable[..., AbRecord]) -> Callable[[float], AbRecord]:
    """Make a comparison of equal epochs in which B's import takes `slowdown` times as long."""

    def make(slowdown: float) -> AbRecord:
        record = make_ab()
        sides = [dict(zip("ab", pair, strict=True)) for pair in make_rounds(slowdown)]
        processes = [
            dataclasses.replace(times, start=sides[place // 2][times.side])
            for place, times in enumerate(record.processes)
        ]
        return judge_again(dataclasses.replace(record, processes=processes))

    return make


def test_a_slower_start_is_regressed(make_started: Callable[[float], AbRecord]) -> None:
    """The epochs are the same, the answer is not; a lost process still concludes nothing."""
    record = make_started(1.3)
    assert record.verdict == "same"
    assert conclude_ab(record) is Verdict.REGRESSED
    assert conclude_ab(make_started(1.0)) is Verdict.PASS
    lost = dataclasses.replace(record, failure="B: killed", verdict="inconclusive")
    assert conclude_ab(lost) is Verdict.INCONCLUSIVE
    assert ": slower" not in format_ab(lost)
    text = format_ab(record)
    assert "REGRESSED: the import is slower\n" in text
    assert "first epoch" in text
    assert "REGRESSED" not in format_ab(make_started(1.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": {}}, r"start has \[\], but the seconds say \['first epoch', 'import'\]"),
        ({"verdict": "same"}, "start: import is same, but the seconds say slower"),
        ({"estimate": 1.0}, r"start: import.estimate is 1.0, but the seconds say 1.3"),
    ],
)
def test_a_start_follows_from_the_seconds(
    make_started: Callable[[float], AbRecord], tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """A record that says something else is refused."""
    record = make_started(1.3)
    part = record.start["import"]
    if "verdict" in changes:
        part = dataclasses.replace(part, **changes)
    if "estimate" in changes:
        part = dataclasses.replace(part, ratio=dataclasses.replace(part.ratio, **changes))
    path = tmp_path / "time.json"
    save(dataclasses.replace(record, start={**record.start, "import": part} if "start" not in changes else {}), path)
    with pytest.raises(RecordError, match=message):
        load_ab(path)


def test_a_conclusion_follows_from_the_seconds(make_started: Callable[[float], AbRecord], tmp_path: Path) -> None:
    """A record whose start is slower cannot conclude with the verdict of its epochs; an old one concludes nothing."""
    record = make_started(1.3)
    for place, conclusion in enumerate((Verdict.REGRESSED, None)):
        save(dataclasses.replace(record, conclusion=conclusion), tmp_path / f"{place}.json")
        assert load_ab(tmp_path / f"{place}.json").conclusion is conclusion
    save(dataclasses.replace(record, conclusion=Verdict.PASS), tmp_path / "time.json")
    with pytest.raises(RecordError, match="conclusion is PASS, but all seconds together say REGRESSED"):
        load_ab(tmp_path / "time.json")


def test_a_start_takes_no_longer_than_the_run(make_started: Callable[[float], AbRecord], tmp_path: Path) -> None:
    """A record of seconds that the run did not have is refused."""
    record = make_started(1.0)
    processes = [dataclasses.replace(it, start={"import": 1e6, "first epoch": 1.0}) for it in record.processes]
    save(judge_again(dataclasses.replace(record, processes=processes)), tmp_path / "time.json")
    with pytest.raises(RecordError, match="but what was timed took"):
        load_ab(tmp_path / "time.json")


def test_a_part_that_is_none_is_refused(make_started: Callable[[float], AbRecord]) -> None:
    """The names are those that are timed."""
    (times, *_) = make_started(1.0).processes
    with pytest.raises(ValueError, match="start has nap, not import and first epoch"):
        dataclasses.replace(times, start={"nap": 1.0})
