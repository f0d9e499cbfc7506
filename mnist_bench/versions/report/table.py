"""Every version beside its predecessor, as the cells of one table: the worst verdict of each group of checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from mnist_bench.records.environment import NUMERICS_FIELDS, explain_keys
from mnist_bench.records.verdicts import CheckResult, Verdict, conclude
from mnist_bench.timing.ab.records import VERDICTS, format_ratio
from mnist_bench.versions.comparison import Compared, check_disaster, compare_versions
from mnist_bench.versions.records import VersionRecord
from mnist_bench.versions.releases import MATRIX, Axis, find_predecessor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mnist_bench.timing.ab.records import AbRecord
    from mnist_bench.versions.releases import VersionSpec
    from mnist_bench.versions.report.collection import Collection

__all__ = ["GROUPS", "TONES", "Cell", "Row", "Tone", "explain_machines", "list_groups", "make_rows"]

Tone = Literal["good", "known", "bad", "open", "moved", "none"]

GROUPS = ("structure", "contracts", "arithmetic", "reproducibility", "bits", "accuracy", "loss", "time")
_BESIDE = GROUPS[4:]  # those that need a predecessor
_LAYERS = {"structure": "structure", "contract": "contracts"}
_LAYERS |= {name: name for name in ("arithmetic", "reproducibility")}
TONES: dict[str, Tone] = {"IDENTICAL": "good", "PASS": "good", "KNOWN": "known", "REGRESSED": "bad"}
_NOT_MEASURED, _FAILED, _FIRST, _LEAD, _MOVED = "NOT MEASURED", "FAILED", "FIRST", "LEAD", "MOVED"
_NO_ANSWER: dict[str, Tone] = {_NOT_MEASURED: "none", _FIRST: "none", _LEAD: "none", _MOVED: "moved"}


@dataclass(frozen=True)
class Cell:
    """What a version says of one group of checks.

    Attributes:
        word: A verdict; or NOT MEASURED, FAILED where it could not be measured, FIRST where there is nothing older
            to hold it against, MOVED where the bits are others, LEAD where times are no pair.
        figure: The same in a few words.
        results: The checks behind it.
    """

    word: str
    figure: str
    results: Sequence[CheckResult] = ()

    @property
    def tone(self) -> Tone:
        """What the word means: one of a few kinds, each with its own colour and sign."""
        return TONES.get(self.word) or _NO_ANSWER.get(self.word, "open")


@dataclass(frozen=True)
class Row:
    """A version beside its predecessor.

    Attributes:
        name: Of the version.
        axis: Which it belongs to.
        record: Its record.
        base: The name of its predecessor among the records, if there is one.
        compared: What the two say beside each other; None where there is none, or they cannot be compared.
        cells: By group, in the order of `list_groups`.
    """

    name: str
    axis: Axis
    record: VersionRecord
    base: str | None
    compared: Compared | None
    cells: dict[str, Cell]


def make_rows(collection: Collection) -> list[Row]:
    """Return a row a version, in the collection's order."""
    # A predecessor of which nothing could be measured says nothing: the one before it does.
    specs = [it.version for it in collection.records.values() if it.status in ("measured", "partial")]
    rows = []
    for name, record in collection.records.items():
        spec = _find_base(record.version, specs)
        base = collection.records[spec.name] if spec else None
        rows.append(_make_row(record, base, collection.axes[name], collection.pairs.get(name)))
    return rows


def list_groups(rows: Iterable[Row]) -> list[str]:
    """Return the columns: the eight groups, and `other` where a record has a check that is in none of them."""
    other = any("other" in row.cells for row in rows)
    return [*GROUPS, *(["other"] if other else [])]


def explain_machines(a: VersionRecord, b: VersionRecord) -> str:
    """Return in what two machines differ so that other bits say nothing of the versions; empty if in nothing."""
    if a.environment is None or b.environment is None:
        return "no fingerprint of the machine"
    keys = explain_keys(a.environment, b.environment, NUMERICS_FIELDS)
    return ", ".join(f"{name} {x!r} and {y!r}" for name, (x, y) in keys.items() if name != "keras")


def _find_base(spec: VersionSpec, specs: Sequence[VersionSpec]) -> VersionSpec | None:
    """Return the predecessor; of a version of one's own that has none, the nearest older one, whatever differs."""
    found = find_predecessor(spec, specs)
    if found or spec.name in MATRIX:
        return found
    return max((it for it in specs if _age(it) < _age(spec)), key=_age, default=None)


def _age(spec: VersionSpec) -> tuple[Version, Version, Version]:
    return Version(spec.tensorflow), Version(spec.keras or "0"), Version(spec.python)


