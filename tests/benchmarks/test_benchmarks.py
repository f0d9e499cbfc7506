"""The suite in benchmarks/: what it collects, notes, refuses and shows. Nothing is trained here."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cpuinfo
import pytest

# The last is here for the inner sessions: NumPy and SciPy cannot be imported twice in a process.
from fixtures.checksums import DAMAGES, damage_record, write_record
from mnist_bench.checks import baselines
from mnist_bench.records.checksum import explain_checksum
from mnist_bench.stats import intervals  # noqa: F401 - as said
from mnist_bench.timing import counts
from mnist_bench.timing.machine import collect_hardware, make_machine
from mnist_bench.timing.records import load_run
from mnist_bench.timing.store import load_manifest, write_manifest
from mnist_bench.training.fingerprint import find_package_version

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["pytester"]

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

# In place of TensorFlow and MNIST: the fixtures that would need them.
OVERRIDES = """
from types import SimpleNamespace

@pytest.fixture(scope="session")
def mnist_dataset():
    return SimpleNamespace(name="digits", digest="0" * 64)

@pytest.fixture(scope="session")
def controls():
    return {"python": lambda: sum(range(100))}

def describe(case):
    return {
        "lab": None, "engine": None, "device": "cpu", "tensorflow": "2.21.0", "keras": "3.15.1",
        "numerics_key": "0" * 16, "hardware_key": collect_hardware().hardware_key,
    }
"""
SUITE = """
import pytest
from mnist_bench.timing.clock import ROUND_CLOCK, Times

CALLS = []

@pytest.mark.benchmark(timer=ROUND_CLOCK.read_rounds)
@pytest.mark.parametrize("name", ["a", "b"])
def test_it(name, measure):
    CALLS.append(name)
    measure(lambda: ROUND_CLOCK.note(Times({seconds}, 1.0)), rounds=3, warmups=1, samples=10, flops=2e9)
    assert name not in {failing!r}
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """A function that runs a suite of two benchmarks with the conftest of benchmarks/; both benchmarks are due."""
    pytester.makeconftest((BENCHMARKS / "conftest.py").read_text() + OVERRIDES)
    storage = pytester.mkdir("timings")
    write_manifest(["test_suite.py::test_it[a]", "test_suite.py::test_it[b]"], storage)
    # The inner sessions are none of an outer one's workers, in which pytest-benchmark disables itself.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    # It takes a second, and starts processes.
    monkeypatch.setattr(cpuinfo, "get_cpu_info", dict)
    monkeypatch.setattr(baselines, "find_folder", lambda: pytester.path)

    def run(*options: str, seconds: str = "2.0", failing: str = "") -> pytest.RunResult:
        pytester.makepyfile(test_suite=SUITE.format(seconds=seconds, failing=failing))
        # -p no:cacheprovider and the storage, because the checkout's configuration is not read here.
        fixed = ("-p", "no:cacheprovider", f"--benchmark-storage=file://{storage}", "-q")
        return pytester.runpytest_inprocess(*fixed, *options)

    return run


