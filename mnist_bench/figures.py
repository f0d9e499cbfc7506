"""The figures of records that a tracker of benchmarks follows over time: named, with their unit and range.

Smaller is better for all of them.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mnist_bench.versionrecords import SeedResults, VersionRecord

__all__ = ["UNITS", "Figure", "collect_figures", "find_gaps"]

UNITS = {
    "test-loss": "nats",
    "test-error": "% of the test images",
    "first-epoch": "s",
    "steady-epoch": "s",
    "import-time": "s",
    "environment-size": "MB",
}
"""The unit of each measure."""

# After the point: microseconds and millionths of a loss, but of an error no more than an accuracy in float32 holds.
_DIGITS, _DIGITS_OF_ERROR = 6, 4


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure, as it stands in a chart.

    Attributes:
        benchmark: What was measured, such as `py312-tf219/mlp-epoch/mnist`: the same in every run.
        measure: A key of `UNITS`.
        value: The mean of the seeds; of times the median.
        low: The smallest of the values; None where there is one only.
        high: The largest.
        about: How many values there are, of what, and the software.
    """

    benchmark: str
    measure: str
    value: float
    low: float | None
    high: float | None
    about: str

    def __post_init__(self) -> None:
        """Refuse what is no figure, which JSON could not hold either."""
        for value in (self.value, self.low, self.high):
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{self.benchmark}: {self.measure} is {value!r}, which is no figure to export")


def collect_figures(records: Mapping[str, VersionRecord]) -> list[Figure]:
    """Return the figures of records, in the order of the records.

    Args:
        records: As `sides.load_all` gives them, by version, or one by the name "".

    Raises:
        ValueError: The records are of different data, hold no figure or one twice, or a figure is not finite.
    """
    data = {(it.dataset.source, it.dataset.digest) for it in records.values() if it.dataset}
    if len(data) > 1:
        said = ", ".join(f"{source} ({digest[:12]})" for source, digest in sorted(data))
        raise ValueError(f"records of different data cannot be exported together: {said}")
    figures = [figure for name, record in records.items() for figure in _collect(name, record)]
    if not figures:
        raise ValueError(f"no figures in the records of {', '.join(_call(name) for name in records)}")
    names = [(it.benchmark, it.measure) for it in figures]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0][0]}: {twice[0][1]} is there twice")
    return figures


def find_gaps(records: Mapping[str, VersionRecord]) -> list[str]:
    """Return in a line each which records lack figures, because nothing was measured or something failed."""
    failed = [f"{name}: {it.layer} of {it.what} failed" for name, record in records.items() for it in record.failures]
    return [*failed, *(f"{name}: nothing measured yet" for name, it in records.items() if it.status == "planned")]


def _collect(name: str, record: VersionRecord) -> Iterator[Figure]:
    if record.imports:
        about = f"of {len(record.imports)} fresh processes"
        yield _make(name, "import-time", record.imports, statistics.median, about, record)
    if record.install:
        size = [record.install.bytes / 1e6]
        yield _make(name, "environment-size", size, statistics.median, "all its files", record)
    for results in record.accuracy:
        benchmark = _name(name, results.lab, results.engine, record)
        about = f"of {len(results.seeds)} seeds, {results.epochs} epochs"
        errors = [round(100 * (1 - accuracy), _DIGITS_OF_ERROR) for accuracy in results.test_accuracy]
        yield _make(benchmark, "test-loss", _get_losses(benchmark, results), statistics.fmean, about, record)
        yield _make(benchmark, "test-error", errors, statistics.fmean, about, record)
    for times in record.times:
        benchmark = _name(name, times.lab, times.engine, record)
        machine = f"hardware {times.hardware_key}"
        for measure, seconds in (("first-epoch", times.seconds[:1]), ("steady-epoch", times.seconds[1:])):
            if seconds:
                about = f"of {len(seconds)} epochs of a process, {machine}"
                yield _make(benchmark, measure, seconds, statistics.median, about, record)


def _make(
    benchmark: str,
    measure: str,
    values: Sequence[float],
    summarise: Callable[[Sequence[float]], float],
    about: str,
    record: VersionRecord,
) -> Figure:
    """Return the figure that several values come to."""
    several = len(values) > 1
    # Sorting leaves NaN anywhere: each value is looked at, not the least and the largest.
    odd = [value for value in values if not 0 <= value < math.inf]
    what = "mean " if summarise is statistics.fmean else "median "
    software = record.environment or record.version
    return Figure(
        benchmark=benchmark,
        measure=measure,
        value=odd[0] if odd else round(summarise(values), _DIGITS),
        low=round(min(values), _DIGITS) if several else None,
        high=round(max(values), _DIGITS) if several else None,
        about=f"{what if several else ''}{about}; TensorFlow {software.tensorflow}, Keras {software.keras}",
    )


def _get_losses(benchmark: str, results: SeedResults) -> list[float]:
    losses = [loss for loss in results.test_loss if loss is not None]
    if len(losses) < len(results.seeds):
        seed = results.seeds[results.test_loss.index(None)]
        raise ValueError(f"{benchmark}: the test loss of seed {seed} is not finite: no figure to export")
    return losses


def _name(name: str, lab: str, engine: str, record: VersionRecord) -> str:
    """Return the name of a training's figures; its data belongs to it, for a stand-in is no MNIST."""
    if record.dataset is None:
        raise ValueError(f"{_call(name)}: it does not say on which data {lab} was trained")
    return "/".join(part for part in (name, f"{lab}-{engine}", record.dataset.source) if part)


def _call(name: str) -> str:
    return name or "trainings"
