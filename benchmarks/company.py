"""Seeds a minute: a company of seeds in one program, a process a core, and peers, in turn in one run.

    python benchmarks/company.py                          # the mlp on this machine's device
    python benchmarks/company.py --sizes 1 64 1024 --processes 4       # on a GPU
    python benchmarks/company.py --only fused jax torch   # next to JAX's vmap and PyTorch's

Each contender trains epochs of the lab: 48,000 images, batches of 128, SGD at 0.1, float32, each seed with its own
weights and its own order. Each round times one epoch of each contender, after an epoch that is not timed, and every
other round runs in the reverse order. Printed: the median of the rounds as seconds an epoch of a seed, and the seeds
a minute that this makes with the lab's epochs, validation and test left out. docs/performance.md has the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mnist_bench.training.workers.pool import share_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

_FIRST = 1671


class Contender(NamedTuple):
    """One row: the way of training, the seeds in one program, and the processes at once, each on its share of cores."""

    way: str
    size: int
    processes: int

    def __str__(self) -> str:
        """Return how people read it."""
        return f"{self.way}, {self.size} in a program, {self.processes} at once"


def main() -> None:
    """Measure and print; a worker serves one contender."""
    options = _parse()
    if options.serve:
        _serve(options.lab, Contender(options.serve, options.size, 1), options.first, options.cores)
        return
    rows = list(_list_contenders(options))
    teams = {row: _start(row, options.lab) for row in rows}
    seconds: dict[Contender, list[float]] = {row: [] for row in rows}
    try:
        for number in range(options.rounds + 1):
            for row in rows[:: -1 if number % 2 else 1]:
                took = _time_epoch(teams[row]) / (row.size * row.processes)
                if number:  # the first round compiles
                    seconds[row].append(took)
    finally:
        for process in [process for team in teams.values() for process in team]:
            process.kill()
    _show(options.lab, seconds)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="mlp", help="a lab [mlp]")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="seeds in one program")
    parser.add_argument("--only", nargs="+", choices=_WAYS, default=["fused"], help="which ways [fused]")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, default=cores, help="seeds alone, each in a process [one a core]")
    parser.add_argument("--rounds", type=int, default=5, help="timed epochs of each [5]")
    parser.add_argument("--serve", choices=_WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=_FIRST, help=argparse.SUPPRESS)
    parser.add_argument("--cores", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _list_contenders(options: argparse.Namespace) -> Iterator[Contender]:
    """Yield each way with each size, one process on all cores, and then seeds alone in several processes."""
    for way in options.only:
        for size in options.sizes:
            yield Contender(way, size, 1)
        yield Contender(way, 1, options.processes)


def _start(row: Contender, lab: str) -> list[subprocess.Popen[str]]:
    """Start the processes of a contender, which train different seeds."""
    team = []
    for number, cores in enumerate(share_cores(row.processes)):
        command = [sys.executable, __file__, "--serve", row.way, "--lab", lab, "--size", str(row.size)]
        command += ["--first", str(_FIRST + number * row.size), "--cores", ",".join(map(str, cores or []))]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
        team.append(process)
    return team


def _time_epoch(team: Sequence[subprocess.Popen[str]]) -> float:
    """Train one epoch untimed and one timed, in all processes at once; return the seconds from begin to end."""
    answers: list[dict[str, float]] = []
    for _ in range(2):
        for process in team:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for process in team if process.stdout is not None]
    return max(it["end"] for it in answers) - min(it["begin"] for it in answers)


def _show(lab: str, seconds: dict[Contender, list[float]]) -> None:
    from mnist_bench.training.labs import LABS

    print("| how | s an epoch of a seed | lowest to highest | seeds a minute |\n| --- | --- | --- | --- |")
    for row, took in seconds.items():
        middle = statistics.median(took)
        rate = 60 / (middle * LABS[lab].epochs)
        print(f"| {row} | {middle:.4f} | {min(took):.4f} to {max(took):.4f}, n = {len(took)} | {rate:.1f} |")


def _serve(lab: str, row: Contender, first: int, cores: str) -> None:
    """Train an epoch for each line of standard input."""
    if cores:
        os.sched_setaffinity(0, map(int, cores.split(",")))  # before a library counts the cores
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    train = _WAYS[row.way](lab, list(range(first, first + row.size)))
    for _ in sys.stdin:
        begin = time.perf_counter()
        train()
        out.write(json.dumps({"begin": begin, "end": time.perf_counter()}) + "\n")


class _Task(NamedTuple):
    """The data of a lab and the weights of each seed; of one seed too, all have the axis of seeds first."""

    prepared: Any
    dropout: float
    weights: list[npt.NDArray[np.float32]]
    orders: Iterator[npt.NDArray[np.int32]]


def _load(lab: str, seeds: Sequence[int]) -> _Task:
    from contenders.task import draw_weights

    from mnist_bench.training.data.dataset import load_dataset, prepare
    from mnist_bench.training.fused import epoch_orders
    from mnist_bench.training.labs import LABS

    prepared = prepare(load_dataset("auto"), 0.2)
    weights = [np.stack(lanes) for lanes in zip(*(draw_weights(LABS[lab], seed) for seed in seeds), strict=True)]
    drawn = [epoch_orders(len(prepared.x_train), seed) for seed in seeds]
    return _Task(prepared, LABS[lab].dropout, weights, map(np.stack, zip(*drawn, strict=True)))


def _make_fused(lab: str, seeds: Sequence[int]) -> Callable[[], object]:
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.backend import set_determinism
    from mnist_bench.training.fusion import Company

    set_determinism(on=True)
    task = _load(lab, seeds)
    configs = [TrainingConfig(lab=lab, engine="fused", seed=seed) for seed in seeds]
    company = Company(task.prepared, configs, dropout=task.dropout, validate=False)
    state: list[Any] = [weight[0] for weight in task.weights] if len(seeds) == 1 else list(task.weights)

    def train() -> None:
        state[:], _ = company.train_epoch(state)

    return train


def _make_jax(lab: str, seeds: Sequence[int]) -> Callable[[], object]:
    """`vmap` of the contender's epoch over the seeds."""
    import jax
    import jax.numpy as jnp
    from contenders.jax_scan import compile_epoch
    from contenders.task import load_task

    task = _load(lab, seeds)
    split = len(task.prepared.x_train)
    images = jax.device_put(task.prepared.pixels[:split])
    labels = jax.device_put(task.prepared.y_train.argmax(axis=1).astype(np.int32))
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    epoch = jax.jit(jax.vmap(compile_epoch(load_task(lab, "auto")), in_axes=(0, 0, 0, None, None)))
    state: list[Any] = [[jnp.array(weight) for weight in task.weights], keys]

    def train() -> None:
        *state[:], loss, _ = epoch(*state, next(task.orders), images, labels)
        loss.block_until_ready()

    return train


def _make_torch(lab: str, seeds: Sequence[int]) -> Callable[[], object]:
    """`torch.func.vmap` of the gradient over the seeds, in a Python loop over the steps; without dropout."""
    import torch

    task = _load(lab, seeds)
    if task.dropout:
        raise SystemExit("torch: has no dropout here")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = torch.from_numpy(task.prepared.x_train).to(device)
    labels = torch.from_numpy(task.prepared.y_train.argmax(axis=1)).to(device)
    state = [torch.from_numpy(weight).to(device) for weight in task.weights]

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            x = torch.relu(x @ kernel + bias)
        return torch.nn.functional.cross_entropy(x @ weights[-2] + weights[-1], y)

    gradients = torch.func.vmap(torch.func.grad(loss_of))

    def train() -> None:
        orders = torch.from_numpy(next(task.orders).astype(np.int64)).to(device)
        for batch in orders.split(128, dim=1):
            moves = gradients(state, images[batch], labels[batch])
            for weight, move in zip(state, moves, strict=True):
                weight.sub_(move, alpha=0.1)
        state[0].sum().item()  # waits for the device

    return train


_WAYS = {"fused": _make_fused, "jax": _make_jax, "torch": _make_torch}

if __name__ == "__main__":
    main()
