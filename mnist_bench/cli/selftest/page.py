"""The page of what the records in a folder say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnist_bench.cli.selftest.kept import PLANTED, REPLAYED, TRAINED
from mnist_bench.cli.shell import echo

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_page", "write_page"]

_NOT_PLANTED = "No planted faults are on record in this folder: `mnist-bench selftest` plants them."


def check_page(path: Path) -> None:
    """Refuse to replace a page that this command did not write."""
    from mnist_bench.checks.selftest.report import MARK
    from mnist_bench.records.files import check_replaceable

    check_replaceable(path, MARK)


def write_page(path: Path, out: Path) -> None:
    """Write the page of what the records in the folder say."""
    from mnist_bench.checks.baselines import find_folder
    from mnist_bench.checks.selftest.effects import find_effects, find_references
    from mnist_bench.checks.selftest.effects_report import format_effects
    from mnist_bench.checks.selftest.records import SelftestRecord, SelftestTrainings
    from mnist_bench.checks.selftest.report import MARK, format_report
    from mnist_bench.records.files import replace_own
    from mnist_bench.records.serial import load
    from mnist_bench.versions.replay.records import ReplayRecord
    from mnist_bench.versions.replay.report import format_replays

    planted, replayed, trained = out / PLANTED, out / REPLAYED, out / TRAINED
    trainings = load(trained, SelftestTrainings) if trained.exists() else None
    effects = find_effects(trainings, find_references(trainings.dataset, find_folder())) if trainings else []
    parts = [f"{MARK}\n\n{_NOT_PLANTED}\n"]
    if planted.exists():
        parts = [format_report(load(planted, SelftestRecord), effects)]
    parts += [format_effects(trainings, effects)] if trainings else []
    parts += [format_replays(load(replayed, ReplayRecord))] if replayed.exists() else []
    replace_own(path, "\n".join(parts).encode(), MARK)
    echo(f"written: {path}")
