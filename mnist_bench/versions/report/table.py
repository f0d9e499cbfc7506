"""Each version compared with its predecessor, as the cells of one table: the worst verdict of each group of checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from mnist_bench.records.verdicts import CheckResult, Verdict, conclude, worst_by_name
from mnist_bench.timing.ab.ratio import format_ratio
from mnist_bench.timing.ab.verdict import VERDICTS
from mnist_bench.versions.bits import explain_machines
from mnist_bench.versions.comparison import Compared, check_disaster, compare_versions
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.releases import MATRIX, Axis, find_predecessor
from mnist_bench.versions.report.sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.releases import VersionSpec
    from mnist_bench.versions.report.collection import Collection

__all__ = [
    "COMPARED",
    "GROUPS",
    "TONES",
    "Cell",
    "Tone",
    "VersionRow",
    "compare_cells",
    "is_measured",
    "list_groups",
    "make_rows",
]

Tone = Literal["good", "known", "bad", "open", "moved", "none"]

GROUPS = ("structure", "contracts", "arithmetic", "reproducibility", "bits", "accuracy", "loss", "time")
COMPARED = GROUPS[4:]  # the groups that need a predecessor
# The group of each layer of checks that needs none.
_LAYERS = {"contract": "contracts", **{name: name for name in ("structure", "arithmetic", "reproducibility")}}
# The checks of the layer accuracy that say nothing of a metric. A training that is missing says something of both.
_FOREIGN = {
    "accuracy": ("accuracy/loss", "accuracy/evaluation"),
    "loss": ("accuracy/accuracy", "accuracy/threshold", "accuracy/classes"),
}
TONES: dict[str, Tone] = {"IDENTICAL": "good", "PASS": "good", "BETTER": "known", "KNOWN": "known", "REGRESSED": "bad"}
_NOT_MEASURED, _FAILED, _FIRST, _MOVED = "NOT MEASURED", "FAILED", "FIRST", "MOVED"
_NO_ANSWER: dict[str, Tone] = {_NOT_MEASURED: "none", _FIRST: "none", _MOVED: "moved"}


@dataclass(frozen=True)
class Cell:
    """What a version's record says of one group of checks.

    Attributes:
        word: A verdict; or NOT MEASURED; FAILED if the group could not be measured; FIRST if there is no older version
            to compare with; MOVED if the bits are not the same.
        figure: The same in a few words.
        results: The checks of the group.
    """

    word: str
    figure: str
    results: Sequence[CheckResult] = ()

    @property
    def tone(self) -> Tone:
        """What the word means: one of a few kinds, each with its own colour and sign."""
        return TONES.get(self.word) or _NO_ANSWER.get(self.word, "open")


@dataclass(frozen=True)
class VersionRow:
    """A version and its predecessor.

    Attributes:
        name: The name of the version.
        axis: The axis of the version.
        record: The record of the version.
        base: The name of the predecessor among the records; None if there is none.
        compared: The comparison of the two; None if there is no predecessor, or the two cannot be compared.
        cells: By group, in the order of `list_groups`.
    """

    name: str
    axis: Axis
    record: VersionRecord
    base: str | None
    compared: Compared | None
    cells: dict[str, Cell]


def make_rows(collection: Collection, sharing: Sharing | None = None) -> list[VersionRow]:
    """Return a row for each version, in the collection's order.

    Args:
        collection: The records.
        sharing: The trainings that versions of the same bits share; none if not given.
    """
    # A version of which nothing could be measured is no predecessor: the version before it is.
    specs = [record.version for record in collection.records.values() if is_measured(record)]
    sharing, rows = sharing or Sharing(collection.records), []
    for name, record in collection.records.items():
        spec = _find_base(record.version, specs)
        pair = collection.pairs.get(name)
        base, new = sharing.pair(spec.name, name) if spec else (None, record)
        compared, cells = compare_cells(new, base, pair)
        cells = dict(_judge_checks(record)) | cells
        rows.append(VersionRow(name, collection.axes[name], record, spec.name if spec else None, compared, cells))
    return rows


def list_groups(rows: Iterable[VersionRow]) -> list[str]:
    """Return the columns: the eight groups, and `other` if a record has a check that is in none of the groups."""
    other = any("other" in row.cells for row in rows)
    return [*GROUPS, *(["other"] if other else [])]


def compare_cells(
    record: VersionRecord, base: VersionRecord | None, pair: AbRecord | None
) -> tuple[Compared | None, dict[str, Cell]]:
    """Return what `compare` says of two versions, and the cells of the groups that need a second version.

    Args:
        record: The version.
        base: The version to compare with, if there is one.
        pair: The comparison of the times of the two.
    """
    compared, problem = None, ""
    if base:
        try:
            compared = compare_versions(base, record)
        except ValueError as error:  # such as trainings of another length: no answer, and so not green
            problem = str(error)
    if problem:
        cells = {group: Cell("INCONCLUSIVE", problem) for group in COMPARED}
    else:
        cells = {"bits": _judge_bits(record, base, compared)}
        cells |= {metric: _judge_metric(metric, record, base, compared) for metric in ("accuracy", "loss")}
    if pair or not problem:
        cells["time"] = _judge_time(record, base, pair)
    return compared, cells


def is_measured(record: VersionRecord) -> bool:
    """Return whether anything of a version could be measured."""
    return record.status in ("measured", "partial")


def _find_base(spec: VersionSpec, specs: Sequence[VersionSpec]) -> VersionSpec | None:
    """Return the predecessor; for a version of the user's own that has none, the nearest older version of any kind."""
    found = find_predecessor(spec, specs)
    if found or spec.name in MATRIX:
        return found
    return max((other for other in specs if _age(other) < _age(spec)), key=_age, default=None)