def list_stored(pytester: pytest.Pytester) -> list[Path]:
    """Return the runs that were saved."""
    return sorted((pytester.path / "timings").rglob("0*.json"))


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The benchmarks that are collected, by a process that has imported nothing heavy by then."""
    code = (
        "import sys, pytest; status = pytest.main(['benchmarks', '--collect-only', '-q', '-p', 'no:cacheprovider'])\n"
        "heavy = {'tensorflow', 'keras', 'scipy', 'sklearn', 'contenders', 'contest', 'teams'} & set(sys.modules)\n"
        "print(*heavy, file=sys.stderr, end=''); sys.exit(status)"
    )
    command = [sys.executable, "-c", code]
    # It is none of an outer session's workers, in which pytest-benchmark disables itself.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=BENCHMARKS.parent, env=environment
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    return {line for line in answer.stdout.splitlines() if "::" in line}


def test_collection_is_whole_and_light(collected: set[str]) -> None:
    """Four benchmarks of every lab, engine and device, the import and the harness; no TensorFlow, no peers."""
    assert len(collected) == 4 * 3 * 3 * 2 + 2
    assert "benchmarks/test_epoch.py::test_steady_epoch[mlp-graph-cpu]" in collected


def test_the_manifest_is_what_is_collected(collected: set[str]) -> None:
    """A benchmark that is new, renamed or gone is seen here before a run is judged."""
    manifest = load_manifest(BENCHMARKS.parent / "baselines" / "timings")
    assert {*manifest.cpu, *manifest.gpu} == collected
    assert len(manifest.gpu) == 4 * 3 * 3


def test_a_saved_run_holds_the_figures(suite: Callable[..., Any], pytester: pytest.Pytester) -> None:
    """Rounds, CPU seconds, controls and rates of the rounds alone, without the warm-up; and no failure."""
    assert suite("--benchmark-json", "run.json").ret == 0
    run = load_run(pytester.path / "run.json")
    assert run.machine == collect_hardware()
    assert (run.mnist_bench.failed, run.mnist_bench.acceptance) == ([], None)
    first = run.benchmarks[0]
    assert first.stats.data == pytest.approx([2.0, 2.0, 2.0])
    figures = first.extra_info
    assert figures.cpu_seconds == [1.0, 1.0, 1.0]
    assert [len(seconds) for seconds in figures.controls.values()] == [3]
    assert figures.samples_per_second == pytest.approx(5)
    assert figures.gflop_per_second == pytest.approx(1)


def test_a_failed_run_is_not_saved(suite: Callable[..., Any], pytester: pytest.Pytester) -> None:
    """No option saves a failed run; --benchmark-json, which is no baseline, says what failed."""
    for option in (("--benchmark-save", "it"), ("--benchmark-autosave",)):
        result = suite(*option, "--benchmark-json", "run.json", failing="b")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["*NOT SAVED: a run in which a test failed cannot be a baseline*"])
    assert list_stored(pytester) == []
    assert load_run(pytester.path / "run.json").mnist_bench.failed == ["test_suite.py::test_it[b]"]
    assert suite("--benchmark-save", "it").ret == 0
    assert len(list_stored(pytester)) == 1


def test_a_compared_run_is_judged(suite: Callable[..., Any]) -> None:
    """A run is judged by both criteria against the run compared with; a regression fails the session."""
    suite("--benchmark-save", "it", "--benchmark-save-data")
    same = suite("--benchmark-compare")
    assert same.ret == 0
    same.stdout.fnmatch_lines(
        ["*mnist-bench timings*", "PASS*timing/it[[]a]*1.00 of the baseline's time*", "PASS: 2 PASS"]
    )
    slower = suite("--benchmark-compare", seconds="3.0 + len(CALLS) / 1000")
    assert slower.ret == pytest.ExitCode.TESTS_FAILED
    slower.stdout.fnmatch_lines(["REGRESSED*timing/it[[]a]*1.50*(≤ 1.25)*", "REGRESSED: 2 REGRESSED"])


def test_counts_are_stored_or_refused_once(
    suite: Callable[..., Any], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round has its counts, without the warm-ups; where nothing can be counted, one line says why."""
    places = iter(range(100))
    monkeypatch.setattr(counts.CountsMeter, "__init__", lambda meter: setattr(meter, "reason", ""))
    monkeypatch.setattr(counts.CountsMeter, "start", lambda _: None)
    monkeypatch.setattr(counts.CountsMeter, "stop", lambda _: {"instructions": next(places)})
    assert "not counted" not in suite("--benchmark-json", "run.json").stdout.str()
    run = load_run(pytester.path / "run.json")
    assert [timing.extra_info.counts for timing in run.benchmarks] == [
        {"instructions": [1, 2, 3]},
        {"instructions": [5, 6, 7]},
    ]
    monkeypatch.setattr(counts.CountsMeter, "__init__", lambda meter: setattr(meter, "reason", "no counters here"))
    monkeypatch.setattr(counts.CountsMeter, "stop", lambda _: {})
    told = suite("--benchmark-json", "again.json").stdout.str()
    assert told.count("instructions and cycles were not counted: no counters here") == 1
    assert load_run(pytester.path / "again.json").benchmarks[0].extra_info.counts == {}


def test_a_bare_compare_takes_the_run_of_this_tensorflow(suite: Callable[..., Any], pytester: pytest.Pytester) -> None:
    """The newest run of this TensorFlow is taken; the newest of all where none is stored."""
    for tensorflow in (find_package_version("tensorflow"), "1.15.0"):
        suite("--benchmark-save", f"{collect_hardware().hardware_key}_tf{tensorflow}_keras3", "--benchmark-save-data")
    ours, foreign = list_stored(pytester)
    suite("--benchmark-compare").stderr.fnmatch_lines([f"Comparing against benchmarks from: *{ours.name}"])
    ours.unlink()
    suite("--benchmark-compare").stderr.fnmatch_lines([f"Comparing against benchmarks from: *{foreign.name}"])


