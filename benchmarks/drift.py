"""How much of each engine's drift each control workload explains: epochs and controls in turn, for some minutes.

    python benchmarks/drift.py --minutes 10 --out drift.jsonl             # continues an earlier run
    python benchmarks/drift.py --minutes 0 --out drift.jsonl --markdown   # only the table
    python benchmarks/drift.py --minutes 10 --neighbours 2 --out busy.jsonl

A round is one epoch of each engine, with the controls before each epoch. If a control slows down exactly as an epoch
does, the epoch's time divided by the control's is constant. The table shows how much smaller the variance of the
logarithm of this quotient is than that of the time; it is negative if dividing by the control makes it larger.

On a quiet machine the drift is small compared with the noise of a single control. Neighbours, processes that sort
numbers in every other four rounds, cause a large and known drift.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from neighbours import SORTS, keep_busy

from mnist_bench.records.config import TrainingConfig
from mnist_bench.records.files import write_atomically
from mnist_bench.timing.clock import CONTROLS, RoundClock, time_call
from mnist_bench.timing.trial import Trial, prepare_process
from mnist_bench.training.data.dataset import load_dataset, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ENGINES = ("graph", "epoch", "fused")
LABS = ("perceptron", "mlp", "dropout")
_FEWEST = 3
_SPELL = 4  # rounds with neighbours, and then without


def main() -> None:
    """Measure according to the options, then show the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long to measure; 0 shows the table only")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="one JSON line for each measurement")
    parser.add_argument("--lab", choices=LABS, action="append", help="all if not given; may be repeated")
    parser.add_argument(
        "--engine", choices=("eager", "xla", *ENGINES), action="append", help="by default " + str(ENGINES)
    )
    parser.add_argument("--neighbours", type=int, default=0, metavar="N", help="busy processes that come and go")
    parser.add_argument("--data", default="auto", help="as for mnist-bench")
    parser.add_argument("--markdown", action="store_true", help="for docs/benchmarks.md")
    options = parser.parse_args()
    if options.minutes > 0:
        cut_torn_line(options.out)
        labs, engines = options.lab or LABS, options.engine or ENGINES
        with options.out.open("a", encoding="utf-8") as stream:
            for row in measure(labs, engines, options.data, options.minutes, options.neighbours):
                stream.write(json.dumps(row) + "\n")
                stream.flush()  # an interrupted run keeps the measurements
    rows = read_rows(options.out)
    print(*format_table(rows, markdown=options.markdown), sep="\n")


def measure(
    labs: Sequence[str], engines: Sequence[str], data: str, minutes: float, neighbours: int
) -> Iterator[dict[str, Any]]:
    """Yield one measurement after the other: an epoch with the controls just before."""
    prepared, clock = prepare(load_dataset(data)), RoundClock()
    controls = {name: make() for name, make in CONTROLS.items()}
    trials = {}
    for lab in labs:
        for engine in engines:
            config = TrainingConfig(lab=lab, engine=engine)
            prepare_process(config)
            trials[lab, engine] = Trial(config, prepared, clock)
            trials[lab, engine].train_epoch()  # traces and compiles
    end = time.monotonic() + 60 * minutes
    for number in itertools.count():
        if time.monotonic() >= end:
            return
        busy = neighbours * (number // _SPELL % 2)
        with keep_busy([SORTS] * busy):
            for (lab, engine), trial in trials.items():
                measured = time_round(trial, clock, controls)
                yield {"lab": lab, "engine": engine, "at": time.time(), "neighbours": busy, **measured}


def time_round(trial: Trial, clock: RoundClock, controls: dict[str, Callable[[], None]]) -> dict[str, Any]:
    """Return the wall seconds of the controls, and the wall and CPU seconds of the epoch after the controls."""
    taken = {name: time_call(control).wall for name, control in controls.items()}
    trial.train_epoch()
    times = clock.times[-1]
    return {"wall": times.wall, "cpu": times.cpu, "controls": taken}


def cut_torn_line(path: Path) -> None:
    """Remove an incomplete last line that an interruption left, so that the next line does not continue it."""
    if path.exists():
        content = path.read_bytes()
        write_atomically(path, content[: content.rfind(b"\n") + 1], overwrite=True)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the measurements without an incomplete last line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def explain(seconds: Sequence[float], control: Sequence[float]) -> tuple[float, float]:
    """Return the correlation of the logarithms, and the share of the variance that dividing removes."""
    time_log, control_log = np.log(seconds), np.log(control)
    correlation = float(np.corrcoef(time_log, control_log)[0, 1])
    return correlation, float(1 - np.var(time_log - control_log) / np.var(time_log))


def format_table(rows: Sequence[dict[str, Any]], *, markdown: bool) -> list[str]:
    """Return the lines of the table: a row for each engine and lab, a column for each control, the best in bold."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["engine"], row["lab"]), []).append(row)
    # Rows of before a control have none of it.
    controls = [name for name in CONTROLS if all(name in row["controls"] for row in rows)]
    lines = [["engine", "lab", "epochs", "median s", "spread", *(f"{name}: r, explained" for name in controls)]]
    for (engine, lab), group in sorted(groups.items()):
        if len(group) < _FEWEST:
            continue
        walls = [row["wall"] for row in group]
        found = {name: explain(walls, [row["controls"][name] for row in group]) for name in controls}
        best = max(found, key=lambda name: found[name][1])
        cells = []
        for name, (correlation, share) in found.items():
            text = f"{correlation:.2f}, {share:.0%}"
            cells.append(f"**{text}**" if markdown and name == best else text)
        spread = f"{np.std(np.log(walls)):.1%}"
        lines.append([engine, lab, str(len(group)), f"{statistics.median(walls):.3f}", spread, *cells])
    if markdown:
        rule = ["---"] * len(lines[0])
        return [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]


if __name__ == "__main__":
    main()
