"""The matrix as data: names stand for pins, tox.ini has the same, and a path leads from one version to another."""

from __future__ import annotations

import configparser
import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from mnist_bench.versions.releases import (
    KERAS,
    MATRIX,
    RELEASES,
    VersionSpec,
    expand_name,
    find_axis,
    find_between,
    find_version,
    list_requirements,
)

TOX = Path(__file__).parents[2] / "tox.ini"


def expand(text: str) -> list[str]:
    """Return the names that tox makes of a generative list, whose commas inside braces separate nothing."""
    names = []
    for item in re.split(r",(?![^{]*\})", text):
        parts = [part.split(",") for part in re.split(r"[{}]", item.strip())]
        names += ["".join(words) for words in itertools.product(*parts)]
    return names


@pytest.fixture
def tox() -> configparser.RawConfigParser:
    """The project's tox.ini."""
    parser = configparser.RawConfigParser()
    parser.read(TOX)
    return parser


def test_the_matrix_covers_every_axis() -> None:
    """The matrix has each TensorFlow with the Keras of its time, each pinned Keras and each Python; each once."""
    specs = [find_version(name) for name in MATRIX]
    assert len({spec.name for spec in specs}) == len(MATRIX)
    assert {spec.tensorflow for spec in specs} == {release.tensorflow for release in RELEASES.values()}
    assert {spec.keras for spec in specs} >= set(KERAS.values())
    assert {spec.python for spec in specs} == {"3.10", "3.11", "3.12", "3.13"}


def read_labels(tox: configparser.RawConfigParser) -> dict[str, str]:
    """Return the environments of each label."""
    lines = tox["tox"]["labels"].replace("\\\n", "").strip().splitlines()
    return dict(line.split(" = ", 1) for line in lines)


def test_all_tests_are_what_runs_by_default_and_the_slow(tox: configparser.RawConfigParser) -> None:
    """`tox run -m all` leaves out nothing that `tox run` has."""
    assert read_labels(tox)["all"] == f"{tox['tox']['env_list']}, slow"


def test_tox_has_the_same_names(tox: configparser.RawConfigParser) -> None:
    """The label and the generative section name the versions of the matrix, and no others."""
    (section,) = [name for name in tox.sections() if "-tf{" in name]
    labels = read_labels(tox)
    assert sorted(expand(labels["matrix"])) == sorted(MATRIX)
    assert sorted(expand(section.removeprefix("testenv:"))) == sorted(MATRIX)


@pytest.mark.parametrize("name", MATRIX)
def test_tox_has_the_same_pins(tox: configparser.RawConfigParser, name: str) -> None:
    """Tox would install in an environment what the data says."""
    (section,) = [name for name in tox.sections() if "-tf{" in name]
    factors, pins = set(name.split("-")), set()
    for line in tox[section]["deps"].strip().splitlines():
        if line.startswith("#"):
            continue
        condition, _, requirement = line.partition(": ")
        for case in condition.split(","):
            words = case.split("-")
            if all((word.strip("!") in factors) is not word.startswith("!") for word in words):
                pins.add(requirement)
    wanted = set(list_requirements(find_version(name)))
    if "keras==2" in " ".join(wanted):  # which TensorFlow itself requires
        wanted = {requirement for requirement in wanted if not requirement.startswith("keras")}
    assert pins == wanted


def test_a_name_stands_for_its_pins() -> None:
    """A name has Python and TensorFlow, and Keras if it is not that of TensorFlow's time; the parts combine freely."""
    assert list_requirements(find_version("py310-tf28")) == ["tensorflow-cpu==2.8.4", "keras==2.8.0", "numpy<2"]
    spec = find_version("py311-tf218-keras36")
    assert (spec.python, spec.tensorflow, spec.keras) == ("3.11", "2.18.1", "3.6.0")
    assert list_requirements(spec, package="tensorflow")[0] == "tensorflow==2.18.1"


def test_a_nightly_is_in_a_package_of_its_own() -> None:
    """What TensorFlow calls itself is the version that its package has, in another spelling."""
    spec = dataclasses.replace(
        find_version("py313-tf221"), tensorflow="2.23.0-dev20261026", keras="3.16.0.dev2026102704"
    )
    wanted = ["tf-nightly==2.23.0-dev20261026", "keras-nightly==3.16.0.dev2026102704"]
    assert list_requirements(spec) == wanted
    assert list_requirements(dataclasses.replace(spec, keras="3.15.1"))[1] == "keras==3.15.1"


