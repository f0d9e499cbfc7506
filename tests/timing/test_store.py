"""Stored runs: the manifest, the choice of the baseline, and runs that cannot become a baseline."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import write_record
from mnist_bench.records.strict import RecordError
from mnist_bench.timing.machine import make_machine
from mnist_bench.timing.records import convert_run, load_run
from mnist_bench.timing.store import (
    accept_runs,
    expected_names,
    find_references,
    list_given_runs,
    list_runs,
    load_manifest,
    write_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(timing_run: dict[str, Any], tmp_path: Path) -> Path:
    """A folder with a manifest of the run's benchmarks."""
    folder = tmp_path / "timings"
    write_manifest([timing["fullname"] for timing in timing_run["benchmarks"]], folder)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a run to a new file or to a stored run."""

    def store(run: dict[str, Any], name: str = "run.json") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(path, run)
        return path

    return store


def test_the_manifest_lists_the_benchmarks_that_are_due(timing_run: dict[str, Any], tmp_path: Path) -> None:
    """The benchmarks of a GPU are due on a machine with a GPU."""
    write_manifest(["b.py::test_b[mlp-cpu]", "b.py::test_import", "b.py::test_b[mlp-gpu]"], tmp_path)
    manifest = load_manifest(tmp_path)
    machine = convert_run(timing_run, "memory").machine
    assert expected_names(manifest, machine) == ["b.py::test_b[mlp-cpu]", "b.py::test_import"]
    with_gpu = make_machine({**vars(machine), "gpu_names": ["A GPU"]})
    assert expected_names(manifest, with_gpu) == [*manifest.cpu, "b.py::test_b[mlp-gpu]"]


def test_a_missing_or_empty_manifest_is_refused(tmp_path: Path) -> None:
    """Without a manifest, or with an empty one, no benchmark could be missing."""
    with pytest.raises(RecordError, match=r"manifest\.json"):
        load_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"cpu": [], "gpu": [], "kind": "timing-manifest", "schema_version": 1}')
    with pytest.raises(RecordError, match="no benchmark is due"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("there", "names", "told"),
    [
        ('{"name": "my web app"}', ["b.py::test_a"], "missing required field"),
        ("text", ["b.py::test_a"], "not JSON"),
        ("", ["b.py::test_a"], "not JSON"),
        (None, ["::error::x", "no test", "b.py::te\x1bst"], "no benchmark is named, such as"),
        (None, ["b.py::test_a-gpu]"], "cpu: no benchmark is due"),
    ],
    ids=["foreign", "text", "empty", "no names", "gpu alone"],
)
def test_no_manifest_is_written(tmp_path: Path, there: str | None, names: list[str], told: str) -> None:
    """What has the manifest's name and is none is left alone; lines that name no test are left out."""
    path = tmp_path / "manifest.json"
    if there is not None:
        path.write_text(there)
    with pytest.raises(ValueError, match=re.escape(told)):
        write_manifest(names, tmp_path)
    assert (path.read_text() if path.exists() else None) == there


