"""A record's file has a checksum of its content, and is refused where that does not match."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.checksums import DAMAGES, change_leaf, damage_record, find_leaves, write_record
from fixtures.sides import draw, make_probe, make_side
from mnist_bench.checks.baselines import AccuracyBaseline
from mnist_bench.checks.records import ProbeRecord
from mnist_bench.checks.selftest.records import SelftestRecord, SelftestTrainings
from mnist_bench.own.records import OwnProbe, OwnSide
from mnist_bench.records.checksum import compute_checksum, explain_checksum, seal
from mnist_bench.records.serial import dump_json, dump_record, load, load_handwritten, load_headless, save
from mnist_bench.records.strict import RecordError
from mnist_bench.records.training import TrainingRecord
from mnist_bench.timing.ab.calibration import CalibrationRecord
from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.timing.calibration import GateCalibration
from mnist_bench.timing.memory import MemoryRecord
from mnist_bench.timing.records import load_run
from mnist_bench.timing.store import Manifest
from mnist_bench.versions.folder import VersionHead
from mnist_bench.versions.records import Install, VersionRecord
from mnist_bench.versions.replay.records import ReplayRecord
from mnist_bench.versions.upgrade.times import TimesRecord

ROOT = Path(__file__).parents[2]
COMMITTED: dict[str, type[Any] | None] = {
    "baselines/accuracy/digits/mlp.json": AccuracyBaseline,
    "baselines/digests/mnist/mlp-epoch/db3e573abd745bcc.json": ProbeRecord,
    "baselines/timings/Linux-CPython-3.11-64bit/0004_68ae8c57c4355de1_tf2.21.0_keras3.15.1.json": None,
    "baselines/timings/calibration/395a9991b23123dd/mlp-epoch.json": CalibrationRecord,
    "baselines/timings/calibration/68ae8c57c4355de1/gate.json": GateCalibration,
    "baselines/timings/manifest.json": Manifest,
    "baselines/versions/py311-tf215.json": VersionRecord,
    "baselines/versions/pairs/py311-tf215.json": AbRecord,
    "docs/replay.json": ReplayRecord,
    "docs/selftest.json": SelftestRecord,
    "docs/selftest-trainings.json": SelftestTrainings,
}
MADE = {
    "training": TrainingRecord,
    "own side": OwnSide,
    "own probe": OwnProbe,
    "times": TimesRecord,
    "memory": MemoryRecord,
    "install": Install,
}


def read(path: Path, form: type[Any] | None) -> Any:
    """Read a record's file as its command does."""
    if form is None:
        return load_run(path)
    return load(path, form) if hasattr(form, "kind") else load_headless(path, form)


@pytest.fixture(scope="module")
def records(record: TrainingRecord) -> dict[str, Any]:
    """A record of each kind of which none is committed."""
    environment = record.environment
    return {
        "training": record,
        "own side": make_side(environment, "a", draw(2)),
        "own probe": make_probe(environment, "a"),
        "times": TimesRecord(a=environment, b=environment),
        "memory": MemoryRecord(
            **dict.fromkeys(("lab", "engine", "device", "hardware_key", "tensorflow", "keras"), "it"),
            dataset_digest="0" * 64,
            import_mb=400.0,
            peak_mb=500.0,
            epochs_mb=[450.0] * 20,
        ),
        "install": Install(seconds=None, bytes=1, packages={"numpy": "2.4.6"}),
    }


@pytest.fixture(scope="module", params=[*COMMITTED, *MADE])
def stored(
    request: pytest.FixtureRequest, records: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, type[Any] | None]:
    """A record's file of each kind, and its form."""
    name = request.param
    path = tmp_path_factory.mktemp("record") / Path(name).with_suffix(".json").name
    if name in COMMITTED:
        path.write_bytes((ROOT / name).read_bytes())
        return path, COMMITTED[name]
    save(records[name], path)
    return path, MADE[name]


