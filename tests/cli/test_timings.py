"""The commands `timings ...`: what they print, write and refuse, and how they end."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import edit_record, write_record
from mnist_bench.cli.timings import manifest
from mnist_bench.timing import memory
from mnist_bench.timing.calibration import find_calibration
from mnist_bench.timing.machine import make_machine
from mnist_bench.timing.memory import MemoryRecord
from mnist_bench.timing.store import list_runs, write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CALM = (1.0, 1.01, 1.02, 0.99, 0.98)
RECORD = MemoryRecord(
    **dict.fromkeys(("lab", "engine", "device", "hardware_key", "tensorflow", "keras"), "it"),
    dataset_digest="0" * 64,
    import_mb=400.0,
    peak_mb=500.0,
    epochs_mb=[450.0] * 20,
)


@pytest.fixture
def timings(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command `timings`, run in this process."""
    return lambda *arguments: command("timings", *arguments)


@pytest.fixture
def save(make_timing_run: Any, tmp_path: Path) -> Callable[..., Path]:
    """A function of rounds that writes a run and returns its path."""

    def save(*data: float, name: str = "run.json", **options: Any) -> Path:
        path = tmp_path / name
        return write_record(path, make_timing_run(*data, **options))

    return save


@pytest.fixture
def folder(timing_run: dict[str, Any], tmp_path: Path) -> Path:
    """A folder in which the run's benchmarks are due, and nothing is stored."""
    folder = tmp_path / "timings"
    write_manifest([timing["fullname"] for timing in timing_run["benchmarks"]], folder)
    return folder


def test_from_accepting_to_a_verdict(timings: Callable[..., Any], save: Callable[..., Path], folder: Path) -> None:
    """No baseline; accepted, another run passes; one that takes longer has regressed; all by exit status."""
    run = save(*CALM)
    assert timings("check", run, "--against", folder).status == 4
    accepted = timings("accept", run, "--why", "the first", "--folder", folder)
    assert (accepted.status, accepted.out.startswith("accepted: ")) == (0, True)
    itself = timings("check", run, "--against", folder)
    assert (itself.status, "a run is its own baseline: b.py::test_" in itself.err) == (2, True)
    passed = timings("check", save(*(1.001 * seconds for seconds in CALM), name="same.json"), "--against", folder)
    assert passed.status == 0
    assert passed.out.splitlines()[-1] == "PASS: 2 PASS"
    assert passed.out.splitlines()[-2].startswith("the gate was not calibrated on this machine")
    slower = save(*(1.5 * seconds for seconds in CALM))
    alarm = timings("check", slower, "--against", folder)
    assert (alarm.status, "mnist-bench timings check RUN.json again.json" in alarm.out) == (3, True)
    confirmation = save(*(1.45 * seconds for seconds in CALM), name="confirmation.json")
    assert timings("check", slower, confirmation, "--against", folder).status == 1
    again = save(*(0.999 * seconds for seconds in CALM), name="again.json")
    assert timings("check", slower, again, "--against", folder).status == 0
    old = save(*(0.998 * seconds for seconds in CALM), name="old.json", tensorflow="2.15.1")
    strangers = timings("check", slower, old, "--against", folder)
    assert (strangers.status, "differ in their tensorflow: ['2.15.1', '2.21.0']" in strangers.err) == (2, True)
    lines = timings("list", "--folder", folder).out.splitlines()
    assert len(lines) == 1
    assert "A CPU, 2 cores, key 8fa4633540bce915; TensorFlow 2.21.0, Keras 3.15.1; 2 benchmarks; accepted" in lines[0]
    assert lines[0].endswith(": the first")


def test_json_has_the_same_verdicts_each_time(
    timings: Callable[..., Any], save: Callable[..., Path], folder: Path
) -> None:
    """The same two files give the same figures, for a machine to read; one file may be named as the baseline."""
    run, before = save(1.0, 1.1, 1.3), save(1.0, 1.2, 0.9, name="before.json")
    timings("accept", before, "--why", "a test", "--folder", folder)
    (stored,) = list_runs(folder)
    answers = [timings("check", run, "--against", folder, "--json") for _ in range(2)]
    assert answers[0] == answers[1]
    assert json.loads(answers[0].out)["exit_status"] == answers[0].status == 3
    # Against one file the benchmarks of the checkout are due, and none of them is in this run.
    named = json.loads(timings("check", run, "--against", stored, "--json").out)
    assert {check["verdict"] for check in named["checks"]} == {"MISSING", "NO_BASELINE"}


