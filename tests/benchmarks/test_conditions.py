"""The script that shows how the gate decides on a quiet and on a busy machine, and its judgement of tries."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.records.verdicts import Verdict
from mnist_bench.timing import trial
from mnist_bench.timing.clock import RoundClock, Times
from mnist_bench.training.data import dataset
from mnist_bench.training.data.dataset import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], Any]) -> Any:
    """The script that measures."""
    return load_script("conditions")


@pytest.fixture(scope="module")
def tries(load_script: Callable[[str], Any]) -> Any:
    """The script that judges."""
    return load_script("tries")


def make_row(
    number: int,
    condition: str = "none",
    *,
    part: str = "conditions",
    work: float = 1.0,
    slow: float = 1.0,
    others: float = 0.01,
) -> dict[str, Any]:
    """Return a run of one benchmark; `slow` is what the machine did to it and to the controls."""
    wall = [slow * work * (1 + (number + place) / 1000) for place in range(6)]
    timed = {"wall": wall, "cpu": [1.0] * 6, "others": [others] * 6}
    timed["controls"] = {"sgemm": [0.1 * slow] * 6, "cores": [0.1 * slow] * 6}
    benchmarks = {"test_steady_epoch[mlp-fused-cpu]": timed}
    return {"part": part, "condition": condition, "work": work, "benchmarks": benchmarks}


BASELINE = [make_row(number, part="baseline") for number in range(3)]


def test_the_table_counts_the_verdicts(tries: Any) -> None:
    """On a quiet machine 25% more work is found; next to neighbours nothing is; half a try is left out."""
    lines = tries.format_tries(
        [
            *BASELINE,
            *(make_row(number) for number in range(4, 9)),
            *(make_row(number, part="acceptance", work=1.25) for number in (4, 5)),
            *(make_row(number, "two neighbours", slow=2.0, others=0.5) for number in (10, 20)),
        ]
    )
    assert lines[0] == "Baseline: others used 1%, 1%, 1% of the cores."
    assert lines[4:] == [
        "| none | 1 | 2 | 1% | 0 | 2 | 0 of 2 | 2 of 2 |",
        "| none | times multiplied by 1.25 | 2 | 1% | 2 | 0 | 2 of 2 | 0 of 2 |",
        "| none | 1.25 | 1 | 1% | 1 | 0 | 1 of 1 | 0 of 1 |",
        "| two neighbours | 1 | 1 | 50% | 0 | 0 | 0 of 1 | 0 of 1 |",
    ]


def test_without_a_baseline_there_is_no_table(tries: Any) -> None:
    """Three runs of the baseline are needed."""
    assert tries.format_tries([make_row(1)]) == ["too few runs: 3 of the baseline are needed"]


def test_fewer_cores_are_other_hardware(tries: Any) -> None:
    """A run on half the cores is judged in units of a control, with the wide bound."""
    pair = [make_row(number, "half the cores", work=1.5) for number in (10, 20)]
    assert tries.judge_try(pair, BASELINE) == [Verdict.PASS]
    assert tries.judge_try([{**row, "condition": "half the time"} for row in pair], BASELINE) == [Verdict.REGRESSED]


def test_the_others_share_is_an_excuse_of_its_own(tries: Any) -> None:
    """A neighbour that no control notices is seen by its share of the cores; where that is unknown, it alarms."""
    pair = [make_row(number, others=0.5) for number in (10, 20)]
    assert tries.judge_try(pair, BASELINE, 1.5) == [Verdict.INCONCLUSIVE]
    for row in pair:
        row["benchmarks"]["test_steady_epoch[mlp-fused-cpu]"]["others"] = [None] * 6
    assert tries.judge_try(pair, BASELINE, 1.5) == [Verdict.REGRESSED]


def test_what_is_next(script: Any) -> None:
    """The kinds in turn, each try whole; what was measured earlier counts; then the end."""
    done: Counter[tuple[str, str, float]] = Counter({("acceptance", "none", 1.25): 1})
    order = []
    while kind := script.find_next(done, "acceptance", 2):
        done[kind] += 1
        order.append(kind[1:])
    busy, more = ("two neighbours", 1.0), ("none", 1.25)
    assert order == [more, busy, busy, busy, busy, more, more]


def test_each_of_the_first_calls_adds_to_the_baseline(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run in each of three processes; a part that is done measures nothing."""
    monkeypatch.setattr(script, "CONTROLS", {})
    monkeypatch.setattr(script, "make_works", lambda *_: {})
    monkeypatch.setitem(script.CONDITIONS, "two neighbours", script.CONDITIONS["none"])
    rows: list[dict[str, Any]] = []
    for tries in (1, 1, 2, 3, 4, 4):
        rows += script.measure(rows, "acceptance", tries, "auto", 1)
    kinds = Counter((row["part"], row["condition"], row["work"]) for row in rows)
    assert kinds == {
        ("baseline", "none", 1.0): 3,
        ("acceptance", "two neighbours", 1.0): 8,
        ("acceptance", "none", 1.25): 8,
    }
    places = [place for place, row in enumerate(rows) if row["part"] == "baseline"]
    assert places == [0, 5, 10]


