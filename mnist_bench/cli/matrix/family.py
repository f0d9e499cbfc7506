"""The family `matrix`: its commands, in the order of its help."""

from __future__ import annotations

from mnist_bench.cli.families import make_family
from mnist_bench.cli.matrix.bisect import bisect
from mnist_bench.cli.matrix.export import export
from mnist_bench.cli.matrix.pairs import pairs
from mnist_bench.cli.matrix.report import report
from mnist_bench.cli.matrix.versions import add, list_all, run

__all__ = ["matrix"]

matrix = make_family("Measure versions of TensorFlow and Keras, and report on them.")
matrix.command("list")(list_all)
for command in (add, run, pairs, report, bisect, export):
    matrix.command()(command)
