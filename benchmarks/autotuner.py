"""How long does Keras's `fit` wait for tf.data's autotuner at the end of its epochs, in these environments?

    python benchmarks/autotuner.py PYTHON... --lab mlp --engine graph

Each interpreter needs this package and TensorFlow. One process of each trains the lab by turns as it is shipped and
without the autotuner; the ratio is taken within a turn, from the seconds of the whole call of `fit`. It prints a
Markdown table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from mnist_bench.records.config import TrainingConfig
from mnist_bench.training import backend
from mnist_bench.training.data.dataset import load_dataset, prepare
from mnist_bench.training.engines import ENGINES, compile_model, train_model
from mnist_bench.training.labs import LABS, build_model

EPOCHS = 5  # of a call of `fit`
TURNS = 4


@dataclass(frozen=True)
class Waits:
    """What one process measured: its versions, and the seconds an epoch of each call of `fit`, turn by turn."""

    tensorflow: str
    keras: str
    shipped: list[float]
    without: list[float]


def main() -> None:
    """Measure in every interpreter, one after the other, and print the table; or measure in this one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("python", nargs="*", help="interpreters; this one if not given")
    parser.add_argument("--lab", default="mlp", choices=sorted(LABS))
    parser.add_argument("--engine", default="graph", choices=[name for name, it in ENGINES.items() if it.fit])
    parser.add_argument("--data", default="auto")
    parser.add_argument("--here", action="store_true", help="measure in this process, and print JSON")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(asdict(measure(options.lab, options.engine, options.data))))
        return
    print("| TensorFlow | Keras | as shipped, s an epoch | without | ratio, lowest to highest |\n|" + " --- |" * 5)
    for python in options.python or [sys.executable]:
        print(format_row(ask(python, options)), flush=True)


def ask(python: str, options: argparse.Namespace) -> Waits:
    """Return what a process of an interpreter measures."""
    command = [python, __file__, "--here", "--lab", options.lab, "--engine", options.engine, "--data", options.data]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - the user named it
    return Waits(**json.loads(done.stdout.splitlines()[-1]))


def measure(lab: str, engine: str, data: str) -> Waits:
    """Train by turns with the autotuner and without it."""
    prepared = prepare(load_dataset(data))
    config = TrainingConfig(lab=lab, engine=engine)
    backend.set_determinism(on=True)
    backend.seed_everything(config.seed)
    model = build_model(LABS[lab])
    compile_model(model, ENGINES[engine], config, samples=len(prepared.x_train))
    train_model(model, prepared, config, epochs=1)  # traces and compiles
    seconds: dict[str, list[float]] = {"shipped": [], "without": []}
    for _ in range(TURNS):
        for name, pipelines in (("shipped", contextlib.nullcontext), ("without", backend.without_autotuner)):
            with pipelines():
                begin = time.perf_counter()
                train_model(model, prepared, config, epochs=EPOCHS)
                seconds[name].append((time.perf_counter() - begin) / EPOCHS)
    return Waits(backend.load_tensorflow().__version__, backend.read_keras_version(), **seconds)


def format_row(found: Waits) -> str:
    """Return what one process measured as a row of the table."""
    ratios = [on / off for on, off in zip(found.shipped, found.without, strict=True)]
    return (
        f"| {found.tensorflow} | {found.keras} | {statistics.median(found.shipped):.3f} "
        f"| {statistics.median(found.without):.3f} "
        f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, n = {len(ratios)}) |"
    )


if __name__ == "__main__":
    main()
