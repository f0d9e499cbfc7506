"""Any file is read as a valid record, or one line says which field of which file is wrong."""

from __future__ import annotations

import codecs
import copy
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixtures.checksums import read_content, write_record
from mnist_bench.checks.baselines import AccuracyBaseline, Reference
from mnist_bench.checks.records import ProbeRecord, Stage
from mnist_bench.records import serial
from mnist_bench.records.acceptance import Acceptance
from mnist_bench.records.serial import (
    convert,
    decode,
    decode_json,
    dump_folded,
    dump_json,
    list_json,
    load,
    load_handwritten,
    load_headless,
    save,
)
from mnist_bench.records.strict import RecordError
from mnist_bench.records.training import TrainingRecord
from mnist_bench.timing.ab.records import AbRecord
from mnist_bench.versions.records import VersionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: dict[str, type[Any]] = {
    "training": TrainingRecord,
    "probe": ProbeRecord,
    "accuracy-baseline": AccuracyBaseline,
    "version": VersionRecord,
    "ab": AbRecord,
}
COMMITTED = Path(__file__).parents[2] / "baselines" / "versions"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def records(record: TrainingRecord) -> dict[str, Any]:
    """A valid record of each kind."""
    acceptance = Acceptance(who="a@b", when="2026-01-01T00:00:00+00:00", why="a test", forced=[])
    reference = Reference(
        engine="epoch",
        epochs=2,
        seeds=[1, 2],
        test_accuracy=[0.5, 0.75],
        test_loss=[1.5, 1.25],
        environment=record.environment,
        acceptance=acceptance,
    )
    return {
        "training": record,
        "probe": ProbeRecord(
            config=record.config,
            environment=record.environment,
            dataset=record.dataset,
            stages=[Stage(name="forward", digest="0" * 64, values=[0.5, -1.0])],
            acceptance=acceptance,
        ),
        "accuracy-baseline": AccuracyBaseline(
            lab="mlp", dataset="mnist", dataset_digest="0" * 64, references=[reference, reference]
        ),
        "version": load(COMMITTED / "py311-tf215.json", VersionRecord),
        "ab": load(COMMITTED / "pairs" / "py311-tf215.json", AbRecord),
    }


def find_places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of all values in a tree of dicts and lists."""
    if place:
        yield place
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from find_places(inner, (*place, key))


def find_fault(text: str | bytes, kind: str) -> str:
    """Return the fault in a record's text; "" where the text is read, and written again as it was."""
    try:
        got = decode(text, KINDS[kind], origin="a.json")
    except RecordError as error:
        return str(error)
    assert type(got) is KINDS[kind]
    assert decode(dump_json(got), KINDS[kind], origin="again") == got
    return ""


def check_fault(fault: str) -> None:
    """Check that a fault, if there is one, is one line that names its origin."""
    assert not fault or fault.startswith("a.json: ")
    assert len(fault.splitlines()) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_record_has_no_fault(kind: str, records: dict[str, Any]) -> None:
    """The records that the tests below damage are valid."""
    assert find_fault(dump_json(records[kind]), kind) == ""


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_value_at_any_place_is_read_or_named(kind: str, records: dict[str, Any], data: st.DataObject) -> None:
    """A record edited by hand, in one field, is valid or has its fault named."""
    tree = json.loads(dump_json(records[kind]))
    *folders, name = data.draw(st.sampled_from(list(find_places(tree))))
    inner = copy.deepcopy(tree)
    root = inner
    for folder in folders:
        inner = inner[folder]
    if data.draw(st.booleans()):
        inner[name] = data.draw(json_values)
    else:
        del inner[name]
    check_fault(find_fault(json.dumps(root), kind))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_to_the_bytes_is_read_or_named(kind: str, records: dict[str, Any], data: st.DataObject) -> None:
    """A file cut off, cut up or overwritten somewhere is valid or has its fault named."""
    text = dump_json(records[kind]).encode()
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    check_fault(find_fault(text[:start] + data.draw(st.binary(max_size=4)) + text[stop:], kind))


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.binary() | json_values.map(json.dumps))
@example(text='{"schema_version": 1, "kind": "\\ud800"}')
@example(text=b"[" * 100_000)
@settings(max_examples=40, deadline=None)
def test_anything_else_is_named(kind: str, text: str | bytes) -> None:
    """A text that never was a record is refused."""
    fault = find_fault(text, kind)
    assert fault
    check_fault(fault)


