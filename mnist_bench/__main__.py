"""`python -m mnist_bench`: the command, by the interpreter whose TensorFlow it is to measure."""

from __future__ import annotations

from mnist_bench.cli.app import main

if __name__ == "__main__":
    main()
