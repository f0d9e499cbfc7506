"""A stored run is checked when read: an impossible figure is refused in one line that names file and field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.checksums import write_record
from mnist_bench.records.strict import RecordError
from mnist_bench.timing.machine import make_machine
from mnist_bench.timing.records import convert_run, load_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


STEADY = "b.py::test_steady_epoch[mlp-graph-cpu]"


def store(run: dict[str, Any], folder: Path) -> Path:
    """Write a run as pytest-benchmark does, NaN included."""
    path = folder / "run.json"
    write_record(path, run)
    return path


def test_reads_what_pytest_benchmark_writes(timing_run: dict[str, Any], tmp_path: Path) -> None:
    """The fields of pytest-benchmark itself are ignored, and the added ones are read."""
    run = load_run(store({**timing_run, "version": "5.3.1"}, tmp_path))
    assert run == convert_run(timing_run, "memory")
    assert run.tensorflow == "2.21.0"
    assert run.machine.cpu == "A CPU"
    assert [timing.stats.median for timing in run.benchmarks] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        pytest.param(
            ("benchmarks", 0, "stats", "data", 1), -1.0, r"time: -1\.0 is outside 1e-12 to 1e\+09", id="negative"
        ),
        pytest.param(("benchmarks", 0, "stats", "data", 1), float("nan"), "not JSON", id="nan"),
        pytest.param(("benchmarks", 0, "stats", "data", 1), 1e999, "not JSON|finite", id="infinite"),
        pytest.param(("benchmarks", 0, "stats", "data", 1), "1", r"stats.data\[1\]: Expected `float`", id="text"),
        pytest.param(("benchmarks", 0, "stats", "median"), 0.5, "median is 0.5", id="edited median"),
        pytest.param(("benchmarks", 0, "stats", "rounds"), 4, "rounds is 4", id="edited rounds"),
        pytest.param(("benchmarks", 0, "group"), None, "group is None, not 'steady epoch'", id="no group"),
        pytest.param(
            ("benchmarks", 1, "group"), "steady epoch", "group is 'steady epoch', not 'eval", id="other group"
        ),
        pytest.param(("benchmarks", 0, "extra_info", "samples_per_second"), 1.1, "makes 1.1 samples", id="rate"),
        pytest.param(("benchmarks", 0, "extra_info", "cpu_seconds"), [0.0] * 3, "are all 0", id="no processor time"),
        pytest.param(("benchmarks", 0, "extra_info", "hardware_key"), "zzz", "hardware_key of|is 'zzz'", id="machine"),
        pytest.param(("datetime",), "never", "datetime: 'never' is no time", id="time"),
        pytest.param(("datetime",), "0001-01-01T00:00:00+02:00", "datetime: '0001.* is before 1970", id="year 1"),
        pytest.param(("datetime",), "2999-01-01T00:00:00", "datetime: '2999.* is in the future", id="to come"),
        pytest.param(
            ("machine_info", "system"), "Windows", "system is 'Windows', and 'Linux' in mnist", id="two systems"
        ),
        pytest.param(("benchmarks",), [], "the list is empty", id="empty"),
        pytest.param(("benchmarks", 0, "extra_info", "cpu_seconds"), [1.0], "1 figures for 3", id="short column"),
        pytest.param(("benchmarks", 0, "extra_info", "counts"), {"cycles": [1]}, "cycles has 1 figures", id="counts"),
        pytest.param(("benchmarks", 0, "extra_info", "counts"), {"cycles": [1, -1, 1]}, "cycles: -1", id="a count"),
        pytest.param(("benchmarks", 0, "extra_info", "cpu_seconds", 2), -1.0, r"-1\.0 is outside", id="negative cpu"),
        pytest.param(("benchmarks", 0, "extra_info", "controls"), {"python": [0.1, 0, 0.1]}, "python", id="control"),
        pytest.param(("benchmarks", 0, "extra_info", "peak_memory_mb"), -1, "peak_memory_mb -1.0 is", id="memory"),
        pytest.param(("benchmarks", 0, "extra_info", "keras"), "../x", "keras '../x' is not allowed", id="keras"),
        pytest.param(
            ("machine_info", "mnist_bench", "hardware_key"),
            "/x",
            "hardware_key is '/x', but '8fa4633540bce915' follows",
            id="key",
        ),
        pytest.param(("machine_info", "system"), "../../x", "system '../../x' is not allowed", id="system"),
        pytest.param(("machine_info", "python_version"), "3.11\n", "python_version '3.11", id="python"),
        pytest.param(("benchmarks", 0, "extra_info"), {}, "required field `lab`", id="no figures"),
        pytest.param(("benchmarks", 1, "extra_info", "tensorflow"), "2.15.1", "differ in tensorflow", id="versions"),
        pytest.param(("mnist_bench", "schema_version"), 2, "this version reads", id="another schema"),
        pytest.param(("mnist_bench", "kind"), "probe", "this version reads", id="another kind"),
        pytest.param(("machine_info",), {}, "machine_info: .* required field `mnist_bench`", id="no hardware"),
    ],
)
def test_impossible_values_are_refused(
    place: tuple[Any, ...], value: object, message: str, timing_run: dict[str, Any], tmp_path: Path
) -> None:
    """The message names the file and the fault."""
    *way, last = place
    target: Any = timing_run
    for step in way:
        target = target[step]
    target[last] = value
    with pytest.raises(RecordError, match=message) as error:
        load_run(store(timing_run, tmp_path))
    assert str(error.value).startswith(str(tmp_path / "run.json"))
    assert "\n" not in str(error.value)


def test_a_run_of_another_suite_is_refused(timing_run: dict[str, Any], tmp_path: Path) -> None:
    """Without the block `mnist_bench` the failed tests are not known."""
    del timing_run["mnist_bench"]
    with pytest.raises(RecordError, match="mnist_bench"):
        load_run(store(timing_run, tmp_path))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_edit_is_read_or_refused(
    data: st.DataObject, make_timing_run: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any value in place of any field gives a consistent run, or a RecordError in one line."""
    run = target = make_timing_run()
    while True:
        keys = sorted(target) if isinstance(target, dict) else range(len(target))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(target[key], (dict, list)) or not target[key] or data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = data.draw(JSON)
    try:
        read = load_run(store(run, tmp_path_factory.mktemp("run")))
    except RecordError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most edits are refused, but not all
    else:
        assert all(seconds > 0 for timing in read.benchmarks for seconds in timing.stats.data)


