"""The family `matrix`: its commands, in the order of its help."""

from __future__ import annotations

from mnist_bench.cli.matrix.bisect import bisect
from mnist_bench.cli.matrix.export import export
from mnist_bench.cli.matrix.pairs import pairs
from mnist_bench.cli.matrix.report import report
from mnist_bench.cli.matrix.versions import add, list_all, run
from mnist_bench.cli.shell import make_family

__all__ = ["matrix"]

matrix = make_family("Measure every TensorFlow and Keras version in an environment of its own.")
matrix.command("list")(list_all)
for command in (add, run, pairs, report, bisect, export):
    matrix.command()(command)
