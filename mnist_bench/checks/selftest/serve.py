"""Plants faults in forks of this process, one fork each, and checks or trains there: the child's side of the self-test.

TensorFlow is imported once, and has not computed anything when the process forks: so a fork takes no time, has no
fault but its own, and what it patches ends with it. Each line of standard input is a request.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from mnist_bench.training.workers.child import describe_exit, open_events, pin_by_option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mnist_bench.training.data.dataset import Dataset
    from mnist_bench.training.workers.child import Tell

__all__ = ["MODULE", "main"]

MODULE = "checks.selftest.serve"  # as `Child` starts it

# A fork that hangs, for example in a planted race, ends. Sound checks and trainings take some seconds, and on a busy
# machine some minutes. A halted process is late, too: its trainings can be made again (`selftest --fault`).
_LIMIT_SECONDS = 600


def main() -> None:
    """Serve requests from standard input until it ends."""
    pin_by_option()
    with open_events() as tell:
        from mnist_bench.training.backend import choose_device, load_tensorflow
        from mnist_bench.training.data.dataset import load_dataset

        source = json.loads(sys.stdin.readline())["source"]
        dataset = load_dataset(source)
        load_tensorflow()
        choose_device("cpu")
        tell(event="ready")
        for line in sys.stdin:
            _fork(json.loads(line), source, dataset, tell)


def _fork(request: dict[str, Any], source: str, dataset: Dataset, tell: Tell) -> None:
    """Answer a request in a fork; tell `failed` if the fork ends without an answer."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(_LIMIT_SECONDS)
            _answer(source, dataset, tell, **request)
            status = 0
        except Exception:  # noqa: BLE001 - the parent is told that this fork has failed, and the log says why
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    late = code == -signal.SIGALRM
    reason = f"no end within {_LIMIT_SECONDS} s" if late else f"the process {describe_exit(code)}"
    tell(event="failed" if code else "finished", reason=reason, late=late)


def _answer(source: str, dataset: Dataset, tell: Tell, *, answer: str, **request: Any) -> None:
    """Answer a request by the function that it names."""
    answers: dict[str, Callable[..., None]] = {"checks": _check, "training": _train}
    answers[answer](source, dataset, tell, **request)


def _check(source: str, dataset: Dataset, tell: Tell, *, fault: str, engine: str, ignored: Sequence[str]) -> None:
    """Run the fast checks with a fault planted; "" plants none."""
    from mnist_bench.checks.faults.planting import plant
    from mnist_bench.checks.selftest.plan import run_checks
    from mnist_bench.training.engines import check_engine

    check_engine(engine)
    begin = time.perf_counter()
    if fault:
        plant(fault)
    for result in run_checks(engine, source, dataset, ignored=ignored):
        tell(event="checked", result=result, seconds=time.perf_counter() - begin)


def _train(
    source: str,
    dataset: Dataset,
    tell: Tell,
    *,
    fault: str,
    lab: str,
    engine: str,
    seed: int,
    epochs: int | None,
) -> None:
    """Train a lab with a fault planted, so many epochs, or in full with None; "" plants no fault."""
    from mnist_bench.checks.faults.planting import plant
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.runner import train

    if fault:
        plant(fault)
    config = TrainingConfig(lab=lab, engine=engine, seed=seed, epochs=epochs, data=source)
    tell(event="trained", record=train(config, dataset=dataset))
