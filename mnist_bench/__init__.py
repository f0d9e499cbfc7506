"""A benchmark and regression suite around a well-known Keras lab on MNIST.

    from mnist_bench import LABS, TrainingConfig, train
    record = train(TrainingConfig(lab="mlp", engine="fused"))

Importing the package imports neither TensorFlow nor NumPy; the names below are loaded when they are used.
"""

from __future__ import annotations

import os
import sys

# `python -m mnist_bench` puts the working folder first, whose modules may have the names of the standard library's.
if sys.argv[:1] == ["-m"] and sys.path[:1] in ([""], [os.getcwd()]):  # noqa: PTH109 - pathlib is not loaded
    del sys.path[0]

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.records.serial import load_record
    from mnist_bench.records.training import TrainingRecord
    from mnist_bench.training.data.dataset import load_dataset
    from mnist_bench.training.engines import ENGINES
    from mnist_bench.training.labs import LABS, build_model
    from mnist_bench.training.runner import train

__all__ = [
    "ENGINES",
    "LABS",
    "TrainingConfig",
    "TrainingRecord",
    "build_model",
    "load_dataset",
    "load_record",
    "train",
]

# Here and not in the metadata of the installed package: where a version is measured, the package is not installed.
__version__ = "0.1.0"

_HOMES = {
    "ENGINES": "training.engines",
    "LABS": "training.labs",
    "TrainingConfig": "records.config",
    "TrainingRecord": "records.training",
    "build_model": "training.labs",
    "load_dataset": "training.data.dataset",
    "load_record": "records.serial",
    "train": "training.runner",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"mnist_bench.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