@pytest.mark.parametrize("name", MATRIX)
def test_short_forms_are_of_the_keras_of_their_time(name: str) -> None:
    """A release of TensorFlow means one name; a name means itself, and so does what is no release."""
    spec = find_version(name)
    forms = [name]
    if name.count("-") == 1:
        forms += [name.partition("-")[2], spec.tensorflow, spec.tensorflow.rpartition(".")[0]]
    assert {expand_name(form) for form in forms} == {name}
    assert {expand_name(f" {form}\t") for form in forms} == {name}
    assert expand_name("2.1") == "2.1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tf218", "unknown version 'tf218': `matrix list` lists the versions, `matrix add` adds one; similar names: "),
        ("py312-tf-219", "; similar names: py312-tf219, "),
        ("../x", "unknown version"),
        ("py312-tf299", "unknown version 'py312-tf299': choose from tf28, "),
        ("py312-tf218-keras399", "and keras30, "),
        ("py313-tf28", "no wheels for Python 3.13, only for 3.10"),
        ("py310-tf221", "no wheels for Python 3.10"),
        ("py312-tf218-keras33", "py312-tf218-keras33: TensorFlow 2.18.1 requires Keras 3.5 or newer"),
        ("py311-tf215-keras36", "py311-tf215-keras36: TensorFlow 2.15.1 requires a Keras of its own, 2.15.0"),
    ],
)
def test_a_name_that_stands_for_nothing(name: str, message: str) -> None:
    """The name is refused, and the message lists what there is."""
    with pytest.raises(ValueError, match=re.escape(message)):
        find_version(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "<b>"), ("name", "a/b"), ("name", ""), ("tensorflow", "new"), ("python", ""), ("keras", "3 .0")],
)
def test_a_bad_spec_is_refused(field: str, value: str) -> None:
    """A name that cannot be a file's name, or a text that is no version, is refused, and the field is named."""
    fields = {"name": "mine", "python": "3.12", "tensorflow": "2.21.0", "keras": None, "pins": []}
    VersionSpec(**fields)
    with pytest.raises(ValueError, match=f"^{field} {value!r} is not"):
        VersionSpec(**{**fields, field: value})


@pytest.mark.parametrize(
    ("good", "bad", "between"),
    [
        ("py311-tf215", "py312-tf217", ["py312-tf216"]),
        ("py312-tf217", "py311-tf215", ["py312-tf216"]),
        ("py312-tf218", "py312-tf218-keras310", ["py312-tf218-keras38"]),
        ("py313-tf221-keras315", "py313-tf221-keras312", ["py313-tf221-keras314", "py313-tf221"]),
        ("py311-tf214", "py311-tf215", []),
    ],
)
def test_what_lies_between(good: str, bad: str, between: list[str]) -> None:
    """Along TensorFlow with the Keras of its time, or along Keras on one TensorFlow; in the order asked for."""
    path = [spec.name for spec in find_between(find_version(good), find_version(bad))]
    assert path == [good, *between, bad]


def test_nothing_lies_between_two_pythons() -> None:
    """If neither TensorFlow nor Keras differs, there is no path."""
    with pytest.raises(ValueError, match="differ in neither TensorFlow nor Keras"):
        find_between(find_version("py310-tf221-keras312"), find_version("py311-tf221-keras312"))


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        ("py311-tf215", "tensorflow"),
        ("py312-tf218", "tensorflow"),
        ("py312-tf216-keras33", "keras"),
        ("py313-tf221-keras315", "keras"),
        ("py313-tf221-keras312", "python"),
        ("py310-tf221-keras312", "python"),
    ],
)
def test_the_axis_of_a_version(name: str, axis: str) -> None:
    """A TensorFlow with the Keras of its time, a pinned Keras and a version on several Pythons have three axes."""
    specs = [find_version(known) for known in MATRIX]
    assert find_axis(find_version(name), specs) == axis
    # Alone, a version has no other Python.
    assert find_axis(find_version(name), []) == ("keras" if axis == "python" else axis)


@pytest.mark.parametrize("pin", ["numpy<2", "h5py", "protobuf>=3.20,<5", "a[b]==1; python_version < '3.12'"])
def test_a_pin_is_a_requirement(pin: str) -> None:
    """A name, with versions or markers."""
    assert list_requirements(dataclasses.replace(find_version("py312-tf219"), pins=[pin]))[-1] == pin


@pytest.mark.parametrize(
    "pin",
    [
        *("--index-url=https://evil.example", "-r file", "-e .", "", "./wheel.whl", "a b"),
        *("numpy<2\n--index-url=https://evil.example", "numpy<2\n", "a @ https://evil.example/a.whl", "a @ file:///x"),
    ],
)
def test_what_is_no_requirement_is_no_pin(pin: str) -> None:
    """Options, files and addresses would reach the installer, for pins come from records, too."""
    with pytest.raises(ValueError, match=f"pin {re.escape(repr(pin))} is not"):
        dataclasses.replace(find_version("py312-tf219"), pins=[pin])


@pytest.mark.parametrize("pin", ["tensorflow==1.0", "TensorFlow_CPU<2.19", "keras>3.9", "tf-nightly!=2.19.1"])
def test_a_pin_contradicts_no_version(pin: str) -> None:
    """TensorFlow, whatever its build is called, and Keras are those of the version."""
    spec = find_version("py312-tf219")
    with pytest.raises(ValueError, match=f"pin {re.escape(repr(pin))} contradicts (tensorflow 2.19.1|keras 3.9.0)"):
        dataclasses.replace(spec, pins=[pin])
    assert dataclasses.replace(spec, pins=["tensorflow>=2.19", "keras==3.9.0", "keras-preprocessing<2"])


@pytest.mark.parametrize("field", ["python", "tensorflow", "keras"])
def test_a_version_is_one_word(field: str) -> None:
    """A line break at its end would part the line that it stands on."""
    with pytest.raises(ValueError, match=f"{field} '3.12.*n' is not a version"):
        dataclasses.replace(find_version("py312-tf219"), **{field: "3.12\n"})
