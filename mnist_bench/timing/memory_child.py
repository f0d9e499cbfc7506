"""The process whose memory is measured: it imports TensorFlow, trains some epochs, and notes its size."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from mnist_bench.timing.clock import RoundClock, read_peak_memory, reset_peak_memory
from mnist_bench.training.workers.child import open_events

__all__ = ["MODULE", "main", "measure"]

MODULE = "timing.memory_child"


def main() -> None:
    """Measure what standard input asks for, and tell what was used, or why it could not be measured."""
    with open_events() as tell:
        try:
            tell(event="value", value=measure(**json.loads(sys.stdin.readline())))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
            from mnist_bench.training.backend import explain_error

            tell(event="failed", reason=explain_error(error))


def measure(*, lab: str, engine: str, device: str, data: str, epochs: int, fault: str) -> dict[str, Any]:
    """Return the fields of a `MemoryRecord`; "" plants no fault.

    Raises:
        ValueError: The system does not tell the size of a process.
    """
    before = read_size()
    from mnist_bench.records.config import TrainingConfig
    from mnist_bench.training.backend import load_tensorflow

    load_tensorflow()
    imported = read_size() - before
    from mnist_bench.timing.trial import Trial, on_device, prepare_process
    from mnist_bench.training.data.dataset import load_dataset, prepare
    from mnist_bench.training.engines import check_engine
    from mnist_bench.training.fingerprint import collect_environment

    dataset, config = load_dataset(data), TrainingConfig(lab=lab, engine=engine, device=device)
    if fault:
        from mnist_bench.checks.faults.planting import plant

        plant(fault)
    reset_peak_memory()
    sizes = []
    with on_device(device):
        prepare_process(config)
        trial = Trial(config, prepare(dataset), RoundClock())
        for _ in range(epochs):
            trial.train_epoch()
            sizes.append(read_size())
    environment = collect_environment(device=device, xla=check_engine(engine).xla)
    return {
        **{name: getattr(environment, name) for name in ("device", "hardware_key", "tensorflow", "keras")},
        "lab": lab,
        "engine": engine,
        "dataset_digest": dataset.digest,
        "import_mb": imported,
        "peak_mb": read_peak_memory(),
        "epochs_mb": sizes,
    }


def read_size() -> float:
    """Return the resident size of this process in MB.

    Raises:
        ValueError: The system does not tell.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError as error:
        raise ValueError("this system does not tell the size of a process: memory is measured on Linux") from error
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