def test_more_work_is_work(script: Any) -> None:
    """A quarter more samples are trained, and a quarter more images evaluated."""
    pixels = np.zeros((100, 4), np.uint8)
    sides = [(np.arange(rows * 4, dtype=np.float32).reshape(rows, 4), np.ones((rows, 10))) for rows in (100, 40)]
    prepared = Prepared.split_at(80, 0.2, pixels=pixels, fit=sides[0], test=sides[1])  # type: ignore[arg-type]
    more = script.add_work(prepared)
    assert (len(prepared.x_train), len(more.x_train), len(more.y_train)) == (80, 100, 100)
    assert (len(more.x_test), len(more.y_test)) == (50, 50)
    assert np.array_equal(more.x_test[40:], more.x_test[:10])


def test_planted_work_reaches_every_benchmark(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All four benchmarks train and evaluate more samples where more work is wanted, and the lab's where it is not."""
    sizes: list[tuple[int, int]] = []

    class FakeTrial:
        def __init__(self, _: object, prepared: Prepared, __: object) -> None:
            sizes.append((len(prepared.x_train), len(prepared.x_test)))

        def train_epoch(self) -> None:
            """Train nothing."""

        evaluate = train_epoch

    sides = [(np.ones((rows, 4), np.float32), np.ones((rows, 10), np.float32)) for rows in (100, 40)]
    prepared = Prepared.split_at(80, 0.2, pixels=np.ones((100, 4), np.uint8), fit=sides[0], test=sides[1])
    monkeypatch.setattr(trial, "Trial", FakeTrial)
    monkeypatch.setattr(trial, "prepare_process", lambda _: None)
    monkeypatch.setattr(dataset, "load_dataset", lambda _: None)
    monkeypatch.setattr(dataset, "prepare", lambda _: prepared)
    for work, size in ((1.0, (80, 40)), (1.25, (100, 50))):
        sizes.clear()
        works = script.make_works("auto", work, RoundClock())
        assert sizes == [size] * 3
        assert [*works] == [
            "test_steady_epoch[perceptron-fused-cpu]",
            "test_steady_epoch[mlp-fused-cpu]",
            "test_steady_epoch[mlp-epoch-cpu]",
            "test_evaluation[mlp-epoch-cpu]",
        ]


def test_a_run_has_a_figure_for_each_round(script: Any) -> None:
    """Times, controls and the others' share are columns of one length."""
    clock = RoundClock()
    rounds = script.time_rounds(lambda: clock.note(Times(2.0, 3.0)), clock, {"python": lambda: None}, 3)
    assert (rounds["wall"], rounds["cpu"]) == ((2.0,) * 3, (3.0,) * 3)
    assert len(rounds["others"]) == len(rounds["controls"]["python"]) == 3
