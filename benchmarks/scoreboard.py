"""The results as tables, for a terminal or in Markdown."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contenders import CONTENDERS
from results import median_seconds, pair_ratios
from rich import box
from rich.console import Console
from rich.table import Table

from mnist_bench.training.labs import LABS, count_flops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results import Entry, Results

__all__ = ["TARGETS", "Target", "show_results"]

_SAMPLES = 48_000  # the training part of the lab's split
_NOTHING = "-"


@dataclass(frozen=True)
class Target:
    """A ratio that the project set itself; shown, never asserted.

    Attributes:
        claim: What people read.
        over: The contender whose seconds stand above the line.
        under: The contender whose seconds stand below it.
        wanted: The ratio wanted for each lab.
    """

    claim: str
    over: str
    under: str
    wanted: dict[str, str]


_AHEAD = dict.fromkeys(LABS, "> 1")

TARGETS = (
    Target("fused faster than graph", "graph", "fused", {"perceptron": "≥ 10", "mlp": "≥ 5", "dropout": "≥ 3.5"}),
    Target("epoch faster than eager", "eager", "epoch", dict.fromkeys(LABS, "≥ 10")),
    Target("fused near the bound: fused / bound", "fused", "bound", {"mlp": "≤ 1.4"}),
    Target("fused faster than PyTorch", "torch", "fused", _AHEAD),
    Target("fused faster than JAX", "jax", "fused", _AHEAD),
    Target("fused faster than NumPy", "numpy", "fused", _AHEAD),
    Target("fused faster than scikit-learn", "sklearn", "fused", {"perceptron": "> 1", "mlp": "> 1"}),
    Target("two seeds in two processes faster than in turn", "fused", "fused-pair", _AHEAD),
)


def show_results(results: Results, *, markdown: bool) -> None:
    """Print all tables on standard output.

    Args:
        results: What to show.
        markdown: Whether in Markdown.
    """
    # Wide enough that no cell is ever wrapped: a terminal folds lines itself.
    console = Console(width=200, highlight=False)
    sections = {
        "Seconds per epoch": _tabulate_times(results),
        "Targets": _tabulate_targets(results),
        "The bound": _tabulate_bound(results),
        "The same mathematics": _tabulate_proofs(results),
        "Environment": (("", ""), list(results.environment.items())),
    }
    for title, (columns, rows) in sections.items():
        table = Table(box=box.MARKDOWN if markdown else box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(column, no_wrap=True)
        for row in rows:
            table.add_row(*row)
        with console.capture() as capture:
            console.print(table)
        # Without the blanks that rich leaves at the ends of lines.
        lines = "\n".join(line.rstrip() for line in capture.get().splitlines())
        print(f"{'### ' if markdown else ''}{title}\n\n{lines.strip(chr(10))}\n")


_Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]


def _tabulate_times(results: Results) -> _Rows:
    columns = ("lab", "how", "seconds", "lowest to highest", "CPU seconds", "times fused")
    rows = []
    for entry in results.entries:
        how = CONTENDERS[entry.contender].label + (f": {entry.note}" if entry.note else "")
        rows.append((entry.lab, how, *_describe(results, entry)))
    return columns, rows


def _describe(results: Results, entry: Entry) -> tuple[str, ...]:
    if not entry.epochs:
        return (_NOTHING,) * 4
    seconds = [epoch.seconds for epoch in entry.epochs]
    cpu_seconds = statistics.median(epoch.cpu_seconds for epoch in entry.epochs)
    ratios = pair_ratios(entry, results.find(entry.lab, "fused"))
    return (
        f"{median_seconds(entry):.3f}",
        f"{min(seconds):.3f} to {max(seconds):.3f}, n = {len(seconds)}",
        f"{cpu_seconds:.3f}",
        f"{statistics.median(ratios):.2f}" if ratios else _NOTHING,
    )


def _tabulate_targets(results: Results) -> _Rows:
    labs = _find_labs(results)
    rows = [
        (target.claim, lab, wanted, _spread(results, lab, target.over, target.under))
        for target in TARGETS
        for lab, wanted in target.wanted.items()
        if lab in labs
    ]
    return ("claim", "lab", "target", "measured"), rows


def _spread(results: Results, lab: str, over: str, under: str) -> str:
    ratios = pair_ratios(results.find(lab, over), results.find(lab, under))
    if not ratios:
        return "not measured"
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, n = {len(ratios)})"


def _tabulate_bound(results: Results) -> _Rows:
    rows = []
    for lab in _find_labs(results):
        flops = count_flops(LABS[lab], _SAMPLES) / 1e9
        timed = (results.find(lab, name) for name in ("bound", "fused"))
        rates = [f"{flops / median_seconds(entry):.0f}" if entry and entry.epochs else _NOTHING for entry in timed]
        rows.append((lab, f"{flops:.2f}", *rates, _spread(results, lab, "fused", "bound")))
    return ("lab", "GFLOP an epoch", "GFLOP/s of BLAS", "GFLOP/s of fused", "fused / bound"), rows


def _tabulate_proofs(results: Results) -> _Rows:
    columns = ("lab", "who", "training loss", "training accuracy", "validation accuracy", "off the oracle")
    rows = []
    for entry in results.entries:
        if proof := entry.proof:
            accuracy = _NOTHING if proof.accuracy is None else f"{proof.accuracy:.4f}"
            departure = _NOTHING if proof.departure is None else f"{proof.departure:.1e}"
            rows.append(
                (
                    entry.lab,
                    entry.contender,
                    f"{proof.loss:.4f}",
                    accuracy,
                    f"{proof.val_accuracy:.4f}",
                    departure,
                )
            )
    return columns, rows


def _find_labs(results: Results) -> Sequence[str]:
    return list(dict.fromkeys(entry.lab for entry in results.entries))
