"""Calibration: what comparisons of an environment with itself say of all others, and only on their own machine."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import write_record
from mnist_bench.records.environment import change_environment
from mnist_bench.records.serial import dump_json, load, save
from mnist_bench.records.strict import RecordError
from mnist_bench.timing.ab.calibration import (
    CalibrationRecord,
    calibrate,
    calibration_path,
    find_sharpness,
    format_sharpness,
)
from mnist_bench.timing.ab.records import AbRecord, Sharpness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def runs(make_ab: Callable[..., AbRecord]) -> list[AbRecord]:
    """Ten comparisons, one of which is a false alarm."""
    return [make_ab(seed=seed, slowdown=1.2 if seed == 3 else 1.0) for seed in range(10)]


def test_alarms_are_counted(runs: list[AbRecord]) -> None:
    """One in ten, with the interval of such a rate; the raw ratios are kept."""
    record = calibrate(runs)
    sharpness = record.sharpness
    assert (sharpness.runs, sharpness.alarms) == (10, 1)
    assert (sharpness.alarms_low, sharpness.alarms_high) == pytest.approx((0.00253, 0.44502), abs=1e-5)
    assert [run.verdict for run in record.runs].count("slower") == 1
    assert len(record.runs[0].wall) == 6


def test_the_smallest_slowdown_is_stated(runs: list[AbRecord]) -> None:
    """Both of work, which shows in both clocks, and of waiting, which shows on the wall."""
    sharpness = calibrate(runs).sharpness
    assert sharpness.finds is not None
    assert sharpness.finds_waiting is not None
    assert 0.01 <= sharpness.finds <= sharpness.finds_waiting <= 0.08


def test_a_calibration_comes_back_and_is_not_overwritten(runs: list[AbRecord], tmp_path: Path) -> None:
    """What was written is read as it was; a second one is refused."""
    record = calibrate(runs)
    path = calibration_path(tmp_path, record.environment, record.workload)
    assert path == tmp_path / "timings" / "calibration" / "8fa4633540bce915" / "mlp-epoch.json"
    save(record, path)
    assert load(path, CalibrationRecord) == record
    with pytest.raises(FileExistsError):
        save(record, path)


def test_a_verdict_is_told_what_it_is_worth(runs: list[AbRecord], tmp_path: Path) -> None:
    """On the same hardware, timed in the same way; nothing is said of another machine or way."""
    record = calibrate(runs)
    assert find_sharpness(tmp_path, runs[0]) is None
    save(record, calibration_path(tmp_path, record.environment, record.workload))
    assert find_sharpness(tmp_path, runs[0]) == record.sharpness
    elsewhere = change_environment(runs[0].a, cpu="Another")
    others = [
        dataclasses.replace(runs[0], a=elsewhere),
        dataclasses.replace(runs[0], bound=0.01),
        dataclasses.replace(runs[0], workload=dataclasses.replace(runs[0].workload, layout="in turn")),
        dataclasses.replace(runs[0], workload=dataclasses.replace(runs[0].workload, as_shipped=True)),
        dataclasses.replace(runs[0], workload=dataclasses.replace(runs[0].workload, lab="dropout")),
    ]
    assert [find_sharpness(tmp_path, it) for it in others] == [None] * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it["runs"].pop(), "sharpness: 1 alarms in 10 runs, but the runs have "),
        (
            lambda it: it["sharpness"].update(alarms=0, alarms_low=0.0),
            "sharpness: 0 alarms in 10 runs, but the runs have 1 in 10",
        ),
        (lambda it: it["sharpness"].update(alarms=0), "sharpness: 0 alarms in 10 runs are outside their interval"),
        (lambda it: it["sharpness"].update(alarms=11), "11 alarms in 10 runs"),
        (lambda it: it.update(kind="ab"), "kind is 'ab', expected 'calibration'"),
    ],
)
def test_a_damaged_calibration_is_refused(
    runs: list[AbRecord], tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """The message names the file."""
    fields = dataclasses.asdict(calibrate(runs))
    change(fields)
    path = tmp_path / "mlp-epoch.json"
    write_record(path, fields)
    with pytest.raises(RecordError, match=f"^{path}: .*{message}"):
        load(path, CalibrationRecord)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fault_b": "sleep:0.1"}, "comparisons of one environment with itself, without a fault"),
        ({"python_b": "/b/bin/python"}, "comparisons of one environment with itself, without a fault"),
        ({"budget_seconds": 70.0}, "these comparisons differ in their budget_seconds"),
    ],
)
def test_other_comparisons_calibrate_nothing(runs: list[AbRecord], fields: dict[str, Any], message: str) -> None:
    """A fault, two environments or two ways of timing."""
    with pytest.raises(ValueError, match=message):
        calibrate([*runs, dataclasses.replace(runs[0], **fields)])
    elsewhere = change_environment(runs[0].a, cpu="Another")
    with pytest.raises(ValueError, match="on different hardware"):
        calibrate([*runs, dataclasses.replace(runs[0], a=elsewhere)])
    early = dataclasses.replace(runs[0], looks=runs[0].looks[:1])
    with pytest.raises(ValueError, match="ended at its first look"):
        calibrate([*runs, early])
    with pytest.raises(ValueError, match="no comparisons"):
        calibrate([])


def test_sharpness_in_words() -> None:
    """With its counts, its power, or how to get them."""
    sharpness = Sharpness(
        runs=20, alarms=1, alarms_low=0.0, alarms_high=0.25, finds=0.04, finds_waiting=None, budget_seconds=40.0
    )
    assert format_sharpness(sharpness) == (
        "calibrated here: 1 of 20 A/A runs of 40 s alarmed; 90% of the runs find +4% of work, not even +100% of waiting"
    )
    assert (
        format_sharpness(None)
        == "not calibrated on this machine: run mnist-bench compare current current --only time --calibrate 20"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it["runs"][0].update(wall=[9.0] * len(it["runs"][0]["wall"])), "runs[0] says 'same', but its "),
        (lambda it: it["runs"][0].update(cpu=[]), "$.runs[0]: 6 rounds in wall time, 0 in processor time"),
        (lambda it: it["runs"][0].update(wall=[1e9] * 6), "log ratios: 1000000000.0 is outside -20 to 20"),
        (lambda it: it["environment"].update(hardware_key="0" * 16), "hardware_key is '0000000000000000', but "),
        (lambda it: it["workload"].update(lab="dropout"), "the calibration of another machine, lab or engine"),
    ],
    ids=["verdict", "no clock", "ratio", "machine", "lab"],
)
def test_a_calibration_that_was_edited_says_nothing(
    runs: list[AbRecord], tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    """Its verdicts follow from its rounds, and its place says what it is of."""
    record = calibrate(runs)
    facts = json.loads(dump_json(record))
    change(facts)
    path = calibration_path(tmp_path, record.environment, record.workload)
    path.parent.mkdir(parents=True)
    write_record(path, facts)
    with pytest.raises(RecordError, match=re.escape(message)):
        find_sharpness(tmp_path, runs[0])