def _age(spec: VersionSpec) -> tuple[Version, Version, Version]:
    return Version(spec.tensorflow), Version(spec.keras or "0"), Version(spec.python)


def _judge_checks(record: VersionRecord) -> Iterable[tuple[str, Cell]]:
    """Yield a cell for each group of checks that need no predecessor."""
    groups: dict[str, list[CheckResult]] = {group: [] for group in GROUPS if group not in COMPARED}
    for result in (result for results in record.checks.values() for result in results):
        groups.setdefault(_LAYERS.get(result.layer, "other"), []).append(result)
    for group, results in groups.items():
        yield group, _summarise(results) if results else _make_empty(record, "checks")


def _summarise(results: Sequence[CheckResult]) -> Cell:
    """Return the worst verdict of these results, and the figure of the first result with that verdict."""
    word = conclude(result.verdict for result in results)
    worst = [result for result in results if result.verdict is word]
    if word in (Verdict.PASS, Verdict.IDENTICAL):
        return Cell(word.value, f"{len(results)} hold" if len(results) > 1 else worst[0].figure, results)
    return Cell(word.value, f"{worst[0].name}: {worst[0].figure}", results)


def _make_empty(record: VersionRecord, layer: str) -> Cell:
    failures = [failure for failure in record.failures if failure.layer == layer or record.status == "failed"]
    if failures:
        return Cell(_FAILED, f"{failures[0].layer} of {failures[0].what} failed: {failures[0].reason}")
    return Cell(_NOT_MEASURED, "not measured")


def _judge_bits(record: VersionRecord, base: VersionRecord | None, compared: Compared | None) -> Cell:
    if not record.probes and not record.accuracy:
        return _make_empty(record, "probes")
    if base is None or compared is None:
        return Cell(_FIRST, "no older version on its axis")
    same = [result for result in compared.results if result.layer == "bits"]
    if not same and not compared.moved:
        return Cell(_NOT_MEASURED, "not measured in both")
    if machines := explain_machines(base, record):
        return Cell("INCONCLUSIVE", f"the bits of two machines cannot be compared: {machines}", same)
    if compared.moved:
        case, reason = next(iter(compared.moved.items()))
        return Cell(_MOVED, f"{case}: {reason}", same)
    return _summarise(same)


def _judge_metric(metric: str, record: VersionRecord, base: VersionRecord | None, compared: Compared | None) -> Cell:
    """Return the cell of `accuracy` or `loss`: the disasters, which need no predecessor, and the statistics."""
    if not record.accuracy:
        return _make_empty(record, "accuracy")
    results = [result for trained in record.accuracy for result in check_disaster(trained)]
    if base and not base.accuracy and not results:
        return Cell(_NOT_MEASURED, f"{base.version.name} has no trainings")
    if compared:
        results += [result for result in compared.results if result.layer == "accuracy"]
    found = [result for result in worst_by_name(results).values() if result.check not in _FOREIGN[metric]]
    if found:
        return _summarise(found)
    if base is None or compared is None:
        return Cell(_FIRST, "no older version on its axis")
    return Cell("IDENTICAL", "the same bits in every training")


def _judge_time(record: VersionRecord, base: VersionRecord | None, pair: AbRecord | None) -> Cell:
    if pair:
        ratios = f"wall clock {format_ratio(pair.wall)}, processor time {format_ratio(pair.cpu)}"
        return Cell(VERDICTS[pair.verdict].value, f"{pair.verdict}: {ratios}")
    if base is None and is_measured(record):
        return Cell(_FIRST, "no older version on its axis")
    return _make_empty(record, "pairs")
