"""`compare --only time`: what it prints, writes and refuses, how it ends, and its calibration."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnist_bench.records.serial import load
from mnist_bench.records.verdicts import EXIT_STATUS, Verdict
from mnist_bench.timing.ab import rounds
from mnist_bench.timing.ab.records import AbRecord

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def command(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command, run in this process and in a folder of its own, with few epochs of few samples, 10 s a round."""
    monkeypatch.chdir(tmp_path)
    now, measure = [0.0], rounds.measure_round

    def measure_and_wait(sides: object, number: int, epochs: int, cores: object, **_: object) -> object:
        now[0] += 10.0
        return measure(sides, number, epochs, cores, limit=60)

    monkeypatch.setattr(rounds, "measure_round", measure_and_wait)
    monkeypatch.setattr(rounds.time, "monotonic", lambda: now[0])

    options = ("--only", "time", "--data", "digits", "--in-turn", "--baselines", tmp_path / "baselines")
    return lambda *arguments: command("compare", *arguments, *options)


@pytest.mark.parametrize(
    ("b", "status", "line"),
    [
        ({}, 0, "PASS: same: within 5% in both clocks"),
        ({"speed": 0.4}, 0, "PASS: faster: faster in wall time and processor time"),
        ({"speed": 0.6}, 1, "REGRESSED: slower: slower in wall time and processor time"),
        ({"jitter": 1}, 3, "INCONCLUSIVE: neither changed nor within 5% in wall time and processor time"),
    ],
)
def test_a_comparison_ends_in_its_status(
    command: Callable[..., Any], stub_python: Callable[..., Path], b: dict[str, object], status: int, line: str
) -> None:
    """The verdict is on the output, the progress on standard error, the record in its file."""
    answer = command(stub_python("a"), stub_python("b", **b), "--out", "x")
    assert answer.status == status
    assert line in answer.out.splitlines()
    assert answer.out.endswith("--only time --calibrate 20\nRecord: x/time.json\n")
    assert "not calibrated on this machine: run mnist-bench compare current current --only time" in answer.out
    assert answer.err.startswith("round 1, 10 of 90 s: wall ")
    assert load(Path("x/time.json"), AbRecord).verdict in line.lower()


def test_json_is_the_record(command: Callable[..., Any], stub_python: Callable[..., Path]) -> None:
    """With --json the output is the record, and nothing else."""
    answer = command(stub_python("a"), stub_python("b"), "--json", "--out", "x")
    assert (found := json.loads(answer.out)) == json.loads(Path("x/time.json").read_text())
    assert answer.status == EXIT_STATUS[Verdict(found["conclusion"])]


def test_finished_rounds_are_kept(command: Callable[..., Any], stub_python: Callable[..., Path]) -> None:
    """A process that is lost is bad input: named, with the file that holds the finished rounds."""
    b = stub_python("b", dies_in=2)
    answer = command(stub_python("a"), b, "--out", "x")
    assert answer.status == 2
    reason = f"B, {b}: its process was killed by SIGKILL"
    assert answer.err.splitlines()[-1] == f"mnist-bench: {reason}; the rounds before that are in x/time.json"
    assert f"INCONCLUSIVE: {reason}" in answer.out
    assert len(load(Path("x/time.json"), AbRecord).processes) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lab", "cnn"], "unknown lab 'cnn': choose from perceptron, mlp, dropout"),
        (["--engine", "jit"], "unknown engine 'jit': choose from eager, graph, xla, epoch, fused"),
        (
            ["--budget", "0"],
            "Invalid value for '--budget': '0' is no time: seconds, such as 90, or 90s, 10m, 1h",
        ),
        (
            ["--budget", "nan"],
            "Invalid value for '--budget': 'nan' is no time: seconds, such as 90, or 90s, 10m, 1h",
        ),
        (["--margin", "0.1"], "--margin is for --only all: leave it out"),
        (["--calibrate", "2"], "--calibrate compares an environment with itself: name the same one twice"),
        (["--out", "there"], "there/time.json exists already: choose another place with --out"),
        (
            ["--python", "3.12"],
            "--python is for requirements: each side is an environment, which has its own Python",
        ),
        (["--device", "tpu"], "unknown device 'tpu': choose from auto, cpu, gpu"),
    ],
)
def test_bad_usage_starts_nothing(
    command: Callable[..., Any], stub_python: Callable[..., Path], options: list[str], message: str
) -> None:
    """One line, exit 2, and no process."""
    Path("there").mkdir()
    Path("there/time.json").touch()
    python = stub_python("a")
    answer = command(python, stub_python("b"), *options)
    assert answer == (2, "", f"mnist-bench: {message}\n")
    assert not list(python.parent.glob("*.pid"))


