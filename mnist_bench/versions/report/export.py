"""The figures of records that a tracker of benchmarks follows over time: named, with their unit and range.

Smaller is better for all of them.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mnist_bench.versions.records import SeedResults, VersionRecord

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

_MEANS = ("test-loss", "test-error")  # over seeds; of times the median, which one slow process leaves alone

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
    counts = Counter((it.benchmark, it.measure) for it in figures)
    (benchmark, measure), most = counts.most_common(1)[0]
    if most > 1:
        raise ValueError(f"{benchmark}: {measure} is there twice")
    return figures


def find_gaps(records: Mapping[str, VersionRecord]) -> list[str]:
    """Return in a line each which records lack figures, because nothing was measured or something failed."""
    failed = [f"{name}: {it.layer} of {it.what} failed" for name, record in records.items() for it in record.failures]
    return [*failed, *(f"{name}: nothing measured yet" for name, it in records.items() if it.status == "planned")]


def _collect(name: str, record: VersionRecord) -> Iterator[Figure]:
    if record.imports:
        yield _make(name, "import-time", record.imports, f"{len(record.imports)} fresh processes", record)
    if record.install:
        yield _make(name, "environment-size", [record.install.bytes / 1e6], "all its files", record)
    for results in record.accuracy:
        benchmark = _name(name, results.lab, results.engine, record)
        seeds = f"{len(results.seeds)} seeds" if len(results.seeds) > 1 else f"seed {results.seeds[0]}"
        about = f"{seeds} of {results.epochs} epochs"
        errors = [round(100 * (1 - accuracy), _DIGITS_OF_ERROR) for accuracy in results.test_accuracy]
        yield _make(benchmark, "test-loss", _get_losses(benchmark, results), about, record)
        yield _make(benchmark, "test-error", errors, about, record)
    for times in record.times:
        benchmark = _name(name, times.lab, times.engine, record)
        process = f"of one process on hardware {times.hardware_key}"
        first, steady = times.seconds[:1], times.seconds[1:]
        if first:
            yield _make(benchmark, "first-epoch", first, f"epoch 1 {process}", record)
        if steady:
            yield _make(benchmark, "steady-epoch", steady, f"epochs 2 to {len(times.seconds)} {process}", record)


def _make(benchmark: str, measure: str, values: Sequence[float], about: str, record: VersionRecord) -> Figure:
    """Return the figure that the values of a measure come to."""
    several = len(values) > 1
    what, summarise = ("mean", statistics.fmean) if measure in _MEANS else ("median", statistics.median)
    # Each is looked at, for NaN may hide among the others from the least, the largest and the median.
    odd = [value for value in values if not 0 <= value < math.inf]
    head, software = f"{what} of " if several else "", record.environment or record.version
    return Figure(
        benchmark=benchmark,
        measure=measure,
        value=odd[0] if odd else round(summarise(values), _DIGITS),
        low=round(min(values), _DIGITS) if several else None,
        high=round(max(values), _DIGITS) if several else None,
        about=f"{head}{about}; TensorFlow {software.tensorflow}, Keras {software.keras}",
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
