"""What one page is about: records in the order of the page, and refused if they do not belong together."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.checksums import edit_record, write_record
from mnist_bench.records.environment import change_environment
from mnist_bench.records.strict import RecordError
from mnist_bench.versions.folder import check_pair
from mnist_bench.versions.releases import MATRIX
from mnist_bench.versions.report.collection import MOST, load_collection, make_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.records import VersionRecord

NAMES = ["py311-tf215", "py312-tf216", "py312-tf216-keras33", "py311-tf221-keras312", "py312-tf221-keras312"]


@pytest.fixture
def records(make_versions: Callable[..., dict[str, VersionRecord]]) -> dict[str, VersionRecord]:
    """Five versions on three axes."""
    return make_versions(NAMES, seeds=2)


def make_pair(records: dict[str, VersionRecord], make_ab: Callable[..., AbRecord]) -> AbRecord:
    """Return a comparison of the times of two of the versions."""
    sides = {"python_a": "py311-tf215", "python_b": "py312-tf216"}
    return make_ab(**sides, **{name[-1]: records[version].environment for name, version in sides.items()})


def write(folder: Path, records: Mapping[str, VersionRecord | AbRecord]) -> Path:
    """Write records into a folder; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, record in records.items():
        write_record(folder / f"{name}.json", record)
    return folder


def test_records_stand_along_their_axes(records: dict[str, VersionRecord]) -> None:
    """TensorFlow first, then Keras, then Python, in whatever order the records were given."""
    collection = make_collection(reversed(records.values()))
    assert list(collection.records) == NAMES
    assert list(collection.axes.values()) == ["tensorflow", "tensorflow", "keras", "python", "python"]
    assert collection.left_out == 0


def test_files_and_folders_are_read_once(records: dict[str, VersionRecord], tmp_path: Path) -> None:
    """A file that is given with its folder counts once; a file alone is enough."""
    folder = write(tmp_path, records)
    whole = load_collection([folder, folder / "py311-tf215.json"])
    assert whole == make_collection(records.values())
    assert list(load_collection([folder / "py311-tf215.json"]).records) == ["py311-tf215"]


def test_pairs_are_read_next_to_the_records(
    records: dict[str, VersionRecord], make_ab: Callable[..., AbRecord], tmp_path: Path
) -> None:
    """The pairs of versions that have a record are shown."""
    folder = write(tmp_path, records)
    pair = make_pair(records, make_ab)
    write(folder / "pairs", {"py312-tf216": pair, "py312-tf217": dataclasses.replace(pair, python_b="py312-tf217")})
    assert list(load_collection([folder]).pairs) == ["py312-tf216"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"python_a": "py310-tf28"}, "compared with 'py310-tf28', and the version before py312-tf216 is 'py311-tf215'"),
        ({"fault_b": "sleep:0.1"}, "a slow-down was planted in it: fault_b is 'sleep:0.1'"),
        ({"a": {"keras": "9.9"}}, "a.keras is '9.9', and '2.15.0' in the record of py311-tf215"),
        ({"b": {"tensorflow": "2.15.1"}}, "b.tensorflow is '2.15.1', and '2.16.2' in the record of py312-tf216"),
        ({"b": {"precision": "float16"}}, "b.precision is 'float16', and 'float32' in the record of py312-tf216"),
        ({"b": {"cpu": "Another"}}, "the two sides ran on two machines: they differ in cpu"),
    ],
    ids=["predecessor", "fault", "keras", "tensorflow", "precision", "cpu"],
)
def test_a_pair_that_says_nothing_of_its_versions_is_refused(
    records: dict[str, VersionRecord],
    make_ab: Callable[..., AbRecord],
    tmp_path: Path,
    fields: dict[str, Any],
    message: str,
) -> None:
    """Another predecessor, a planted slow-down, two machines, and packages that the versions do not have."""
    pair = make_pair(records, make_ab)
    changed = {
        name: change_environment(getattr(pair, name), **value) if name in ("a", "b") else value
        for name, value in fields.items()
    }
    folder = write(tmp_path, records)
    write(folder / "pairs", {"py312-tf216": dataclasses.replace(pair, **changed)})
    with pytest.raises(RecordError, match=re.escape(f"{folder}/pairs/py312-tf216.json: {message}")):
        load_collection([folder])


def test_a_version_is_not_timed_against_itself(make_ab: Callable[..., AbRecord], tmp_path: Path) -> None:
    """Also one of the user's own, which has no version before it."""
    pair = make_ab(python_a="mine", python_b="mine")
    with pytest.raises(RecordError, match=r"mine\.json: both sides are mine: a version is timed against another one"):
        check_pair(tmp_path / "mine.json", pair, {})


