"""Version records as files: each is of the version in its name, and together they are of one data set."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mnist_bench.records.serial import RecordError, dump_folded, save
from mnist_bench.versions.folder import check_data, check_together, load_folder, load_version
from mnist_bench.versions.records import Planned, VersionRecord
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.sources import load_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.records.training import TrainingRecord

EMPTY = VersionRecord(version=find_version("py312-tf219"))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("py312-tf219", '"kind": "version"', '"kind": "probe"', "kind is 'probe', expected 'version'"),
        ("py312-tf219", '"schema_version": 1', '"schema_version": 9', "schema_version is 9"),
        ("py312-tf219", '"status": "planned"', '"status": "fine"', "$.status: Invalid enum value 'fine'"),
        ("py312-tf218", "", "", "the record of 'py312-tf219', not of 'py312-tf218'"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    """The message names the file, the field and what is wrong."""
    path = tmp_path / f"{name}.json"
    path.write_text(dump_folded(EMPTY).replace(old, new))
    with pytest.raises(RecordError, match=re.escape(f"{path}: ")) as caught:
        load_version(path)
    assert message in str(caught.value)


def test_a_folder_that_does_not_exist_has_no_records(tmp_path: Path) -> None:
    """A matrix of which nothing is measured has no folder yet."""
    assert load_folder(tmp_path / "versions") == {}


def test_records_that_do_not_belong_together_are_refused(record: TrainingRecord) -> None:
    """Two records of one version, or two data sets, of which two may have the same name; both files are named."""
    first = dataclasses.replace(EMPTY, dataset=record.dataset)
    check_together({Path("a"): first, Path("b"): dataclasses.replace(EMPTY, version=find_version("py312-tf218"))})
    with pytest.raises(ValueError, match="a and b are both records of py312-tf219"):
        check_together({Path("a"): EMPTY, Path("b"): first})
    other = dataclasses.replace(record.dataset, digest="f" * 64)
    with pytest.raises(ValueError, match=r"a and b are of different data \(digits .{8}, digits ffffffff\)"):
        check_data({Path("a"): record.dataset, Path("b"): other})


def test_a_plan_that_names_nothing_is_refused(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path
) -> None:
    """To an empty plan nothing would be missing: it is refused by its file, wherever the record is read."""
    (name,) = names = ["py311-tf215"]
    path = tmp_path / f"{name}.json"
    save(dataclasses.replace(make_versions(names)[name], planned=Planned()), path)
    for read in (lambda: load_version(path), lambda: load_records([path])):
        with pytest.raises(RecordError, match=re.escape(f"{path}: $.planned: it names no lab, engine or seed")):
            read()


@pytest.mark.parametrize(("field", "value"), [("tensorflow", "2.14.0"), ("keras", "2.14.0"), ("python", "3.1")])
def test_a_version_that_another_was_measured_for_is_refused(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path, field: str, value: str
) -> None:
    """The page and the comparison would name a version that nobody measured."""
    (name,) = names = ["py311-tf215"]
    path, record = tmp_path / f"{name}.json", make_versions(names)[name]
    save(dataclasses.replace(record, version=dataclasses.replace(record.version, **{field: value})), path)
    with pytest.raises(RecordError, match=re.escape(f"$.version.{field} is {value!r}, and ")):
        load_version(path)