def test_a_calibration_stands_with_each_verdict(
    timings: Callable[..., Any], save: Callable[..., Path], folder: Path
) -> None:
    """Four unchanged runs say how often the gate is wrong; their answer is kept, and not replaced unasked."""
    runs = [save(*(seconds + more / 100 for seconds in CALM), name=f"{more}.json") for more in range(4)]
    few = timings("calibrate", *runs[:3], "--folder", folder)
    assert (few.status, "3 runs are too few to calibrate" in few.err) == (2, True)
    stored = timings("calibrate", *runs, "--folder", folder)
    assert stored.status == 0
    words = (
        "calibrated here: 0 of 6 checks of unchanged runs had a false alarm (2 benchmarks each); 90% are found of +30%"
    )
    assert stored.out.startswith(words)
    assert (folder / "calibration" / "8fa4633540bce915" / "gate.json").exists()
    moved = folder / "calibration" / ("0" * 16) / "gate.json"
    moved.parent.mkdir()
    moved.write_bytes((folder / "calibration" / "8fa4633540bce915" / "gate.json").read_bytes())
    with pytest.raises(ValueError, match="of the hardware key '8fa4633540bce915', not of '0000000000000000'"):
        find_calibration(folder, "0" * 16)
    again = timings("calibrate", *runs, "--folder", folder)
    assert (again.status, "--force replaces it" in again.err) == (2, True)
    assert timings("calibrate", *runs, "--folder", folder, "--force").status == 0
    assert words in timings("check", runs[0], "--against", folder).out


def test_memory_is_judged_by_an_earlier_record(
    timings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is written once; twice the memory has regressed; an unknown lab is refused before a process starts."""
    sizes = iter((500.0, 1000.0))
    monkeypatch.setattr(memory, "measure_memory", lambda *_, **__: dataclasses.replace(RECORD, peak_mb=next(sizes)))
    path = tmp_path / "memory.json"
    assert timings("memory", "--out", path).status == 0
    twice = timings("memory", "--against", path)
    assert (twice.status, "1000 MB, 2.00 of the baseline's 500 MB" in twice.out) == (1, True)
    bad = timings("memory", "--lab", "nothing")
    assert (bad.status, bad.err.count("\n")) == (2, 1)


def test_memory_that_cannot_be_measured_is_no_error_of_ours(
    timings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data and the place of the record are tried before a process starts; a TensorFlow that is broken is 3."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise TypeError('Descriptors cannot be created')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken = timings("memory", "--data", "digits")
    assert (broken.status, broken.out, broken.err.count("\n")) == (3, "", 1)
    assert broken.err.endswith("TensorFlow and Keras cannot be imported: TypeError: Descriptors cannot be created\n")
    monkeypatch.setattr(memory, "Child", None)
    taken = timings("memory", "--data", "digits", "--out", tmp_path / "tensorflow" / "__init__.py")
    assert (taken.status, "exists already" in taken.err) == (2, True)
    assert timings("memory", "--data", "nowhere").status == 2


def test_the_manifest_is_read_from_a_collection(
    timings: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names are picked from pytest's lines; if there are none, nothing is written."""
    before = (folder / "manifest.json").read_text()
    for text, told in (("ERROR: nothing here\n::error::x\n", "no benchmark is named"), ("", "standard input is empty")):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        answer = timings("manifest", "--folder", folder)
        assert (answer.status, told in answer.err) == (2, True)
    monkeypatch.setattr("sys.stdin", None)  # closed
    with pytest.raises(ValueError, match="standard input cannot be read"):
        manifest(folder)
    assert (folder / "manifest.json").read_text() == before
    monkeypatch.setattr("sys.stdin", io.StringIO("b.py::test_a[mlp-cpu]\nb.py::test_a[mlp-gpu]\n\n2 tests collected\n"))
    assert timings("manifest", "--folder", folder).out.endswith("manifest.json: 2 benchmarks\n")
    assert json.loads((folder / "manifest.json").read_text())["gpu"] == ["b.py::test_a[mlp-gpu]"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("check", "nothing.json"), "nothing.json: No such file", id="no run"),
        pytest.param(("check", "RUN", "--against", "nowhere"), "nowhere: no such folder", id="no folder"),
        pytest.param(("check", "BAD", "--against", "FOLDER"), "bad.json: $.benchmarks[0].stats", id="corrupt run"),
        pytest.param(("check", "RUN", "--against", "BAD"), "bad.json: $.benchmarks[0].stats", id="corrupt baseline"),
        pytest.param(("accept", "BAD", "--why", "a test", "--folder", "FOLDER"), "bad.json: $", id="corrupt accepted"),
        pytest.param(("accept", "RUN", "--why", " ", "--folder", "FOLDER"), "needs a reason", id="no reason"),
        pytest.param(("accept", "RUN", "--folder", "FOLDER"), "--why", id="no why"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], words: str, timings: Callable[..., Any], save: Callable[..., Path], folder: Path
) -> None:
    """The line names the fault, the status is 2, and nothing is stored."""
    bad = save(*CALM, name="bad.json")
    edit_record(bad, "0.98", "-0.98")
    places = {"RUN": save(*CALM), "BAD": bad, "FOLDER": folder}
    answer = timings(*(places.get(word, word) for word in arguments))
    assert answer.status == 2
    assert answer.err.count("\n") == 1
    assert words in answer.err
    assert list(list_runs(folder)) == []