@pytest.mark.parametrize("name", ["two\nlines", "a \x1b[31mred\x1b[0m one", "next\x85line\u2028end", "x - at y"])
def test_a_field_of_any_name_keeps_to_its_line(name: str, records: dict[str, Any]) -> None:
    """The message quotes a field's name from the file, but not what would break or colour the line."""
    fields = json.loads(dump_json(records["training"]))
    fields["config"][name] = 1
    fault = find_fault(json.dumps(fields), "training")
    assert fault.startswith("a.json: $.config: Object contains unknown field `")
    assert fault.isprintable()


def test_the_schema_is_looked_at_first(records: dict[str, Any]) -> None:
    """A record of another schema version is refused for that, not for its additional fields."""
    fields = json.loads(dump_json(records["training"])) | {"schema_version": 2, "news": 1}
    assert find_fault(json.dumps(fields), "training") == "a.json: schema_version is 2, this version reads 1"


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_several_kinds(kind: str, records: dict[str, Any], tmp_path: Path) -> None:
    """The field `kind` decides which form is read; another kind is refused with the allowed ones."""
    path = tmp_path / "it.json"
    write_record(path, records[kind])
    assert load(path, *KINDS.values()) == records[kind]
    forms = {name: form for name, form in KINDS.items() if name != kind}
    expected = " or ".join(map(repr, forms))
    with pytest.raises(RecordError, match=re.escape(f"{path}: kind is {kind!r}, expected {expected}")):
        load(path, *forms.values())


def test_json_that_is_no_record(tmp_path: Path) -> None:
    """Any type can be read from a file, and its faults are named as a record's are."""
    path = tmp_path / "it.json"
    path.write_text('{"a": [1, 2]}')
    assert load_handwritten(path, dict[str, list[int]]) == {"a": [1, 2]}
    with pytest.raises(RecordError, match=re.escape(f"{path}: $[...][0]: Expected `str`, got `int`")):
        load_handwritten(path, dict[str, list[str]])
    with pytest.raises(RecordError, match=re.escape(f"{tmp_path}: Is a directory")):
        load_handwritten(tmp_path, list[int])


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A part of a record."""

    size: float


@dataclass(frozen=True, kw_only=True)
class Outer:
    """A record with every way to hold a part."""

    one: Inner
    some: list[Inner]
    named: dict[str, Inner | None]
    pair: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Open:
    """A part of what another program writes."""

    HAS_FURTHER_FIELDS: ClassVar[bool] = True

    part: Inner


@pytest.mark.parametrize("place", ["one", "some", "named", None])
def test_unknown_fields_are_refused_at_every_depth(place: str | None) -> None:
    """A field that a part does not have is named with its place."""
    value: dict[str, Any] = {"one": {"size": 1}, "some": [{"size": 2}], "named": {"a": {"size": 3}, "b": None}}
    assert convert(value, Outer, origin="x") == Outer(
        one=Inner(size=1.0), some=[Inner(size=2.0)], named={"a": Inner(size=3.0), "b": None}
    )
    parts = {None: value, "one": value["one"], "some": value["some"][0], "named": value["named"]["a"]}
    parts[place]["more"] = 1
    with pytest.raises(RecordError, match=r"^x: .*Object contains unknown field `more`"):
        decode_json(json.dumps(value), Outer, origin="x")


def test_fields_of_another_program_are_skipped() -> None:
    """Unknown fields are skipped where the record says so, and refused in its parts all the same."""
    assert convert({"part": {"size": 1}, "more": 2}, Open, origin="x") == Open(part=Inner(size=1.0))
    with pytest.raises(RecordError, match="unknown field `more`"):
        convert({"part": {"size": 1, "more": 2}}, Open, origin="x")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_record_is_saved_whole(tmp_path: Path, overwrite: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    """A saved record is read back equal; an existing file is replaced only on request."""
    path = tmp_path / "new" / "record.json"
    save(Inner(size=0.5), path, overwrite=overwrite)
    assert load_headless(path, Inner) == Inner(size=0.5)
    if overwrite:
        save(Inner(size=1.5), path, overwrite=True)
        assert load_headless(path, Inner) == Inner(size=1.5)
    else:
        with pytest.raises(FileExistsError):
            save(Inner(size=1.5), path)


def test_figures_and_digests_stand_on_one_line() -> None:
    """Nothing else does: words, and arrays of arrays, are laid out as ever; what is read is the same."""
    value = {"digests": ["0a1b", "2c3d"], "figures": [1, -2.5, None], "rows": [[1, 2], [3, 4]], "words": ["a b", "c"]}
    text = dump_folded(value)
    assert json.loads(text) == value
    for part in (
        '"digests": ["0a1b", "2c3d"],',
        '"figures": [1, -2.5, null],',
        '"rows": [\n    [1, 2],',
        '[\n    "a b",',
    ):
        assert part in text


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "link"])
def test_a_device_or_a_pipe_is_no_record(tmp_path: Path, name: str) -> None:
    """Neither is read, for the reading might never end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(RecordError, match=f"{name}: a record is a regular file, not a device or a pipe"):
        load(tmp_path / name, TrainingRecord)


