"""Remarks on two versions that are no verdicts: versions, sizes, seconds of imports, known regressions."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from mnist_bench.checks.known import find_known, load_known
from mnist_bench.records.environment import HARDWARE_FIELDS, NUMERICS_FIELDS, explain_keys
from mnist_bench.versions.plan import find_too_new
from mnist_bench.versions.records import find_cases, seeds_by_case

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mnist_bench.records.environment import DatasetRecord, EnvironmentRecord
    from mnist_bench.versions.records import VersionRecord

__all__ = ["note_basis", "note_environments", "note_imports", "note_known", "note_younger"]


def note_basis(dataset: DatasetRecord | None, environments: Sequence[EnvironmentRecord | None]) -> Iterator[str]:
    """Yield the data, the backend and the precision of what is compared: no figure stands without them."""
    bases = dict.fromkeys(f"backend {each.backend}, {each.precision}" for each in environments if each)
    if dataset and bases:
        stand_in = "" if dataset.source == "mnist" else " (the stand-in, not MNIST)"
        yield f"data {dataset.source}{stand_in}; {' and '.join(bases)}"


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
        yield f"environment: {base.install.bytes / 1e9:.2f} GB and {new.install.bytes / 1e9:.2f} GB"


def note_imports(base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield the ratio of the seconds of imports, or why times cannot be compared.

    The ratio is no verdict, because the two versions were not timed together.
    """
    a, b = base.environment, new.environment
    differ = explain_keys(a, b, HARDWARE_FIELDS) if a and b else {}
    if differ:
        yield f"times cannot be compared: another {', '.join(sorted(differ))}"
    elif base.imports and new.imports:
        old, now = statistics.median(base.imports), statistics.median(new.imports)
        yield f"import: {now / old:.2f} times as long ({old:.3f} s, {now:.3f} s); not timed together, so only a hint"


def note_younger(base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield what one of the two records is too old to have, so that it cannot be compared."""
    for side, record, other in (("base", base, new), ("new", new, base)):
        lacking = find_too_new(record) - find_too_new(other) if record.checks and other.checks else ()
        if lacking:
            yield f"{', '.join(sorted(lacking))}: not compared, as {side} has no such check"
    for case, old in seeds_by_case(base).items():
        now = seeds_by_case(new).get(case)
        if now and any(now.predictions) and not any(old.predictions):
            yield f"errors by class of {case}: not compared, as base has none on record"


def note_known(base: VersionRecord, new: VersionRecord) -> Iterator[str]:
    """Yield the known regressions of the two versions, by the reviewed list."""
    known = load_known()
    for side, record in (("base", base), ("new", new)):
        environment = record.environment
        if environment is None:
            continue
        engines = sorted({case.engine for case in find_cases(record)})
        versions = {name: str(getattr(environment, name)) for name in ("tensorflow", "keras", "numpy")}
        for entry in known:
            having = [engine for engine in engines if find_known(entry.check, engine, versions, [entry])]
            if having:
                yield f"{side} has the known regression {entry.name!r} in {', '.join(having)}: {entry.link}"
