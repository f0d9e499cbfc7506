"""A against B: rounds until it is decided, kept whatever happens, and the same again from where it was."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from fixtures.checksums import damage_record
from fixtures.records import make_digest
from mnist_bench.records.serial import load
from mnist_bench.stats.ratios import FEWEST_ROUNDS
from mnist_bench.timing.ab import rounds
from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.timing.ab.rounds import AbPlan, RoundEnded, compare, run_series
from mnist_bench.timing.ab.verdict import judge_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.training.data.dataset import Dataset


@pytest.fixture
def make_plan(stub_python: Callable[..., Path], tiny: Dataset) -> Callable[..., AbPlan]:
    """Make a plan of two stubs in turn; `b` is B's behaviour, other keywords are the plan's."""

    def make(b: dict[str, object] | None = None, **fields: object) -> AbPlan:
        plan = AbPlan(
            python_a=stub_python("a"),
            python_b=stub_python("b", **(b or {})),
            lab="mlp",
            engine="epoch",
            dataset=tiny,
            budget_seconds=600.0,
            layout="in turn",
            samples=128,
            epochs=4,
        )
        return dataclasses.replace(plan, **fields)

    return make


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of the parent's that goes on by 100 s a round; its list holds the time."""
    now = [0.0]
    measure = rounds.measure_round

    def measure_and_wait(*arguments: object, **options: object) -> object:
        result = measure(*arguments, **{**options, "limit": 60})
        now[0] += 100.0
        return result

    monkeypatch.setattr(rounds, "measure_round", measure_and_wait)
    monkeypatch.setattr(rounds.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("b", "verdict"),
    [({"speed": 0.5}, "same"), ({"speed": 0.6}, "slower"), ({"speed": 0.4}, "faster"), ({"jitter": 1}, "inconclusive")],
)
@pytest.mark.usefixtures("clock")
def test_the_verdicts(make_plan: Callable[..., AbPlan], b: dict[str, object], verdict: str) -> None:
    """What is clear at half of the budget ends there; what is not goes on to its end."""
    events: list[RoundEnded] = []
    record = compare(make_plan(b), events.append)
    rounds = 6 if verdict == "inconclusive" else 3
    assert record.verdict == verdict
    assert [look.rounds for look in record.looks] == ([3, 6] if rounds == 6 else [3])
    assert [look.alpha for look in record.looks] == pytest.approx([0.01, 0.04][: len(record.looks)])
    assert [event.number for event in events] == list(range(1, rounds + 1))
    assert len(record.processes) == 2 * rounds
    assert record.seconds == events[-1].seconds == 100.0 * rounds
    assert judge_record(record).speed == verdict


@pytest.mark.usefixtures("clock")
def test_calibration_goes_on_to_the_end(make_plan: Callable[..., AbPlan]) -> None:
    """A run that is to be judged again is not ended by its first look."""
    record = compare(make_plan(early=False))
    assert [look.rounds for look in record.looks] == [3, 6]
    assert record.verdict == "same"


@pytest.mark.usefixtures("clock")
def test_too_few_rounds_decide_nothing(make_plan: Callable[..., AbPlan]) -> None:
    """A budget for two rounds is inconclusive, however large the difference."""
    record = compare(make_plan({"speed": 5.0}, budget_seconds=299.0))
    assert (record.verdict, record.looks, len(record.processes)) == ("inconclusive", [], 4)
    assert record.finding == f"2 rounds are too few: at least {FEWEST_ROUNDS} are needed"


def test_a_budget_too_small_for_one_round_is_bad_input(make_plan: Callable[..., AbPlan]) -> None:
    """The processes are ended with it."""
    with pytest.raises(ValueError, match=r"^a budget of 0\.5 s is too small: A and B did not both finish a process"):
        compare(make_plan({"sleeps": 600}, budget_seconds=0.5))