def test_a_run_forges_no_line(timings: Callable[..., Any], timing_run: dict[str, Any], tmp_path: Path) -> None:
    """What a terminal would obey in a stored run is shown as text, on the line it belongs to."""
    folder = tmp_path / "runs"
    (folder / "x").mkdir(parents=True)
    machine = {**timing_run["machine_info"]["mnist_bench"], "cpu": "a CPU\n::error::x\x1b[2J"}
    timing_run["machine_info"]["mnist_bench"] = vars(make_machine(machine))
    for timing in timing_run["benchmarks"]:
        timing["extra_info"]["hardware_key"] = make_machine(machine).hardware_key
    write_record(folder / "x" / "0001_a.json", timing_run)
    answer = timings("list", "--folder", folder)
    assert answer.status == 0
    assert answer.out.splitlines()[0].startswith("x/0001_a.json: a CPU ::error::x\ufffd[2J, 2 cores")
    assert len(answer.out.splitlines()) == 1


def test_a_history_needs_six_runs_and_finds_what_became_slower(
    timings: Callable[..., Any], save: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    """Too few runs end with 3, calm ones with 0, a slower level with 1, other machines with 2; the page is written."""
    pytest.importorskip("ruptures")

    def store(day: int, factor: float) -> Path:
        path = save(*(factor * (seconds + day / 1000) for seconds in CALM), name=f"{day}.json")
        content = json.loads(path.read_text()) | {"datetime": f"2026-01-{day:02}T00:00:00+00:00"}
        return write_record(path, content)

    key = ("--folder", folder, "--machine", "8fa4633540bce915")
    calm, slow = [store(day, 1.0) for day in range(1, 7)], [store(day, 1.5) for day in range(7, 10)]
    assert timings("history", *calm[:5], *key).status == 3
    passed = timings("history", *calm, *key)
    assert (passed.status, passed.out.splitlines()[-1]) == (0, "PASS: 2 PASS")
    page = tmp_path / "history.html"
    alarm = timings("history", *calm, *slow, *key, "--out", page)
    assert (alarm.status, page.exists()) == (1, True)
    assert "since 2026-01-07 00:00, in 3 of 9 runs" in alarm.out
    assert json.loads(timings("history", *calm, *slow, *key, "--json").out)["exit_status"] == 1
    (tmp_path / "none").mkdir()
    for arguments, words in (
        (("--folder", folder), "there are no runs"),
        ((calm[0], "--folder", folder, "--machine", "x"), "the runs are of 8fa4633540bce915: choose one by --machine"),
        ((calm[0], *key, "--tensorflow", "1.0"), "the runs are of 2.21.0"),
        ((tmp_path / "none.json", *key), "none.json"),
        ((*calm, tmp_path / "none", *key), "none: no stored runs"),
    ):
        bad = timings("history", *arguments)
        assert (bad.status, bad.err.count("\n"), words in bad.err) == (2, 1, True)


def test_versions_that_alternate_are_named(
    timings: Callable[..., Any], save: Callable[..., Path], folder: Path
) -> None:
    """A version that comes back makes a history of changes back and forth: the option that helps is named."""
    pytest.importorskip("ruptures")
    versions = ("2.20.0", "2.21.0", "2.20.0")
    runs = []
    for day, version in enumerate(versions, start=1):
        runs.append(save(1.0, 1.0 + day / 10, name=f"{day}.json", tensorflow=version))
        content = json.loads(runs[-1].read_text()) | {"datetime": f"2026-01-{day:02}T00:00:00+00:00"}
        write_record(runs[-1], content)
    told = timings("history", *runs, "--folder", folder, "--machine", "8fa4633540bce915")
    assert (told.status, "--tensorflow 2.20.0 shows the runs of one" in told.err) == (3, True)