def test_a_manifest_that_leads_elsewhere_is_left_alone(tmp_path: Path) -> None:
    """A link that leads to nothing makes no file at its other end."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "manifest.json").symlink_to("../outside.json")
    with pytest.raises(RecordError, match=r"manifest\.json: No such file"):
        write_manifest(["b.py::test_a"], tmp_path / "runs")
    assert not (tmp_path / "outside.json").exists()


def test_accepted_runs_lie_where_pytest_benchmark_looks(
    folder: Path, timing_run: dict[str, Any], store: Callable[..., Path], make_timing_run: Callable[..., dict[str, Any]]
) -> None:
    """The files have the next numbers, the whole content and the acceptance; nothing is overwritten."""
    path = store({**timing_run, "version": "5.3.1"})
    again = store(make_timing_run(0.8, 1.1, 1.4), "again.json")
    first, second = accept_runs([path], folder, why="one"), accept_runs([path, again], folder, why="two")
    names = [path.name for path in (*first, *second)]
    assert names == [f"000{n}_8fa4633540bce915_tf2.21.0_keras3.15.1.json" for n in (1, 2, 3)]
    assert {path.parent.name for path in first} == {"Linux-CPython-3.11-64bit"}
    assert json.loads(first[0].read_text())["version"] == "5.3.1"
    acceptance = load_run(first[0]).mnist_bench.acceptance
    assert acceptance is not None
    assert (acceptance.why, acceptance.forced) == ("one", [])
    assert list(list_runs(folder)) == [*first, *second]


def test_the_ten_thousandth_run_is_a_run(folder: Path, timing_run: dict[str, Any], store: Callable[..., Path]) -> None:
    """Numbers of four digits are padded, not cut: what is accepted is listed, after all that were before."""
    (first,) = accept_runs([store(timing_run)], folder, why="one")
    last = first.with_name(first.name.replace("0001", "9999", 1))
    first.rename(last)
    (later,) = accept_runs([store(timing_run, "again.json")], folder, why="two")
    assert later.name.startswith("10000_")
    assert list(list_runs(folder)) == [last, later]


def test_runs_are_given_as_files_or_folders(
    folder: Path, timing_run: dict[str, Any], store: Callable[..., Path]
) -> None:
    """The folder of all machines and that of one are read alike; a folder without a stored run is no evidence."""
    path = store(timing_run)
    (accepted,) = accept_runs([path], folder, why="one")
    assert [list_given_runs(place) for place in (path, folder, accepted.parent)] == [[path], [accepted], [accepted]]
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: no stored runs \(NNNN_NAME.json\), here or in the folder of a machi"):
        list_given_runs(folder / "empty")


def fail(run: dict[str, Any]) -> None:
    """Mark a test of the run as failed."""
    run["mnist_bench"]["failed"] = ["b.py::test_it"]


def lose(run: dict[str, Any]) -> None:
    """Remove a benchmark."""
    run["benchmarks"].pop()


def strip(run: dict[str, Any]) -> None:
    """Remove the rounds of a benchmark."""
    run["benchmarks"][0]["stats"]["data"] = []


def hurry(run: dict[str, Any]) -> None:
    """Leave two rounds of a benchmark."""
    benchmark = run["benchmarks"][1]
    benchmark["stats"] = {"min": 1.0, "max": 3.0, "median": 2.0, "rounds": 2, "data": [1.0, 3.0]}
    info = benchmark["extra_info"]
    info["cpu_seconds"] = [1.0, 3.0]
    info["controls"] = {name: [0.5, 0.5] for name in info["controls"]}


def dirty(run: dict[str, Any]) -> None:
    """Mark the working tree as changed."""
    run["commit_info"]["dirty"] = True


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (fail, "1 tests of the run failed, the first b.py::test_it"),
        (lose, "1 benchmarks of the manifest are missing"),
        (strip, "saved without the rounds"),
        (hurry, r"test_evaluation\[mlp-graph-cpu\] has 2 rounds: at least 3 are needed"),
        (dirty, "working tree was dirty"),
        (
            lambda run: run["commit_info"].update(id="unknown", error="dubious ownership"),
            "git does not say whether the working tree was clean",
        ),
    ],
)
def test_a_run_that_cannot_be_a_baseline_is_refused(
    spoil: Callable[[dict[str, Any]], None],
    message: str,
    folder: Path,
    timing_run: dict[str, Any],
    store: Callable[..., Path],
) -> None:
    """Nothing is stored."""
    spoil(timing_run)
    with pytest.raises(ValueError, match=message):
        accept_runs([store(timing_run)], folder, why="a test")
    assert list(list_runs(folder)) == []


def test_a_dirty_tree_can_be_forced_and_a_failure_cannot(
    folder: Path, timing_run: dict[str, Any], store: Callable[..., Path]
) -> None:
    """The file names the rule that was broken by force."""
    dirty(timing_run)
    (path,) = accept_runs([store(timing_run)], folder, why="a test", force=True)
    acceptance = load_run(path).mnist_bench.acceptance
    assert acceptance is not None
    assert acceptance.forced == ["the working tree was dirty"]
    fail(timing_run)
    with pytest.raises(ValueError, match="tests of the run failed"):
        accept_runs([store(timing_run)], folder, why="a test", force=True)


def test_a_run_is_no_second_run(folder: Path, timing_run: dict[str, Any], store: Callable[..., Path]) -> None:
    """Several runs show how processes differ, and one run given twice shows nothing."""
    path = store(timing_run)
    with pytest.raises(ValueError, match="the same run was given twice"):
        accept_runs([path, path], folder, why="a test")


@pytest.mark.parametrize(
    ("other", "message"),
    [({"tensorflow": "2.15.1"}, "differ in their tensorflow"), ({"cpu": "CPU f"}, "hardware key")],
)
def test_runs_of_one_baseline_belong_together(
    other: dict[str, Any], message: str, folder: Path, make_timing_run: Any, store: Callable[..., Path]
) -> None:
    """Runs of two versions or two machines cannot be one baseline."""
    paths = [store(make_timing_run(), "a.json"), store(make_timing_run(**other), "b.json")]
    with pytest.raises(ValueError, match=message):
        accept_runs(paths, folder, why="a test")


def test_the_nearest_run_is_the_baseline(folder: Path, make_timing_run: Any, store: Callable[..., Path]) -> None:
    """The same hardware comes first, then the same TensorFlow, then the newest, then the last acceptance as a whole."""
    place = "timings/Linux-CPython-3.11-64bit"
    here, elsewhere = {"cpu": "CPU a"}, {"cpu": "CPU b"}
    stored = [
        make_timing_run(1.0, 1.0, **elsewhere, when="2026-01-09T00:00:00+00:00"),
        make_timing_run(2.0, 2.0, **here, tensorflow="2.9.0", when="2026-01-08T00:00:00+00:00"),
        make_timing_run(3.0, 3.0, **here, tensorflow="2.15.1", when="2026-01-02T00:00:00+00:00"),
        make_timing_run(4.0, 4.0, **here, when="2026-01-03T00:00:00+00:00"),
        make_timing_run(5.0, 5.0, **here, when="2026-01-04T00:00:00+00:00"),
        make_timing_run(6.0, 6.0, **here, when="2026-01-04T00:00:00+00:00"),
        make_timing_run(7.0, 7.0, **here),
    ]
    for number, run in enumerate(stored, start=1):
        store(run, f"{place}/000{number}_it.json")

    def find(**options: Any) -> list[float]:
        found = find_references(folder, convert_run(make_timing_run(**options), "memory"))
        return [run.benchmarks[0].stats.median for run in found]

    assert find(**here) == [5.0, 6.0]
    assert find(**here, tensorflow="2.15.1") == [3.0]
    assert find(**here, tensorflow="2.12.0") == [5.0, 6.0]
    assert find(**elsewhere, tensorflow="2.15.1") == [1.0]
    assert find(cpu="CPU c", tensorflow="2.15.1") == [3.0]


def test_a_corrupt_stored_run_is_named(folder: Path, timing_run: dict[str, Any], store: Callable[..., Path]) -> None:
    """A corrupt run is an error, and is not skipped."""
    place = folder / "Linux-CPython-3.11-64bit"
    place.mkdir()
    (place / "0001_it.json").write_text("{")
    with pytest.raises(RecordError, match=r"0001_it\.json: not JSON"):
        find_references(folder, convert_run(timing_run, "memory"))
    accept_runs([store(timing_run)], folder, why="a test")
    assert (place / "0001_it.json").read_text() == "{"


def test_a_gpus_benchmarks_may_be_stored_alone(
    tmp_path: Path, store: Callable[..., Path], make_timing_run: Callable[..., dict[str, Any]]
) -> None:
    """On a machine with a GPU its benchmarks suffice, and all of them are needed; without a GPU the CPU's are due."""
    run, alone = make_timing_run(gpu="A GPU"), make_timing_run()
    names = [timing["fullname"] for timing in run["benchmarks"]]
    write_manifest([*names, "b.py::test_it[mlp-graph-cpu]"], tmp_path)
    with pytest.raises(ValueError, match="1 benchmarks of the manifest are missing"):
        accept_runs([store(alone)], tmp_path, why="no GPU is there")
    assert len(accept_runs([store(run)], tmp_path, why="the GPU's")) == 1
    write_manifest([*names, "b.py::test_it[mlp-graph-cpu]", "b.py::test_new[mlp-graph-gpu]"], tmp_path)
    with pytest.raises(ValueError, match=r"the first b\.py::test_new"):
        accept_runs([store(run)], tmp_path, why="one is missing")
