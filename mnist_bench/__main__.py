"""`python -m mnist_bench`: the command, by the interpreter whose TensorFlow it is to measure."""

from __future__ import annotations

import os
import sys

# Python puts the working folder first, whose modules may have the names of the standard library's.
sys.path[:1] = [path for path in sys.path[:1] if path not in ("", os.getcwd())]  # noqa: PTH109 - pathlib is not loaded

from mnist_bench.cli.app import main  # noqa: E402

if __name__ == "__main__":
    main()
