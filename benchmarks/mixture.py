"""Does a mixture of the controls explain more of a time than one control does? Fitted on some runs, tried on others.

    python benchmarks/mixture.py tries.jsonl                        # the file of benchmarks/conditions.py
    python benchmarks/mixture.py baselines/timings/*/0*_tf2.21*.json    # stored runs, of one machine and TensorFlow

The logarithm of a round's time is a constant and a sum of the controls' logarithms, each with a weight of 0 or more.
The runs are divided into two halves, two runs and two runs in turn; each half is predicted from the constants and
weights of the other. A share is that of the variance of the logarithms that the prediction removes: 0 for the mean of
the other half, negative for what predicts worse than that. Of one control alone the weight is 1, as where a time is
divided by the control.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy
from drift import read_rows

from mnist_bench.timing.records import load_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

_FEWEST_RUNS = 6


class Rounds(NamedTuple):
    """The rounds of a benchmark.

    Attributes:
        controls: The names of the controls.
        runs: The number of each round's run, in the order of time.
        times: Logarithms of seconds, shape (n,).
        loads: Logarithms of the controls' seconds, shape (n, number of controls).
    """

    controls: list[str]
    runs: Vector
    times: Vector
    loads: Vector


def main() -> None:
    """Read the files, and show the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="+", help="one file of tries, or stored runs")
    files = parser.parse_args().files
    runs = read_tries(files[0]) if files[0].suffix == ".jsonl" else read_runs(files)
    print(*format_table(collect_rounds(runs)), sep="\n")


def read_tries(path: Path) -> list[dict[str, Any]]:
    """Return the runs of `conditions.py` without planted work: wall times and controls by the benchmark's name."""
    return [row["benchmarks"] for row in read_rows(path) if row["work"] == 1]


def read_runs(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return stored runs in the order of time, in the same form; those of epochs and evaluations."""
    return [
        {
            timing.fullname.partition("::")[2]: {"wall": timing.stats.data, "controls": timing.extra_info.controls}
            for timing in run.benchmarks
            if timing.group in ("steady epoch", "evaluation")
        }
        for run in sorted(map(load_run, paths), key=lambda run: run.datetime)
    ]


def collect_rounds(runs: Sequence[dict[str, Any]]) -> dict[str, Rounds]:
    """Return the rounds of each benchmark that all runs have, with the controls that all runs have."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    rounds = {}
    for name in names:
        timed = [run[name] for run in runs]
        controls = [control for control in timed[0]["controls"] if all(control in run["controls"] for run in timed)]
        rounds[name] = Rounds(
            controls,
            np.concatenate([[number] * len(run["wall"]) for number, run in enumerate(timed)]),
            np.log(np.concatenate([run["wall"] for run in timed])),
            np.log(np.concatenate([np.array([run["controls"][name] for name in controls]).T for run in timed])),
        )
    return rounds


def explain(rounds: Rounds, choice: Sequence[str], *, fitted: bool) -> tuple[float, Vector]:
    """Return the share of the variance that is removed in runs that were not fitted, and the weights of all runs."""
    loads = rounds.loads[:, [rounds.controls.index(name) for name in choice]]
    ones = np.ones(len(choice))
    # Two runs are a try: both halves are of the same hours and conditions.
    half = rounds.runs % 4 < 2
    left = total = 0.0
    for known in (half, ~half):
        weights = fit(loads[known], rounds.times[known]) if fitted else ones
        constant = float(np.mean(rounds.times[known] - loads[known] @ weights))
        left += float(np.sum((rounds.times[~known] - loads[~known] @ weights - constant) ** 2))
        total += float(np.sum((rounds.times[~known] - np.mean(rounds.times[known])) ** 2))
    return 1 - left / total, fit(loads, rounds.times) if fitted else ones


def fit(loads: Vector, times: Vector) -> Vector:
    """Return the weights, 0 or more, with which the controls are nearest to the times, apart from a constant."""
    weights, _ = scipy.optimize.nnls(loads - loads.mean(axis=0), times - times.mean())
    return np.asarray(weights)


def format_table(benchmarks: dict[str, Rounds]) -> list[str]:
    """Return the rows of Markdown: the share that each control alone, and the mixture, explains of each benchmark."""
    first = next(iter(benchmarks.values()))
    count = int(first.runs.max()) + 1
    if count < _FEWEST_RUNS:
        return [f"{count} runs are too few: {_FEWEST_RUNS} are needed, to fit with one half and to try with the other"]
    head = ["benchmark", "runs", "spread", *first.controls, "mixture", "weights"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name, rounds in benchmarks.items():
        alone = [explain(rounds, [control], fitted=False)[0] for control in rounds.controls]
        share, weights = explain(rounds, rounds.controls, fitted=True)
        said = ", ".join(
            f"{control} {weight:.2f}" for control, weight in zip(rounds.controls, weights, strict=True) if weight > 0
        )
        cells = [name, str(count), f"{math.sqrt(np.var(rounds.times)):.0%}"]
        cells += [f"{value:.0%}" for value in (*alone, share)]
        lines.append(f"| {' | '.join([*cells, said or 'none'])} |")
    return lines


if __name__ == "__main__":
    main()
