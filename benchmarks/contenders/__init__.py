"""Who takes part: each way to train an epoch of a lab, by name, and the module that knows how."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contenders.task import Task, Trainer

__all__ = ["CONTENDERS", "Contender", "start_trainer"]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One row of the comparison.

    Attributes:
        name: The key in `CONTENDERS`.
        label: What people read.
        trainer: Where its `Trainer` is, as `module:class`; imported only in the process that trains.
        options: Keywords for the trainer.
        processes: How many processes train at once, a seed each.
        threads: Cores that each process may use; None means all.
        most_rounds: Timed rounds at most, without a run-up; None means all, each behind an epoch that is not timed.
        trains: Whether it trains at all; the bound only multiplies.
        drops: Whether it can drop units.
        optional: Whether it takes part only if it is named.
    """

    name: str
    label: str
    trainer: str
    options: dict[str, Any] = field(default_factory=dict)
    processes: int = 1
    threads: int | None = None
    most_rounds: int | None = None
    trains: bool = True
    drops: bool = True
    optional: bool = False


CONTENDERS = {
    contender.name: contender
    for contender in (
        # One round: an epoch takes as long as all the others' together, and no close call hangs on it.
        Contender(
            name="eager",
            label="Keras fit, run_eagerly=True: the lab sheet",
            trainer="contenders.fit:Fit",
            options={"engine": "eager"},
            most_rounds=1,
        ),
        Contender(name="graph", label="Keras fit, graph", trainer="contenders.fit:Fit", options={"engine": "graph"}),
        Contender(name="xla", label="Keras fit, XLA", trainer="contenders.fit:Fit", options={"engine": "xla"}),
        Contender(
            name="epoch",
            label="Keras fit, steps_per_execution of an epoch",
            trainer="contenders.fit:Fit",
            options={"engine": "epoch"},
        ),
        Contender(name="fused", label="our fused epoch", trainer="contenders.fused:Fused"),
        Contender(
            name="fused-pair",
            label="our fused epoch, 2 seeds in 2 processes, a core each",
            trainer="contenders.fused:Fused",
            processes=2,
            threads=1,
        ),
        Contender(name="torch", label="PyTorch, eager loop", trainer="contenders.torch_loop:TorchLoop"),
        # Slower than the eager loop here, and it compiles for half a minute.
        Contender(
            name="torch-compiled",
            label="PyTorch, torch.compile",
            trainer="contenders.torch_loop:TorchLoop",
            options={"compiled": True},
            optional=True,
        ),
        Contender(name="jax", label="JAX, jit of a scan", trainer="contenders.jax_scan:JaxScan"),
        Contender(name="numpy", label="NumPy, by hand", trainer="contenders.numpy_loop:NumpyLoop"),
        Contender(
            name="sklearn",
            label="scikit-learn MLPClassifier",
            trainer="contenders.sklearn_mlp:SklearnMlp",
            drops=False,
        ),
        Contender(
            name="bound",
            label="bound: the matrix products alone, BLAS",
            trainer="contenders.products:Products",
            trains=False,
        ),
    )
}


def start_trainer(contender: Contender, task: Task) -> Trainer:
    """Import the contender's module and have it prepare the task.

    Raises:
        ModuleNotFoundError: Its library is not installed.
    """
    module, _, name = contender.trainer.partition(":")
    return getattr(importlib.import_module(module), name)(task, **contender.options)