def _make_row(record: VersionRecord, base: VersionRecord | None, axis: Axis, pair: AbRecord | None) -> Row:
    compared, problem = None, ""
    if base:
        try:
            compared = compare_versions(base, record)
        except ValueError as error:  # such as trainings of another length: no answer, and never green
            problem = str(error)
    cells = dict(_judge_checks(record))
    if problem:
        cells |= {group: Cell("INCONCLUSIVE", problem) for group in _BESIDE}
    else:
        cells["bits"] = _judge_bits(record, base, compared)
        cells |= {metric: _judge_metric(metric, record, base, compared) for metric in ("accuracy", "loss")}
    if pair or not problem:
        cells["time"] = _judge_time(record, base, compared, pair)
    name = record.version.name
    return Row(name, axis, record, base.version.name if base else None, compared, cells)


def _judge_checks(record: VersionRecord) -> Iterable[tuple[str, Cell]]:
    """Yield a cell for each group of checks that need no predecessor."""
    groups: dict[str, list[CheckResult]] = {group: [] for group in _LAYERS.values()}
    for result in (it for its in record.checks.values() for it in its):
        groups.setdefault(_LAYERS.get(result.name.partition("/")[0], "other"), []).append(result)
    for group, results in groups.items():
        yield group, _summarise(results) if results else _make_empty(record, "checks")


def _summarise(results: Sequence[CheckResult]) -> Cell:
    """Return what these results come to, in the words of the first that is as bad as the worst."""
    word = conclude(result.verdict for result in results)
    worst = [result for result in results if result.verdict is word]
    if word in (Verdict.PASS, Verdict.IDENTICAL):
        return Cell(word.value, f"{len(results)} hold" if len(results) > 1 else worst[0].figure, results)
    return Cell(word.value, f"{worst[0].name}: {worst[0].figure}", results)


def _make_empty(record: VersionRecord, layer: str) -> Cell:
    failures = [it for it in record.failures if it.layer == layer or record.status == "failed"]
    if failures:
        return Cell(_FAILED, f"{failures[0].layer} of {failures[0].what} failed: {failures[0].reason}")
    return Cell(_NOT_MEASURED, "not measured")


def _judge_bits(record: VersionRecord, base: VersionRecord | None, compared: Compared | None) -> Cell:
    if not record.probes and not record.accuracy:
        return _make_empty(record, "probes")
    if base is None or compared is None:
        return Cell(_FIRST, "nothing older on its axis")
    same = [it for it in compared.results if it.name.startswith("bits/")]
    if not same and not compared.moved:
        return Cell(_NOT_MEASURED, "not measured in both")
    machines = explain_machines(base, record)
    if machines:
        return Cell("INCONCLUSIVE", f"the bits of two machines do not compare: {machines}", same)
    if compared.moved:
        case, reason = next(iter(compared.moved.items()))
        return Cell(_MOVED, f"{case}: {reason}", same)
    return _summarise(same)


def _judge_metric(metric: str, record: VersionRecord, base: VersionRecord | None, compared: Compared | None) -> Cell:
    """Return the cell of `accuracy` or `loss`: the disasters, which need no predecessor, and the statistics."""
    if not record.accuracy:
        return _make_empty(record, "accuracy")
    results = {it.name: it for results in record.accuracy for it in check_disaster(results)}
    if base and not base.accuracy and not results:
        return Cell(_NOT_MEASURED, f"{base.version.name} has no trainings")
    if compared:
        results |= {it.name: it for it in compared.results if it.name.startswith("accuracy/")}
    mine = [it for name, it in results.items() if _is_about(name, metric)]
    if mine:
        return _summarise(mine)
    if base is None or compared is None:
        return Cell(_FIRST, "nothing older on its axis")
    return Cell("IDENTICAL", "the same bits in every training")


def _is_about(name: str, metric: str) -> bool:
    """Return whether a check's name is about a metric; one of a training that is not there is about both."""
    check = name.removeprefix("accuracy/").partition("[")[0]
    return check not in ("accuracy", "threshold", "loss") or (check == "loss") == (metric == "loss")


def _judge_time(
    record: VersionRecord, base: VersionRecord | None, compared: Compared | None, pair: AbRecord | None
) -> Cell:
    if pair:
        ratios = f"wall clock {format_ratio(pair.wall)}, processor time {format_ratio(pair.cpu)}"
        figure = f"{pair.verdict} than {pair.python_a}: {ratios}" if pair.verdict in ("slower", "faster") else ""
        figure = figure or f"{pair.verdict}, beside {pair.python_a}: {ratios}"
        return Cell(VERDICTS[pair.verdict].value, figure)
    if not record.times:
        return _make_empty(record, "times")
    leads = [note for note in compared.notes if note.startswith("epoch of ")] if compared else []
    if leads:
        return Cell(_LEAD, leads[0])
    return Cell(_LEAD if base else _FIRST, "timed, but beside nothing")
