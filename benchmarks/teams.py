"""The processes of a contender, resident and idle until they are asked for an epoch.

TensorFlow, JAX, PyTorch and BLAS each keep a thread pool, and pools in one process fight for the cores. So
each contender trains in processes of its own and sleeps while the others are timed. A worker is
`python benchmarks/peers.py --serve NAME`: it reads one JSON request a line and answers each with one line.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from contenders import CONTENDERS, start_trainer
from contenders.task import Clock, Outcome, load_task
from results import Epoch

from mnist_bench.training.workers.pool import share_cores

if TYPE_CHECKING:
    import numpy.typing as npt
    from contenders import Contender
    from contenders.task import Trainer

__all__ = ["AbsentError", "LostError", "Team", "serve"]

# A pool that has just worked spins a while before it sleeps; let it, before the next one is timed.
_PAUSE_SECONDS = 0.3


class AbsentError(RuntimeError):
    """A contender cannot take part here, through no fault; the message is one line."""


class LostError(RuntimeError):
    """A worker failed; the message is one line."""


class Team:
    """The processes of one contender at one task, until it is closed.

    Args:
        contender: Who; it says how many processes.
        lab: A key of `LABS`.
        data: As in `load_dataset`.

    Raises:
        AbsentError: Its library is not installed, or there are too few cores.
        LostError: A process failed.
    """

    def __init__(self, contender: Contender, lab: str, data: str) -> None:
        """Start the processes, and wait until they are ready to train."""
        with contextlib.ExitStack() as stack:
            shares = _choose_cores(contender)
            self._workers = [
                stack.enter_context(contextlib.closing(_Worker(contender.name, cores))) for cores in shares
            ]
            for number, worker in enumerate(self._workers):
                worker.tell(lab=lab, data=data, number=number)
            self._hear()
            self._stack = stack.pop_all()

    def close(self) -> None:
        """End the processes."""
        self._stack.close()

    def train_timed(self, *, follow: bool) -> Epoch:
        """Train a shuffled epoch in every process at once.

        Args:
            follow: Whether it follows another epoch, as in a training. The contenders before this one have filled
                the processor's caches with data of their own.

        Returns:
            Seconds a seed: those from the first begin to the last end, and the CPU time of all processes,
            each divided by the number of processes.
        """
        time.sleep(_PAUSE_SECONDS)
        if follow:
            self._ask(shuffle=True, weights=False)
        answers = self._ask(shuffle=True, weights=False)
        seconds = max(it["end"] for it in answers) - min(it["begin"] for it in answers)
        cpu_seconds = sum(it["cpu_seconds"] for it in answers)
        return Epoch(seconds=seconds / len(answers), cpu_seconds=cpu_seconds / len(answers))

    def train_untimed(self, *, shuffle: bool) -> tuple[Outcome, npt.NDArray[np.float32]]:
        """Train an epoch in every process; return what came of it in the first, all weights in a row."""
        answer = self._ask(shuffle=shuffle, weights=True)[0]
        return Outcome(*answer["outcome"]), np.frombuffer(base64.b64decode(answer["weights"]), np.float32)

    def _ask(self, **request: Any) -> list[dict[str, Any]]:
        for worker in self._workers:
            worker.tell(**request)
        return self._hear()

    def _hear(self) -> list[dict[str, Any]]:
        return [worker.hear() for worker in self._workers]


def _choose_cores(contender: Contender) -> list[list[int] | None]:
    """Return the cores of each process, None where it may use all."""
    if contender.threads is None:
        return [None] * contender.processes
    shares = share_cores(contender.processes)
    if None in shares:
        raise AbsentError(f"needs {contender.processes} cores that processes can be pinned to")
    return [cores[: contender.threads] for cores in shares if cores]


class _Worker:
    """One process, from this side."""

    def __init__(self, name: str, cores: list[int] | None) -> None:
        command = [sys.executable, str(Path(__file__).with_name("peers.py")), "--serve", name]
        if cores is not None:
            command += ["--cores", ",".join(map(str, cores))]
        # A comparison of CPUs, also where one of the libraries would find a GPU.
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed in close
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )

    def tell(self, **request: Any) -> None:
        """Send a request. If the worker is gone, `hear` will say so."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for the answer."""
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            last = self._log.read().strip().rpartition("\n")[2]
            raise LostError(f"its process ended with exit code {self._process.wait()}: {last or 'no message'}")
        answer = json.loads(line)
        if "missing" in answer:
            raise AbsentError(f"not installed: {answer['missing']}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._log.close()


def serve(name: str) -> None:
    """Train as standard input asks, until it ends: the worker's side."""
    # Answers go out by a descriptor of their own: what a library prints must not break the protocol.
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)
        requests, tell = map(json.loads, sys.stdin), lambda **answer: out.write(json.dumps(answer) + "\n")
        opening = next(requests)
        try:
            # The seed of the first is the referee's; the others train seeds of their own.
            task = load_task(opening["lab"], opening["data"], number=opening["number"])
            trainer = start_trainer(CONTENDERS[name], task)
        except ModuleNotFoundError as error:
            tell(missing=error.name)
            return
        tell()
        for request in requests:
            tell(**_train(trainer, **request))


def _train(trainer: Trainer, *, shuffle: bool, weights: bool) -> dict[str, Any]:
    """Train an epoch; the answer holds the weights if they are asked for."""
    clock = Clock()
    outcome = trainer.train_epoch(clock, shuffle=shuffle)
    row = _join(trainer.read_weights()) if weights else b""
    return {**vars(clock), "outcome": outcome, "weights": base64.b64encode(row).decode()}


def _join(weights: Any) -> bytes:
    """Return all weights in a row, and make sure that they are float32: another precision is another race."""
    if wrong := {str(weight.dtype) for weight in weights} - {"float32"}:
        raise TypeError(f"weights must be float32, not {', '.join(sorted(wrong))}")
    return b"".join(weight.tobytes() for weight in weights)
