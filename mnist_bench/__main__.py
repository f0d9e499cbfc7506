"""The command as a program, and `python -m mnist_bench`, by the interpreter whose TensorFlow it is to measure."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command; also an interrupt while its modules are being imported ends in one line, and no traceback."""
    try:
        from mnist_bench.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("mnist-bench: interrupted\n")
        sys.exit(130)  # as in the command itself
    run()


if __name__ == "__main__":
    main()