@pytest.mark.usefixtures("clock")
def test_finished_rounds_outlive_a_lost_process(make_plan: Callable[..., AbPlan]) -> None:
    """The record holds them and the reason, and concludes nothing from them."""
    plan = make_plan({"dies_in": 1, "speed": 5.0})
    record = compare(plan)
    assert record.failure == f"B, {plan.python_b}: its process was killed by SIGKILL"
    assert (record.verdict, record.finding) == ("inconclusive", record.failure)
    assert len(record.processes) == 2


@pytest.mark.usefixtures("clock")
def test_a_process_lost_in_the_first_round_is_an_error(make_plan: Callable[..., AbPlan]) -> None:
    """There is nothing to keep."""
    with pytest.raises(ValueError, match=r"^B, .*: its process was killed by SIGKILL$"):
        compare(make_plan({"dies_in": 0}))


@pytest.mark.usefixtures("clock")
def test_a_fault_is_planted_in_b_only(make_plan: Callable[..., AbPlan]) -> None:
    """And the record says so."""
    plan = make_plan(fault_b="sleep:0.1")
    record = compare(plan)
    assert record.fault_b == "sleep:0.1"
    assert '"fault": null' in (plan.python_a.parent / "0.task").read_text()
    assert '"fault": "sleep:0.1"' in (plan.python_b.parent / "0.task").read_text()


@pytest.mark.usefixtures("clock")
def test_other_hardware_is_refused(make_plan: Callable[..., AbPlan]) -> None:
    """Two processors are not two TensorFlow versions."""
    with pytest.raises(ValueError, match="times of A and B cannot be compared: cpu 'A CPU' and 'Another'"):
        compare(make_plan({"environment": {"cpu": "Another"}}))


def test_together_takes_two_cores(make_plan: Callable[..., AbPlan], monkeypatch: pytest.MonkeyPatch) -> None:
    """No record claims what was not done."""
    monkeypatch.setattr(rounds, "find_cores", lambda: None)
    with pytest.raises(ValueError, match="A and B cannot run together here"):
        compare(make_plan(layout="together"))


@pytest.mark.usefixtures("clock")
def test_a_series_goes_on_where_it_was(make_plan: Callable[..., AbPlan], tmp_path: Path) -> None:
    """What is there is not measured again; what is of another comparison, or damaged, is refused."""
    plan, folder = make_plan(), tmp_path / "series"
    first = run_series(plan, folder, 1)
    seen: list[int] = []
    assert run_series(plan, folder, 2, lambda number, _: seen.append(number))[:1] == first
    assert seen == [1, 2]
    assert load(folder / "run-001.json", AbRecord) == first[0]
    assert len(list(plan.python_a.parent.glob("*.pid"))) == 6
    with pytest.raises(ValueError, match=r"run-001.json is of another comparison: fault_b is None, not 'sl"):
        run_series(dataclasses.replace(plan, fault_b="sleep:0.1"), folder, 2)
    with pytest.raises(ValueError, match=r"run-001.json is of another comparison: lab is 'mlp', not 'dropout'"):
        run_series(dataclasses.replace(plan, lab="dropout"), folder, 2)
    with pytest.raises(ValueError, match=r"run-001.json was made with other data \(tiny\)"):
        run_series(
            dataclasses.replace(plan, dataset=dataclasses.replace(plan.dataset, digest=make_digest("0"))), folder, 2
        )
    damage_record(folder / "run-002.json", "changed")
    with pytest.raises(ValueError, match=r"run-002.json: checksum does not match the content"):
        run_series(plan, folder, 2)
    (folder / "run-002.json").write_text("{}")
    with pytest.raises(ValueError, match=r"run-002.json: \$: Object missing required field"):
        run_series(plan, folder, 2)


@pytest.mark.usefixtures("clock")
def test_a_series_keeps_no_run_that_lost_a_process(make_plan: Callable[..., AbPlan], tmp_path: Path) -> None:
    """It ends with the reason; the runs before it stay."""
    with pytest.raises(ValueError, match=r"^run 2: B, .* was killed by SIGKILL; the same command continues"):
        run_series(make_plan({"dies_in": 4}), tmp_path / "series", 2)
    assert [path.name for path in (tmp_path / "series").iterdir()] == ["run-001.json"]
