"""The record of a comparison: everything that was measured, and nothing that cannot be."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.checksums import write_record
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import load, save
from mnist_bench.records.strict import RecordError
from mnist_bench.stats.intervals import Interval
from mnist_bench.timing.ab.ratio import make_ratio
from mnist_bench.timing.ab.records import AbRecord, ProcessTimes, Sharpness
from mnist_bench.timing.ab.verdict import collect_rounds, judge_record, load_ab

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_record_comes_back(make_ab: Callable[..., AbRecord], tmp_path: Path) -> None:
    """What was written is read as it was, an open end too."""
    record = make_ab(rounds=1)
    path = tmp_path / "ab.json"
    write_record(path, record)
    assert record.wall.high is None
    assert load(path, AbRecord) == record


def test_a_verdict_can_be_found_again(make_ab: Callable[..., AbRecord]) -> None:
    """The raw seconds and the looks are enough."""
    record = make_ab(slowdown=1.2)
    judgement = judge_record(record)
    assert (judgement.speed, judgement.finding) == (record.verdict, record.finding)
    assert make_ratio(judgement.wall) == record.wall
    assert record.verdict == "slower"


def test_rounds_are_b_over_a_whoever_starts(make_ab: Callable[..., AbRecord]) -> None:
    """The order of a round's processes turns, its ratio does not."""
    record = make_ab(slowdown=1.5)
    assert [it.side for it in record.processes[:4]] == ["a", "b", "b", "a"]
    wall, cpu = collect_rounds(record.processes)
    assert np.exp([*wall, *cpu]) == pytest.approx(1.5, rel=0.1)


