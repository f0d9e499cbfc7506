"""What a side may be, and what uv is asked to install; the refusals are one line each."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from mnist_bench.training.workers.interpreters import CommandError
from mnist_bench.versions.records import Install
from mnist_bench.versions.releases import NIGHTLY
from mnist_bench.versions.upgrade import sides
from mnist_bench.versions.upgrade.sides import (
    Side,
    check_different,
    enter_sides,
    list_packages,
    read_requirements,
)

NO_SOLUTION = [
    "error: No solution found",
    "cause: Because tensorflow-cpu==1.0 has no wheels, it cannot be used.",
    "hint: x",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tensorflow-cpu==2.19.1 keras==3.9.0", ["tensorflow-cpu==2.19.1", "keras==3.9.0"]),
        ("tensorflow", ["tensorflow"]),
        ("TF_Nightly numpy<2.4", ["TF_Nightly", "numpy<2.4"]),
        ("nightly", list(NIGHTLY)),
        (".venv", None),
        ("py312-tf219", None),
        ("2.19", None),
        ("python3.11", None),
    ],
)
def test_a_requirement_list_is_known_by_its_tensorflow(text: str, expected: list[str] | None) -> None:
    """Words that are no requirement list are left to those who know records and interpreters."""
    assert read_requirements(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keras==3.9.0", "a requirement list needs TensorFlow, such as 'tensorflow-cpu==2.19.1 keras==3.9.0'"),
        ("numpy keras", "a requirement list needs TensorFlow"),
        ("tensorflow== keras", "'tensorflow==' is not a requirement (PEP 508), such as keras==3.9.0"),
        ("tensorflow --index-url=x", "'--index-url=x' is not a requirement (PEP 508)"),
        ("tensorflow@https://example.org/x", "is not allowed: name a version or the path of a wheel"),
        ("tensorflow-2.22-cp312.whl", "no such wheel"),
    ],
)
def test_a_list_that_is_none_is_refused(text: str, message: str) -> None:
    """One line says what is wrong and what is allowed."""
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        read_requirements(text)
    assert "\n" not in str(error.value)


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """A uv for which TensorFlow 2.15 needs Python 3.11 and TensorFlow 1.0 needs a miracle; return what it installs."""
    installed: list[tuple[str, ...]] = []

    def resolve(parts: list[str], *, python: str, prerelease: bool) -> list[str]:
        if "tensorflow-cpu==1.0" in parts or ("tensorflow-cpu==2.15.1" in parts and python > "3.11"):
            raise CommandError("uv ended with exit code 1", NO_SOLUTION)
        return [*parts, "numpy==2.0"] if not prerelease else [*parts, "numpy==2.5"]

    def install(packages: list[str], *, python: str, name: str) -> tuple[Path, Install]:
        installed.append((python, *packages))
        versions = dict(package.partition("==")[::2] for package in packages)
        return Path(f"/{name}/{python}"), Install(seconds=1.0, bytes=1, packages=versions)

    monkeypatch.setattr(sides, "list_pythons", lambda: ["3.13", "3.12", "3.11"])
    monkeypatch.setattr(sides, "resolve_requirements", resolve)
    monkeypatch.setattr(sides, "install_requirements", install)
    monkeypatch.setattr(sides, "check_python", lambda _path: None)
    return installed


def test_both_sides_get_the_newest_python_that_fits_both(uv: list[tuple[str, ...]]) -> None:
    """A difference in Python is no difference to compare, where it can be avoided."""
    enter_sides(["tensorflow-cpu==2.15.1", "tensorflow-cpu==2.16.2"], python=None, tell=lambda _: None)
    assert [python for python, *_ in uv] == ["3.11", "3.11"]


def test_the_python_of_the_user_is_taken(uv: list[tuple[str, ...]]) -> None:
    """--python says which; a list that has no solution for it is refused with uv's reason, and nothing is installed."""
    enter_sides(["tensorflow-cpu==2.16.2", "nightly"], python="3.12", tell=lambda _: None)
    assert [python for python, *_ in uv] == ["3.12", "3.12"]
    assert "numpy==2.5" in uv[1]
    uv.clear()
    message = "'tensorflow-cpu==1.0' cannot be installed with Python 3.12: Because tensorflow"
    with pytest.raises(ValueError, match=re.escape(message)):
        enter_sides(["tensorflow-cpu==1.0", "tensorflow-cpu==2.16.2"], python="3.12", tell=lambda _: None)
    assert uv == []


def test_the_reason_is_the_one_of_most_pythons(uv: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest Python has no wheels, and the others say what is wrong with the list."""

    def resolve(_parts: list[str], *, python: str, prerelease: bool) -> list[str]:
        assert not prerelease
        why = "there is no wheel for cp313" if python == "3.13" else "there is no version of keras==99"
        raise CommandError("uv ended with exit code 1", [f"cause: {why}"])

    monkeypatch.setattr(sides, "resolve_requirements", resolve)
    with pytest.raises(ValueError, match=r"with Python 3.13, 3.12, 3.11: there is no version of keras==99$"):
        enter_sides(["tensorflow-cpu==2.19.1", "tensorflow-cpu==2.19.1 keras==99"], python=None, tell=lambda _: None)
    assert uv == []


def test_a_python_that_no_tensorflow_has_wheels_for_is_refused(uv: list[tuple[str, ...]]) -> None:
    """The message names those that there are, and uv is not asked."""
    message = "--python '3.99' is not supported: choose from 3.10, 3.11, 3.12, 3.13"
    with pytest.raises(ValueError, match=re.escape(message)):
        enter_sides(["tensorflow-cpu==2.16.2"], python="3.99", tell=lambda _: None)
    assert uv == []


@pytest.mark.usefixtures("uv")
def test_what_is_taken_is_told() -> None:
    """The line names Python, TensorFlow and Keras: `nightly` is another wheel every day."""
    told: list[str] = []
    enter_sides(["nightly"], python="3.12", tell=told.append)
    assert told == ["nightly: Python 3.12, tf-nightly, keras-nightly and 1 other packages"]


@pytest.mark.usefixtures("uv")
def test_current_is_this_interpreter() -> None:
    """Nothing is installed into an environment that is given."""
    (side,) = enter_sides(["current"], python=None, tell=lambda _: None)
    assert side.python == Path(sys.executable)
    assert "numpy" in side.install.packages


def test_the_same_packages_are_nothing_to_compare() -> None:
    """Two sides with the same packages are refused, and the message says how to insist."""
    install = Install(seconds=None, bytes=1, packages={"numpy": "2.0"})
    first, second = (Side(text, Path(text), install) for text in ("a", "b"))
    with pytest.raises(ValueError, match=r"both sides have the same 1 packages: nothing to compare; .*: --same"):
        check_different(first, second)
    other = Side("b", Path("b"), Install(seconds=None, bytes=1, packages={"numpy": "2.1", "keras": "3.9"}))
    check_different(first, other)
    assert list_packages(first.install.packages, other.install.packages) == ["keras none -> 3.9", "numpy 2.0 -> 2.1"]
    assert list_packages({"tensorflow-cpu": "2.15.1"}, {"tensorflow_cpu": "2.21.0"}) == [
        "tensorflow-cpu 2.15.1 -> 2.21.0"
    ]
