"""Versions by the names of their products: as long as needed to tell those of one page apart, and no longer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from mnist_bench.versions.releases import MATRIX, find_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mnist_bench.versions.records import VersionRecord

__all__ = ["Products", "join_names", "name_pair", "name_products"]


@dataclass(frozen=True)
class Products:
    """What a version is made of, in the words of its users.

    Attributes:
        tensorflow: Such as `2.19`; with its patch if another version on the page has the same minor releases; "" if
            nothing but the key is known.
        keras: Such as `3.9`.
        python: Such as `3.12`, if that is all that tells two versions on the page apart; else "".
        key: The name of the record, if not even that tells them apart; else "".
    """

    tensorflow: str
    keras: str
    python: str = ""
    key: str = ""

    @property
    def full(self) -> str:
        """The name in a sentence: `TensorFlow 2.19 with Keras 3.9`."""
        return f"TensorFlow {self.tensorflow} with Keras {self.keras}{self._rest}" if self.tensorflow else self.key

    @property
    def short(self) -> str:
        """The name in a table: `TF 2.19, Keras 3.9`."""
        return f"TF {self.tensorflow}, Keras {self.keras}{self._rest}" if self.tensorflow else self.key

    @property
    def brief(self) -> str:
        """The name in a list whose head says which number is which: `2.19/3.9`."""
        return f"{self.tensorflow}/{self.keras}{self._rest}" if self.tensorflow else self.key

    @property
    def _rest(self) -> str:
        return (f" on Python {self.python}" if self.python else "") + (f" ({self.key})" if self.key else "")

    def compare(self, base: Products, verb: str) -> str:
        """Return a sentence without its full stop on this version and an older one: what both share stands once.

        Args:
            base: The older version.
            verb: What stands between the two names, such as `trains 20% slower than`.
        """
        same_software = (self.tensorflow, self.keras) == (base.tensorflow, base.keras)
        if self.key or base.key or ((self.python or base.python) and not same_software):
            return f"{self.full} {verb} {base.full}"
        if same_software:
            both = f"both with TensorFlow {self.tensorflow} and Keras {self.keras}"
            return f"Python {self.python} {verb} Python {base.python}, {both}"
        if self.tensorflow == base.tensorflow:
            return f"Keras {self.keras} {verb} {base.keras}, both on TensorFlow {self.tensorflow}"
        return f"{self.full} {verb} {base.tensorflow} with {base.keras}"


def name_products(records: Mapping[str, VersionRecord]) -> Callable[[str], Products]:
    """Return a function that names the products of a version.

    It also knows the versions of the matrix without a record, which a comparison of times may name. Any other name
    stands for itself.

    Args:
        records: All versions of the page, by name.
    """
    whole = {name: (record.version.tensorflow, record.keras, record.version.python) for name, record in records.items()}
    for key in MATRIX:
        spec = find_version(key)
        whole.setdefault(key, (spec.tensorflow, spec.keras or "any", spec.python))
    shown = [whole[key] for key in records]
    software = Counter((tensorflow, keras) for tensorflow, keras, _ in shown)
    same = Counter(shown)
    # Releases, not versions: one release on two Pythons is no reason to tell its patch.
    minors = Counter((_shorten(tensorflow), _shorten(keras)) for tensorflow, keras in software)

    def name(key: str) -> Products:
        if key not in whole:
            return Products("", "", key=key)
        tensorflow, keras, python = whole[key]
        minor = _shorten(tensorflow), _shorten(keras)
        names = minor if minors[minor] <= 1 else (tensorflow, keras)
        on_python = python if software[tensorflow, keras] > 1 and len({row[2] for row in shown}) > 1 else ""
        return Products(*names, python=on_python, key=key if same[whole[key]] > 1 else "")

    return name


def name_pair(old: tuple[str, str], now: tuple[str, str]) -> tuple[str, str]:
    """Return the products of two environments in a sentence's words, such as `TensorFlow 2.19 with Keras 3.9`.

    Args:
        old: The versions of TensorFlow and Keras of one; with patches only where nothing else tells the two apart.
        now: Those of the other.
    """
    minors = [(_shorten(tensorflow), _shorten(keras)) for tensorflow, keras in (old, now)]
    first, second = (old, now) if minors[0] == minors[1] and old != now else minors
    return Products(*first).full, Products(*second).full


def join_names(names: Iterable[str]) -> str:
    """Return names as a sentence has them: `a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _shorten(version: str) -> str:
    """Return the minor release; a nightly and what is no version stay whole."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        return version
    return version if parsed.is_prerelease or parsed.local else f"{parsed.major}.{parsed.minor}"