def test_the_digest_is_of_all_that_is_shown(
    records: dict[str, VersionRecord], make_ab: Callable[..., AbRecord]
) -> None:
    """Other records, or another pair, are another collection."""
    pairs = {"py312-tf216": make_ab()}
    collections = [make_collection(records.values()), make_collection(records.values(), pairs)]
    collections.append(make_collection(list(records.values())[1:]))
    assert len({collection.digest for collection in collections}) == 3
    assert make_collection(reversed(records.values())).digest == collections[0].digest


def test_too_many_records_are_counted(make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path) -> None:
    """The matrix's own records are shown first, then the newest; the others are counted."""
    (record,) = make_versions(["py311-tf215"], seeds=1).values()
    own = {
        f"mine-{day:02}": dataclasses.replace(
            record,
            version=dataclasses.replace(record.version, name=f"mine-{day:02}"),
            created=f"2026-01-{day:02}T00:00:00+00:00",
        )
        for day in range(1, 10)
    }
    folder = write(tmp_path, {**own, "py311-tf215": record})
    collection = load_collection([folder], most=3)
    assert sorted(collection.records) == ["mine-08", "mine-09", "py311-tf215"]
    assert collection.left_out == 7
    assert load_collection([folder]).left_out == 0
    assert len(MATRIX) <= MOST
    # Other data are refused even in a record that would not be shown.
    edit_record(folder / "mine-01.json", '"digits"', '"mnist"')
    with pytest.raises(ValueError, match="are of different data"):
        load_collection([folder], most=3)


def test_nothing_to_show_is_refused(tmp_path: Path) -> None:
    """An empty folder and a file that does not exist are named."""
    with pytest.raises(RecordError, match=re.escape(f"{tmp_path}: no records (*.json) there")):
        load_collection([tmp_path])
    with pytest.raises(RecordError, match=r"not-there\.json: No such file"):
        load_collection([tmp_path / "not-there.json"])


def test_two_records_of_one_version_are_refused(records: dict[str, VersionRecord], tmp_path: Path) -> None:
    """Both files are named."""
    folders = [write(tmp_path / name, records) for name in ("a", "b")]
    with pytest.raises(ValueError, match=r"a/py311-tf215\.json and .*b/py311-tf215\.json are both records of"):
        load_collection(folders)


@pytest.mark.parametrize("of_pair", [False, True], ids=["record", "pair"])
def test_other_data_is_refused(
    records: dict[str, VersionRecord], make_ab: Callable[..., AbRecord], tmp_path: Path, *, of_pair: bool
) -> None:
    """One page never mixes data sets; the message names both files and both data sets."""
    other = dataclasses.replace(records["py311-tf215"].dataset, source="mnist")
    if of_pair:
        folder = write(tmp_path, records)
        pair = make_ab(python_b="py312-tf216")
        pair = dataclasses.replace(pair, workload=dataclasses.replace(pair.workload, dataset=other))
        write(folder / "pairs", {"py312-tf216": pair})
        second = r"pairs/py312-tf216\.json"
    else:
        changed: dict[str, Any] = {"dataset": other, "probes": []}
        records["py312-tf216"] = dataclasses.replace(records["py312-tf216"], **changed)
        folder, second = write(tmp_path, records), r"py312-tf216\.json"
    with pytest.raises(
        ValueError, match=rf"tf221-keras312\.json and .*{second} are of different data \(digits|{second}"
    ):
        load_collection([folder])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"schema_version": 1,\n  "status"',
            '"schema_version": 2,\n  "status"',
            "schema_version is 2, this version reads 1",
        ),
        ('"status": "measured"', '"status": "partial"', "status is 'partial', with 0 failures"),
        ('"test_accuracy": [', '"test_accuracy": [1.5, ', "columns of different lengths"),
        ('"name": "py311-tf215"', '"name": "<script>"', "name '<script>' is not allowed"),
    ],
    ids=["schema", "status", "columns", "name"],
)
def test_an_edited_record_is_refused(
    records: dict[str, VersionRecord], tmp_path: Path, old: str, new: str, message: str
) -> None:
    """The message names the file, and the field if one is wrong."""
    path = write(tmp_path, records) / "py311-tf215.json"
    edit_record(path, old, new)
    with pytest.raises(RecordError, match=re.escape(f"{path}: ")) as caught:
        load_collection([tmp_path])
    assert message in str(caught.value)


def test_a_loop_of_links_is_named(tmp_path: Path) -> None:
    """A link to itself cannot be read, and one line says so."""
    (tmp_path / "loop.json").symlink_to("loop.json")
    with pytest.raises(RecordError, match=r"loop\.json: Too many levels of symbolic links"):
        load_collection([tmp_path])


def test_a_link_is_named_as_it_was_given(tmp_path: Path) -> None:
    """Not by what it leads to, which is not there."""
    (tmp_path / "py311-tf215.json").symlink_to("gone")
    with pytest.raises(RecordError, match=re.escape(f"{tmp_path / 'py311-tf215.json'}: No such file")):
        load_collection([tmp_path])
