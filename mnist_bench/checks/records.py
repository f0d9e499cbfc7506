"""The record of a probe, and the comparison of two: which stage of training differs first, and by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.checks.agreement import explain_where
from mnist_bench.checks.names import PROBE_EPOCHS, list_stages
from mnist_bench.records.acceptance import Acceptance
from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.environment import NUMERICS_FIELDS, DatasetRecord, EnvironmentRecord, explain_keys
from mnist_bench.records.fields import check_digests, check_names
from mnist_bench.records.files import SCHEMA_VERSION
from mnist_bench.records.verdicts import Verdict
from mnist_bench.training.labs import check_lab, explain_arithmetic, find_departures

if TYPE_CHECKING:
    from collections.abc import Sequence

# The stages that start from given weights and images. Rounding moves them by 2e-7 of their size at most in the records
# of baselines/versions, TF32 by 1e-4. It moves the weights after five epochs by up to 7e-2, so that these say nothing
# by themselves, and a new random stream moves initial weights, order and masks altogether.
_GIVEN = ("forward", "loss", "gradient", "update", "evaluation")
ROUNDING = 1e-5
"""The largest difference, relative to the largest value, that rounding explains in a stage from given weights."""

_STREAMS = ("initial weights", "data order", "dropout mask")

__all__ = [
    "ROUNDING",
    "Difference",
    "ProbeRecord",
    "Stage",
    "check_comparable",
    "compare_probes",
    "compare_stages",
    "describe_difference",
    "describe_stages",
    "find_oddities",
    "format_difference",
    "is_covered",
    "judge_probes",
    "share_streams",
]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of training: the SHA-256 of its arrays, and a few of their values."""

    name: str
    digest: str
    values: list[float]

    def __post_init__(self) -> None:
        """Refuse a digest that is none, and values that are no numbers."""
        check_digests(f"stage {self.name!r}: digest", self.digest)
        if not all(map(math.isfinite, self.values)):
            raise ValueError(f"stage {self.name!r} holds a value that is not finite")