@settings(max_examples=30, deadline=None)
@given(text=st.binary(max_size=60))
def test_any_bytes_are_refused(text: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Bytes that are not JSON are refused."""
    path = tmp_path_factory.mktemp("run") / "run.json"
    path.write_bytes(text)
    with pytest.raises(RecordError):
        load_run(path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("extra_info", {"lab": "dropout"}, r"extra_info is of \[dropout-graph-cpu\]"),
        ("extra_info", {"engine": "fused"}, r"extra_info is of \[mlp-fused-cpu\]"),
        ("extra_info", {"device": "gpu"}, r"extra_info is of \[mlp-graph-gpu\]"),
        ("extra_info", {"lab": None}, "extra_info is of no lab"),
        ("params", {"lab": "dropout"}, "params.lab is 'dropout', and 'mlp' in extra_info"),
        ("params", {"engine": "fused"}, "params.engine is 'fused', and 'graph' in extra_info"),
    ],
    ids=["lab", "engine", "device", "no lab", "params lab", "params engine"],
)
def test_a_benchmark_is_the_one_in_its_name(
    timing_run: dict[str, Any], place: str, value: dict[str, Any], message: str
) -> None:
    """Name, parameters and information say the same lab, engine and device."""
    first = timing_run["benchmarks"][0]
    first[place] = first.get(place, {}) | value
    with pytest.raises(RecordError, match=message):
        convert_run(timing_run, "memory")


def test_a_run_names_its_data_once(timing_run: dict[str, Any]) -> None:
    """Two names of one digest are a contradiction."""
    timing_run["benchmarks"][0]["extra_info"]["dataset"] = "mnist"
    with pytest.raises(RecordError, match=r"benchmarks differ in dataset: \['digits', 'mnist'\]"):
        convert_run(timing_run, "memory")


def test_a_run_is_of_one_machine(timing_run: dict[str, Any]) -> None:
    """Two hardware keys of benchmarks on the CPU are two machines: both places are named."""
    timing_run["benchmarks"][1]["extra_info"]["hardware_key"] = "0" * 16
    message = r"hardware_key of benchmarks\[0\] is '8fa4633540bce915', of benchmarks\[1\] '0000000000000000'"
    with pytest.raises(RecordError, match=message):
        convert_run(timing_run, "memory")
    last = timing_run["benchmarks"][1]
    last["fullname"], last["extra_info"]["device"] = last["fullname"].replace("-cpu]", "-gpu]"), "gpu"
    with pytest.raises(RecordError, match="timed on a GPU, and machine_info has none"):
        convert_run(timing_run, "memory")
    machine = {**timing_run["machine_info"]["mnist_bench"], "device": "gpu", "gpu_names": ["A GPU"]}
    timing_run["machine_info"]["mnist_bench"] = vars(make_machine(machine))
    assert convert_run(timing_run, "memory").machine.gpu_names == ["A GPU"]


def test_a_benchmark_stands_once(timing_run: dict[str, Any]) -> None:
    """Which of two figures would be judged nobody knows."""
    timing_run["benchmarks"].append(timing_run["benchmarks"][0])
    with pytest.raises(RecordError, match="appears twice"):
        convert_run(timing_run, "memory")
