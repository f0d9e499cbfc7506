"""Known regressions: a reviewed list of what is broken in which versions, strict in both directions."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from mnist_bench.records.serial import load_handwritten
from mnist_bench.records.verdicts import RAISED, CheckResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KNOWN_PATH", "KnownRegression", "apply_known", "find_known", "grew_beyond", "load_known"]

KNOWN_PATH = Path(__file__).with_name("known_regressions.json")


@dataclass(frozen=True, kw_only=True)
class KnownRegression:
    """One entry of the list.

    Attributes:
        name: A short name for people.
        check: The check that fails, such as `contract/new-order`.
        engines: The engines that are affected.
        package: The package whose version decides, such as `keras`.
        versions: The versions that are affected, as a PEP 440 specifier.
        reason: What is wrong. The cost is measured: the page of versions has it.
        link: Where the regression is discussed.
        backend: The backend of Keras that is affected.
        seen: The figure that the regression was seen with, as the check's `value`.
        bound: The largest figure that is still this regression; a larger one has REGRESSED further. None for a check
            without a number, and where no figure is larger: a share of all samples cannot grow.
    """

    name: str
    check: str
    engines: list[str]
    package: str
    versions: str
    reason: str
    link: str
    backend: str = "tensorflow"
    seen: float | None = None
    bound: float | None = None

    def __post_init__(self) -> None:
        """Refuse text that is no range of versions, and a bound that the regression itself does not keep."""
        SpecifierSet(self.versions)
        if (self.seen is None) != (self.bound is None) or (self.seen or 0) > (self.bound or 0):
            raise ValueError(f"{self.name}: seen {self.seen!r} is not within bound {self.bound!r}")


@functools.cache
def load_known(path: Path = KNOWN_PATH) -> list[KnownRegression]:
    """Read the list.

    Raises:
        RecordError: The file cannot be read, or is not a valid list; the message names the file and the field.
    """
    known: list[KnownRegression] = load_handwritten(path, list[KnownRegression])
    return known


def find_known(
    check: str, engine: str, versions: Mapping[str, str], known: Sequence[KnownRegression]
) -> KnownRegression | None:
    """Return the entry that covers a check of an engine under these versions, if there is one.

    Args:
        check: The check without its case, such as `contract/new-order`.
        engine: The engine that was checked.
        versions: Versions by package name, and the backend of Keras.
        known: The list.
    """
    for entry in known:
        on_backend = versions.get("backend", "tensorflow") == entry.backend
        if (
            entry.check == check
            and engine in entry.engines
            and on_backend
            and _covers(entry, versions.get(entry.package))
        ):
            return entry
    return None


def apply_known(
    result: CheckResult, engine: str, versions: Mapping[str, str], known: Sequence[KnownRegression]
) -> CheckResult:
    """Return the result with known regressions taken into account.

    A listed regression becomes KNOWN. A listed regression that is gone becomes REGRESSED, so that its entry is removed
    and the check works again.
    """
    entry = find_known(result.check, engine, versions, known)
    if entry is None or result.figure == RAISED:
        return result
    if (
        result.verdict is Verdict.REGRESSED
        and entry.bound is not None
        and (result.value is None or grew_beyond(result.value, entry))
    ):
        now = "without a figure" if result.value is None else f"{result.value:g}"
        evidence = (
            f"worse than the known regression {entry.name!r}: {now}, seen with {entry.seen:g}, bound {entry.bound:g}"
        )
        return dataclasses.replace(result, evidence=evidence)
    if result.verdict is Verdict.REGRESSED:
        evidence = f"{entry.name}: {entry.reason} {entry.link}"
        return dataclasses.replace(result, verdict=Verdict.KNOWN, evidence=evidence)
    if result.verdict in (Verdict.PASS, Verdict.IDENTICAL):
        evidence = f"the known regression {entry.name!r} is gone here: narrow its versions in {KNOWN_PATH.name}"
        return dataclasses.replace(result, verdict=Verdict.REGRESSED, evidence=evidence)
    return result


def grew_beyond(value: float | None, entry: KnownRegression) -> bool:
    """Return whether a figure is larger than the regression of the list can be."""
    return value is not None and entry.bound is not None and value > entry.bound


def _covers(entry: KnownRegression, version: str | None) -> bool:
    """Return whether an entry covers a version; text that is no version is not covered."""
    try:
        # A pre-release is judged like its release: to PEP 440, 3.0rc1 is below 3.0.
        return version is not None and SpecifierSet(entry.versions).contains(Version(version).base_version)
    except InvalidVersion:
        return False
