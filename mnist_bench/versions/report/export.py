"""The metrics that a tracker of benchmarks follows over time, and the JSON that two trackers read.

Smaller is better for every metric. Both trackers, github-action-benchmark and Bencher, read pytest-benchmark's JSON
themselves, so a stored run of this project's benchmarks needs no export.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_bench.records.serial import dump_json
from mnist_bench.training.labs import check_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mnist_bench.records.config import Case
    from mnist_bench.records.environment import EnvironmentRecord
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.versions.records import VersionRecord
    from mnist_bench.versions.releases import VersionSpec
    from mnist_bench.versions.seeds import SeedResults

__all__ = [
    "FORMATS",
    "UNITS",
    "Metric",
    "check_format",
    "collect_metrics",
    "find_gaps",
    "format_bencher",
    "format_github_action_benchmark",
]

UNITS = {
    "test-loss": "nats",
    "test-error": "% of the test images",
    "first-epoch": "s",
    "steady-epoch": "s",
    "import-time": "s",
    "environment-size": "MB",
}
"""The unit of each measure."""

_MEANS = ("test-loss", "test-error")  # over seeds; times have a median, which one slow process does not move

# Decimals: microseconds and millionths of a loss, but of an error no more than an accuracy in float32 has.
_DIGITS, _DIGITS_OF_ERROR = 6, 4


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure, as a chart shows it.

    Attributes:
        benchmark: What was measured, such as `py312-tf219/mlp-epoch/mnist`: the same in every run.
        measure: A key of `UNITS`.
        value: The mean over the seeds; of times the median.
        low: The smallest of the values; None if there is only one.
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
        """Refuse what is no figure, which JSON cannot hold either."""
        for value in (self.value, self.low, self.high):
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{self.benchmark}: {self.measure} is {value!r}, which is no figure to export")


def collect_metrics(records: Mapping[str, VersionRecord], trainings: Iterable[TrainingRecord] = ()) -> list[Metric]:
    """Return the metrics of records, in the order of the records.

    Args:
        records: As `sources.gather` returns them, by version, or one by the name "".
        trainings: The trainings that were gathered, whose epochs were timed.

    Raises:
        ValueError: The records hold no figure, or one figure twice, or a figure is not finite.
    """
    metrics = [metric for name, record in records.items() for metric in _collect(name, record)]
    timed: dict[Case, TrainingRecord] = {}  # the first training of each case: a median is of one process
    for training in trainings:
        timed.setdefault(training.config.case, training)
    metrics += [metric for training in timed.values() for metric in _collect_times(training)]
    if not metrics:
        raise ValueError(f"no figures in the records of {', '.join(name or 'trainings' for name in records)}")
    counts = Counter((metric.benchmark, metric.measure) for metric in metrics)
    (benchmark, measure), most = counts.most_common(1)[0]
    if most > 1:
        raise ValueError(f"{benchmark}: two figures for {measure}")
    return metrics


def find_gaps(records: Mapping[str, VersionRecord]) -> list[str]:
    """Return, in a line each, which records lack figures because nothing was measured or something failed."""
    failed = [
        f"{name}: {failure.layer} of {failure.what} failed"
        for name, record in records.items()
        for failure in record.failures
    ]
    planned = [name for name, record in records.items() if record.status == "planned"]
    return [*failed, *(f"{name}: nothing measured yet" for name in planned)]


def format_github_action_benchmark(metrics: Sequence[Metric]) -> str:
    """Return the metrics for the action's tool `customSmallerIsBetter`.

    An array of objects with name, unit and value, and the optional texts range and extra: the README of
    https://github.com/benchmark-action/github-action-benchmark, "Examples", on custom benchmarks.
    """
    entries = []
    for metric in metrics:
        entry: dict[str, str | float] = {
            "name": f"{metric.benchmark}/{metric.measure}",
            "unit": UNITS[metric.measure],
            "value": metric.value,
            "extra": metric.about,
        }
        if metric.low is not None:
            entry["range"] = f"{metric.low:.6g} to {metric.high:.6g}"
        entries.append(entry)
    return dump_json(entries)


def format_bencher(metrics: Sequence[Metric]) -> str:
    """Return the metrics in the Bencher Metric Format, for `bencher run --adapter json`.

    An object of benchmarks, each an object of measures, each with value and, optionally, lower_value and
    upper_value: https://bencher.dev/docs/reference/bencher-metric-format/. Bencher holds a measure's unit itself.
    """
    benchmarks: dict[str, dict[str, dict[str, float]]] = {}
    for metric in metrics:
        low, high = metric.low, metric.high
        ends = {} if low is None or high is None else {"lower_value": low, "upper_value": high}
        benchmarks.setdefault(metric.benchmark, {})[metric.measure] = {"value": metric.value, **ends}
    return dump_json(benchmarks)


FORMATS: Mapping[str, Callable[[Sequence[Metric]], str]] = {
    "github-action-benchmark": format_github_action_benchmark,
    "bencher": format_bencher,
}
"""The function that makes the text of each format."""


def check_format(name: str) -> str:
    """Return the name of a format.

    Raises:
        ValueError: There is no such format.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}")
    return name


def _collect(name: str, record: VersionRecord) -> Iterator[Metric]:
    software = record.environment or record.version
    if record.imports:
        yield _make(name, "import-time", record.imports, f"{len(record.imports)} fresh processes", software)
    if record.install:
        yield _make(name, "environment-size", [record.install.bytes / 1e6], "all its files", software)
    for results in record.accuracy:
        if record.dataset is None:
            raise ValueError(f"{name or 'trainings'}: the record does not say on which data {results.lab} was trained")
        # The data is part of the name, so that a chart of MNIST never continues with the stand-in.
        # And so is a shorter training, which is not the lab's.
        wanted = check_lab(results.lab).epochs
        short = f"{results.epochs}-of-{wanted}-epochs" if results.epochs < wanted else ""
        benchmark = "/".join(part for part in (name, str(results.case), record.dataset.source, short) if part)
        seeds = f"{len(results.seeds)} seeds" if len(results.seeds) > 1 else f"seed {results.seeds[0]}"
        about = f"{seeds} of {results.epochs} epochs"
        errors = [round(100 * (1 - accuracy), _DIGITS_OF_ERROR) for accuracy in results.test_accuracy]
        yield _make(benchmark, "test-loss", _get_losses(benchmark, results), about, software)
        yield _make(benchmark, "test-error", errors, about, software)


def _collect_times(training: TrainingRecord) -> Iterator[Metric]:
    benchmark, software = f"{training.config.case}/{training.dataset.source}", training.environment
    first, steady = training.history.seconds[:1], training.history.seconds[1:]
    process = f"of one process on hardware {software.hardware_key}"
    if first:
        yield _make(benchmark, "first-epoch", first, f"epoch 1 {process}", software)
    if steady:
        yield _make(benchmark, "steady-epoch", steady, f"epochs 2 to {1 + len(steady)} {process}", software)


def _make(
    benchmark: str, measure: str, values: Sequence[float], about: str, software: EnvironmentRecord | VersionSpec
) -> Metric:
    """Return the metric that sums up the values of a measure."""
    several = len(values) > 1
    average, summarise = ("mean", statistics.fmean) if measure in _MEANS else ("median", statistics.median)
    # Each value is looked at, because a median, the smallest and the largest value may all hide a NaN.
    odd = [value for value in values if not 0 <= value < math.inf]
    head = f"{average} of " if several else ""
    return Metric(
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