def test_a_fault_that_does_not_show_starts_nothing(
    command: Callable[..., Any], stub_python: Callable[..., Path]
) -> None:
    """Planted in an engine that it does not touch, it would be told and not be there."""
    python = stub_python("a")
    answer = command(python, stub_python("b"), "--fault-b", "work:0.2", "--engine", "fused")
    told = "--fault-b work:0.2 shows in the engines eager, graph, xla, epoch, not in fused"
    assert answer == (2, "", f"mnist-bench: {told}\n")
    assert not list(python.parent.glob("*.pid"))


def test_an_unknown_fault_starts_nothing(command: Callable[..., Any], stub_python: Callable[..., Path]) -> None:
    """Those that can be planted are listed."""
    python = stub_python("a")
    answer = command(python, stub_python("b"), "--fault-b", "nap:1")
    assert answer.status == 2
    assert answer.err.startswith("mnist-bench: unknown fault 'nap': choose from labels-shifted, ")
    assert not list(python.parent.glob("*.pid"))


def test_an_interpreter_without_tensorflow_is_named(
    command: Callable[..., Any], stub_python: Callable[..., Path]
) -> None:
    """The message says how to install TensorFlow."""
    b = stub_python("b", missing=["tensorflow"])
    answer = command(stub_python("a"), b)
    assert answer == (2, "", f"mnist-bench: {b}: no TensorFlow there: {b} -m pip install tensorflow-cpu\n")


def test_calibration_is_shown_with_every_later_verdict(
    command: Callable[..., Any], stub_python: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calibration compares this interpreter with itself, goes on after a break, and overwrites nothing."""
    python = stub_python("same")
    monkeypatch.setattr(sys, "executable", str(python))
    answer = command("current", "current", "--calibrate", 2)
    assert answer.status == 0
    assert answer.out.startswith("calibrated here: 0 of 2 A/A runs of 90 s alarmed; 90% of the runs find +")
    assert [line.partition(";")[0] for line in answer.err.splitlines()] == ["run 1: same", "run 2: same"]
    started = len(list(python.parent.glob("*.pid")))
    again = command("current", "current", "--calibrate", 2)
    assert again.status == 2
    assert "mlp-epoch.json exists already: remove it to calibrate this machine again" in again.err
    assert len(list(python.parent.glob("*.pid"))) == started
    verdict = command(python, python, "--same", "--out", "x")
    assert answer.out.splitlines()[0] in verdict.out.splitlines()
    sharpness = load(Path("x/time.json"), AbRecord).calibration
    assert sharpness is not None
    assert sharpness.runs == 2


def test_a_damaged_calibration_is_bad_input(command: Callable[..., Any], stub_python: Callable[..., Path]) -> None:
    """The file is named, and the comparison is kept all the same."""
    path = Path("baselines/timings/calibration/8fa4633540bce915/mlp-epoch.json")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    answer = command(stub_python("a"), stub_python("b"), "--out", "x")
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith(f"mnist-bench: {path.resolve()}: $: Object missing required field")
    assert load(Path("x/time.json"), AbRecord).verdict == "same"


@pytest.mark.parametrize("out", ["/proc/nothing", "file"])
def test_a_place_that_cannot_be_written_is_found_first(
    command: Callable[..., Any], stub_python: Callable[..., Path], out: str
) -> None:
    """Nothing is measured that could not be kept."""
    Path("file").touch()
    python = stub_python("a")
    answer = command(python, python, "--same", "--out", out)
    assert (answer.status, answer.out) == (2, "")
    assert out.split("/", maxsplit=1)[0] in answer.err or "/proc" in answer.err
    assert not list(python.parent.glob("*.pid"))


def test_the_same_packages_are_nothing_to_time(command: Callable[..., Any], stub_python: Callable[..., Path]) -> None:
    """Without --same, an environment is not timed against itself."""
    python = stub_python("a")
    answer = command(python, python)
    assert (answer.status, answer.out) == (2, "")
    assert re.fullmatch(
        r"mnist-bench: both sides have the same \d+ packages: nothing to compare; .* --same\n", answer.err
    )