def test_a_huge_file_is_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the size and the limit."""
    monkeypatch.setattr(serial, "_MOST_BYTES", 1000)
    (tmp_path / "huge.json").write_bytes(b" " * 1001)
    with pytest.raises(RecordError, match=r"huge\.json: 1,001 bytes are too many for a record: at most 1,000"):
        load(tmp_path / "huge.json", TrainingRecord)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (codecs.BOM_UTF8 + b"{}", "UTF-8 with a byte order mark"),
        ("{}".encode("utf-16"), "UTF-16"),
        ("{}".encode("utf-16-le"), "UTF-16"),
        ("{}".encode("utf-32"), "UTF-32"),
    ],
    ids=["utf-8-sig", "utf-16", "utf-16-le", "utf-32"],
)
def test_another_encoding_is_named(tmp_path: Path, content: bytes, name: str) -> None:
    """A file that PowerShell or an editor has saved is told what it is."""
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=f"the file is {name}: save it as UTF-8 without a byte order mark"):
        load(path, TrainingRecord)


def test_hidden_files_are_no_records(tmp_path: Path) -> None:
    """MacOS adds a `._x.json` to each `x.json` on other file systems."""
    for name in ("b.json", "a.json", "._a.json", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_json(tmp_path)] == ["a.json", "b.json"]


def test_a_key_that_stands_twice_is_refused(record: TrainingRecord, tmp_path: Path) -> None:
    """Of two figures the last would be taken without a word."""
    path = tmp_path / "a.json"
    path.write_text(dump_json(record).replace('"test_accuracy"', '"test_accuracy": 0.1,\n  "test_accuracy"'))
    with pytest.raises(RecordError, match=r"a\.json: the key 'test_accuracy' stands twice in one object"):
        load(path, TrainingRecord)


def test_a_key_of_very_many_that_stands_twice_is_refused_at_once(tmp_path: Path) -> None:
    """The keys are counted once: a minute passed while each was looked for among all."""
    path, fields = tmp_path / "a.json", ",".join(f'"k{number}": 1' for number in range(120_000))
    path.write_text(f'{{"schema_version": 1, "kind": "training", "x": {{{fields}, "k119999": 1}}}}')
    with pytest.raises(RecordError, match="the key 'k119999' stands twice"):
        load(path, TrainingRecord)


@pytest.mark.parametrize("place", ["value", "key"])
def test_half_a_surrogate_pair_is_named(record: TrainingRecord, tmp_path: Path, place: str) -> None:
    """It is no character, and the file is not cut off."""
    path = tmp_path / "a.json"
    old, new = {"value": ('"created": "', '"created": "\\ud800'), "key": ('"created"', '"cr\\ud800"')}[place]
    path.write_text(dump_json(record).replace(old, new))
    with pytest.raises(RecordError, match=r"a\.json: not JSON: a string holds half a surrogate pair, such as .ud800"):
        load(path, TrainingRecord)


@pytest.mark.parametrize(("field", "value"), [("kind", "training"), ("kind", ""), ("schema_version", 2)])
def test_a_record_within_a_record_is_of_its_own_kind(field: str, value: object) -> None:
    """The head of the file is not all that says how to read it."""
    facts = read_content(COMMITTED / "py313-tf221.json")
    facts["probes"][0][field] = value
    with pytest.raises(RecordError, match=rf"it: \$\.probes\[0\]\.{field}: Invalid enum value"):
        decode(json.dumps(facts), VersionRecord, origin="it")
