"""Version records as files: each is of the version in its name, and together they are of one data set."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.checksums import edit_record, write_record
from mnist_bench.records.environment import FAULT_VARIABLE, change_environment
from mnist_bench.records.serial import save
from mnist_bench.records.strict import RecordError
from mnist_bench.versions.folder import check_data, check_together, load_folder, load_version
from mnist_bench.versions.matrix import add_version, find_spec
from mnist_bench.versions.records import Planned, VersionRecord
from mnist_bench.versions.releases import find_version
from mnist_bench.versions.sources import load_records, load_sides

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
    write_record(path, EMPTY)
    edit_record(path, old, new)
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


@pytest.mark.parametrize("place", ["the record", "the probe of mlp-fused"])
def test_a_record_under_a_planted_fault_is_refused(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path, place: str
) -> None:
    """What the self-test has measured is of no version."""
    (name,) = names = ["py311-tf215"]
    path, record = tmp_path / f"{name}.json", make_versions(names)[name]
    assert record.environment
    planted = change_environment(record.environment, flags={FAULT_VARIABLE: "frozen"})
    *others, last = record.probes
    probes = [*others, dataclasses.replace(last, environment=planted)]
    whole = dataclasses.replace(record, **({"environment": planted} if place == "the record" else {"probes": probes}))
    save(whole, path)
    for read in (lambda: load_version(path), lambda: load_records([path])):
        with pytest.raises(RecordError, match=re.escape(f"{path}: {place} was made under the planted fault 'frozen'")):
            read()


def test_a_training_under_a_planted_fault_is_refused(record: TrainingRecord, tmp_path: Path) -> None:
    """A folder of trainings is read by the same rule."""
    path = tmp_path / "training.json"
    save(
        dataclasses.replace(record, environment=change_environment(record.environment, flags={FAULT_VARIABLE: "x"})),
        path,
    )
    told = f"{path}: the training of perceptron-epoch was made under the planted fault 'x'"
    with pytest.raises(RecordError, match=re.escape(told)):
        load_records([tmp_path])


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


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        ({"tensorflow_cpu": "2.14.1"}, "tensorflow-cpu 2.14.1, and $.environment.tensorflow is '2.15.1'"),
        (
            {"tf-nightly": "2.15.1.dev20260101"},
            "tf-nightly 2.15.1.dev20260101, and $.environment.tensorflow is '2.15.1'",
        ),
        ({"Keras": "2.14.0", "tensorflow": "2.15.1"}, "keras 2.14.0, and $.environment.keras is '2.15.0'"),
        (
            {"keras": "3.0.5", "tf_keras": "2.14.0", "tensorflow": "2.15.1"},
            "keras 3.0.5 and tf-keras 2.14.0, and $.environment.keras",
        ),
        ({"absl-py": "1"}, "no TensorFlow, and $.environment.tensorflow is '2.15.1'"),
        ({"tensorflow_estimator": "2.15.0"}, "no TensorFlow, and $.environment.tensorflow is '2.15.1'"),
        ({"tf-keras": "2.15.0", "tensorflow-io-gcs-filesystem": "0.37.1"}, "no TensorFlow, and $.environment"),
        ({"numpy": "1.26.3", "tensorflow": "2.15.1"}, "numpy 1.26.3, and $.environment.numpy is '1.26.4'"),
        ({"numpy": "new", "tf-nightly": "2.15.1"}, "numpy new, and $.environment.numpy is '1.26.4'"),
    ],
)
def test_packages_that_were_not_measured_are_refused(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path, packages: dict[str, str], message: str
) -> None:
    """The packages that differ are the first thing that a comparison tells; they must be those that were measured."""
    path = save_installed(make_versions, tmp_path, packages)
    for read in (lambda: load_version(path), lambda: load_records([path])):
        with pytest.raises(RecordError, match=re.escape(f"{path}: the packages have {message}")):
            read()


@pytest.mark.parametrize(("pin", "refused"), [("Keras==2.14.*", "yes"), ("keras>=2.15", ""), ("h5py<3", "")])
def test_packages_that_a_pin_excludes_are_refused(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path, pin: str, refused: str
) -> None:
    """What was pinned is what was installed; a package that the record does not list may be anything."""
    path = save_installed(make_versions, tmp_path, {"keras": "2.15.0", "tensorflow": "2.15.1"})
    record = load_version(path)
    version = dataclasses.replace(record.version, keras=None, pins=[pin])
    write_record(path, dataclasses.replace(record, version=version))
    if not refused:
        assert load_version(path).version.pins == [pin]
        return
    told = f"{path}: $.version.pins has {pin!r}, which contradicts $.install.packages: Keras 2.15.0"
    with pytest.raises(RecordError, match=re.escape(told)):
        load_version(path)


@pytest.mark.parametrize(
    "packages",
    [
        {"tensorflow-cpu": "2.15.1", "keras": "2.15.0", "numpy": "1.26.4"},
        {"tensorflow-rocm": "2.15.1.600", "numpy": "1.26.4"},
        {"tensorflow": "2.15.1", "keras": "3.0.5", "tf-keras": "2.15.0"},
        {"tensorflow-io-gcs-filesystem": "0.37.1", "tensorflow-of-a-vendor": "2.15.1"},
    ],
)
def test_packages_of_any_build_are_read(
    make_versions: Callable[..., dict[str, VersionRecord]], tmp_path: Path, packages: dict[str, str]
) -> None:
    """A vendor's build has a fourth number; Keras 2 may be `tf-keras`, with a Keras 3 that is not used."""
    assert load_version(save_installed(make_versions, tmp_path, packages)).install


def save_installed(
    make_versions: Callable[..., dict[str, VersionRecord]], folder: Path, packages: dict[str, str]
) -> Path:
    """Save a record of TensorFlow 2.15.1 with Keras 2.15.0 and NumPy 1.26.4, with these packages; return its path."""
    (name,) = names = ["py311-tf215"]
    record = make_versions(names)[name]
    assert record.environment
    assert record.install
    environment = change_environment(record.environment, numpy="1.26.4")
    probes = [dataclasses.replace(probe, environment=environment) for probe in record.probes]
    install = dataclasses.replace(record.install, packages=packages)
    save(dataclasses.replace(record, environment=environment, probes=probes, install=install), folder / f"{name}.json")
    return folder / f"{name}.json"


@pytest.mark.parametrize("kind", ["folder", "loop", "dangling"])
def test_a_record_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """A folder or a link that leads nowhere is not a version that was never measured."""
    path = tmp_path / "mine.json"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else tmp_path / "gone.json")
    for read in (lambda: load_sides("mine", tmp_path), lambda: load_sides(str(path), tmp_path)):
        with pytest.raises(RecordError, match=re.escape(str(path))):
            read()
    with pytest.raises(RecordError, match=re.escape(str(path))):
        find_spec("mine", tmp_path)
    with pytest.raises(FileExistsError, match="exists already"):
        add_version(dataclasses.replace(find_version("py311-tf215"), name="mine"), tmp_path)