@dataclass(frozen=True, kw_only=True)
class ProbeRecord:
    """Every stage of one lab's training by one engine, in the order of training.

    `acceptance` is None until the record becomes a baseline.
    """

    config: TrainingConfig
    environment: EnvironmentRecord
    dataset: DatasetRecord
    stages: list[Stage]
    acceptance: Acceptance | None = None
    kind: str = "probe"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse names that are none, and a record without stages or with two of one name."""
        check_names(lab=self.config.lab, engine=self.config.engine)
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"stages: expected one or more, each once, not {names!r}")


@dataclass(frozen=True)
class Difference:
    """A stage that is not the same in two probes.

    Attributes:
        stage: The name of the stage.
        size: The largest difference between the kept values, relative to the largest value; None if the values cannot
            be compared: a probe lacks the stage, or the numbers of values differ.
        only: `first` or `second` if only that probe has the stage, else None.
    """

    stage: str
    size: float | None
    only: str | None = None


def check_comparable(a: ProbeRecord, b: ProbeRecord) -> None:
    """Refuse to compare probes of different things.

    Raises:
        ValueError: The probes differ in lab, seed, training or data; the message says in which.
    """
    sides = [
        (name, getattr(a.config, name), getattr(b.config, name))
        for name in (
            *("lab", "hidden", "dropout", "seed", "epochs", "batch_size"),
            *("optimizer", "learning_rate", "validation_split"),
        )
    ]
    sides += [(f"dataset {name}", getattr(a.dataset, name), getattr(b.dataset, name)) for name in ("source", "digest")]
    for name, first, second in sides:
        if first != second:
            raise ValueError(f"probes that differ in their {name} cannot be compared: {first!r} and {second!r}")


def find_oddities(probe: ProbeRecord) -> list[str]:
    """Return in what a probe is not one of the lab's own, as which alone it is judged: nothing of most probes.

    Raises:
        ValueError: The lab is unknown.
    """
    config, epochs = probe.config, probe.config.epochs or 0
    odd = [
        f"{name} {value!r}, the lab's is {wanted!r}"
        for name, (value, wanted) in find_departures(config).items()
        if name != "epochs"
    ]
    if not config.deterministic:
        odd.append("op determinism was turned off")
    odd += explain_where(config, probe.environment, probe.dataset)
    if told := explain_arithmetic(backend=probe.environment.backend, precision=probe.environment.precision):
        odd.append(told)
    if epochs < PROBE_EPOCHS:
        odd.append(f"{epochs} of {PROBE_EPOCHS} epochs")
    names, due = [stage.name for stage in probe.stages], list_stages(check_lab(config.lab), epochs)
    lacking = [name for name in due if name not in names]
    unknown = [name for name in names if name not in due]
    if lacking:
        odd.append(f"{len(lacking)} of {len(due)} stages are missing, such as {lacking[0]!r}")
    if unknown:
        odd.append(f"{len(unknown)} unknown stages, such as {unknown[0]!r}")
    if not lacking and not unknown and names != due:
        odd.append("the stages are not in the order of training")
    if not any(any(stage.values) for stage in probe.stages):
        odd.append("every value of every stage is 0")
    twin = next((stage for stage in probe.stages if _count(probe, stage) > 1), None)
    if twin:
        odd.append(f"{_count(probe, twin)} stages have the digest of {twin.name!r}")
    return odd


def compare_probes(a: ProbeRecord, b: ProbeRecord) -> list[Difference]:
    """Return the stages that differ, in the order of training: the first one shows where to look.

    Raises:
        ValueError: As `check_comparable` and `compare_stages`.
    """
    check_comparable(a, b)
    return compare_stages(a.stages, b.stages)


def compare_stages(a: Sequence[Stage], b: Sequence[Stage]) -> list[Difference]:
    """Return the stages that differ, in the order of training.

    Raises:
        ValueError: A stage has the same digest in both and other values, so that one of the records was edited.
    """
    first, second = ({stage.name: stage for stage in stages} for stages in (a, b))
    differences = []
    for name in _merge(list(first), list(second)):
        if name not in first or name not in second:
            differences.append(Difference(name, None, "first" if name in first else "second"))
        elif first[name].digest == second[name].digest:
            if first[name].values != second[name].values:
                what = f"stage {name!r} has the same digest in both probes, and other values"
                raise ValueError(f"{what}: one of the two was edited")
        else:
            differences.append(Difference(name, _size(first[name].values, second[name].values)))
    return differences


def share_streams(a: ProbeRecord, b: ProbeRecord) -> bool:
    """Return whether both draw the same random numbers from a seed: initial weights, order of the samples, masks.

    This is known before any training, so that no result decides how it is judged.
    """
    old, new = ({stage.name: stage.digest for stage in probe.stages if stage.name in _STREAMS} for probe in (a, b))
    return old == new and {"initial weights", "data order"} <= old.keys()


def judge_probes(a: ProbeRecord, b: ProbeRecord) -> Verdict:
    """Return what two probes say by themselves: whether other bits are worse, only trainings can say.

    Returns:
        REGRESSED if a stage has another number of values, or moved by more than rounding explains although it started
        from given weights and images; IDENTICAL if both are the lab's own probes and nothing moved; else INCONCLUSIVE.

    Raises:
        ValueError: As `check_comparable`.
    """
    differences = compare_probes(a, b)
    if not differences:
        return Verdict.INCONCLUSIVE if find_oddities(a) or find_oddities(b) else Verdict.IDENTICAL
    return Verdict.REGRESSED if any(map(_is_beyond_rounding, differences)) else Verdict.INCONCLUSIVE


def is_covered(moved: Sequence[Difference], by: Sequence[Difference]) -> bool:
    """Return whether what moved in one pair of probes, and is not rounding alone, moved in another pair, too.

    Args:
        moved: The stages that differ in two probes.
        by: Those of two other probes of the same versions, by another engine.
    """
    there = {difference.stage for difference in by}
    beyond = {difference.stage for difference in by if _is_beyond_rounding(difference)}
    return all(
        difference.stage in (beyond if _is_beyond_rounding(difference) else there)
        or (difference.stage in _GIVEN and difference.size is not None and difference.size <= ROUNDING)
        for difference in moved
    )


def _is_beyond_rounding(difference: Difference) -> bool:
    """Return whether a stage has another number of values, or moved too far for one that starts from given weights."""
    reshaped = difference.size is None and not difference.only
    return reshaped or (difference.stage in _GIVEN and (difference.size or 0) > ROUNDING)


def format_difference(difference: Difference) -> str:
    """Return how a stage differs, in a few words."""
    if difference.only:
        return f"only in the {difference.only} probe"
    if difference.size is None:
        return "has another number of values"
    if not difference.size:
        return "other bits, but the same kept values"
    return f"moved by {difference.size:.2g} of its size"


def describe_difference(a: ProbeRecord, b: ProbeRecord) -> str:
    """Return one line: the first stage that differs, by how much, and how the environments differ.

    Raises:
        ValueError: As `check_comparable`.
    """
    check_comparable(a, b)
    return describe_stages(a.stages, b.stages, a.environment, b.environment)


def describe_stages(a: Sequence[Stage], b: Sequence[Stage], base: EnvironmentRecord, new: EnvironmentRecord) -> str:
    """Return one line: the first stage that differs, by how much, and how the environments differ."""
    differences = compare_stages(a, b)
    keys = explain_keys(base, new, NUMERICS_FIELDS)
    because = "".join(f"; {name} {x!r} and {y!r}" for name, (x, y) in sorted(keys.items()))
    if not differences:
        return f"identical in all {len(a)} stages{because}"
    stages = len({stage.name for stage in (*a, *b)})
    return (
        f"first stage that differs: {differences[0].stage}, {format_difference(differences[0])}; "
        f"{stages - len(differences)} of {stages} stages alike{because}"
    )


def _count(probe: ProbeRecord, stage: Stage) -> int:
    return sum(other.digest == stage.digest for other in probe.stages)


def _merge(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """Return the names of both; a name that only `b` has stands behind the name that it follows in `b`."""
    merged, place = list(a), 0
    for name in b:
        if name not in merged:
            merged.insert(place, name)
        place = merged.index(name) + 1
    return merged


def _size(a: Sequence[float], b: Sequence[float]) -> float | None:
    if len(a) != len(b):
        return None
    scale = max(map(abs, (*a, *b)), default=0.0)
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) / scale if scale else 0.0
