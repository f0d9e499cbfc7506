"""The start of a child process: `PYTHON boot.py MODULE LIFELINE` runs the `main` of a module of this package.

The interpreter may be that of an environment under test: nothing is installed there, and the package is loaded from
where this file lies without a new folder on the interpreter's path. A package of the same name that is installed
there is not used.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path

__all__ = ["main"]

_FAULT = "MNIST_BENCH_FAULT"  # `records.environment.FAULT_VARIABLE`, which is not loaded yet


def main() -> None:
    """Load the package that this file belongs to, and run `main()` of the module that the first argument names."""
    here = Path(__file__).resolve().parent
    # Python puts the script's folder first: none of the files here is meant to be importable by its bare name.
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]
    spec = importlib.util.spec_from_file_location("mnist_bench", here.parents[1] / "__init__.py")
    if spec is None or spec.loader is None:
        sys.exit(f"{here.parents[1]}: the package mnist_bench is not there")
    module = sys.modules["mnist_bench"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from mnist_bench.training.workers.surroundings import ignore_matplotlib_settings

    ignore_matplotlib_settings()
    name, lifeline = sys.argv.pop(1), int(sys.argv.pop(1))
    threading.Thread(target=_end_with_parent, args=[lifeline], daemon=True).start()
    if _FAULT in os.environ:
        # The self-test's alone, whose processes start others: a record that is made under a fault says so, and is no
        # baseline.
        importlib.import_module("mnist_bench.checks.faults.planting").plant_from_environment()
    importlib.import_module(f"mnist_bench.{name}").main()


def _end_with_parent(lifeline: int) -> None:
    """End this process when the parent has closed its end of a pipe, on purpose or because it was killed."""
    os.read(lifeline, 1)
    os._exit(1)  # from a thread, and without waiting for TensorFlow


if __name__ == "__main__":
    main()