def test_the_checksum_is_that_of_the_pages() -> None:
    """What docs/reliability.md says computes it, in five lines of Python."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {"path": ROOT / "baselines" / "versions" / "py311-tf215.json"}
    exec(code, names)  # noqa: S102 - our own page's
    assert names["checksum"] == json.loads(names["path"].read_text())["checksum"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"a": [1, 1.0, -0.0, 0, 1e22, 1e-7, 5e-324, 2**64, -(2**70)], "b": None, "é": "ü\n\u2028\U0001f600"},
        {"b": {"checksum": "inner"}, "a": float("nan")},
    ],
    ids=["empty", "values", "nan"],
)
def test_only_the_content_counts(content: dict[str, Any]) -> None:
    """Keys in any order, with any spaces and escapes, are the same content; the own checksum is no content."""
    sealed = seal(content)
    other = json.loads(json.dumps(dict(reversed(sealed.items())), indent=7, ensure_ascii=False))
    assert explain_checksum(other) == ""
    assert seal(seal(content)) == sealed or "nan" in str(content)
    plain = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    assert compute_checksum({**content, "checksum": "x"}) == hashlib.sha256(plain).hexdigest()


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0), (None, 0), ("1", 1), (False, 0), ([], {})])
def test_values_that_python_calls_equal_are_not(one: object, other: object) -> None:
    """A figure is what is written."""
    assert compute_checksum({"a": one}) != compute_checksum({"a": other})


def test_a_saved_record_has_its_checksum_and_no_other(record: TrainingRecord, tmp_path: Path) -> None:
    """A record from a file, saved again, has the checksum of what it is now; a record within a record has none."""
    save(record, tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert explain_checksum(content) == ""
    save(content | {"test_accuracy": 0.5}, tmp_path / "b.json")
    assert load(tmp_path / "b.json", TrainingRecord).test_accuracy == 0.5
    save(content, tmp_path / "c.json", folded=True)
    assert load(tmp_path / "c.json", TrainingRecord) == record
    content["environment"] = seal(content["environment"])
    write_record(tmp_path / "d.json", content)
    with pytest.raises(RecordError, match=r"d\.json: \$\.environment: Object contains unknown field `checksum`"):
        load(tmp_path / "d.json", TrainingRecord)


def test_a_record_of_each_kind_is_read(stored: tuple[Path, type[Any] | None]) -> None:
    """Also with another indentation, other line ends and another order of the keys."""
    path, form = stored
    expected = read(path, form)
    content = json.loads(path.read_text(encoding="utf-8"))
    other = path.with_name("other.json")
    for text in (
        json.dumps(content, separators=(",", ":")),
        json.dumps(dict(reversed(content.items())), indent=1),
        path.read_text(encoding="utf-8").replace("\n", "\r\n"),
        json.dumps(content, indent="\t", ensure_ascii=False),
    ):
        other.write_bytes(text.encode())
        assert read(other, form) == expected


@pytest.mark.parametrize("how", DAMAGES)
def test_a_record_of_each_kind_is_refused(stored: tuple[Path, type[Any] | None], how: str, tmp_path: Path) -> None:
    """Without a checksum, with one of a wrong form, and with one that is not of the content."""
    path = tmp_path / stored[0].name
    path.write_bytes(stored[0].read_bytes())
    damage_record(path, how)
    with pytest.raises(RecordError) as caught:
        read(path, stored[1])
    assert str(caught.value).startswith(f"{path}: {DAMAGES[how]}")
    assert len(str(caught.value).splitlines()) == 1


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_changed_value_is_refused(stored: tuple[Path, type[Any] | None], data: st.DataObject) -> None:
    """The smallest change of any value of any record."""
    content = json.loads(stored[0].read_text(encoding="utf-8"))
    change_leaf(content, data.draw(st.sampled_from(list(find_leaves(content)))))
    path = stored[0].with_name("changed.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RecordError, match="checksum does not match the content"):
        read(path, stored[1])


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_any_lost_field_is_refused(stored: tuple[Path, type[Any] | None], data: st.DataObject) -> None:
    """Half of a merge, or a truncation that somebody has closed."""
    content = json.loads(stored[0].read_text(encoding="utf-8"))
    name = data.draw(st.sampled_from(sorted({*content} - {"kind", "schema_version", "checksum"})))
    if data.draw(st.booleans()) or not content[name] or not isinstance(content[name], (list, dict)):
        del content[name]
    elif isinstance(content[name], list):
        content[name].pop()
    else:
        content[name].popitem()
    path = stored[0].with_name("lost.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RecordError, match="checksum does not match the content"):
        read(path, stored[1])


def test_the_head_of_a_version_is_held_against_all_of_it(tmp_path: Path) -> None:
    """What is shown of a thousand records is read in part, and still refused where the rest was changed."""
    content = json.loads((ROOT / "baselines" / "versions" / "py311-tf215.json").read_text())
    content["imports"] = [1.0]
    path = tmp_path / "py311-tf215.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="checksum does not match the content"):
        load_headless(path, VersionHead)


def test_a_file_of_another_program_is_told_what_it_lacks(tmp_path: Path) -> None:
    """Not that it has no checksum: it is no record at all."""
    path = tmp_path / "package.json"
    path.write_text('{"name": "x"}')
    with pytest.raises(RecordError, match=r"package\.json: \$: Object missing required field `schema_version`"):
        load(path, TrainingRecord)
    with pytest.raises(RecordError, match=r"package\.json: \$: Object missing required field `machine_info`"):
        load_run(path)


def test_no_depth_ends_in_a_traceback(tmp_path: Path) -> None:
    """Python reads a little deeper than it writes."""
    path = tmp_path / "deep.json"
    for depth in range(900, 1010):
        inner = "[" * depth + "]" * depth
        path.write_text(f'{{"checksum": "{"0" * 64}", "kind": "training", "schema_version": 1, "x": {inner}}}')
        with pytest.raises(
            RecordError, match=r"deep\.json: (checksum does not match|not JSON: .*recursion|\$: .* unknown field `x`)"
        ):
            load(path, TrainingRecord)


def test_what_people_write_has_none(tmp_path: Path) -> None:
    """The list of known regressions is read as it is."""
    path = tmp_path / "known.json"
    path.write_text('{"a": 1}')
    assert load_handwritten(path, dict[str, int]) == {"a": 1}


def test_the_text_of_a_record_is_that_of_its_file(record: TrainingRecord, tmp_path: Path) -> None:
    """What a command prints can be read where it is kept in a file; of what a process tells another, nothing can."""
    (tmp_path / "a.json").write_text(dump_record(record))
    assert load(tmp_path / "a.json", TrainingRecord) == record
    (tmp_path / "b.json").write_text(dump_json(record))
    with pytest.raises(RecordError, match="the record has no checksum"):
        load(tmp_path / "b.json", TrainingRecord)


def test_every_committed_record_has_its_checksum() -> None:
    """And is laid out as `save` lays it out."""
    paths = [
        *(ROOT / "baselines").rglob("*.json"),
        *(ROOT / "docs" / name for name in ("replay.json", "selftest.json")),
    ]
    for path in [*paths, ROOT / "docs" / "selftest-trainings.json"]:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        assert explain_checksum(content) == "", path
        assert text in (dump_record(content), dump_record(content, folded=True)), path