def cut_to_one_epoch(fields: dict[str, Any]) -> None:
    """Leave the first epoch of each process, without warm-ups."""
    fields["workload"].update(epochs=1, warm_ups=0)
    for times in fields["processes"]:
        times.update(wall=times["wall"][:1], cpu=times["cpu"][:1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it["processes"].pop(), "processes make no whole rounds"),
        (lambda it: it.update(processes=[], looks=[]), "0 processes make no whole rounds"),
        (lambda it: it["processes"][1].update(side="a"), "processes 0 and 1 are both of side 'a'"),
        (lambda it: it["processes"][0]["wall"].pop(), "epochs in wall time"),
        (lambda it: [it["processes"][0][clock].pop() for clock in ("wall", "cpu")], "a process without 4 epochs"),
        (lambda it: it["processes"][0]["cpu"].__setitem__(0, 0.0), r"seconds of an epoch: 0\.0 is outside"),
        (lambda it: it["processes"][0]["cpu"].__setitem__(0, 1e308), r"seconds of an epoch: 1e\+308 is outside"),
        (lambda it: it["wall"].update(estimate=-1.0), r"ratio -1\.0 is outside"),
        (lambda it: it["workload"].update(lab="<b>"), "lab '<b>' is not allowed"),
        (lambda it: it.update(load=1e9), r"load 1000000000.0 is outside 0 to 1e\+06"),
        (lambda it: it["workload"].update(lab="cnn"), r"\$\.workload: unknown lab 'cnn': choose from"),
        (lambda it: it["workload"].update(engine="jit"), r"\$\.workload: unknown engine 'jit': choose from"),
        (lambda it: it["workload"].update(samples=60_000), r"\$\.workload: samples 60000 is outside 1 to 48000"),
        (lambda it: it["workload"].update(samples=1), r"\$\.workload: batch_size 128 is outside 1 to 1"),
        (lambda it: it["workload"].update(batch_size=10**6), r"\$\.workload: batch_size 1000000 is outside 1 to 12032"),
        (cut_to_one_epoch, r"\$\.workload: epochs 1 is outside 2 to 1e\+06"),
        (lambda it: it.update(budget_seconds=-1.0), r"seconds -1\.0 is outside"),
        (lambda it: it["looks"][1].update(rounds=7), r"looks after \[3, 7\] rounds of 6"),
        (lambda it: it["looks"].reverse(), r"looks after \[6, 3\]"),
        (lambda it: it["looks"][0].update(alpha=0.05), r"looks that spend \[0\.05, 0\.04\] of alpha"),
        (lambda it: it["looks"][0].update(alpha=0), r"looks that spend \[0\.0, 0\.04\] of alpha"),
        (
            lambda it: it["looks"][0].update(alpha=0.02),
            r"looks that spend \[0\.02, 0\.04\] of alpha 0\.05: half the budget",
        ),
        (lambda it: it.update(alpha=0.1), r"looks that spend \[0\.01, 0\.04\] of alpha 0\.1"),
        (lambda it: it["looks"].pop(0) and it["looks"][0].update(alpha=0.05), r"looks that spend \[0\.05\] of alpha"),
        (lambda it: it.update(seconds=0.1), r"a look after 0\.1 s, before half of the .* s were over"),
        (lambda it: it.update(bound=0), r"bound 0\.0 and alpha"),
        (lambda it: it.update(verdict="fine"), "Invalid enum value 'fine'"),
        (lambda it: it.update(extra=1), "unknown field `extra`"),
        (lambda it: it.update(kind="training"), "kind is 'training', expected 'ab'"),
        (lambda it: it.update(schema_version=9), "schema_version is 9"),
    ],
)
def test_a_damaged_record_is_refused(
    make_ab: Callable[..., AbRecord], tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """The message names the file and what is wrong."""
    fields = dataclasses.asdict(make_ab())
    change(fields)
    path = tmp_path / "ab.json"
    write_record(path, fields)
    with pytest.raises(RecordError, match=f"^{path}: .*{message}"):
        load(path, AbRecord)


@pytest.mark.parametrize("ends", [(0.0, np.inf), (1e-21, 1e21)], ids=["infinite", "beyond all ratios"])
def test_a_ratio_that_is_open_has_no_ends(ends: tuple[float, float]) -> None:
    """JSON knows no infinity, and two rounds that differ much have ends that no record takes."""
    ratio = make_ratio(Interval(1.1, *ends, 0.9))
    assert (ratio.low, ratio.high) == (None, None)


def test_sharpness_is_possible() -> None:
    """More alarms than runs are not."""
    fields: dict[str, Any] = {"finds": None, "finds_waiting": None, "budget_seconds": 1.0}
    with pytest.raises(ValueError, match="3 alarms in 2 runs"):
        Sharpness(runs=2, alarms=3, alarms_low=0.0, alarms_high=1.0, **fields)
    with pytest.raises(ValueError, match=r"alarms between 0\.5 and 0\.1"):
        Sharpness(runs=2, alarms=1, alarms_low=0.5, alarms_high=0.1, **fields)
    for low, high in ((0.6, 1.0), (0.0, 0.4)):
        with pytest.raises(ValueError, match="1 alarms in 2 runs are outside their interval"):
            Sharpness(runs=2, alarms=1, alarms_low=low, alarms_high=high, **fields)
    with pytest.raises(ValueError, match=r"budget_seconds -1\.0"):
        Sharpness(runs=2, alarms=1, alarms_low=0.01, alarms_high=0.99, **{**fields, "budget_seconds": -1.0})


def test_times_are_numbers() -> None:
    """NaN is none."""
    with pytest.raises(ValueError, match="seconds of an epoch: nan is outside"):
        ProcessTimes(side="a", order=0, wall=[float("nan")], cpu=[1.0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"verdict": "same"}, "verdict is same .*, but the seconds say slower"),
        ({"finding": "all is well"}, "all is well.*, but the seconds say slower"),
        ({"verdict": "same", "failure": "lost"}, "verdict is same, although a process was lost: lost"),
    ],
    ids=["verdict", "finding", "lost"],
)
def test_a_verdict_follows_from_the_seconds(
    make_ab: Callable[..., AbRecord], tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    """What was edited by hand is refused, with both verdicts."""
    save(dataclasses.replace(make_ab(slowdown=1.5), **fields), tmp_path / "ab.json")
    with pytest.raises(RecordError, match=f"ab.json: .*{message}"):
        load_ab(tmp_path / "ab.json")


def test_the_clocks_fit_the_run(make_ab: Callable[..., AbRecord], tmp_path: Path) -> None:
    """A run is no shorter than its epochs, and an epoch has at most the processor time of all cores."""
    record, path = make_ab(), tmp_path / "ab.json"
    longer = [dataclasses.replace(times, cpu=[1000 * seconds for seconds in times.cpu]) for times in record.processes]
    for fields, message in (
        ({"seconds": 0.0, "budget_seconds": 0.0}, r"budget_seconds is 0\.0: a run without a budget has no rounds"),
        ({"seconds": 20.0}, r"seconds is 20\.0, but what was timed took 24\.\d s"),
        ({"processes": longer}, r"processes\[0\]\.cpu\[0\]: \d+\.\d+ s of processor time in .* s on \d+ cores"),
    ):
        save(dataclasses.replace(record, **fields), path, overwrite=True)
        with pytest.raises(RecordError, match=f"ab.json: {message}"):
            load_ab(path)


def test_one_process_at_a_time_takes_the_seconds_of_both(make_ab: Callable[..., AbRecord], tmp_path: Path) -> None:
    """The same seconds are enough for two sides that ran together."""
    together = make_ab(seconds=30.0)
    turns = dataclasses.replace(together, workload=dataclasses.replace(together.workload, layout="in turn"))
    save(together, tmp_path / "together.json")
    save(turns, tmp_path / "turns.json")
    assert load_ab(tmp_path / "together.json") == together
    with pytest.raises(RecordError, match=r"turns\.json: seconds is 30\.0, but what was timed took 48\.\d s"):
        load_ab(tmp_path / "turns.json")


@pytest.mark.parametrize("warm_ups", [4, 7])
def test_more_epochs_are_timed_than_not(make_ab: Callable[..., AbRecord], warm_ups: int) -> None:
    """A process that warms up as long as it is timed is another measurement."""
    with pytest.raises(ValueError, match=f"{warm_ups} warm_ups and 4 timed epochs: more must be timed than not"):
        dataclasses.replace(make_ab().workload, warm_ups=warm_ups)


@pytest.mark.parametrize("side", ["a", "b"])
def test_the_device_is_that_of_both_sides(make_ab: Callable[..., AbRecord], tmp_path: Path, side: str) -> None:
    """A side that ran on another device than was asked for is refused."""
    record = make_ab()
    other = change_environment(getattr(record, side), device="gpu")
    save(dataclasses.replace(record, **{side: other}), tmp_path / "ab.json")
    with pytest.raises(RecordError, match=rf"ab\.json: workload\.device is 'cpu', and {side}\.device is 'gpu'"):
        load_ab(tmp_path / "ab.json")


@pytest.mark.parametrize("engine", ["xla", "fused"])
def test_an_engine_of_xla_ran_with_it(make_ab: Callable[..., AbRecord], tmp_path: Path, engine: str) -> None:
    """And the others without."""
    record = make_ab()
    asked = dataclasses.replace(record, workload=dataclasses.replace(record.workload, engine=engine))
    save(asked, tmp_path / "ab.json")
    with pytest.raises(RecordError, match=rf"ab\.json: workload\.engine is '{engine}', and a\.xla is false"):
        load_ab(tmp_path / "ab.json")
    xla = {side: change_environment(getattr(record, side), xla=True) for side in ("a", "b")}
    save(dataclasses.replace(asked, **xla), tmp_path / "sound.json")
    assert load_ab(tmp_path / "sound.json").workload.engine == engine
    save(dataclasses.replace(record, **xla), tmp_path / "other.json")
    with pytest.raises(RecordError, match=r"and a\.xla is true"):
        load_ab(tmp_path / "other.json")


def test_a_ratio_follows_from_the_seconds(make_ab: Callable[..., AbRecord], tmp_path: Path) -> None:
    """As does each end of its interval."""
    record = make_ab(slowdown=1.5)
    save(dataclasses.replace(record, cpu=dataclasses.replace(record.cpu, estimate=1.0)), tmp_path / "ab.json")
    with pytest.raises(RecordError, match=r"cpu\.estimate is 1\.0, but the seconds say"):
        load_ab(tmp_path / "ab.json")
