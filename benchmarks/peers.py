"""One epoch of ours compared with Keras's, PyTorch's, JAX's, NumPy's and scikit-learn's, in one run.

    python benchmarks/peers.py --json peers.json --markdown > table.md

Seconds of the training part of an epoch: 48,000 images, batches of 128, SGD at 0.1, float32, reshuffled. Each
contender is resident in processes of its own; the referee compares a first epoch with the project's float64
oracle; then one epoch each in turn, round by round. A ratio is the median of the ratios within the rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from contenders import CONTENDERS

from mnist_bench.training.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results import Results


def main() -> int:
    """Measure and print; return 0, or 1 if a contender failed or was refused."""
    options = _parse(sys.argv[1:])
    if options.serve:
        if options.cores:
            # Before anything that sizes its thread pool by the cores it may use is imported.
            os.sched_setaffinity(0, map(int, options.cores.split(",")))
        from teams import serve

        serve(options.serve)
        return 0
    from scoreboard import show_results

    from mnist_bench.records.files import write_atomically
    from mnist_bench.records.serial import dump_json

    try:
        results = _measure(options)
    except ValueError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    show_results(results, markdown=options.markdown)
    if options.json:
        write_atomically(options.json, dump_json(results).encode())
    return int(any(entry.failed for entry in results.entries))


def _measure(options: argparse.Namespace) -> Results:
    """Race all labs.

    Raises:
        ValueError: The data cannot be had, or TensorFlow is missing, which ours need.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ValueError("TensorFlow is not installed: pip install 'mnist-bench[cpu]'")
    from contenders.task import load_task
    from contest import race
    from machine import describe_load, describe_machine
    from referee import Referee
    from results import Results

    contenders = [CONTENDERS[name] for name in CONTENDERS if name in options.only]
    before, entries = describe_load(), []
    for lab in dict.fromkeys(options.labs):
        task = load_task(lab, options.data)
        budget = options.seconds_budget
        entries += race(contenders, Referee(task), rounds=options.rounds, seconds_budget=budget, tell=_tell)
    load = f"{before} before, {describe_load()} after (the contest itself keeps about all cores busy)"
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    environment = {"date": date, "data": task.dataset.label, **describe_machine(), "load average": load}
    return Results(dataset_digest=task.dataset.digest, environment=environment, entries=entries)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _fail(message)


def _fail(message: str) -> NoReturn:
    _tell(f"peers.py: {message}")
    raise SystemExit(2)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labs", nargs="+", choices=LABS, default=list(LABS), metavar="LAB", help="all if none")
    usual = [name for name, contender in CONTENDERS.items() if not contender.optional]
    parser.add_argument(
        "--only",
        nargs="+",
        choices=CONTENDERS,
        default=usual,
        metavar="NAME",
        help=f"of {', '.join(CONTENDERS)}",
    )
    # Odd, so that the median is a round that happened.
    parser.add_argument("--rounds", type=_count, default=9, metavar="N", help="timed epochs of each [9]")
    parser.add_argument(
        "--seconds-budget",
        type=_seconds,
        default=float("inf"),
        metavar="S",
        help="begin no round, but the first, later than this in a lab",
    )
    parser.add_argument("--data", default="auto", metavar="SOURCE", help="auto, mnist, digits or a path [auto]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all seconds there")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--serve", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--cores", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.json and options.json.exists():
        parser.error(f"{options.json} exists already")
    return options


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number >= 0:  # so written that NaN fails
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
