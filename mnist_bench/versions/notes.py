"""What two versions' records say beside each other that gives no verdict: versions, leads on times, what is known."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from mnist_bench.checks.known import find_known, load_known
from mnist_bench.records.environment import HARDWARE_FIELDS, NUMERICS_FIELDS, explain_keys
from mnist_bench.versions.records import find_cases

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.versions.records import EpochTimes, VersionRecord

__all__ = ["note_environments", "note_known", "note_times"]


def note_environments(base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield the versions that differ, what else may move the bits, and the sizes of the environments."""
    a, b = base.environment, new.environment
    if a is None or b is None:
        return
    for name in ("python", "tensorflow", "keras", "numpy"):
        if getattr(a, name) != getattr(b, name):
            yield f"{name}: {getattr(a, name)} and {getattr(b, name)}"
    for name, (x, y) in explain_keys(a, b, NUMERICS_FIELDS).items():
        if name != "keras":
            yield f"{name}: {x!r} and {y!r}, which may move the bits"
    if base.install and new.install:
        sizes = base.install.bytes, new.install.bytes
        yield f"environment: {sizes[0] / 1e9:.2f} GB and {sizes[1] / 1e9:.2f} GB"


def note_times(base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield the ratio of each time. Processes that ran at different times are no pair, so it is no verdict."""
    a, b = base.environment, new.environment
    other = explain_keys(a, b, HARDWARE_FIELDS) if a and b else {}
    if other:
        yield f"times cannot be compared: another {', '.join(sorted(other))}"
        return
    pairs: dict[str, tuple[Sequence[float], Sequence[float]]] = {"import": (base.imports, new.imports)}
    before, now = ({f"{it.lab}-{it.engine}": it for it in record.times} for record in (base, new))
    for case in before:
        if case in now and before[case].hardware_key == now[case].hardware_key:
            pairs[f"epoch of {case}"] = (_steady(before[case]), _steady(now[case]))
    for name, (old, seconds) in pairs.items():
        if old and seconds:
            first, second = statistics.median(old), statistics.median(seconds)
            yield f"{name}: {second / first:.2f} times as long ({first:.3f} s, {second:.3f} s); unpaired: a lead only"


def note_known(base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield the known regressions that the versions have, by the reviewed list."""
    known = load_known()
    for side, record in (("base", base), ("new", new)):
        environment = record.environment
        engines = {case.rpartition("-")[2] for case in find_cases(record, record)}
        if environment is None:
            continue
        versions = {name: str(getattr(environment, name)) for name in ("tensorflow", "keras", "numpy")}
        for entry in known:
            having = [it for it in sorted(engines) if find_known(entry.check, it, versions, [entry])]
            if having:
                yield f"{side} has the known regression {entry.name!r} in {', '.join(having)}: {entry.link}"


def _steady(times: EpochTimes) -> Sequence[float]:
    return times.seconds[1:]