def test_what_is_in_doubt_is_measured_again(suite: Callable[..., Any], pytester: pytest.Pytester) -> None:
    """Doubtful benchmarks run again, alone, at the end; the faster run is saved; a lasting doubt fails nothing."""
    suite("--benchmark-save", "it", "--benchmark-save-data")
    spell = suite(
        "--benchmark-compare", "--benchmark-json", "run.json", seconds="3.0 if name == 'b' and len(CALLS) <= 2 else 2.0"
    )
    assert spell.ret == 0
    spell.assert_outcomes(passed=3)
    spell.stdout.fnmatch_lines(["PASS*timing/it[[]b]*1.00*(≤ 1.25)*", "PASS: 2 PASS"])
    saved = load_run(pytester.path / "run.json")
    assert [timing.stats.median for timing in saved.benchmarks] == [2.0, 2.0]
    noise = suite("--benchmark-compare", seconds="1.0 + len(ROUND_CLOCK.times) % 3")
    assert noise.ret == 0
    noise.assert_outcomes(passed=4)
    noise.stdout.fnmatch_lines(["INCONCLUSIVE: 2 INCONCLUSIVE"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(("--benchmark-disable",), "benchmarks are disabled", id="disabled"),
        pytest.param(("--benchmark-skip",), "no benchmark ran", id="skipped"),
        pytest.param(("-n", "1"), "benchmarks are disabled", id="xdist"),
    ],
)
def test_what_the_native_gate_passes_in_silence_fails(
    options: tuple[str, ...], words: str, suite: Callable[..., Any]
) -> None:
    """A comparison in which a due benchmark was not measured fails the session."""
    suite("--benchmark-save", "it", "--benchmark-save-data")
    result = suite("--benchmark-compare", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"MISSING*timing/it[[]b]*{words}*"])


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("-k", "it[a]"), id="by word"),
        pytest.param(("--deselect", "test_suite.py::test_it[b]"), id="deselected"),
        pytest.param(("test_suite.py::test_it[a]",), id="by name"),
    ],
)
def test_a_part_of_the_suite_is_judged_alone(options: tuple[str, ...], suite: Callable[..., Any]) -> None:
    """What was asked for is judged; one line says that the rest was not."""
    suite("--benchmark-save", "it", "--benchmark-save-data")
    result = suite("--benchmark-compare=0001", *options)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["PASS: 1 PASS", "1 other benchmarks of the manifest were not asked for*"])
    assert "MISSING" not in result.stdout.str()


def test_what_was_renamed_is_missing_from_a_part(suite: Callable[..., Any], pytester: pytest.Pytester) -> None:
    """A benchmark that is due and was not collected is missing, whatever was deselected."""
    suite("--benchmark-save", "it", "--benchmark-save-data")
    write_manifest([f"test_suite.py::test_{name}" for name in ("it[a]", "it[b]", "old[a]")], pytester.path / "timings")
    result = suite("--benchmark-compare=0001", "-k", "a")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["MISSING*timing/old[[]a]*"])


def test_nothing_to_compare_with_fails(suite: Callable[..., Any]) -> None:
    """Where pytest-benchmark only warns that it has no stored run, the session fails."""
    result = suite("--benchmark-compare", "-W", "ignore")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["NO_BASELINE: 2 NO_BASELINE"])


@pytest.mark.parametrize("known", [True, False], ids=["other hardware", "no hardware"])
def test_other_hardware_is_refused(known: bool, suite: Callable[..., Any], pytester: pytest.Pytester) -> None:  # noqa: FBT001
    """A run of other or unknown hardware is refused by name, before a test runs."""
    suite("--benchmark-save", "it")
    (path,) = list_stored(pytester)
    run = json.loads(path.read_text())
    if known:
        machine = run["machine_info"]["mnist_bench"] | {"cpu": "Another"}
        run["machine_info"]["mnist_bench"] = dataclasses.asdict(make_machine(machine))
    else:
        del run["machine_info"]["mnist_bench"]
    write_record(path, run)
    result = suite("--benchmark-compare")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    words = "other hardware: cpu 'Another' there, * here" if known else "does not say on which hardware"
    result.stderr.fnmatch_lines([f"*ERROR: --benchmark-compare: the stored run *{words}*"])


def test_a_corrupt_stored_run_ends_in_one_line(suite: Callable[..., Any], pytester: pytest.Pytester) -> None:
    """A figure that was edited is named, and the status is that of bad input."""
    suite("--benchmark-save", "it", "--benchmark-save-data")
    (path,) = list_stored(pytester)
    run = json.loads(path.read_text())
    run["benchmarks"][0]["stats"]["median"] = 1.0
    write_record(path, run)
    result = suite("--benchmark-compare")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines([f"ERROR: {path}: $.benchmarks[[]0].stats: median is 1.0, but the median of data is *"])


@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_changed_stored_run_ends_in_one_line(suite: Callable[..., Any], pytester: pytest.Pytester, how: str) -> None:
    """pytest-benchmark saves a run with its checksum, in both of its ways, and a changed run is no baseline."""
    suite("--benchmark-save", "it", "--benchmark-save-data", "--benchmark-json", "run.json")
    (path,) = list_stored(pytester)
    for saved in (path, pytester.path / "run.json"):
        content = json.loads(saved.read_text())
        assert explain_checksum(content) == ""
        assert list(content)[-1] == "checksum"
    damage_record(path, how)
    result = suite("--benchmark-compare")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines([f"ERROR: {path}: {DAMAGES[how]}*"])
