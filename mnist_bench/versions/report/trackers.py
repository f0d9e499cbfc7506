"""Figures in the JSON that trackers of benchmarks read: github-action-benchmark and Bencher.

Both read pytest-benchmark's JSON themselves, so a stored run of this project's benchmarks needs no export.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.records.serial import dump_json
from mnist_bench.versions.report.export import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mnist_bench.versions.report.export import Figure

__all__ = ["FORMATS", "check_format", "format_bencher", "format_github_action_benchmark"]


def format_github_action_benchmark(figures: Sequence[Figure]) -> str:
    """Return the figures for the action's tool `customSmallerIsBetter`.

    An array of objects with name, unit and value, and the optional texts range and extra: the README of
    https://github.com/benchmark-action/github-action-benchmark, "Examples", on custom benchmarks.
    """
    entries = []
    for it in figures:
        entry: dict[str, str | float] = {
            "name": f"{it.benchmark}/{it.measure}",
            "unit": UNITS[it.measure],
            "value": it.value,
            "extra": it.about,
        }
        if it.low is not None:
            entry["range"] = f"{it.low:.6g} to {it.high:.6g}"
        entries.append(entry)
    return dump_json(entries)


def format_bencher(figures: Sequence[Figure]) -> str:
    """Return the figures in the Bencher Metric Format, for `bencher run --adapter json`.

    An object of benchmarks, each an object of measures, each with value and, optionally, lower_value and
    upper_value: https://bencher.dev/docs/reference/bencher-metric-format/. Bencher holds a measure's unit itself.
    """
    benchmarks: dict[str, dict[str, dict[str, float]]] = {}
    for it in figures:
        ends = {} if it.low is None or it.high is None else {"lower_value": it.low, "upper_value": it.high}
        benchmarks.setdefault(it.benchmark, {})[it.measure] = {"value": it.value, **ends}
    return dump_json(benchmarks)


FORMATS: Mapping[str, Callable[[Sequence[Figure]], str]] = {
    "github-action-benchmark": format_github_action_benchmark,
    "bencher": format_bencher,
}
"""What turns figures into text, by the name of the format."""


def check_format(name: str) -> str:
    """Return the name of a format.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}")
    return name
