"""Each version timed against its predecessor: two records, made at different times, cannot give such a comparison."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mnist_bench.records.config import Case
from mnist_bench.records.files import is_taken
from mnist_bench.records.serial import save
from mnist_bench.records.strict import RecordError
from mnist_bench.records.verdicts import CheckResult, Verdict
from mnist_bench.timing.ab.rounds import AbPlan, compare
from mnist_bench.timing.ab.verdict import VERDICTS, load_ab
from mnist_bench.versions.environments import make_environment
from mnist_bench.versions.folder import check_pair, explain_machine, pair_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mnist_bench.timing.ab.ratio import RatioRecord
    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.timing.ab.rounds import RoundEnded
    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.releases import VersionSpec

__all__ = ["find_pair_result", "measure_pair"]

_LAB = "mlp"


def measure_pair(
    base: VersionSpec,
    new: VersionSpec,
    folder: Path,
    *,
    engine: str,
    dataset: Dataset,
    budget_seconds: float,
    on_round: Callable[[RoundEnded], None] | None = None,
) -> AbRecord:
    """Time a version against its predecessor with the mlp, and save the record; a pair that has a record is not timed.

    The record names the two sides by their versions, because the paths of their interpreters mean nothing elsewhere.

    Args:
        base: The predecessor, side A.
        new: The version, side B.
        folder: The versions' records.
        engine: A key of `ENGINES`.
        dataset: The data to train on.
        budget_seconds: See `ab.AbPlan`.
        on_round: See `ab.compare`.

    Raises:
        CommandError: An environment cannot be made.
        ValueError: The saved record is of another pair or says nothing of this one, or a side has no process that
            finished.
    """
    path = pair_path(folder, new.name)
    if is_taken(path):
        return _check_pair(load_ab(path), base, path)
    pythons = [make_environment(spec)[0] for spec in (base, new)]
    plan = AbPlan(
        python_a=pythons[0],
        python_b=pythons[1],
        lab=_LAB,
        engine=engine,
        dataset=dataset,
        budget_seconds=budget_seconds,
    )
    measured = dataclasses.replace(compare(plan, on_round), python_a=base.name, python_b=new.name)
    if measured.failure:
        raise ValueError(f"{new.name}: {measured.failure}")
    save(measured, path, folded=True)
    return measured


def find_pair_result(base: VersionRecord, new: VersionRecord, folder: Path) -> CheckResult | None:
    """Return what the clock says of two versions that were timed against each other; None if they were not.

    Args:
        base: The version to compare with.
        new: The version that may be slower.
        folder: The versions' records.

    Raises:
        RecordError: The record of the times is not valid, or says nothing of these two.
    """
    path = pair_path(folder, new.version.name)
    if is_taken(path.parent) and not path.parent.is_dir():
        raise RecordError(f"{path.parent}: no folder, and it has the name of that of the comparisons of times")
    if not is_taken(path):
        return None
    record = load_ab(path)
    if record.python_b != new.version.name:
        raise RecordError(f"{path}: the comparison of {record.python_b!r}, not of {new.version.name!r}")
    if record.python_a != base.version.name:
        return None
    check_pair(path, record, {side.version.name: side for side in (base, new)})
    wall, work = record.wall, record.workload
    name = f"time/epoch[{Case(work.lab, work.engine)}]"
    environments = [side.environment for side in (base, new) if side.environment]
    if bare := [side.version.name for side in (base, new) if side.environment is None]:
        return CheckResult(
            name=name,
            verdict=Verdict.INCONCLUSIVE,
            figure=f"the record of {' and of '.join(bare)} has no environment: nothing says what was timed",
            bound="the environment of each version's record",
        )
    figure = f"an epoch takes {wall.estimate:.2f} times as long ({_say_ends(wall)})"
    if other := explain_machine(record.a, *environments):
        # Both sides ran there: an answer of its own, of that machine.
        figure += f", timed on another machine than the records: {other}"
    how = "" if work.as_shipped else ", tf.data's autotuner off"
    return CheckResult(
        name=name,
        verdict=VERDICTS[record.verdict],
        figure=figure,
        bound=f"at most {1 + record.bound:.2f} times as long",
        evidence=f"{record.finding}; {len(record.processes) // 2} rounds of fresh processes of both{how}",
        value=wall.estimate,
    )


def _say_ends(ratio: RatioRecord) -> str:
    if ratio.low is None or ratio.high is None:
        return "the interval is open"
    return f"{ratio.low:.2f} to {ratio.high:.2f}"


def _check_pair(record: AbRecord, base: VersionSpec, path: Path) -> AbRecord:
    if (record.python_a, record.python_b) != (base.name, path.stem):
        raise ValueError(f"{path}: compares {record.python_b!r} with {record.python_a!r}, not with {base.name!r}")
    check_pair(path, record, {})
    return record
