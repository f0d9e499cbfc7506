"""Versions by the names of their products: short, and never the same for two versions of a page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mnist_bench.versions.releases import MATRIX
from mnist_bench.versions.report.names import Products, join_names, name_pair, name_products

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnist_bench.versions.records import VersionRecord

    MakeVersions = Callable[..., dict[str, VersionRecord]]


def test_minor_releases_are_enough(make_versions: MakeVersions) -> None:
    """A version has the minor releases of its products; one of the matrix without a record has a name, too."""
    name = name_products(make_versions(["py311-tf215", "py312-tf219"], seeds=1))
    assert name("py312-tf219").full == "TensorFlow 2.19 with Keras 3.9"
    assert name("py312-tf219").short == "TF 2.19, Keras 3.9"
    assert name("py312-tf219").brief == "2.19/3.9"
    assert name("py312-tf217").full == "TensorFlow 2.17 with Keras 3.4"
    assert {name("mine").full, name("mine").short, name("mine").brief} == {"mine"}


def test_names_are_as_long_as_they_have_to_be(make_versions: MakeVersions) -> None:
    """Patches, Pythons and, if nothing else is left, keys tell two versions apart; a nightly stays whole."""
    records = make_versions(["py312-tf219", "py313-tf221", "py312-tf221"], seeds=1)
    base = records["py312-tf219"]
    for key, tensorflow in {"older": "2.19.0", "again": "2.19.1", "nightly": "2.22.0.dev20261101"}.items():
        spec = dataclasses.replace(base.version, name=key, tensorflow=tensorflow)
        records[key] = dataclasses.replace(base, version=spec)
    name = name_products(records)
    assert [name(key).short for key in records] == [
        "TF 2.19.1, Keras 3.9.0 on Python 3.12 (py312-tf219)",
        "TF 2.21, Keras 3.13 on Python 3.13",
        "TF 2.21, Keras 3.13 on Python 3.12",
        "TF 2.19.0, Keras 3.9.0",
        "TF 2.19.1, Keras 3.9.0 on Python 3.12 (again)",
        "TF 2.22.0.dev20261101, Keras 3.9",
    ]


def test_no_two_versions_of_the_matrix_have_one_name(make_versions: MakeVersions) -> None:
    """Every name on the page is another."""
    records = make_versions(seeds=1)
    name = name_products(records)
    assert len({name(key).short for key in records}) == len(MATRIX)


def test_a_sentence_names_what_differs() -> None:
    """What two versions share stands once."""
    old, keras, new = Products("2.18", "3.6"), Products("2.18", "3.8"), Products("2.19", "3.9")
    assert new.compare(old, "is slower than") == "TensorFlow 2.19 with Keras 3.9 is slower than 2.18 with 3.6"
    assert keras.compare(old, "is slower than") == "Keras 3.8 is slower than 3.6, both on TensorFlow 2.18"
    pythons = [Products("2.21", "3.12", python) for python in ("3.10", "3.11")]
    told = "Python 3.11 beats Python 3.10, both with TensorFlow 2.21 and Keras 3.12"
    assert pythons[1].compare(pythons[0], "beats") == told
    told = "TensorFlow 2.21 with Keras 3.12 on Python 3.11 beats TensorFlow 2.18 with Keras 3.6"
    assert pythons[1].compare(old, "beats") == told
    mine = Products("2.18", "3.6", key="mine")
    told = "TensorFlow 2.18 with Keras 3.6 (mine) beats TensorFlow 2.18 with Keras 3.6"
    assert mine.compare(old, "beats") == told


def test_names_in_a_sentence() -> None:
    """One, two or three names."""
    assert [join_names("a"), join_names("ab"), join_names("abc")] == ["a", "a and b", "a, b and c"]


def test_two_patches_of_one_release_have_two_names() -> None:
    """Patches are told where nothing else tells two environments apart."""
    assert name_pair(("2.19.0", "3.9.0"), ("2.19.1", "3.9.0")) == (
        "TensorFlow 2.19.0 with Keras 3.9.0",
        "TensorFlow 2.19.1 with Keras 3.9.0",
    )
    assert name_pair(("2.18.1", "3.6.0"), ("2.19.1", "3.9.0"))[1] == "TensorFlow 2.19 with Keras 3.9"
    assert name_pair(("2.19.1", "3.9.0"), ("2.19.1", "3.9.0"))[0] == "TensorFlow 2.19 with Keras 3.9"
    assert name_pair(("2.21.0", "3.13.0"), ("2.22.0.dev1", "3.16.0.dev2"))[1] == (
        "TensorFlow 2.22.0.dev1 with Keras 3.16.0.dev2"
    )
